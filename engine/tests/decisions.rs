//! Decisions, compared with what OPA's Envoy plugin read from them.
//!
//! `fixtures/decisions.json` is the output of `envoyauth.EvalResult` of opa-envoy-plugin 1.14.1, its methods
//! called in the order of the plugin's check: every key with values of every kind on both branches, and
//! every status code. All names and values in it are fit for the wire, so nothing may differ but the
//! interim statuses, which the plugin passes on.

use regorus::Value;
use serde::Deserialize;
use sidegate_engine::decision::{Allow, Decision, Deny};
use sidegate_engine::limits::Limits;

type Pairs = Vec<(String, String)>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    decision: serde_json::Value,
    #[serde(default)]
    error: bool,
    #[serde(default)]
    allowed: bool,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    body: String,
    #[serde(default)]
    headers: Pairs,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    add: Pairs,
    #[serde(default)]
    query_set: Pairs,
    #[serde(default)]
    query_remove: Vec<String>,
}

#[test]
fn decisions_read_as_in_the_plugin() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("fixtures/decisions.json")).expect("the fixture is JSON");
    assert!(cases.len() > 700);
    for case in cases {
        let read = Decision::read(&Value::from(case.decision.clone()), &Limits::default());
        let is_interim = (1..200).contains(&case.status);
        if case.error || is_interim {
            assert!(read.is_err(), "{case:?}: {read:?}");
            continue;
        }
        // Metadata is the policy's own object, unchanged.
        let dynamic_metadata = case.decision.get("dynamic_metadata").cloned().map(Value::from);
        let expected = if case.allowed {
            Decision::Allow(Allow {
                request_headers_to_set: case.headers,
                request_headers_to_remove: case.remove,
                response_headers_to_add: case.add,
                query_parameters_to_set: case.query_set,
                query_parameters_to_remove: case.query_remove,
                dynamic_metadata,
                ..Allow::default()
            })
        } else {
            Decision::Deny(Deny {
                status: case.status,
                headers: case.headers,
                body: case.body,
                dynamic_metadata,
            })
        };
        assert_eq!(read, Ok(expected), "{}", case.decision);
    }
}
