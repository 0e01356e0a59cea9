//! Operations on values, as OPA defines them.

use regorus::Value;

use super::{EvalError, number, order};
use crate::collections;
use crate::plan::{Compare, Operator};

/// Steps that handling a value costs beyond the statement itself: one for 64 bytes or 4 elements, so
/// that work on big values is charged by what it moves.
pub(super) fn weight(value: &Value) -> u64 {
    let (size, unit) = match value {
        Value::String(s) => (s.len(), 64),
        Value::Array(a) => (a.len(), 4),
        Value::Set(s) => (s.len(), 4),
        Value::Object(o) => (o.len(), 4),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => return 0,
    };
    u64::try_from(size / unit).unwrap_or(u64::MAX)
}

/// What a step pays for of a value that is gone through as a whole.
const PARTS_PER_STEP: u64 = 4;

/// Steps for going through values with all that is in them, as comparing and hashing do; never more than
/// `most`. A collection that holds another one a thousand times is as large as it looks.
pub(super) fn depth_weight<'v>(values: impl IntoIterator<Item = &'v Value>, most: u64) -> u64 {
    weigh(values, most, false)
}

/// The same of values that are written as JSON: a collection that is a key is written as text, and in that every key of
/// its kind again, with twice the backslashes.
pub(crate) fn json_weight<'v>(values: impl IntoIterator<Item = &'v Value>, most: u64) -> u64 {
    weigh(values, most, true)
}

fn weigh<'v>(values: impl IntoIterator<Item = &'v Value>, most: u64, is_written: bool) -> u64 {
    let budget = most.saturating_add(1).saturating_mul(PARTS_PER_STEP);
    let mut left = budget;
    values.into_iter().for_each(|value| count(value, 1, is_written, &mut left));
    budget.saturating_sub(left) / PARTS_PER_STEP
}

/// Takes the parts of a value from `left`, `times` over, until nothing is left. Values nest to a known depth.
fn count(value: &Value, times: u64, is_written: bool, left: &mut u64) {
    let mut part = |value: &Value, times: u64| {
        *left = left.saturating_sub(times);
        if *left > 0 {
            count(value, times, is_written, left);
        }
        *left > 0
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => {}
        Value::String(s) => {
            let length = u64::try_from(s.len() / 16).unwrap_or(u64::MAX);
            *left = left.saturating_sub(length.saturating_mul(times));
        }
        Value::Array(items) => {
            items.iter().all(|item| part(item, times));
        }
        Value::Set(items) => {
            items.iter().all(|item| part(item, times));
        }
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| {
                part(key, if is_written { key_times(key, times) } else { times }) && part(value, times)
            });
        }
    }
}

/// How many times as long as itself a key is written in JSON, if that is so of what it is a key of.
pub(crate) fn key_times(key: &Value, times: u64) -> u64 {
    if matches!(key, Value::Array(_) | Value::Set(_) | Value::Object(_)) {
        times.saturating_mul(2)
    } else {
        times
    }
}

/// Whether a collection of `len` elements has the length a pattern asks for.
pub(super) fn has_len(len: usize, wanted: u32) -> bool {
    u32::try_from(len) == Ok(wanted)
}

/// `a op b` by Rego's order over all values.
pub(super) fn compare(op: Compare, a: &Value, b: &Value) -> bool {
    match op {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => order::compare(a, b).is_lt(),
        Compare::Le => order::compare(a, b).is_le(),
        Compare::Gt => order::compare(a, b).is_gt(),
        Compare::Ge => order::compare(a, b).is_ge(),
    }
}

/// `a op b`; undefined where the operator does not take these types or the result does not exist, as a
/// builtin's error is in OPA's plugin.
pub(super) fn operate(op: Operator, a: &Value, b: &Value) -> Result<Value, EvalError> {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => {
            number::operate(op, a, b).map_err(|_| EvalError::Inexact("arithmetic on fractions"))
        }
        (Value::Set(x), Value::Set(y)) => Ok(match op {
            Operator::Sub => collections::set(x.iter().filter(|item| !y.contains(item)).cloned()),
            Operator::And => collections::set(x.iter().filter(|item| y.contains(item)).cloned()),
            Operator::Or => collections::set(x.iter().chain(y.iter()).cloned()),
            Operator::Add | Operator::Mul | Operator::Div | Operator::Rem => Value::Undefined,
        }),
        _ => Ok(Value::Undefined),
    }
}

/// Steps for looking for `value` in `of`: each element of an array or an object is compared with it.
pub(super) fn member_weight(value: &Value, of: &Value, most: u64) -> u64 {
    let scalar = !matches!(value, Value::Array(_) | Value::Set(_) | Value::Object(_));
    match of {
        Value::Set(_) => 0,
        _ if scalar => weight(of),
        _ => depth_weight([of], most),
    }
}

