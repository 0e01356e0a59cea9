//! Objects and sets of what comes in any order. One function for each: every other way to collect a map brings a sort
//! of its own into the filter, six kilobytes each.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

/// An object; of equal keys the last counts.
pub(crate) fn object(fields: impl IntoIterator<Item = (Value, Value)>) -> Value {
    object_of(fields.into_iter().collect())
}

/// A set.
pub(crate) fn set(items: impl IntoIterator<Item = Value>) -> Value {
    set_of(items.into_iter().collect())
}

/// The fields of an object; of equal keys the last counts.
pub(crate) fn fields(fields: impl IntoIterator<Item = (Value, Value)>) -> BTreeMap<Value, Value> {
    sorted(fields.into_iter().collect())
}

/// A map of anything, one by one.
pub(crate) fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    entries.into_iter().for_each(|(key, value)| {
        map.insert(key, value);
    });
    map
}

#[inline(never)]
fn object_of(fields: Vec<(Value, Value)>) -> Value {
    Value::from(sorted(fields))
}

#[inline(never)]
fn sorted(fields: Vec<(Value, Value)>) -> BTreeMap<Value, Value> {
    fields.into_iter().collect()
}

#[inline(never)]
fn set_of(items: Vec<Value>) -> Value {
    Value::from(items.into_iter().collect::<BTreeSet<_>>())
}
