//! Random policies: the plan against OPA's recorded answers, and against the interpreter.
//!
//! `SIDEGATE_RANDOM_POLICIES` and `SIDEGATE_RANDOM_SEED` choose how many are tried and where they start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod policies;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value as Json;
use sidegate_compiler::{BuildOptions, Sources, build, reference};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::{Context, EvalError};
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

#[path = "../../engine/tests/recorded/mod.rs"]
mod recorded;

use recorded::value;

type Answer = Result<Value, EvalError>;

fn sources(rego: &str) -> Sources {
    Sources::from_parts(vec![("t.rego".to_owned(), rego.to_owned())], Value::new_object())
}

/// The plan's answers, or `None` where the policy is refused.
fn answers(sources: &Sources, inputs: &[Value]) -> Option<Vec<Answer>> {
    let options = BuildOptions { entrypoints: vec!["t/r".into()], ..BuildOptions::default() };
    let built = build(sources, &options).ok()?;
    let opened =
        Trust::nothing_required().bundle(&built.bundle, &Limits::default(), &Workload::default()).unwrap();
    let policy = Policy::load(opened, "t/r", Limits::default()).unwrap();
    Some(inputs.iter().map(|input| policy.evaluate(input, &Context::default())).collect())
}

/// How an answer of the interpreter relates to the plan's.
fn class(plan: &Answer, interpreter: &Result<Value, String>, policy: &policies::Policy) -> &'static str {
    match (plan, interpreter) {
        (Ok(a), Ok(b)) if a == b => "same",
        (Err(EvalError::Conflict(_)), Err(_)) => "same",
        // 1 / 3 and the like.
        (Err(EvalError::Inexact(_)), _) => "refused in the evaluation",
        // Type errors of operators and builtins are undefined in OPA; the interpreter raises them, also
        // where it evaluates what OPA and the plan do not reach.
        (Ok(_), Err(_)) => "the interpreter raises an error",
        // It takes the operands of `not` into the negation; the rest is listed with the policy.
        (Ok(_), Ok(_)) if policy.negates || policy.lenient => "known to differ",
        // Which of an undefined and a conflicting part comes first is not the same.
        (Err(EvalError::Conflict(_)), Ok(_)) => "only one conflict",
        _ => "different",
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn random_policies_answer_as_in_the_interpreter() {
    let (first, count) = (setting("SIDEGATE_RANDOM_SEED", 1), setting("SIDEGATE_RANDOM_POLICIES", 1000));
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for seed in first..first + count {
        let policy = policies::policy(seed);
        let sources = sources(&policy.rego);
        let inputs: Vec<Value> = policy.inputs.iter().map(|i| Value::from_json_str(i).unwrap()).collect();
        let Some(answers) = answers(&sources, &inputs) else {
            *classes.entry("refused").or_default() += 1;
            continue;
        };
        for (input, plan) in inputs.iter().zip(&answers) {
            let asked = || reference::evaluate(&sources, "t/r", input);
            // The interpreter itself panics on a few of them.
            let interpreter = catch_unwind(AssertUnwindSafe(asked)).unwrap_or_else(|_| Err("panic".into()));
            let class = class(plan, &interpreter, &policy);
            *classes.entry(class).or_default() += 1;
            if class == "different" {
                let rego = &policy.rego;
                failures.push(format!("--- seed {seed}, input {input}\n{rego}\n{plan:?}\n{interpreter:?}"));
            }
        }
    }
    println!("{classes:?}");
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n"));
    let of = |class: &str| classes.get(class).copied().unwrap_or(0);
    assert!(of("same") > count, "most answers must be comparable: {classes:?}");
    assert!(of("refused") * 10 < count, "few policies may be refused: {classes:?}");
}

/// A policy with OPA's answers to its inputs: `{"value": …}`, `{"error": true}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    rego: String,
    inputs: Vec<Json>,
    opa: Vec<BTreeMap<String, Json>>,
}

#[test]
fn random_policies_answer_as_in_opa() {
    let recorded: Vec<Recorded> = serde_json::from_str(include_str!("fixtures/random.json")).unwrap();
    assert!(recorded.len() >= 250, "{} policies", recorded.len());
    let mut failures = Vec::new();
    for Recorded { rego, inputs, opa } in &recorded {
        let values: Vec<Value> = inputs.iter().map(|input| Value::from(input.clone())).collect();
        let answers = answers(&sources(rego), &values).expect(rego);
        for ((input, opa), got) in inputs.iter().zip(opa).zip(answers) {
            let right = match opa.get("value") {
                Some(want) => got == Ok(value(want)),
                None => matches!(got, Err(EvalError::Conflict(_))),
            };
            if !right {
                failures.push(format!("--- {input}\n{rego}\nplan {got:?}\nOPA {opa:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n"));
}
