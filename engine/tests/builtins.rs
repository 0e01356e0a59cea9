//! Every builtin that plans may call, against OPA's answers.
//!
//! `fixtures/builtins.json` holds calls with what OPA 1.22.2 answered; no `opa` is an error or undefined
//! there. `builtins-crypto.json` is written by `tests/opa/crypto`. `{"$set": […]}` is a set, `{"$object": [[k, v], …]}` an object with keys that are no strings,
//! `{"$bytes": true}` a string that is not UTF-8. `refused` marks what we do not answer: there an
//! evaluation is an error, never a guess.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use sidegate_engine::Value;
use sidegate_engine::eval::{Builtin, Context};

mod recorded;

use recorded::value;

/// What OPA was told, too.
const CONTEXT: Context = Context { now_ns: Some(1_767_323_045_678_901_000), seed: Some([0; 32]) };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    args: Vec<Json>,
    #[serde(default, deserialize_with = "present")]
    opa: Option<Json>,
    #[serde(default)]
    refused: bool,
    /// We may answer or not.
    #[serde(default)]
    either: bool,
}

/// `null` is an answer, too.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

fn run(name: &str, case: &Case) -> Result<(), String> {
    let builtin = Builtin::find(name).ok_or("expected an allowed builtin")?;
    let args: Vec<Value> = case.args.iter().map(value).collect();
    match (builtin.call(&args, &CONTEXT), case.refused) {
        (Err(error), refused) if (refused || case.either) && error.code() == "eval_inexact" => Ok(()),
        (Ok(got), false) => {
            let want = case.opa.as_ref().map_or(Value::Undefined, value);
            if got == want { Ok(()) } else { Err(format!("expected {want:?}, got {got:?}")) }
        }
        (got, refused) => Err(format!("expected refused to be {refused}, got {got:?}")),
    }
}

#[test]
fn builtins_answer_as_opa_or_not_at_all() {
    let files = [
        include_str!("fixtures/builtins.json"),
        include_str!("fixtures/builtins-crypto.json"),
        include_str!("fixtures/builtins-values.json"),
    ];
    let mut cases: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for file in files {
        let more: BTreeMap<String, Vec<Case>> = serde_json::from_str(file).unwrap();
        for (name, more) in more {
            cases.entry(name).or_default().extend(more);
        }
    }
    // No two answers of these are alike (engine/tests/context.rs has them); these have many results, or are no
    // function that a policy can write (compiler/tests/documents.yaml has them).
    let elsewhere = ["internal.template_string", "opa.runtime", "uuid.rfc4122", "walk"];
    let missing: Vec<_> =
        Builtin::names().filter(|name| !elsewhere.contains(name) && !cases.contains_key(*name)).collect();
    assert!(missing.is_empty(), "without cases: {missing:?}");
    let failures: Vec<String> = cases
        .iter()
        .flat_map(|(name, cases)| cases.iter().map(move |case| (name, case)))
        .filter_map(|(name, case)| {
            run(name, case).err().map(|why| format!("{name}({})\n  {why}", Json::from(case.args.clone())))
        })
        .collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
