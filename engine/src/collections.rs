//! Objects, sets and lists of what comes in any order. One function for each: every other way to collect a map or to
//! sort brings a sort of its own into the filter, six to nine kilobytes each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

/// An object; of equal keys the last counts.
pub(crate) fn object(items: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::from(fields(items))
}

/// A set.
pub(crate) fn set(items: impl IntoIterator<Item = Value>) -> Value {
    set_of(items.into_iter().collect())
}

/// The fields of an object; of equal keys the last counts.
pub(crate) fn fields(items: impl IntoIterator<Item = (Value, Value)>) -> BTreeMap<Value, Value> {
    fields_of(items.into_iter().collect())
}

/// A map of anything, one by one.
pub(crate) fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    entries.into_iter().for_each(|(key, value)| {
        map.insert(key, value);
    });
    map
}

/// The same items in order; those that are equal stay as they were.
pub(crate) fn sorted<T>(items: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let of = |a: usize, b: usize| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    };
    let order = order(items.len(), &of);
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| items.get_mut(at)?.take()).collect()
}

#[inline(never)]
fn fields_of(items: Vec<(Value, Value)>) -> BTreeMap<Value, Value> {
    // The one use of the standard library's own sort: a map of what is in order, as most is, is built in one go.
    items.into_iter().collect()
}

#[inline(never)]
fn set_of(items: Vec<Value>) -> Value {
    let mut set = BTreeSet::new();
    for item in items {
        set.insert(item);
    }
    Value::from(set)
}

/// The numbers below `length` in the order of what they stand for: runs that ascend already are merged, two by two.
#[inline(never)]
fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for at in 0..length {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| compare(*last, at).is_le()) => run.push(at),
            _ => runs.push(vec![at]),
        }
    }
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut rest = runs.into_iter();
        while let Some(first) = rest.next() {
            merged.push(match rest.next() {
                Some(second) => merge(&first, &second, compare),
                None => first,
            });
        }
        runs = merged;
    }
    runs.pop().unwrap_or_default()
}

fn merge(first: &[usize], second: &[usize], compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut merged = Vec::with_capacity(first.len().saturating_add(second.len()));
    let (mut left, mut right) = (first.iter().peekable(), second.iter().peekable());
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if compare(**a, **b).is_gt() => right.next(),
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        };
        match next {
            Some(at) => merged.push(*at),
            None => return merged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn sorts_as_the_standard_librarys_stable_sort() {
        let mut state = 7_u32;
        for length in [0, 1, 2, 3, 10, 100, 1000] {
            for most in [1, 3, 1000] {
                let mut draw = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16) % most
                };
                let items: Vec<(u32, usize)> = (0..length).map(|at| (draw(), at)).collect();
                let mut expected = items.clone();
                expected.sort_by_key(|(key, _)| *key);
                assert_eq!(sorted(items, |(a, _), (b, _)| a.cmp(b)), expected);
            }
        }
    }
}
