//! What happens to headers, as the library reads it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::{HeaderChanges, HeaderRules, Part};

#[derive(Debug, Serialize)]
pub(super) struct Headers {
    request: Changes,
    response: Changes,
}

#[derive(Debug, Serialize)]
struct Changes {
    set: BTreeMap<String, Vec<Piece>>,
    remove: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Text(String),
    Variable(&'static str),
}

impl Headers {
    pub(super) fn new(rules: &HeaderRules) -> Self {
        let HeaderRules { request, response } = rules;
        Self { request: Changes::new(request), response: Changes::new(response) }
    }
}

impl Changes {
    fn new(changes: &HeaderChanges) -> Self {
        let HeaderChanges { set, remove } = changes;
        let piece = |part: &Part| match part {
            Part::Text(text) => Piece::Text(text.clone()),
            Part::Variable(variable) => Piece::Variable(variable.name()),
        };
        let set = set.iter().map(|(name, parts)| (name.clone(), parts.iter().map(piece).collect()));
        Self { set: set.collect(), remove: remove.clone() }
    }
}
