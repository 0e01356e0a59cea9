use super::*;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(text: &str) -> Result<Decision, DecisionError> {
    Decision::read(&Value::from_json_str(text).unwrap(), &Limits::default())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn booleans_and_bare_objects() {
    for allowed in ["true", r#"{"allowed":true}"#, r#"{"allowed":true,"unknown":1}"#] {
        assert_eq!(read(allowed), Ok(Decision::Allow(Allow::default())), "{allowed}");
    }
    for denied in ["false", r#"{"allowed":false}"#] {
        assert_eq!(read(denied), Ok(Decision::Deny(Deny::bare(403))), "{denied}");
    }
}

#[test]
fn what_a_decision_says_of_itself() {
    let marks = |text: &str| {
        let value = Value::from_json_str(text).unwrap();
        Decision::read_marked(&value, &Limits::default())
            .map(|(_, marks)| (marks.is_shadow, marks.is_undeclared))
    };
    for (decision, expected) in [
        ("true", (false, false)),
        ("false", (false, false)),
        (r#"{"allowed":true}"#, (false, false)),
        (r#"{"allowed":true,"mode":"shadow"}"#, (true, false)),
        (r#"{"allowed":false,"mode":"shadow"}"#, (true, false)),
        (r#"{"allowed":false,"mode":"enforce","undeclared":false}"#, (false, false)),
        (r#"{"allowed":false,"undeclared":true}"#, (false, true)),
        (r#"{"allowed":true,"undeclared":false}"#, (false, false)),
    ] {
        assert_eq!(marks(decision), Ok(expected), "{decision}");
    }
    for (decision, code) in [
        (r#"{"allowed":true,"mode":"Shadow"}"#, "decision_mode"),
        (r#"{"allowed":false,"mode":""}"#, "decision_mode"),
        (r#"{"allowed":true,"mode":null}"#, "decision_key_type"),
        (r#"{"allowed":false,"mode":["shadow"]}"#, "decision_key_type"),
        (r#"{"allowed":true,"undeclared":true}"#, "decision_undeclared"),
        (r#"{"allowed":false,"undeclared":1}"#, "decision_key_type"),
        (r#"{"mode":"shadow"}"#, "decision_allowed_missing"),
        (r#"{"allowed":false,"mode":"shadow","http_status":1}"#, "decision_http_status"),
    ] {
        assert_eq!(marks(decision).map_err(|error| error.code()), Err(code), "{decision}");
        assert_eq!(read(decision).map_err(|error| error.code()), Err(code), "{decision}");
    }
}

#[test]
fn everything_of_an_allow() {
    let decision = read(
        r#"{"allowed":true,
            "headers":[{"X-B":"1"},{"x-a":["1","2"],"X-B":"2"}],
            "request_headers_to_add":{"X-More":["1","2"]},
            "request_headers_to_remove":["X-Gone","Host"],
            "request_header_prefixes_to_remove":["X-Int-"],
            "response_headers_to_add":{"Set-Cookie":["a=1","b=2"]},
            "response_headers_to_set":{"x-s":"1"},
            "response_headers_to_remove":["Server"],
            "response_header_prefixes_to_remove":["x-debug-","X-B3-"],
            "query_parameters_to_set":{"lang":"en","x":["1","2"]},
            "query_parameters_to_remove":["token"],
            "dynamic_metadata":{"a":{"b":[1]}}}"#,
    );
    let expected = Allow {
        request_headers_to_set: pairs(&[("x-b", "1"), ("x-b", "2"), ("x-a", "1"), ("x-a", "2")]),
        request_headers_to_add: pairs(&[("x-more", "1"), ("x-more", "2")]),
        request_headers_to_remove: vec!["x-gone".into()],
        request_header_prefixes_to_remove: vec!["x-int-".into()],
        response_headers_to_add: pairs(&[("set-cookie", "a=1"), ("set-cookie", "b=2")]),
        response_headers_to_set: pairs(&[("x-s", "1")]),
        response_headers_to_remove: vec!["server".into()],
        response_header_prefixes_to_remove: vec!["x-debug-".into(), "x-b3-".into()],
        query_parameters_to_set: pairs(&[("lang", "en"), ("x", "1"), ("x", "2")]),
        query_parameters_to_remove: vec!["token".into()],
        dynamic_metadata: Some(Value::from_json_str(r#"{"a":{"b":[1]}}"#).unwrap()),
    };
    assert_eq!(decision, Ok(Decision::Allow(expected)));
}

#[test]
fn everything_of_a_deny() {
    let decision = read(
        r#"{"allowed":false,"http_status":302,"body":"go","headers":{"Location":"/login","Host":"x"},
            "dynamic_metadata":{}}"#,
    );
    let expected = Deny {
        status: 302,
        headers: pairs(&[("host", "x"), ("location", "/login")]),
        body: "go".into(),
        dynamic_metadata: Some(Value::new_object()),
    };
    assert_eq!(decision, Ok(Decision::Deny(expected)));
}

#[test]
fn keys_of_the_other_branch_are_not_looked_at() {
    let allow = r#"{"allowed":true,"body":1,"http_status":"x"}"#;
    assert!(matches!(read(allow), Ok(Decision::Allow(_))));
    let deny = r#"{"allowed":false,"request_headers_to_remove":1,"response_headers_to_add":1,
        "response_headers_to_set":1,"response_headers_to_remove":1,"query_parameters_to_set":1,
        "query_parameters_to_remove":1}"#;
    assert!(matches!(read(deny), Ok(Decision::Deny(_))));
}

#[test]
fn what_is_no_decision() {
    let cases = [
        ("null", "decision_type"),
        ("1", "decision_type"),
        (r#""true""#, "decision_type"),
        ("[true]", "decision_type"),
        ("{}", "decision_allowed_missing"),
        (r#"{"allow":true}"#, "decision_allowed_missing"),
        (r#"{"allowed":"true"}"#, "decision_key_type"),
        (r#"{"allowed":null}"#, "decision_key_type"),
        (r#"{"allowed":true,"headers":"x"}"#, "decision_key_type"),
        (r#"{"allowed":true,"headers":["x"]}"#, "decision_key_type"),
        (r#"{"allowed":true,"headers":{"x":1}}"#, "decision_key_type"),
        (r#"{"allowed":true,"headers":{"x":["a",1]}}"#, "decision_key_type"),
        (r#"{"allowed":true,"headers":{"x":null}}"#, "decision_key_type"),
        (r#"{"allowed":true,"request_headers_to_remove":"x"}"#, "decision_key_type"),
        (r#"{"allowed":true,"request_headers_to_remove":[1]}"#, "decision_key_type"),
        (r#"{"allowed":true,"query_parameters_to_set":[{"a":"b"}]}"#, "decision_key_type"),
        (r#"{"allowed":true,"query_parameters_to_set":{"a":1}}"#, "decision_key_type"),
        (r#"{"allowed":true,"query_parameters_to_set":{"a":"b c"}}"#, "decision_query_parameter"),
        (r#"{"allowed":true,"dynamic_metadata":[]}"#, "decision_key_type"),
        (r#"{"allowed":true,"headers":{"x":"a\r\nb: c"}}"#, "decision_header_value"),
        (r#"{"allowed":true,"headers":{"x y":"a"}}"#, "decision_header_name"),
        (r#"{"allowed":true,"headers":{"":"a"}}"#, "decision_header_name"),
        (r#"{"allowed":true,"headers":{":path":"/"}}"#, "decision_header_reserved"),
        (r#"{"allowed":true,"headers":{"Host":"a"}}"#, "decision_header_reserved"),
        (r#"{"allowed":true,"request_headers_to_remove":[":method"]}"#, "decision_header_reserved"),
        (r#"{"allowed":false,"headers":{":status":"200"}}"#, "decision_header_reserved"),
        (r#"{"allowed":false,"body":1}"#, "decision_key_type"),
        (r#"{"allowed":false,"http_status":"403"}"#, "decision_key_type"),
        (r#"{"allowed":false,"http_status":403.5}"#, "decision_http_status"),
        (r#"{"allowed":false,"http_status":0}"#, "decision_http_status"),
        (r#"{"allowed":false,"http_status":100}"#, "decision_http_status"),
        (r#"{"allowed":false,"http_status":418}"#, "decision_http_status"),
        (r#"{"allowed":false,"http_status":-403}"#, "decision_http_status"),
        (r#"{"allowed":false,"http_status":65939}"#, "decision_http_status"),
    ];
    for (text, code) in cases {
        assert_eq!(read(text).expect_err(text).code(), code, "{text}");
    }
    let undefined = Decision::read(&Value::Undefined, &Limits::default());
    assert_eq!(undefined, Err(DecisionError::Undefined));
}

#[test]
fn sets_are_arrays_and_other_keys_are_json_text() {
    let value = |text: &str| Value::from_json_str(text).unwrap();
    let names: std::collections::BTreeSet<_> = [value(r#""b""#), value(r#""a""#)].into();
    let headers = std::collections::BTreeMap::from([(value("1"), value(r#""x""#))]);
    let decision = std::collections::BTreeMap::from([
        (value(r#""allowed""#), Value::Bool(true)),
        (value(r#""request_headers_to_remove""#), Value::from(names)),
        (value(r#""headers""#), Value::from(headers)),
    ]);
    let expected = Allow {
        request_headers_to_remove: vec!["a".into(), "b".into()],
        request_headers_to_set: pairs(&[("1", "x")]),
        ..Allow::default()
    };
    let read = Decision::read(&Value::from(decision), &Limits::default());
    assert_eq!(read, Ok(Decision::Allow(expected)));
}

#[test]
fn output_is_bounded_in_sum() {
    let limits = Limits { output_bytes: 10, ..Limits::default() };
    let read = |text: &str| Decision::read(&Value::from_json_str(text).unwrap(), &limits);
    assert!(read(r#"{"allowed":false,"body":"0123456789"}"#).is_ok());
    assert!(read(r#"{"allowed":true,"headers":{"ab":"012","cd":"345"}}"#).is_ok());
    for text in [
        r#"{"allowed":false,"body":"0123456789a"}"#,
        r#"{"allowed":false,"body":"01234","headers":{"abc":"012"}}"#,
        r#"{"allowed":true,"request_headers_to_remove":["abcdef","ghijk"]}"#,
        r#"{"allowed":true,"query_parameters_to_set":{"abcdef":"ghijk"}}"#,
        r#"{"allowed":true,"dynamic_metadata":{"abc":1}}"#,
    ] {
        assert_eq!(read(text), Err(DecisionError::OutputBytes { limit: 10 }), "{text}");
    }
}

/// Each of these keys is text in the next one, and has twice the backslashes there: what is kept for the host is not larger
/// than the limit lets it be.
#[test]
fn metadata_is_bounded_as_it_is_written() {
    let object = |key: Value, value| Value::from(std::collections::BTreeMap::from([(key, value)]));
    let nested = |levels| (0..levels).fold(Value::from("a"), |key, _| object(key, Value::Null));
    let read = |levels| {
        let decision = [("allowed", Value::Bool(true)), ("dynamic_metadata", nested(levels))];
        let decision: std::collections::BTreeMap<_, _> =
            decision.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
        Decision::read(&Value::from(decision), &Limits::default())
    };
    let Ok(Decision::Allow(Allow { dynamic_metadata: Some(metadata), .. })) = read(10) else { panic!() };
    assert!(crate::actions::metadata_text(&metadata).unwrap().len() < Limits::default().output_bytes);
    for levels in [20, 64, 100] {
        assert_eq!(read(levels), Err(DecisionError::OutputBytes { limit: 65_536 }), "{levels}");
    }
}
