//! Builtins on strings.

use regorus::Value;

use super::super::number::{Inexact, integer, is_float, whole};
use super::super::unicode;
use super::super::wide::Wide;

type Answer = Result<Value, Inexact>;

/// Two texts, if that is what the arguments are.
fn two(args: &[Value]) -> Option<(&str, &str)> {
    match args {
        [Value::String(a), Value::String(b)] => Some((a, b)),
        _ => None,
    }
}

fn of_two(args: &[Value], answer: impl FnOnce(&str, &str) -> Value) -> Answer {
    Ok(two(args).map_or(Value::Undefined, |(a, b)| answer(a, b)))
}

fn of_one(args: &[Value], answer: impl FnOnce(&str) -> Value) -> Answer {
    match args {
        [Value::String(text)] => Ok(answer(text)),
        _ => Ok(Value::Undefined),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The texts in an array or a set, in order; none if anything else is among them.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Set(items) => items.iter_sorted().map(text).collect(),
        _ => None,
    }
}

pub(super) fn contains(args: &[Value]) -> Answer {
    of_two(args, |text, part| Value::Bool(text.contains(part)))
}

pub(super) fn starts_with(args: &[Value]) -> Answer {
    of_two(args, |text, part| Value::Bool(text.starts_with(part)))
}

pub(super) fn ends_with(args: &[Value]) -> Answer {
    of_two(args, |text, part| Value::Bool(text.ends_with(part)))
}

pub(super) fn concat(args: &[Value]) -> Answer {
    match args {
        [Value::String(between), items] => {
            Ok(texts(items).map_or(Value::Undefined, |texts| Value::from(texts.join(between.as_ref()))))
        }
        _ => Ok(Value::Undefined),
    }
}

/// Steps for joining many texts by a long one.
pub(super) fn concat_cost(args: &[Value], _: u64) -> u64 {
    let [Value::String(between), items] = args else { return 0 };
    let count = match items {
        Value::Array(items) => items.len(),
        Value::Set(items) => items.len(),
        _ => 0,
    };
    steps(between.len(), count)
}

/// Steps for work that is the product of two sizes.
fn steps(a: usize, b: usize) -> u64 {
    u64::try_from(a.saturating_mul(b) / 256).unwrap_or(u64::MAX)
}

/// Steps for looking for every character in a set of them.
pub(super) fn search_cost(args: &[Value], _: u64) -> u64 {
    two(args).map_or(0, |(text, set)| steps(text.len(), set.len()) / 4)
}

/// Steps for looking for one text in another over and over again, each time from anew.
pub(super) fn searches_cost(args: &[Value], _: u64) -> u64 {
    two(args).map_or(0, |(text, part)| steps(text.len(), part.len().saturating_mul(8)))
}

pub(super) fn index_of(args: &[Value]) -> Answer {
    of_two(args, |text, part| match text.find(part) {
        _ if part.is_empty() => Value::Undefined,
        Some(at) => Value::from(text.get(..at).unwrap_or_default().chars().count()),
        None => Value::from(-1_i64),
    })
}

/// Where a text is in another, also where it overlaps itself.
pub(super) fn index_of_n(args: &[Value]) -> Answer {
    of_two(args, |text, part| {
        let Some(first) = part.chars().next() else { return Value::Undefined };
        let (mut found, mut rest, mut chars) = (Vec::new(), text, 0_usize);
        while let Some(at) = rest.find(part) {
            chars = chars.saturating_add(rest.get(..at).unwrap_or_default().chars().count());
            found.push(Value::from(chars));
            chars = chars.saturating_add(1);
            rest = rest.get(at.saturating_add(first.len_utf8())..).unwrap_or_default();
        }
        Value::from(found)
    })
}

pub(super) fn count(args: &[Value]) -> Answer {
    of_two(args, |text, part| {
        let count =
            if part.is_empty() { text.chars().count().saturating_add(1) } else { text.matches(part).count() };
        Value::from(count)
    })
}

pub(super) fn lower(args: &[Value]) -> Answer {
    of_one(args, |text| Value::from(text.chars().map(unicode::lower).collect::<String>()))
}

pub(super) fn upper(args: &[Value]) -> Answer {
    of_one(args, |text| Value::from(text.chars().map(unicode::upper).collect::<String>()))
}

pub(super) fn reverse(args: &[Value]) -> Answer {
    of_one(args, |text| Value::from(text.chars().rev().collect::<String>()))
}

/// Pieces of a text, as `strings.Split`: character by character without a delimiter.
fn pieces<'t>(text: &'t str, delimiter: &'t str) -> Vec<&'t str> {
    if delimiter.is_empty() {
        return text.split("").filter(|piece| !piece.is_empty()).collect();
    }
    text.split(delimiter).collect()
}

fn values<'t>(texts: impl IntoIterator<Item = &'t str>) -> Value {
    Value::from(texts.into_iter().map(Value::from).collect::<Vec<_>>())
}

pub(super) fn split(args: &[Value]) -> Answer {
    of_two(args, |text, delimiter| values(pieces(text, delimiter)))
}

/// `strings.split_n(text, delimiter, n)`: the first `n` pieces, or the last `-n`.
pub(super) fn split_n(args: &[Value]) -> Answer {
    let [Value::String(text), Value::String(delimiter), n] = args else { return Ok(Value::Undefined) };
    let Some(n) = integer(n) else { return Ok(Value::Undefined) };
    let parts = pieces(text, delimiter);
    let count = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    if n >= 0 {
        return Ok(values(parts.into_iter().take(count)));
    }
    let skipped = parts.len().saturating_sub(count);
    Ok(values(parts.into_iter().skip(skipped)))
}

