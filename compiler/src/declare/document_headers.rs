//! What happens to headers, as the library reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{HeaderChanges, HeaderRules, Part};
use super::words;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Headers {
    pub(super) request: Changes,
    pub(super) response: Changes,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    pub(super) set: BTreeMap<String, Vec<Piece>>,
    pub(super) remove: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Piece {
    Text(String),
    Variable(String),
}

impl Headers {
    pub(super) fn new(rules: &HeaderRules) -> Self {
        let HeaderRules { request, response } = rules;
        let mut request = Changes::new(request);
        request.remove_twins();
        Self { request, response: Changes::new(response) }
    }
}

impl Changes {
    fn new(changes: &HeaderChanges) -> Self {
        let HeaderChanges { set, remove } = changes;
        let piece = |part: &Part| match part {
            Part::Text(text) => Piece::Text(text.clone()),
            Part::Variable(variable) => Piece::Variable(variable.name().to_owned()),
        };
        let set = set.iter().map(|(name, parts)| (name.clone(), parts.iter().map(piece).collect()));
        Self { set: set.collect(), remove: remove.clone() }
    }

    /// Removes what some services take for one of these headers, too: `x_caller` for `x-caller`.
    fn remove_twins(&mut self) {
        let names: Vec<String> = self.set.keys().chain(&self.remove).cloned().collect();
        let mut twins: Vec<String> = names.iter().flat_map(|name| words::spellings(name)).collect();
        twins.sort();
        twins.dedup();
        self.remove.extend(twins.into_iter().filter(|twin| !names.contains(twin)));
    }
}
