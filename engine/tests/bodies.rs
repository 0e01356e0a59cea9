//! Bodies, compared with what OPA's Envoy plugin made of them.
//!
//! `fixtures/bodies.jsonl` is written by `tests/opa/body` (`make fixtures`): what
//! `envoyauth.RequestToInput` of opa-envoy-plugin 1.14.1 with OPA 1.22.2 says of hand-picked and of random
//! bodies. Bytes that are not UTF-8 after decoding stand there as U+FFFD, one for each.

#![allow(clippy::expect_used, reason = "tests")]

use regorus::Value;
use serde::Deserialize;
use sidegate_engine::attributes::{Attributes, Body, Workload};
use sidegate_engine::input::{InputBuilder, RequestError};
use sidegate_engine::needs::Needs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    r#type: Option<String>,
    length: Option<String>,
    body: String,
    #[serde(default)]
    error: bool,
    #[serde(default)]
    cut: bool,
    parsed: Option<serde_json::Value>,
}

/// As the fixture has it: numbers by their text.
fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Number(number) => Value::from_numeric_string(number.as_str()).expect("a number"),
        serde_json::Value::Array(items) => Value::from(items.into_iter().map(value).collect::<Vec<_>>()),
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, field)| (Value::from(key), value(field)));
            Value::from(fields.collect::<std::collections::BTreeMap<_, _>>())
        }
        other => Value::from(other),
    }
}

#[test]
fn bodies_read_as_in_the_plugin() {
    let lines: Vec<&str> = include_str!("fixtures/bodies.jsonl").lines().collect();
    assert!(lines.len() > 1500);
    let builder = InputBuilder::new(&Workload::default());
    let mut inexact = 0;
    let mut differing = Vec::new();
    for line in lines {
        let case: Case = serde_json::from_str(line).expect("a line of the fixture is JSON");
        let headers = [("content-type", case.r#type), ("content-length", case.length)];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let body = Body { received: case.body.len(), bytes: case.body.into_bytes(), is_cut: false };
        let attributes = Attributes { headers: headers.collect(), body: Some(body), ..Attributes::default() };
        let read = builder.build(&Needs::all(), &attributes);
        let is_right = match &read {
            Ok(input) => {
                let parsed = case.parsed.clone().map(value);
                !case.error
                    && input["parsed_body"] == parsed.unwrap_or(Value::Null)
                    && input["truncated_body"] == Value::Bool(case.cut)
            }
            Err(RequestError::BodyInexact) => {
                inexact += 1;
                true
            }
            Err(_) => case.error,
        };
        if !is_right {
            let got = read.map(|input| input["parsed_body"].to_string());
            differing.push(format!("{line}\n    got {got:?}"));
        }
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    // What is refused although OPA reads it stays a handful.
    assert!(inexact <= 5, "{inexact} bodies are refused as inexact");
}
