//! Conditions as intervals of Rego's order over all values.

use std::cmp::Ordering;

use regorus::Value;
use sidegate_engine::eval::{compare, network};
use sidegate_engine::plan::{Compare, ConstPool, Form};

use super::scans::elements;
use super::walk::{Expr, Test};

/// An end of an interval; `None` where it has none.
type End = Option<(Value, bool)>;

/// Values from one end to the other; each with whether it belongs to them.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    from: End,
    to: End,
}

/// The intervals of which one has to hold the value, if the condition can be written so.
pub(super) fn intervals(test: &Test, pool: &ConstPool) -> Option<(Form, Vec<Interval>)> {
    let one = |value: Value| Interval { from: Some((value.clone(), true)), to: Some((value, true)) };
    Some(match test {
        Test::Same(Expr::Const(id)) => (Form::Plain, vec![one(pool.value(*id)?)]),
        Test::Same(_) => return None,
        Test::In(id) => {
            let found = elements(&pool.value(*id)?).into_iter().map(|(_, value)| one(value)).collect();
            (Form::Plain, found)
        }
        Test::Prefix(prefix) => {
            let from = Some((Value::from(prefix.as_str()), true));
            // The least value that is greater than every text is the empty array.
            let to = after(prefix).map_or_else(Value::new_array, Value::from);
            (Form::Plain, vec![Interval { from, to: Some((to, false)) }])
        }
        Test::Network(text) => {
            let (first, last) = network(text)?;
            (Form::Address, vec![Interval { from: Some((first, true)), to: Some((last, true)) }])
        }
        Test::Order(op, id) => {
            let value = pool.value(*id)?;
            let (from, to) = match op {
                Compare::Lt => (None, Some((value, false))),
                Compare::Le => (None, Some((value, true))),
                Compare::Gt => (Some((value, false)), None),
                Compare::Ge => (Some((value, true)), None),
                Compare::Eq | Compare::Ne => return None,
            };
            (Form::Plain, vec![Interval { from, to }])
        }
    })
}

/// The least text after all that begin with `prefix`: texts are ordered by their characters.
fn after(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match u32::from(last).checked_add(1)? {
            0xD800 => 0xE000,
            next => next,
        };
        if let Some(next) = char::from_u32(next) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// All ends, each once, in order.
pub(super) fn bounds<'i>(intervals: impl Iterator<Item = &'i Interval>) -> Vec<Value> {
    let ends = intervals.flat_map(|interval| [&interval.from, &interval.to]);
    let mut bounds: Vec<Value> = ends.flatten().map(|(value, _)| value.clone()).collect();
    bounds.sort_by(compare);
    bounds.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    bounds
}

/// The first and the last place among `bounds` that is in the interval: even ones are between bounds, odd ones
/// at them.
pub(super) fn places(interval: &Interval, bounds: &[Value]) -> Option<(usize, usize)> {
    let at = |value: &Value| {
        let at = bounds.binary_search_by(|bound| compare(bound, value)).ok()?;
        at.checked_mul(2)?.checked_add(1)
    };
    let first = match &interval.from {
        None => 0,
        Some((value, true)) => at(value)?,
        Some((value, false)) => at(value)?.checked_add(1)?,
    };
    let last = match &interval.to {
        None => bounds.len().checked_mul(2)?,
        Some((value, true)) => at(value)?,
        Some((value, false)) => at(value)?.checked_sub(1)?,
    };
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_prefix_lies_before_the_text_after_it() {
        for (prefix, want) in [("/a", "/b"), ("a\u{d7ff}", "a\u{e000}"), ("a\u{10ffff}", "b"), ("é", "ê")] {
            assert_eq!(after(prefix).as_deref(), Some(want));
        }
        assert!(after("").is_none() && after("\u{10ffff}\u{10ffff}").is_none());
    }
}
