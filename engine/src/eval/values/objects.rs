//! Builtins on objects, and graphs written as objects.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::super::number::{Inexact, integer};
use super::super::ops::depth_weight;
use super::super::order;
use super::collections::elements;
use crate::collections;

type Answer = Result<Value, Inexact>;
type Fields = BTreeMap<Value, Value>;

fn object(fields: Fields) -> Value {
    Value::from(fields)
}

/// What is at a key, as a reference finds it; nothing in what has no keys.
fn at<'v>(value: &'v Value, key: &'v Value) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(key),
        Value::Array(items) => items.get(usize::try_from(integer(key)?).ok()?),
        Value::Set(items) => items.contains(key).then_some(key),
        _ => None,
    }
}

/// `object.get(object, key or path, default)`
pub(super) fn get(args: &[Value]) -> Answer {
    let [all @ Value::Object(_), path, default] = args else { return Ok(Value::Undefined) };
    let found = match path {
        Value::Array(path) => path.iter().try_fold(all, at),
        key => at(all, key),
    };
    Ok(found.unwrap_or(default).clone())
}

pub(super) fn keys(args: &[Value]) -> Answer {
    Ok(match args {
        [Value::Object(fields)] => collections::set(fields.keys().cloned()),
        _ => Value::Undefined,
    })
}

/// The keys that an array, a set or an object stands for.
fn chosen(value: &Value) -> Option<BTreeSet<&Value>> {
    match value {
        Value::Object(fields) => {
            let mut keys = BTreeSet::new();
            keys.extend(fields.keys());
            Some(keys)
        }
        other => elements(other).map(|items| {
            let mut all = BTreeSet::new();
            all.extend(items);
            all
        }),
    }
}

fn kept(args: &[Value], wanted: bool) -> Answer {
    let [Value::Object(fields), keys] = args else { return Ok(Value::Undefined) };
    let Some(keys) = chosen(keys) else { return Ok(Value::Undefined) };
    let kept = fields.iter_sorted().filter(|(key, _)| keys.contains(key) == wanted);
    Ok(collections::object(kept.map(|(key, value)| (key.clone(), value.clone()))))
}

pub(super) fn filter(args: &[Value]) -> Answer {
    kept(args, true)
}

pub(super) fn remove(args: &[Value]) -> Answer {
    kept(args, false)
}

pub(super) fn union(args: &[Value]) -> Answer {
    match args {
        [a @ Value::Object(_), b @ Value::Object(_)] => Ok(merged(a, b)),
        _ => Ok(Value::Undefined),
    }
}

/// `b` over `a`, objects inside merged. Values nest to a known depth.
fn merged(a: &Value, b: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (a, b) else { return b.clone() };
    let mut fields: Fields =
        collections::fields(before.iter_sorted().map(|(key, value)| (key.clone(), value.clone())));
    for (key, value) in after.iter_sorted() {
        let value = fields.get(key).map_or_else(|| value.clone(), |held| merged(held, value));
        fields.insert(key.clone(), value);
    }
    object(fields)
}

/// An object that is put together from the last one to the first.
enum Slot<'v> {
    Leaf(&'v Value),
    Fields {
        fields: BTreeMap<&'v Value, Slot<'v>>,
        /// Something that is no object was before: what is still further before does not count.
        frozen: bool,
    },
}

impl<'v> Slot<'v> {
    fn new(value: &'v Value) -> Self {
        match value {
            Value::Object(fields) => Self::Fields {
                fields: collections::map(fields.iter_sorted().map(|(key, value)| (key, Self::new(value)))),
                frozen: false,
            },
            other => Self::Leaf(other),
        }
    }

    /// Puts an earlier value under it.
    fn under(&mut self, earlier: &'v Value) {
        match (self, earlier) {
            (Self::Leaf(_), _) => {}
            (Self::Fields { frozen: true, .. }, Value::Object(_)) => {}
            (Self::Fields { fields, .. }, Value::Object(earlier)) => {
                for (key, value) in earlier.iter_sorted() {
                    match fields.get_mut(key) {
                        Some(slot) => slot.under(value),
                        None => drop(fields.insert(key, Self::new(value))),
                    }
                }
            }
            (Self::Fields { frozen, .. }, _) => *frozen = true,
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::Fields { fields, .. } => {
                collections::object(fields.into_iter().map(|(key, slot)| (key.clone(), slot.value())))
            }
        }
    }
}

pub(super) fn union_n(args: &[Value]) -> Answer {
    let [Value::Array(items)] = args else { return Ok(Value::Undefined) };
    if !items.iter().all(|item| matches!(item, Value::Object(_))) {
        return Ok(Value::Undefined);
    }
    let mut all = Slot::Fields { fields: BTreeMap::new(), frozen: false };
    items.as_slice().iter().rev().for_each(|item| all.under(item));
    Ok(all.value())
}

