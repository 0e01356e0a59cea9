//! The builtins a plan may call: regorus's, by an allow-list, each with what a call may cost.

use std::collections::BTreeSet;
use std::fmt;

use regorus::Value;
use regorus::unstable::{BUILTINS, Expr, Ref, Source, Span};

use super::EvalError;
use super::answers::{self, Own};
use super::context::Context;
use super::ops::depth_weight;
use super::table::{self, Entry, Reads, Unanswered};

type Function = fn(&Span, &[Ref<Expr>], &[Value], bool) -> anyhow::Result<Value>;

/// What a call may produce in relation to its arguments; it decides what is charged before the call.
#[derive(Clone, Copy, Debug)]
enum Growth {
    /// About as much as the arguments.
    Linear,
    /// The same, but a collection that is the first argument is not gone through.
    First,
    /// Up to the product of the first two arguments' sizes and the last one's.
    Product,
    /// A value for every few bytes.
    Parsed,
    /// Every state of a pattern at every character of a text.
    Pattern,
}

/// Builtins whose answers depend on their arguments alone and whose cost they bound. What is not here is
/// refused, by name, when a policy is built: clocks, randomness, the network, and what can be made to
/// run for long (`numbers.range`, `bits.lsh`, `graph.*`) or to panic (`strings.count` of `""`).
const ALLOWED: &[(&str, Growth)] = &[
    ("abs", Growth::Linear),
    ("array.concat", Growth::Linear),
    ("array.reverse", Growth::Linear),
    ("array.slice", Growth::Linear),
    ("base64.decode", Growth::Linear),
    ("base64.encode", Growth::Linear),
    ("base64.is_valid", Growth::Linear),
    ("base64url.decode", Growth::Linear),
    ("base64url.encode", Growth::Linear),
    ("base64url.encode_no_pad", Growth::Linear),
    ("bits.and", Growth::Linear),
    ("bits.negate", Growth::Linear),
    ("bits.or", Growth::Linear),
    ("bits.xor", Growth::Linear),
    ("ceil", Growth::Linear),
    ("concat", Growth::Product),
    ("contains", Growth::Linear),
    ("count", Growth::First),
    ("endswith", Growth::Linear),
    ("floor", Growth::Linear),
    ("format_int", Growth::Linear),
    ("glob.match", Growth::Pattern),
    ("glob.quote_meta", Growth::Linear),
    ("hex.decode", Growth::Linear),
    ("hex.encode", Growth::Linear),
    ("indexof", Growth::Product),
    ("indexof_n", Growth::Product),
    ("intersection", Growth::Linear),
    ("is_array", Growth::First),
    ("is_boolean", Growth::First),
    ("is_null", Growth::First),
    ("is_number", Growth::First),
    ("is_object", Growth::First),
    ("is_set", Growth::First),
    ("is_string", Growth::First),
    ("json.is_valid", Growth::Parsed),
    ("json.marshal", Growth::Linear),
    ("json.unmarshal", Growth::Parsed),
    ("lower", Growth::Linear),
    ("max", Growth::Linear),
    ("min", Growth::Linear),
    ("object.filter", Growth::Linear),
    ("object.get", Growth::First),
    ("object.keys", Growth::Linear),
    ("object.remove", Growth::Linear),
    ("object.subset", Growth::Product),
    ("object.union", Growth::Linear),
    ("object.union_n", Growth::Linear),
    ("product", Growth::Linear),
    ("regex.match", Growth::Pattern),
    ("regex.split", Growth::Pattern),
    ("replace", Growth::Product),
    ("round", Growth::Linear),
    ("semver.compare", Growth::Linear),
    ("semver.is_valid", Growth::Linear),
    ("sort", Growth::Linear),
    ("split", Growth::Linear),
    ("sprintf", Growth::Linear),
    ("startswith", Growth::Linear),
    ("strings.any_prefix_match", Growth::Product),
    ("strings.any_suffix_match", Growth::Product),
    ("strings.reverse", Growth::Linear),
    ("substring", Growth::Linear),
    ("sum", Growth::Linear),
    ("to_number", Growth::Linear),
    ("trim", Growth::Linear),
    ("trim_left", Growth::Linear),
    ("trim_prefix", Growth::Linear),
    ("trim_right", Growth::Linear),
    ("trim_space", Growth::Linear),
    ("trim_suffix", Growth::Linear),
    ("type_name", Growth::First),
    ("union", Growth::Linear),
    ("upper", Growth::Linear),
    ("urlquery.decode", Growth::Linear),
    ("urlquery.encode", Growth::Linear),
];

/// A builtin, ready to be called.
pub struct Builtin {
    name: &'static str,
    function: Function,
    arity: u8,
    growth: Growth,
    /// The answer where regorus's is not always OPA's.
    own: Option<Own>,
    /// The answer where regorus has none.
    entry: Option<&'static Entry>,
    /// The functions take the source of the call for their messages, which nobody reads here.
    span: Span,
    exprs: Vec<Ref<Expr>>,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.arity)
    }
}