pub(super) fn substring(args: &[Value]) -> Answer {
    let [Value::String(from), offset, length] = args else { return Ok(Value::Undefined) };
    let (Some(offset), Some(length)) = (integer(offset), integer(length)) else {
        return Ok(Value::Undefined);
    };
    let Ok(offset) = usize::try_from(offset) else { return Ok(Value::Undefined) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Value::from(from.chars().skip(offset).take(length).collect::<String>()))
}

pub(super) fn trim(args: &[Value]) -> Answer {
    of_two(args, |text, set| Value::from(text.trim_matches(|c| set.contains(c))))
}

pub(super) fn trim_left(args: &[Value]) -> Answer {
    of_two(args, |text, set| Value::from(text.trim_start_matches(|c| set.contains(c))))
}

pub(super) fn trim_right(args: &[Value]) -> Answer {
    of_two(args, |text, set| Value::from(text.trim_end_matches(|c| set.contains(c))))
}

pub(super) fn trim_prefix(args: &[Value]) -> Answer {
    of_two(args, |text, part| Value::from(text.strip_prefix(part).unwrap_or(text)))
}

pub(super) fn trim_suffix(args: &[Value]) -> Answer {
    of_two(args, |text, part| Value::from(text.strip_suffix(part).unwrap_or(text)))
}

pub(super) fn trim_space(args: &[Value]) -> Answer {
    of_one(args, |text| Value::from(text.trim_matches(unicode::is_space)))
}

pub(super) fn replace(args: &[Value]) -> Answer {
    match args {
        [Value::String(text), Value::String(old), Value::String(new)] => replaced(text, &[(old, new)]),
        _ => Ok(Value::Undefined),
    }
}

/// `strings.replace_n(patterns, text)`
pub(super) fn replace_n(args: &[Value]) -> Answer {
    let [Value::Object(patterns), Value::String(text)] = args else { return Ok(Value::Undefined) };
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (old, new) in patterns.iter_sorted() {
        let (Value::String(old), Value::String(new)) = (old, new) else { return Ok(Value::Undefined) };
        pairs.push((old, new));
    }
    replaced(text, &pairs)
}

/// Steps of both: every pattern at every place, and what comes in.
pub(super) fn replace_cost(args: &[Value], _: u64) -> u64 {
    let len = |value: &Value| match value {
        Value::String(text) => text.len(),
        _ => 0,
    };
    match args {
        [Value::String(text), _, new] => steps(text.len().saturating_add(1), len(new).saturating_add(16)),
        [Value::Object(patterns), Value::String(text)] => {
            let new = patterns.values().map(len).max().unwrap_or(0);
            let tried = patterns.len().saturating_mul(32).saturating_add(16);
            steps(text.len().saturating_add(1), new.saturating_add(tried))
        }
        _ => 0,
    }
}

/// As Go's `strings.NewReplacer`: from the left, the first pattern that fits, never two for nothing in a row.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> Answer {
    // It would go between the bytes of a character.
    if !text.is_ascii() && pairs.iter().any(|(old, _)| old.is_empty()) {
        return Err(Inexact);
    }
    let (mut out, mut rest, mut nothing) = (String::with_capacity(text.len()), text, false);
    loop {
        let fits = pairs.iter().find(|(old, _)| rest.starts_with(old) && !(nothing && old.is_empty()));
        nothing = fits.is_some_and(|(old, _)| old.is_empty());
        if let Some((old, new)) = fits {
            out.push_str(new);
            rest = rest.get(old.len()..).unwrap_or_default();
            continue;
        }
        let Some(c) = rest.chars().next() else { return Ok(Value::from(out)) };
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

fn list(value: &Value) -> Option<Vec<&str>> {
    text(value).map(|text| vec![text]).or_else(|| texts(value))
}

/// `strings.any_prefix_match(texts, parts)` and its like for suffixes.
fn any(args: &[Value], fits: impl Fn(&str, &str) -> bool) -> Answer {
    match args {
        [of, parts] => match (list(of), list(parts)) {
            (Some(of), Some(parts)) => {
                Ok(Value::Bool(of.iter().any(|text| parts.iter().any(|part| fits(text, part)))))
            }
            _ => Ok(Value::Undefined),
        },
        _ => Ok(Value::Undefined),
    }
}

pub(super) fn any_prefix(args: &[Value]) -> Answer {
    any(args, |text, part| text.starts_with(part))
}

pub(super) fn any_suffix(args: &[Value]) -> Answer {
    any(args, |text, part| text.ends_with(part))
}

/// Steps for comparing each with each.
pub(super) fn any_cost(args: &[Value], _: u64) -> u64 {
    let size = |value: Option<&Value>| match value {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Set(items)) => items.len(),
        _ => 1,
    };
    steps(size(args.first()), size(args.get(1)).saturating_mul(8))
}

/// `format_int(number, base)`: towards zero.
pub(super) fn format_int(args: &[Value]) -> Answer {
    let [number @ Value::Number(_), base @ Value::Number(_)] = args else { return Ok(Value::Undefined) };
    let base = match integer(base) {
        _ if is_float(base) => return Ok(Value::Undefined),
        Some(2) => 2,
        Some(8) => 8,
        Some(10) => 10,
        Some(16) => 16,
        _ => return Ok(Value::Undefined),
    };
    let integer = match whole(number)? {
        Some(whole) if !is_float(number) => whole,
        _ => Wide::read(number)?.trunc().0,
    };
    Ok(Value::from(integer.to_str_radix(base)))
}