/// `object.subset(all, part)`
pub(super) fn subset(args: &[Value]) -> Answer {
    let [all, part] = args else { return Ok(Value::Undefined) };
    if let (Value::Array(items), Value::Set(part)) = (all, part) {
        // OPA counts elements that are there twice.
        let mut missing = i64::try_from(part.len()).unwrap_or(i64::MAX);
        let found = items.iter().any(|item| {
            missing = missing.saturating_sub(i64::from(part.contains(item)));
            missing == 0
        });
        return Ok(Value::Bool(found));
    }
    Ok(within(all, part).map_or(Value::Undefined, Value::Bool))
}

/// Steps for looking for one array in another at every place, also inside objects.
pub(super) fn subset_cost(args: &[Value], most: u64) -> u64 {
    let [all, part] = args else { return 0 };
    let weight = |value| depth_weight([value], most).saturating_add(1);
    weight(all).saturating_mul(weight(part)) / 2
}

/// Whether `part` is in `all`: an array as a run of elements, objects key by key. `None` if the two are
/// not of one kind.
fn within(all: &Value, part: &Value) -> Option<bool> {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => Some(part.iter().all(|(key, value)| {
            all.get(key).is_some_and(|held| held == value || within(held, value) == Some(true))
        })),
        (Value::Set(all), Value::Set(part)) => Some(part.iter().all(|item| all.contains(item))),
        (Value::Array(_), Value::Array(part)) if part.is_empty() => Some(true),
        (Value::Array(all), Value::Array(part)) => {
            let mut windows = all.as_slice().windows(part.len());
            Some(windows.any(|window| window == part.as_slice()))
        }
        _ => None,
    }
}

/// Where one can go from a node; none if the graph does not have it.
fn edges<'v>(graph: &'v Value, node: &Value) -> Option<Vec<&'v Value>> {
    match graph {
        Value::Object(fields) => Some(elements(fields.get(node)?).unwrap_or_default()),
        _ => None,
    }
}

/// `graph.reachable(graph, start)`
pub(super) fn reachable(args: &[Value]) -> Answer {
    let [graph @ Value::Object(_), start] = args else { return Ok(Value::Undefined) };
    let Some(mut queue) = elements(start) else { return Ok(Value::Undefined) };
    let mut reached = BTreeSet::new();
    while let Some(node) = queue.pop() {
        if !reached.contains(node)
            && let Some(edges) = edges(graph, node)
        {
            reached.insert(node);
            queue.extend(edges);
        }
    }
    Ok(collections::set(reached.into_iter().cloned()))
}

/// Goes every way from the start nodes; what each ends with is given to `end`. False where `end` has had
/// enough.
fn paths<'v>(graph: &'v Value, start: Vec<&'v Value>, end: &mut dyn FnMut(&[&'v Value]) -> bool) -> bool {
    start.into_iter().all(|node| match edges(graph, node) {
        None => true,
        Some(next) if next.is_empty() => end(&[node]),
        Some(next) => next.into_iter().all(|next| follow(graph, next, &mut vec![node], end)),
    })
}

fn follow<'v>(
    graph: &'v Value,
    node: &'v Value,
    path: &mut Vec<&'v Value>,
    end: &mut dyn FnMut(&[&'v Value]) -> bool,
) -> bool {
    let Some(next) = edges(graph, node) else { return end(path) };
    // Deeper than this is refused before it is followed.
    if path.len() > MAX_PATH {
        return false;
    }
    path.push(node);
    let more = if next.is_empty() {
        end(path)
    } else {
        next.into_iter()
            .all(|next| if path.contains(&next) { end(path) } else { follow(graph, next, path, end) })
    };
    path.pop();
    more
}

/// Longest path: they are followed by recursion.
const MAX_PATH: usize = 64;

/// `graph.reachable_paths(graph, start)`
pub(super) fn reachable_paths(args: &[Value]) -> Answer {
    let [graph @ Value::Object(_), start] = args else { return Ok(Value::Undefined) };
    let Some(start) = elements(start) else { return Ok(Value::Undefined) };
    let mut found = BTreeSet::new();
    let whole = paths(graph, start, &mut |path| {
        found.insert(Value::from(path.iter().map(|node| (*node).clone()).collect::<Vec<_>>()));
        true
    });
    if whole { Ok(Value::from(found)) } else { Err(Inexact) }
}

/// Steps of all ways: they are gone once to be counted, up to what is left.
pub(super) fn paths_cost(args: &[Value], most: u64) -> u64 {
    let [graph @ Value::Object(_), start] = args else { return 0 };
    let mut steps = 0_u64;
    paths(graph, elements(start).unwrap_or_default(), &mut |path| {
        let length = u64::try_from(path.len()).unwrap_or(u64::MAX);
        steps = steps.saturating_add(length).saturating_add(1);
        steps <= most
    });
    steps
}

/// Order of keys for messages and JSON.
pub(super) fn sorted_fields(value: &Value) -> Option<Vec<(&Value, &Value)>> {
    match value {
        Value::Object(fields) => Some(order::fields(fields.iter_sorted())),
        _ => None,
    }
}