impl Builtin {
    /// The builtin called `name`, if plans may call it.
    pub fn find(name: &str) -> Option<Self> {
        if let Some(entry) = table::find(name) {
            return Self::new(entry.name, Growth::Linear, (|_, _, _, _| Ok(Value::Undefined), entry.arity))
                .map(|builtin| Self { entry: Some(entry), ..builtin });
        }
        let (name, growth) = ALLOWED.iter().find(|(allowed, _)| *allowed == name)?;
        let known: (Function, u8) = match BUILTINS.get(name) {
            Some(known) => *known,
            // Answered here alone: regorus's would bring the tables of a crate that knows all of Unicode's
            // host names into the filter.
            None => (|_, _, _, _| Ok(Value::Undefined), answers::own_arity(name)?),
        };
        Self::new(name, *growth, known)
    }

    fn new(name: &'static str, growth: Growth, (function, arity): (Function, u8)) -> Option<Self> {
        let source = Source::from_contents(String::new(), String::new()).ok()?;
        let span = Span { source, line: 1, col: 1, start: 0, end: 0 };
        let expr = Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
        let exprs = vec![expr; usize::from(arity)];
        Some(Self { name, function, arity, growth, own: answers::own(name), entry: None, span, exprs })
    }

    /// Names of every builtin that plans may call, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let names: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).chain(table::names()).collect();
        names.into_iter()
    }

    /// Whether the answer depends on the arguments alone: not on the clock, on chance or on what runs the
    /// policy.
    pub fn is_pure(&self) -> bool {
        self.reads() == Reads::Nothing
    }

    /// Whether a call may need [`Context::now_ns`].
    pub fn uses_clock(&self) -> bool {
        self.reads() == Reads::Clock
    }

    /// Whether a call may need [`Context::seed`].
    pub fn uses_randomness(&self) -> bool {
        self.reads() == Reads::Chance
    }

    fn reads(&self) -> Reads {
        self.entry.map_or(Reads::Nothing, |entry| entry.reads)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Number of arguments.
    pub fn arity(&self) -> usize {
        usize::from(self.arity)
    }

    /// Steps to charge before the call; not more than `most` are looked for in large arguments.
    pub(super) fn cost(&self, args: &[Value], most: u64) -> u64 {
        if let Some(entry) = self.entry {
            return entry.cost(args, most);
        }
        let seen = match (self.growth, args.split_first()) {
            (Growth::First, Some((Value::Array(_) | Value::Set(_) | Value::Object(_), rest))) => rest,
            _ => args,
        };
        let linear = depth_weight(seen, most).saturating_add(1);
        match self.growth {
            Growth::Linear | Growth::First => linear,
            // Weights are in steps; the sizes they stand for multiply.
            Growth::Product => args
                .iter()
                .map(|arg| elements(arg).saturating_add(1))
                .fold(1_u64, u64::saturating_mul)
                .checked_div(4096)
                .unwrap_or(u64::MAX)
                .saturating_add(linear),
            Growth::Parsed => linear.saturating_mul(16),
            Growth::Pattern => linear.saturating_add(answers::pattern_steps(args)),
        }
    }

    /// The result, or undefined where the builtin has an error (OPA's plugin is non-strict). An error
    /// where the answer is not certain to be OPA's.
    pub fn call(&self, args: &[Value], context: &Context) -> Result<Value, EvalError> {
        if args.len() != self.arity() {
            return Ok(Value::Undefined);
        }
        if let Some(entry) = self.entry {
            return (entry.answer)(args, context).map_err(|why| match why {
                Unanswered::Inexact => EvalError::Inexact(self.name),
                Unanswered::Missing(what) => EvalError::Missing(what),
            });
        }
        let plain = |args: &[Value]| {
            (self.function)(&self.span, &self.exprs, args, false).unwrap_or(Value::Undefined)
        };
        match self.own {
            Some(own) => own(args, &plain).map_err(|_| EvalError::Inexact(self.name)),
            None => Ok(plain(args)),
        }
    }

    /// Why a call with the constant `value` as the argument at `at` (from 0) would always be an error,
    /// if it would.
    pub fn refusal(&self, at: usize, value: &Value) -> Option<&'static str> {
        answers::refusal(self.name, at, value)
    }
}

/// Bytes or elements.
fn elements(value: &Value) -> u64 {
    let size = match value {
        Value::String(s) => s.len(),
        Value::Array(a) => a.len(),
        Value::Set(s) => s.len(),
        Value::Object(o) => o.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => 1,
    };
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_allowed_builtin_exists_and_the_list_is_sorted() {
        let names: Vec<_> = Builtin::names().collect();
        assert!(ALLOWED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(ALLOWED.iter().all(|(name, _)| table::find(name).is_none()));
        assert!(table::names().is_sorted());
        let missing: Vec<_> = names.iter().filter(|name| Builtin::find(name).is_none()).collect();
        assert!(missing.is_empty(), "not in regorus: {missing:?}");
        assert!(Builtin::find("http.send").is_none());
        assert!(Builtin::find("net.lookup_ip_addr").is_none());
    }

    #[test]
    fn a_call_that_would_produce_much_is_charged_before_it_runs() {
        let long = Value::from("a".repeat(60_000));
        let replace = Builtin::find("replace").unwrap();
        assert!(replace.cost(&[long.clone(), Value::from("a"), long], 100_000) > 500_000);
        let matching = Builtin::find("regex.match").unwrap();
        let pattern = Value::from("(a|b|c|d|e|f){1000}");
        assert!(matching.cost(&[pattern, Value::from("a".repeat(60_000))], 100_000) > 1_000_000);
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
