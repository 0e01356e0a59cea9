//! Whatever a client sends and whatever a policy answers, the engine returns.

use proptest::collection::vec;
use proptest::prelude::*;
use regorus::Value;
use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase, Workload};
use sidegate_engine::decide::Settings;
use sidegate_engine::decision::Decision;
use sidegate_engine::eval::EvalError;
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::input::{InputBuilder, RequestError};
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), "[/%?&=;+a-f0-9:\\[\\].\u{20ac}]{0,40}".prop_map(String::into_bytes)]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(b":path".to_vec()), Just(b"x-a".to_vec()), bytes()]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![".{0,12}", "[a-z-]{1,8}"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        text.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((text.clone(), inner), 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_request_is_denied_without_a_policy(
        headers in vec((name(), bytes()), 0..6),
        address in bytes(),
        sans in vec(bytes(), 0..3),
        time in any::<i64>(),
        direction in any::<i64>(),
    ) {
        let attributes = Attributes {
            headers: headers.into_iter().collect(),
            source_address: Some(address.clone()),
            destination_address: Some(address.clone()),
            protocol: Some(address.clone()),
            tls_version: Some(address),
            peer_uri_sans: sans,
            request_time_ns: Some(time),
            listener_direction: Some(direction),
            ..Attributes::default()
        };
        let builder = InputBuilder::new(&Workload::default());
        let gate = Gate::new(Policy::none(), &Workload::default(), Settings::default(), Seed::default());
        let verdict = gate.decide(&attributes);
        prop_assert!(!verdict.actions.is_allow());
        let (all, none) = (Needs::all(), Needs::none());
        let [all, none] = [&all, &none].map(|needs| builder.build(needs, &attributes).err());
        prop_assert_eq!(&verdict.error, &Some(none.map_or(EvalError::NoPolicy.into(), Into::into)));
        if attributes.source_is_forwarded() && none.is_none() {
            // An address that is not the connection's is an error where it is read.
            prop_assert_eq!(all, Some(RequestError::SourceAddress));
        } else {
            // What the policy reads does not change whether a request can be parsed.
            prop_assert_eq!(all, none);
        }
    }

    #[test]
    fn any_answer_is_read(
        allowed in any::<bool>(),
        fields in vec((0..9_usize, json()), 0..4),
        path in bytes(),
    ) {
        const KEYS: [&str; 9] = [
            "headers", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_set",
            "response_headers_to_remove", "query_parameters_to_set", "query_parameters_to_remove", "body",
            "http_status",
        ];
        let mut object: serde_json::Map<_, _> =
            fields.into_iter().map(|(key, value)| (KEYS[key].to_owned(), value)).collect();
        object.insert("allowed".to_owned(), allowed.into());
        let decision = Decision::read(&Value::from(serde_json::Value::Object(object)), &Limits::default());
        let actions = decision.and_then(|decision| Actions::new(decision, Phase::Request, Some(&path)));
        if let Ok(actions) = actions {
            prop_assert_eq!(actions.is_allow(), allowed);
        }
    }
}
