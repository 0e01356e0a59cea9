//! Rego's order of all values, as OPA has it.
//!
//! regorus puts sets before objects, OPA after them (`ast.Compare`); everything else is the same.

use std::cmp::Ordering;

use regorus::Value;

use crate::collections;

/// Compares two values.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Array(x), Value::Array(y)) => each(x.iter(), y.iter()),
        (Value::Set(x), Value::Set(y)) => each(sorted(x.iter()).into_iter(), sorted(y.iter()).into_iter()),
        (Value::Object(x), Value::Object(y)) => {
            // Keys first: OPA compares key by key, and the values of equal keys as it goes.
            let (x, y) = (fields(x.iter()), fields(y.iter()));
            for ((k, v), (l, w)) in x.iter().zip(&y) {
                match compare(k, l).then_with(|| compare(v, w)) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                }
            }
            x.len().cmp(&y.len())
        }
        (Value::Object(_), Value::Set(_)) => Ordering::Less,
        (Value::Set(_), Value::Object(_)) => Ordering::Greater,
        _ => a.cmp(b),
    }
}

/// The values in order.
pub(super) fn sorted<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<&'v Value> {
    sort(values.collect())
}

/// The fields in the order of their keys.
pub(super) fn fields<'v>(
    fields: impl Iterator<Item = (&'v Value, &'v Value)>,
) -> Vec<(&'v Value, &'v Value)> {
    sort_fields(fields.collect())
}

/// Apart from its callers, whose iterators are of many kinds. As a rule the values are in order: then nothing is moved.
#[inline(never)]
fn sort(values: Vec<&Value>) -> Vec<&Value> {
    let is_sorted = values.is_sorted_by(|a, b| compare(a, b).is_le());
    if is_sorted { values } else { collections::sorted(values, |a, b| compare(a, b)) }
}

#[inline(never)]
fn sort_fields<'v>(fields: Vec<(&'v Value, &'v Value)>) -> Vec<(&'v Value, &'v Value)> {
    let is_sorted = fields.is_sorted_by(|(a, _), (b, _)| compare(a, b).is_le());
    if is_sorted { fields } else { collections::sorted(fields, |(a, _), (b, _)| compare(a, b)) }
}

fn each<'v>(mut a: impl Iterator<Item = &'v Value>, mut b: impl Iterator<Item = &'v Value>) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match compare(x, y) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}
