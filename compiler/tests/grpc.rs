//! gRPC bodies, compared with what OPA's Envoy plugin made of them.
//!
//! `fixtures/grpc.pb` is a descriptor set with every kind of field, `fixtures/grpc.jsonl` what
//! `envoyauth.RequestToInput` says of hand-picked and random messages of it; `make fixtures` writes both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use regorus::Value;
use serde::Deserialize;
use sidegate_compiler::{BuildOptions, Sources};
use sidegate_engine::attributes::{Attributes, Body, Workload};
use sidegate_engine::input::{InputBuilder, RequestError};
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    path: String,
    body: String,
    #[serde(default)]
    error: bool,
    #[serde(default)]
    cut: bool,
    parsed: Option<serde_json::Value>,
}

fn sources(descriptors: &[u8]) -> Sources {
    let rego = "package envoy.authz\nallow if input.parsed_body.x";
    let modules = vec![("a.rego".to_owned(), rego.to_owned())];
    let descriptors = vec![("grpc.pb".to_owned(), descriptors.to_vec())];
    Sources { descriptors, ..Sources::from_parts(modules, Value::new_object()) }
}

/// A builder as the filter has it: its messages come out of a bundle.
fn builder() -> InputBuilder {
    let sources = sources(include_bytes!("fixtures/grpc.pb"));
    let built = sidegate_compiler::build(&sources, &BuildOptions::default()).unwrap();
    let limits = Limits::default();
    let bundle = Trust::nothing_required().bundle(&built.bundle, &limits, &Workload::default()).unwrap();
    let policy = Policy::load(bundle, "envoy/authz/allow", limits).unwrap();
    InputBuilder::new(&Workload::default()).with_messages(policy.messages())
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// As the fixture has it: numbers by their text.
fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Number(number) => Value::from_numeric_string(number.as_str()).unwrap(),
        serde_json::Value::Array(items) => Value::from(items.into_iter().map(value).collect::<Vec<_>>()),
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, field)| (Value::from(key), value(field)));
            Value::from(fields.collect::<BTreeMap<_, _>>())
        }
        other => Value::from(other),
    }
}

#[test]
fn messages_read_as_in_the_plugin() {
    let builder = builder();
    let lines: Vec<&str> = include_str!("fixtures/grpc.jsonl").lines().collect();
    assert!(lines.len() > 1500);
    let (mut read_whole, mut inexact, mut differing) = (0, 0, Vec::new());
    for line in &lines {
        let call: Call = serde_json::from_str(line).unwrap();
        let bytes = unhex(&call.body);
        let attributes = Attributes {
            headers: [(":path", call.path.as_str()), ("content-type", "application/grpc+proto")].into(),
            body: Some(Body { received: bytes.len(), bytes, is_cut: false }),
            ..Attributes::default()
        };
        let got = builder.build(&Needs::all(), &attributes);
        let is_right = match &got {
            Ok(input) => {
                let parsed = call.parsed.clone().map_or(Value::Null, value);
                read_whole += usize::from(parsed != Value::Null);
                !call.error
                    && input["parsed_body"] == parsed
                    && input["truncated_body"] == Value::Bool(call.cut)
            }
            Err(RequestError::BodyInexact) => {
                inexact += 1;
                true
            }
            Err(_) => call.error,
        };
        if !is_right {
            let got = got.map(|input| input["parsed_body"].to_string());
            differing.push(format!("{line}\n    got {got:?}"));
        }
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    assert!(read_whole > lines.len() / 2, "only {read_whole} messages were read");
    // `Any` with something in it, and paths of a field mask that Go has an opinion about.
    assert!(inexact < lines.len() / 20, "{inexact} messages are refused as inexact");
}

#[test]
fn what_is_no_descriptor_set_is_refused() {
    let whole = include_bytes!("fixtures/grpc.pb");
    for (bytes, said) in [
        (&b"no set"[..], "expected a descriptor set of Protocol Buffers"),
        (b"", "expected a service in the descriptor set, got none"),
        (&whole[..whole.len() - 1], "expected a descriptor set of Protocol Buffers"),
    ] {
        let findings = sidegate_compiler::build(&sources(bytes), &BuildOptions::default()).unwrap_err();
        assert!(findings.to_string().contains(said), "{findings}");
    }
}
