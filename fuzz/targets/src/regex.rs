//! Regular expressions and globs.

use sidegate_engine::Value;
use sidegate_engine::eval::{Builtin, Context};

use crate::feed::halves;

const STEPS: u64 = 100_000;

/// Whatever the pattern, a search that the budget has room for returns. Of patterns that mean the same everywhere another
/// engine finds the same.
///
/// A pattern, and a text.
pub fn regex(data: &[u8]) {
    let (pattern, text) = halves(data);
    let (pattern, text) = (String::from_utf8_lossy(pattern), String::from_utf8_lossy(text));
    let (pattern, text) = (pattern.as_ref(), text.as_ref());
    let [p, t, all] = [Value::from(pattern), Value::from(text), Value::from(-1_i64)];
    let is_valid = call("regex.is_valid", std::slice::from_ref(&p));
    let found = call("regex.find_n", &[p.clone(), t.clone(), all.clone()]);
    let is_match = call("regex.match", &[p.clone(), t.clone()]);
    let groups = call("regex.find_all_string_submatch_n", &[p.clone(), t.clone(), all]);
    let parts = call("regex.split", &[p.clone(), t.clone()]);
    call("regex.replace", &[t.clone(), p.clone(), Value::from("<$0$1${x}>")]);
    call("regex.template_match", &[p.clone(), t.clone(), Value::from("{"), Value::from("}")]);
    call("glob.match", &[p.clone(), Value::Null, t.clone()]);
    call("glob.match", &[p, Value::from(vec![Value::from("."), Value::from("/")]), t]);
    if is_valid == Some(Value::Bool(false)) {
        assert!(matches!(is_match, None | Some(Value::Undefined)), "{pattern:?} is none, and matches");
    }
    if let (Some(Value::Array(found)), Some(is_match)) = (&found, &is_match) {
        assert_eq!(*is_match, Value::Bool(!found.is_empty()), "{pattern:?} in {text:?}");
    }
    if let (Some(Value::Array(found)), Some(Value::Array(groups))) = (&found, &groups) {
        let firsts: Vec<&Value> = groups.iter().map(|groups| &groups[&Value::from(0_u64)]).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), firsts, "{pattern:?} in {text:?}");
    }
    if let (Some(Value::Array(found)), Some(Value::Array(parts))) = (&found, &parts) {
        assert!(parts.len() <= found.len() + 1);
    }
    if let Some(Value::Array(found)) = found
        && means_the_same(pattern)
        && text.is_ascii()
        && let Ok(other) = ::regex::Regex::new(pattern)
    {
        let wanted: Vec<Value> = other.find_iter(text).map(|found| Value::from(found.as_str())).collect();
        assert_eq!(found.iter().cloned().collect::<Vec<_>>(), wanted, "{pattern:?} in {text:?}");
    }
}

/// Characters that Go and Rust read alike.
fn means_the_same(pattern: &str) -> bool {
    pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .|()*+?^$,-_/".contains(&byte))
        && !pattern.contains("(?")
}

/// The answer, where the budget has room for the call and the answer is certain.
fn call(name: &str, args: &[Value]) -> Option<Value> {
    let builtin = Builtin::find(name).unwrap();
    (builtin.cost(args, STEPS) <= STEPS).then(|| builtin.call(args, &Context::default()).ok()).flatten()
}
