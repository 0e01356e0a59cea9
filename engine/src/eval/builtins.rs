//! The builtins a plan may call.

use std::fmt;

use regorus::Value;

use super::EvalError;
use super::context::Context;
use super::table::{self, Entry, Reads, Unanswered};
use super::{values, written};

/// A builtin, ready to be called.
#[derive(Clone, Copy)]
pub struct Builtin {
    entry: &'static Entry,
    /// Whether it reads numbers from text, and whether it writes them.
    pub(super) reads_numbers: bool,
    pub(super) writes_numbers: bool,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.entry.name, self.entry.arity)
    }
}

impl Builtin {
    /// The builtin called `name`, if plans may call it.
    pub fn find(name: &str) -> Option<Self> {
        let (reads_numbers, writes_numbers) = (written::reads(name), written::writes(name));
        table::find(name).map(|entry| Self { entry, reads_numbers, writes_numbers })
    }

    /// Names of every builtin that plans may call, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        table::names()
    }

    /// Whether the answer depends on the arguments alone: not on the clock, on chance or on what runs the
    /// policy.
    pub fn is_pure(&self) -> bool {
        self.entry.reads == Reads::Nothing
    }

    /// Whether a call may need [`Context::now_ns`].
    pub fn uses_clock(&self) -> bool {
        self.entry.reads == Reads::Clock
    }

    /// Whether a call may need [`Context::seed`].
    pub fn uses_randomness(&self) -> bool {
        self.entry.reads == Reads::Chance
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// Number of arguments.
    pub fn arity(&self) -> usize {
        usize::from(self.entry.arity)
    }

    /// Steps to charge before the call; not more than `most` are looked for in large arguments.
    pub fn cost(&self, args: &[Value], most: u64) -> u64 {
        self.entry.cost(args, most)
    }

    /// The result, or undefined where the builtin has an error (OPA's plugin is non-strict). An error
    /// where the answer is not certain to be OPA's.
    pub fn call(&self, args: &[Value], context: &Context) -> Result<Value, EvalError> {
        if args.len() != self.arity() {
            return Ok(Value::Undefined);
        }
        (self.entry.answer)(args, context).map_err(|why| match why {
            Unanswered::Inexact => EvalError::Inexact(self.entry.name),
            Unanswered::Missing(what) => EvalError::Missing(what),
        })
    }

    /// Why a call with the constant `value` as the argument at `at` (from 0) would always be an error,
    /// if it would.
    pub fn refusal(&self, at: usize, value: &Value) -> Option<&'static str> {
        values::refusal(self.entry.name, at, value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_allowed_builtin_exists_and_the_list_is_sorted() {
        let names: Vec<_> = Builtin::names().collect();
        assert!(names.is_sorted() && values::ENTRIES.is_sorted_by_key(|entry| entry.name));
        assert!(names.iter().all(|name| Builtin::find(name).is_some()));
        assert!(Builtin::find("http.send").is_none());
        assert!(Builtin::find("net.lookup_ip_addr").is_none());
    }

    #[test]
    fn a_call_that_would_produce_much_is_charged_before_it_runs() {
        let long = Value::from("a".repeat(60_000));
        let replace = Builtin::find("replace").unwrap();
        assert!(replace.cost(&[long.clone(), Value::from("a"), long], 100_000) > 500_000);
        let matching = Builtin::find("regex.match").unwrap();
        let pattern = Value::from("(a|b|c|d|e|f){500}");
        assert!(matching.cost(&[pattern, Value::from("a".repeat(60_000))], 100_000) > 1_000_000);
    }

    /// Each of these keys is text in the next one, and has twice the backslashes there.
    #[test]
    fn keys_that_are_collections_are_charged_as_what_they_are_written_as() {
        let object = |key: Value| Value::from(BTreeMap::from([(key, Value::Null)]));
        let nested = |levels| (0..levels).fold(Value::from("a"), |key, _| object(key));
        let empty = Value::new_object();
        for (name, args) in [
            ("json.marshal", vec![nested(64)]),
            ("json.marshal", vec![Value::from(vec![nested(30)])]),
            ("json.marshal_with_options", vec![nested(64), empty]),
            ("urlquery.encode_object", vec![nested(64)]),
        ] {
            assert!(Builtin::find(name).unwrap().cost(&args, 100_000) > 100_000, "{name}");
        }
        let marshal = Builtin::find("json.marshal").unwrap();
        assert!(marshal.cost(&[nested(8)], 100_000) < 1_000);
        let values = (0..8)
            .fold(Value::from("a"), |value, _| Value::from(BTreeMap::from([(Value::from("b"), value)])));
        assert_eq!(marshal.cost(&[values], 100_000), 16 / 4 * 5 + 1);
    }

    #[test]
    fn nothing_nests_without_end() {
        let call = |name: &str, args: &[Value]| Builtin::find(name).unwrap().call(args, &Context::default());
        let copy = Value::from_json_str(r#"{"op":"copy","from":"","path":"/a"}"#).unwrap();
        let patches = |n| [Value::from_json_str("{}").unwrap(), Value::from(vec![copy.clone(); n])];
        assert!(call("json.patch", &patches(100)).is_ok());
        assert_eq!(call("json.patch", &patches(200)), Err(EvalError::Inexact("json.patch")));
        let document = Value::from_json_str(r#"{"a":{"b":1}}"#).unwrap();
        let path = |n| Value::from(vec![Value::from("a/".repeat(n))]);
        assert!(call("json.remove", &[document.clone(), path(100)]).is_ok());
        assert_eq!(call("json.remove", &[document, path(60_000)]), Err(EvalError::Inexact("json.remove")));
        let deep =
            |open: &str, close: &str| Value::from(format!("{}a{}", open.repeat(5000), close.repeat(5000)));
        for pattern in [deep("(", ")"), deep("(?:", ")*"), deep("", "(?i)*"), deep("[[", "]]")] {
            let _ = call("regex.match", &[pattern, Value::from("a")]);
        }
        assert!(call("glob.match", &[deep("{", "}"), Value::Null, Value::from("a")]).is_err());
    }

    #[test]
    fn errors_are_undefined() {
        let to_number = Builtin::find("to_number").unwrap();
        let call = |args: &[Value]| to_number.call(args, &Context::default());
        assert_eq!(call(&[Value::from("x")]), Ok(Value::Undefined));
        assert_eq!(call(&[Value::from("2")]), Ok(Value::from(2_u64)));
        assert_eq!(call(&[]), Ok(Value::Undefined));
    }
}
