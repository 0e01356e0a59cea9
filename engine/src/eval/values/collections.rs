//! Builtins on arrays and sets, aggregates, and types.

use std::cmp::Ordering;

use regorus::Value;

use super::super::number::{self, Inexact, integer};
use super::super::order;

type Answer = Result<Value, Inexact>;

/// The elements of an array or a set, in order.
pub(super) fn elements(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Set(items) => Some(order::sorted(items.iter_sorted())),
        _ => None,
    }
}

fn of_elements(args: &[Value], answer: impl FnOnce(Vec<&Value>) -> Answer) -> Answer {
    match args {
        [value] => elements(value).map_or(Ok(Value::Undefined), answer),
        _ => Ok(Value::Undefined),
    }
}

fn array<'v>(items: impl IntoIterator<Item = &'v Value>) -> Value {
    Value::from(items.into_iter().cloned().collect::<Vec<_>>())
}

fn set<'v>(items: impl IntoIterator<Item = &'v Value>) -> Value {
    crate::collections::set(items.into_iter().cloned())
}

pub(super) fn concat(args: &[Value]) -> Answer {
    Ok(match args {
        [Value::Array(a), Value::Array(b)] => array(a.iter().chain(b.iter())),
        _ => Value::Undefined,
    })
}

/// `array.flatten(array)`: one level.
pub(super) fn flatten(args: &[Value]) -> Answer {
    let [Value::Array(items)] = args else { return Ok(Value::Undefined) };
    let mut flat: Vec<Value> = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Ok(Value::from(flat))
}

pub(super) fn reverse(args: &[Value]) -> Answer {
    Ok(match args {
        [Value::Array(items)] => array(items.as_slice().iter().rev()),
        _ => Value::Undefined,
    })
}

pub(super) fn slice(args: &[Value]) -> Answer {
    let [Value::Array(items), from, to] = args else { return Ok(Value::Undefined) };
    let (Some(from), Some(to)) = (integer(from), integer(to)) else { return Ok(Value::Undefined) };
    let to = usize::try_from(to.max(0)).unwrap_or(usize::MAX).min(items.len());
    let from = usize::try_from(from.max(0)).unwrap_or(usize::MAX).min(to);
    Ok(array(items.as_slice().get(from..to).unwrap_or_default()))
}

pub(super) fn count(args: &[Value]) -> Answer {
    Ok(match args {
        [Value::Array(items)] => Value::from(items.len()),
        [Value::Set(items)] => Value::from(items.len()),
        [Value::Object(fields)] => Value::from(fields.len()),
        [Value::String(text)] => Value::from(text.chars().count()),
        _ => Value::Undefined,
    })
}

pub(super) fn sort(args: &[Value]) -> Answer {
    of_elements(args, |items| Ok(array(order::sorted(items.into_iter()))))
}

fn extreme(args: &[Value], wanted: Ordering) -> Answer {
    of_elements(args, |items| {
        let best = |best, item| if order::compare(item, best) == wanted { item } else { best };
        Ok(items.into_iter().reduce(best).cloned().unwrap_or(Value::Undefined))
    })
}

pub(super) fn max(args: &[Value]) -> Answer {
    extreme(args, Ordering::Greater)
}

pub(super) fn min(args: &[Value]) -> Answer {
    extreme(args, Ordering::Less)
}

fn total(args: &[Value], of: fn(&[&Value]) -> Answer) -> Answer {
    of_elements(args, |items| {
        let numbers = items.iter().all(|item| matches!(item, Value::Number(_)));
        if numbers { of(&items) } else { Ok(Value::Undefined) }
    })
}

pub(super) fn sum(args: &[Value]) -> Answer {
    total(args, number::sum)
}

pub(super) fn product(args: &[Value]) -> Answer {
    total(args, number::product)
}

pub(super) fn all(args: &[Value]) -> Answer {
    of_elements(args, |items| Ok(Value::Bool(items.iter().all(|item| **item == Value::Bool(true)))))
}

pub(super) fn any(args: &[Value]) -> Answer {
    of_elements(args, |items| Ok(Value::Bool(items.iter().any(|item| **item == Value::Bool(true)))))
}

pub(super) fn set_diff(args: &[Value]) -> Answer {
    Ok(match args {
        [Value::Set(a), Value::Set(b)] => set(a.iter_sorted().filter(|item| !b.contains(item))),
        _ => Value::Undefined,
    })
}

/// The sets in a set.
fn sets(args: &[Value]) -> Option<Vec<&regorus::value::Set>> {
    let [Value::Set(sets)] = args else { return None };
    let inner = sets.iter_sorted().map(|set| match set {
        Value::Set(items) => Some(&**items),
        _ => None,
    });
    inner.collect()
}

pub(super) fn intersection(args: &[Value]) -> Answer {
    let Some(sets) = sets(args) else { return Ok(Value::Undefined) };
    let Some((first, rest)) = sets.split_first() else { return Ok(Value::new_set()) };
    Ok(set(first.iter_sorted().filter(|item| rest.iter().all(|other| other.contains(item)))))
}

pub(super) fn union(args: &[Value]) -> Answer {
    Ok(sets(args).map_or(Value::Undefined, |sets| set(sets.into_iter().flat_map(|set| set.iter_sorted()))))
}

pub(super) fn cast_array(args: &[Value]) -> Answer {
    of_elements(args, |items| Ok(array(items)))
}

pub(super) fn cast_set(args: &[Value]) -> Answer {
    of_elements(args, |items| Ok(set(items)))
}

/// What a value is, as `type_name` says it.
fn name(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Set(_) => "set",
        Value::Undefined => return None,
    })
}

pub(super) fn type_name(args: &[Value]) -> Answer {
    Ok(args.first().and_then(name).map_or(Value::Undefined, Value::from))
}

/// `is_string` and its like.
pub(super) fn is(args: &[Value], wanted: &str) -> Answer {
    Ok(Value::Bool(args.first().and_then(name) == Some(wanted)))
}

/// `cast_string` and its like: the value, if it is one.
pub(super) fn cast(args: &[Value], wanted: &str) -> Answer {
    let same = args.first().filter(|value| name(value) == Some(wanted));
    Ok(same.cloned().unwrap_or(Value::Undefined))
}
