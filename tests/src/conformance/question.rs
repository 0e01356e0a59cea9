//! What a case asks of a policy: the query as the body of a rule.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use sidegate_compiler::{Manifest, Sources};
use sidegate_engine::Value;

use super::case::Case;

/// The package that the query's rule is in.
const PACKAGE: &str = "conformance_query";

/// The document that has the answer: a set of objects, one for each solution, the variables their keys.
pub(super) const ENTRYPOINT: &str = "conformance_query/result";

/// A case as a policy with one entry point.
pub struct Question {
    /// Modules, the query's among them, and data.
    pub sources: Sources,
    /// Version of the language.
    pub version: u32,
    /// The input; undefined where the case has none.
    pub input: Value,
}

impl Question {
    /// The question of a case.
    ///
    /// # Errors
    /// The case's input cannot be read.
    pub fn new(case: &Case) -> Result<Self, String> {
        let data = case.data.clone().map_or_else(Value::new_object, Value::from);
        let mut sources = Sources::from_parts(modules(case), data);
        sources.manifest = Some(Manifest {
            revision: "conformance".into(),
            roots: vec![String::new()],
            rego_version: Some(case.version),
            ..Manifest::default()
        });
        Ok(Self { sources, version: case.version, input: input(case)? })
    }
}

/// The case's modules, named as OPA's runner names them, and the query's.
fn modules(case: &Case) -> Vec<(String, String)> {
    let given = case.modules.iter().flatten().enumerate();
    let mut modules: Vec<_> = given.map(|(at, text)| (format!("test-{at}.rego"), text.clone())).collect();
    modules.push(("query.rego".into(), query_module(case)));
    modules
}

fn query_module(case: &Case) -> String {
    let solutions = case.want_result.iter().flatten();
    let variables: BTreeSet<&str> =
        solutions.flat_map(|solution| solution.keys().map(String::as_str)).collect();
    let pairs: Vec<String> = variables.iter().map(|name| format!("\"{name}\": {name}")).collect();
    let solution = format!("{{{}}}", pairs.join(", "));
    let query = case.query.trim();
    if case.version == 0 {
        format!("package {PACKAGE}\n\nresult[solution] {{\n\t{query}\n\tsolution := {solution}\n}}\n")
    } else {
        format!("package {PACKAGE}\n\nresult contains {solution} if {{\n\t{query}\n}}\n")
    }
}

fn input(case: &Case) -> Result<Value, String> {
    match (&case.input_term, &case.input) {
        (Some(term), _) => match Value::from_json_str(term) {
            Ok(value) => Ok(value),
            // A term that is no JSON: sets, keys that are no strings.
            Err(_) => evaluate(term),
        },
        (None, Some(input)) => Ok(Value::from(input.clone())),
        (None, None) => Ok(Value::Undefined),
    }
}

fn evaluate(term: &str) -> Result<Value, String> {
    let unreadable = |what: String| format!("expected a term as input, got `{term}`: {what}");
    let mut engine = regorus::Engine::new();
    let results = engine.eval_query(term.to_owned(), false).map_err(|error| unreadable(error.to_string()))?;
    let value = results.result.first().and_then(|result| result.expressions.first());
    value.map(|expression| expression.value.clone()).ok_or_else(|| unreadable("it has no value".into()))
}

/// The questions for a real OPA (`tests/opa/conformance`), one object a case.
pub fn questions_json(cases: &[Case]) -> Json {
    let question = |case: &Case| {
        let modules: Map<String, Json> =
            modules(case).into_iter().map(|(name, text)| (name, Json::from(text))).collect();
        json!({
            "id": case.id,
            "rego_version": case.version,
            "modules": modules,
            "query": format!("data.{}", ENTRYPOINT.replace('/', ".")),
            "data": case.data.clone().unwrap_or_else(|| json!({})),
            "input": case.input,
            "input_term": case.input_term,
        })
    };
    cases.iter().map(question).collect()
}
