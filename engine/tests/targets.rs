//! Paths and queries, compared with what OPA's Envoy plugin made of them.
//!
//! `fixtures/targets.json` is the output of `envoyauth.RequestToInput` of opa-envoy-plugin 1.14.1 (Go 1.26)
//! for hand-picked and random request targets: the two parsed fields, or that it failed. Bytes that are not
//! UTF-8 after decoding stand there as U+FFFD, one for each.

use regorus::Value;
use serde::Deserialize;
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::input::InputBuilder;
use sidegate_engine::needs::Needs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    target: String,
    #[serde(default)]
    error: bool,
    path: Option<serde_json::Value>,
    query: Option<serde_json::Value>,
}

#[test]
fn targets_read_as_in_go() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("fixtures/targets.json")).expect("the fixture is JSON");
    assert!(cases.len() > 300);
    let builder = InputBuilder::new(&Workload::default());
    for case in cases {
        let attributes = Attributes { headers: [(":path", &case.target)].into(), ..Attributes::default() };
        let target = &case.target;
        assert_eq!(builder.build(&Needs::none(), &attributes).is_err(), case.error, "{target:?}");
        match builder.build(&Needs::all(), &attributes) {
            Ok(input) => {
                let expected = |json: &Option<serde_json::Value>| {
                    Value::from(json.clone().expect("a case without error has both fields"))
                };
                assert!(!case.error, "{target:?}");
                assert_eq!(input["parsed_path"], expected(&case.path), "{target:?}");
                assert_eq!(input["parsed_query"], expected(&case.query), "{target:?}");
            }
            Err(error) => assert!(case.error, "{target:?}: {error}"),
        }
    }
}
