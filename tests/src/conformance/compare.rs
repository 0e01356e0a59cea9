//! Whether an answer is the one that is wanted, where sets are written as arrays.

use serde_json::Value as Json;
use sidegate_engine::Value;

/// Whether two lists of solutions are the same set. With `sort` a binding that is an array may have its
/// elements in any order.
pub(super) fn same_solutions(got: &[&Value], want: &[Json], sort: bool) -> bool {
    let equal = |got: &Value, want: &Json| match (got, want) {
        (Value::Object(got), Json::Object(want)) if sort => {
            got.iter().count() == want.len()
                && got.iter().all(|(key, value)| {
                    let wanted = key.as_string().ok().and_then(|key| want.get(key.as_ref()));
                    wanted.is_some_and(|wanted| same_sorted(value, wanted))
                })
        }
        _ => same(got, want),
    };
    got.iter().all(|got| want.iter().any(|want| equal(got, want)))
        && want.iter().all(|want| got.iter().any(|got| equal(got, want)))
}

/// Whether `got` reads as `want` in JSON. A set matches an array with the same elements in any order, an
/// object's key that is no string is its own JSON; numbers are equal if they are the same number.
fn same(got: &Value, want: &Json) -> bool {
    match (got, want) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::Number(_), Json::Number(b)) => same_number(&got.to_string(), &b.to_string()),
        (Value::String(a), Json::String(b)) => a.as_ref() == b.as_str(),
        (Value::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Set(a), Json::Array(b)) => same_in_any_order(&a.iter().collect::<Vec<_>>(), b),
        (Value::Object(a), Json::Object(b)) => {
            a.iter().count() == b.len()
                && a.iter().all(|(key, value)| b.iter().any(|(k, v)| same_key(key, k) && same(value, v)))
        }
        _ => false,
    }
}

/// As [`same`], where an array at the top may have its elements in any order.
fn same_sorted(got: &Value, want: &Json) -> bool {
    match (got, want) {
        (Value::Array(a), Json::Array(b)) => same_in_any_order(&a.iter().collect::<Vec<_>>(), b),
        _ => same(got, want),
    }
}

fn same_in_any_order(got: &[&Value], want: &[Json]) -> bool {
    let mut left: Vec<&Json> = want.iter().collect();
    got.len() == want.len()
        && got.iter().all(|got| match left.iter().position(|want| same(got, want)) {
            Some(at) => {
                left.swap_remove(at);
                true
            }
            None => false,
        })
}

fn same_key(got: &Value, want: &str) -> bool {
    match got {
        Value::String(key) => key.as_ref() == want,
        _ => serde_json::from_str::<Json>(want).is_ok_and(|want| same(got, &want)),
    }
}

/// Compares decimal literals digit by digit, so that nothing is rounded.
fn same_number(a: &str, b: &str) -> bool {
    a == b || matches!((decimal(a), decimal(b)), (Some(a), Some(b)) if a == b)
}

/// Sign, digits without zeros at either end, and the exponent of the last one.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let mut exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    exponent -= i64::try_from(fraction.len()).ok()?;
    let trimmed = digits.trim_end_matches('0');
    exponent += i64::try_from(digits.len() - trimmed.len()).ok()?;
    let digits = trimmed.trim_start_matches('0');
    Some(if digits.is_empty() { (false, String::new(), 0) } else { (negative, digits.to_owned(), exponent) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        Value::from_json_str(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0.5", "5E-1"), ("-0", "0.0"), ("12300", "123e+2")] {
            assert!(same_number(a, b), "{a} {b}");
        }
        for (a, b) in [("1", "-1"), ("10", "1"), ("9007199254740993", "9007199254740992"), ("1", "x")] {
            assert!(!same_number(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_set_has_no_order_and_an_array_has() {
        let set = Value::from(std::collections::BTreeSet::from([value("1"), value("\"a\""), value("[2]")]));
        assert!(same(&set, &json!(["a", [2], 1])));
        assert!(!same(&set, &json!(["a", [2]])));
        assert!(!same(&set, &json!(["a", [2], 2])));
        assert!(!same(&value("[1,2]"), &json!([2, 1])));
        assert!(same_sorted(&value("[1,2]"), &json!([2, 1])));
        assert!(!same_sorted(&value("[1,1]"), &json!([2, 1])));
    }

    #[test]
    fn keys_that_are_no_strings_are_their_json() {
        let object = Value::from(std::collections::BTreeMap::from([(value("[1, 2]"), value("true"))]));
        assert!(same(&object, &json!({"[1,2]": true})));
        assert!(!same(&object, &json!({"[1,3]": true})));
        assert!(!same(&object, &json!({})));
    }
}
