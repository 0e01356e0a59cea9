//! Clock and chance: constant while an evaluation runs, and an error where they were not given.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

use std::collections::BTreeSet;

use sidegate_engine::Value;
use sidegate_engine::eval::{Builtin, Context, EvalError};

fn seeded(seed: u8) -> Context {
    Context { now_ns: Some(1), seed: Some([seed; 32]) }
}

fn call(name: &str, args: &[Value], context: &Context) -> Result<Value, EvalError> {
    Builtin::find(name).unwrap().call(args, context)
}

#[test]
fn random_values_are_the_same_for_the_same_arguments_and_seed() {
    let args = |text: &str| [Value::from(text), Value::from(1_000_000_u64)];
    let draw = |text: &str, seed| call("rand.intn", &args(text), &seeded(seed)).unwrap();
    assert_eq!(draw("a", 1), draw("a", 1));
    assert_ne!(draw("a", 1), draw("b", 1));
    assert_ne!(draw("a", 1), draw("a", 2));
    let uuid = |key: &str, seed| call("uuid.rfc4122", &[Value::from(key)], &seeded(seed)).unwrap();
    assert_eq!(uuid("k", 1), uuid("k", 1));
    assert_ne!(uuid("k", 1), uuid("l", 1));
    assert_ne!(uuid("k", 1), uuid("k", 2));
}

#[test]
fn random_numbers_are_below_n_and_reach_every_value() {
    let seen: BTreeSet<Value> = (0..=255)
        .map(|seed| call("rand.intn", &[Value::from("x"), Value::from(-5_i64)], &seeded(seed)).unwrap())
        .collect();
    assert_eq!(seen, (0..5_u64).map(Value::from).collect());
}

#[test]
fn random_uuids_are_of_version_4() {
    for seed in 0..50 {
        let uuid = call("uuid.rfc4122", &[Value::from("k")], &seeded(seed)).unwrap();
        let parsed = call("uuid.parse", &[uuid], &seeded(seed)).unwrap();
        assert_eq!(parsed["version"], Value::from(4_u64));
        assert_eq!(parsed["variant"], Value::from("RFC4122"));
    }
}

#[test]
fn what_was_not_given_is_an_error() {
    let none = Context::default();
    assert_eq!(call("time.now_ns", &[], &none), Err(EvalError::Missing("clock")));
    let args = [Value::from("x"), Value::from(5_u64)];
    assert_eq!(call("rand.intn", &args, &none), Err(EvalError::Missing("randomness")));
    assert_eq!(call("uuid.rfc4122", &args[..1], &none), Err(EvalError::Missing("randomness")));
    assert_eq!(call("time.now_ns", &[], &none).unwrap_err().code(), "eval_missing");
}

#[test]
fn the_runtime_tells_nothing_of_the_proxy() {
    let runtime = call("opa.runtime", &[], &Context::default()).unwrap();
    let expected = r#"{"commit": "", "config": {}, "env": {}, "version": "1.22.2"}"#;
    assert_eq!(runtime, Value::from_json_str(expected).unwrap());
}

#[test]
fn purity_is_known_by_name() {
    let impure: Vec<_> = Builtin::names().filter(|name| !Builtin::find(name).unwrap().is_pure()).collect();
    let expected = ["io.jwt.decode_verify", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122"];
    assert_eq!(impure, expected);
}