/// Steps for adding `value` to the set `to`, besides going through it: what is no scalar is compared with as many
/// elements as the tree is deep.
pub(super) fn added_weight(value: &Value, to: &Value) -> u64 {
    match (value, to) {
        (Value::Array(_) | Value::Set(_) | Value::Object(_), Value::Set(elements)) => {
            u64::from(usize::BITS.saturating_sub(elements.len().leading_zeros()))
        }
        _ => 0,
    }
}

/// `value in of` and `key, value in of`; no element where `of` is no collection.
pub(super) fn member(key: Option<&Value>, value: &Value, of: &Value) -> bool {
    match (of, key) {
        (Value::Array(items), None) => items.contains(value),
        (Value::Set(items), None) => items.contains(value),
        (Value::Object(fields), None) => fields.values().any(|v| v == value),
        (Value::Set(items), Some(key)) => key == value && items.contains(value),
        (Value::Array(_) | Value::Object(_), Some(key)) => of[key] == *value,
        _ => false,
    }
}

/// What base data has under a key that stands in the policy. OPA finds it by a path of strings: a number is its
/// digits there, and text of digits is a place in an array (`storage.NewPathForRef`, `ptr.ValuePtr`). Undefined
/// where there is nothing.
pub fn in_base(data: &Value, key: &Value) -> Value {
    match (data, key) {
        (Value::Object(_), Value::Number(number)) => data[&Value::from(number.format_decimal())].clone(),
        (Value::Array(items), Value::String(digits)) => {
            place(digits).and_then(|at| items.get(at)).cloned().unwrap_or(Value::Undefined)
        }
        _ => data[key].clone(),
    }
}

/// What base data has under a key that the request decides. Where the path of strings finds what the key itself
/// does not, OPA's answer depends on the rule around it (undefined in a rule with `contains`, defined in others):
/// there is none here.
pub(super) fn in_base_by_request(data: &Value, key: &Value) -> Result<Value, EvalError> {
    let found = in_base(data, key);
    let is_own = data[key] == found;
    if is_own { Ok(found) } else { Err(EvalError::Inexact("a key of data of another type")) }
}

/// The place that text names as OPA reads integers (`util.Atoi`): a sign, digits, a fraction of zeros.
pub(super) fn place(text: &str) -> Option<usize> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, zeros) = digits.split_once('.').unwrap_or((digits, ""));
    let fits = !digits.is_empty() && digits.len() <= 19;
    let plain = whole.bytes().all(|c| c.is_ascii_digit()) && zeros.bytes().all(|c| c == b'0');
    let at: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let known = fits && plain && (at == 0 || !text.starts_with('-'));
    usize::try_from(at).ok().filter(|_| known)
}

/// The key of an element: index of an array's, the element itself in a set.
#[derive(Clone, Copy)]
pub(super) enum Key<'v> {
    At(usize),
    Value(&'v Value),
}

impl Key<'_> {
    pub(super) fn to_value(self) -> Value {
        match self {
            Self::At(at) => Value::from(at),
            Self::Value(value) => value.clone(),
        }
    }
}

/// Elements with their keys.
type Elements<'v> = Box<dyn Iterator<Item = (Key<'v>, &'v Value)> + 'v>;

/// The elements of a collection with their keys, in Rego's order. `None` if it is no collection.
pub(super) fn elements(value: &Value) -> Option<Elements<'_>> {
    match value {
        Value::Array(items) => Some(Box::new(items.iter().enumerate().map(|(at, v)| (Key::At(at), v)))),
        Value::Set(items) => {
            let items = in_order(items.iter_sorted(), |item| item, order::sorted);
            Some(Box::new(items.map(|v| (Key::Value(v), v))))
        }
        Value::Object(fields) => {
            let fields = in_order(fields.iter_sorted(), |(key, _)| key, order::fields);
            Some(Box::new(fields.map(|(k, v)| (Key::Value(k), v))))
        }
        _ => None,
    }
}

/// The elements in OPA's order. regorus's is another only where collections are among them.
fn in_order<'v, T: Copy + 'v, I: Iterator<Item = T> + Clone + 'v>(
    items: I,
    key: impl Fn(T) -> &'v Value,
    sort: impl Fn(I) -> Vec<T>,
) -> Box<dyn Iterator<Item = T> + 'v> {
    let nested =
        items.clone().any(|item| matches!(key(item), Value::Array(_) | Value::Set(_) | Value::Object(_)));
    if nested { Box::new(sort(items).into_iter()) } else { Box::new(items) }
}
