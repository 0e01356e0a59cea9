//! What happens to headers of allowed requests, as the model has it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::model::{Answer::Yes, Declaration, Request, is_mine, spiffe};

pub(super) fn changes(declaration: &Declaration, request: &Request, side: usize) -> [Json; 2] {
    let only = request.principal().filter(|_| !request.is_several());
    let parts = only.and_then(spiffe).filter(|[td, ..]| is_mine(declaration, request, td) == Yes);
    let known = [
        ("{source.principal}", only),
        ("{source.namespace}", parts.map(|[_, ns, _]| ns)),
        ("{source.service_account}", parts.map(|[.., sa]| sa)),
        ("{request.id}", request.headers.get("x-request-id").map(String::as_str)),
    ];
    let (mut set, mut gone) = (BTreeMap::new(), declaration.remove[side].clone());
    let mut pairs = declaration.set[side].clone();
    pairs.sort();
    if side == 0 {
        gone.extend(twins(declaration));
    }
    for (name, pattern) in pairs {
        let mut value = Some(pattern);
        for (variable, text) in known {
            value = value.and_then(|value| match value.contains(variable) {
                true => text.map(|text| value.replace(variable, text)),
                false => Some(value),
            });
        }
        match value {
            Some(value) => {
                set.insert(name, value);
            }
            None => gone.push(name),
        }
    }
    [json!(set), json!(gone)]
}

/// Other spellings of the headers of a request that are changed; names have one hyphen here.
fn twins(declaration: &Declaration) -> Vec<String> {
    let named = declaration.set[0].iter().map(|(name, _)| name).chain(&declaration.remove[0]);
    let mut names: Vec<String> = named.map(|name| name.replace('-', "_")).collect();
    names.sort();
    names
}

/// Whether a service may take one name for the other.
pub(super) fn is_twin(one: &str, other: &str) -> bool {
    one != other && one.replace('-', "_") == other.replace('-', "_")
}
