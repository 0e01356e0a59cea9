//! `json.*`, `hex.*`, `urlquery.*_object`.

use std::collections::BTreeMap;

use regorus::Value;

use super::super::format::{self, Indent};
use super::super::number::Inexact;
use super::super::strings;
use super::collections::elements;
use super::objects::sorted_fields;
use super::text::texts;
use crate::collections;
use crate::input::{RequestError, json as reader, uri};

type Answer = Result<Value, Inexact>;

pub(super) fn marshal(args: &[Value]) -> Answer {
    match args {
        [value] => Ok(Value::from(format::json(value, None)?)),
        _ => Ok(Value::Undefined),
    }
}

/// `json.marshal_with_options(value, {"prefix": …, "indent": …, "pretty": …})`
pub(super) fn marshal_with(args: &[Value]) -> Answer {
    let [value, options] = args else { return Ok(Value::Undefined) };
    let Some(options) = sorted_fields(options) else { return Ok(Value::Undefined) };
    let (mut prefix, mut indent, mut implied, mut pretty) = ("", "\t", false, None);
    for (key, option) in options {
        let Value::String(key) = key else { return Ok(Value::Undefined) };
        match (key.as_ref(), option) {
            ("prefix", Value::String(text)) => (prefix, implied) = (text, true),
            ("indent", Value::String(text)) => (indent, implied) = (text, true),
            ("pretty", Value::Bool(wanted)) => pretty = Some(*wanted),
            _ => return Ok(Value::Undefined),
        }
    }
    if pretty.unwrap_or(implied) {
        let json = format::json(value, Some(Indent { prefix, indent }))?;
        return Ok(Value::from(format!("{prefix}{json}")));
    }
    Ok(Value::from(format::json(value, None)?))
}

/// Steps of indenting: every line may be as long as the options and the nesting make it.
pub(super) fn marshal_cost(args: &[Value], most: u64) -> u64 {
    let [value, options] = args else { return 0 };
    let lines = super::super::ops::json_weight([value], most).saturating_mul(4).saturating_add(1);
    let length = |value: &Value| match value {
        Value::String(text) => text.len(),
        _ => 0,
    };
    let per_line: usize = sorted_fields(options).unwrap_or_default().iter().map(|(_, v)| length(v)).sum();
    lines.saturating_mul(u64::try_from(per_line).unwrap_or(u64::MAX).saturating_add(1)) / 4
}

fn read(text: &str) -> Result<Option<Value>, Inexact> {
    match reader::read(text) {
        Ok(value) => Ok(Some(value)),
        Err(RequestError::BodyInexact) => Err(Inexact),
        Err(_) => Ok(None),
    }
}

pub(super) fn unmarshal(args: &[Value]) -> Answer {
    match args {
        [Value::String(text)] => Ok(read(text)?.unwrap_or(Value::Undefined)),
        _ => Ok(Value::Undefined),
    }
}

/// `json.is_valid(text)`: one value and nothing after it.
pub(super) fn is_valid(args: &[Value]) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Bool(false)) };
    reader::is_valid(text).map(Value::Bool).ok_or(Inexact)
}

/// Longest path: choices nest as deep.
const MAX_PATH: usize = 128;

/// What is chosen of a document: all of it, or parts by their keys.
enum Choice {
    All,
    Parts(BTreeMap<Value, Choice>),
}

/// A path of `json.filter`, `json.remove` and `json.patch`: text with slashes, or an array of keys.
pub(super) fn path(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::String(text) if text.is_empty() => Some(Vec::new()),
        Value::String(text) => {
            let parts = text.trim_start_matches('/').split('/');
            Some(parts.map(|part| Value::from(part.replace("~1", "/").replace("~0", "~"))).collect())
        }
        Value::Array(keys) => Some(keys.iter().cloned().collect()),
        _ => None,
    }
}

impl Choice {
    /// Of paths; none where OPA has an error.
    fn of(paths: &Value) -> Result<Option<Self>, Inexact> {
        let mut root = BTreeMap::new();
        let Some(paths) = elements(paths) else { return Ok(None) };
        let Some(paths) = paths.into_iter().map(path).collect::<Option<Vec<_>>>() else { return Ok(None) };
        for wanted in paths {
            if wanted.len() > MAX_PATH {
                return Err(Inexact);
            }
            if let Some((last, before)) = wanted.split_last() {
                Self::add(&mut root, before, last);
            }
        }
        Ok(Some(Self::Parts(root)))
    }

    fn add(mut parts: &mut BTreeMap<Value, Self>, before: &[Value], last: &Value) {
        for key in before {
            match parts.entry(key.clone()).or_insert_with(|| Self::Parts(BTreeMap::new())) {
                Self::All => return,
                Self::Parts(inner) => parts = inner,
            }
        }
        parts.insert(last.clone(), Self::All);
    }

    /// What of a value is chosen.
    fn filter(&self, value: &Value) -> Value {
        let Self::Parts(parts) = self else { return value.clone() };
        match value {
            Value::Array(items) => {
                let chosen = items.iter().enumerate().filter_map(|(at, item)| {
                    parts.get(&Value::from(at.to_string())).map(|part| part.filter(item))
                });
                Value::from(chosen.collect::<Vec<_>>())
            }
            Value::Set(items) => {
                let chosen =
                    items.iter_sorted().filter_map(|item| parts.get(item).map(|part| part.filter(item)));
                collections::set(chosen)
            }
            Value::Object(fields) => {
                let chosen = fields
                    .iter_sorted()
                    .filter_map(|(key, value)| parts.get(key).map(|part| (key.clone(), part.filter(value))));
                collections::object(chosen)
            }
            other => other.clone(),
        }
    }

    /// What of a value is not chosen; none if all of it is.
    fn without(part: Option<&Self>, value: &Value) -> Option<Value> {
        let parts = match part {
            None => return Some(value.clone()),
            Some(Self::All) => return None,
            Some(Self::Parts(parts)) => parts,
        };
        Some(match value {
            Value::Array(items) => {
                let kept = items
                    .iter()
                    .enumerate()
                    .filter_map(|(at, item)| Self::without(parts.get(&Value::from(at.to_string())), item));
                Value::from(kept.collect::<Vec<_>>())
            }
            Value::Set(items) => {
                let kept = items.iter_sorted().filter_map(|item| Self::without(parts.get(item), item));
                collections::set(kept)
            }
            Value::Object(fields) => {
                let kept = fields.iter_sorted().filter_map(|(key, value)| {
                    Self::without(parts.get(key), value).map(|kept| (key.clone(), kept))
                });
                collections::object(kept)
            }
            other => other.clone(),
        })
    }
}

/// `json.filter(object, paths)`
pub(super) fn filter(args: &[Value]) -> Answer {
    let [value @ Value::Object(_), paths] = args else { return Ok(Value::Undefined) };
    Ok(Choice::of(paths)?.map_or(Value::Undefined, |choice| choice.filter(value)))
}

/// `json.remove(object, paths)`
pub(super) fn remove(args: &[Value]) -> Answer {
    let [value @ Value::Object(_), paths] = args else { return Ok(Value::Undefined) };
    let Some(choice) = Choice::of(paths)? else { return Ok(Value::Undefined) };
    Ok(Choice::without(Some(&choice), value).unwrap_or(Value::Undefined))
}

pub(super) fn hex_encode(args: &[Value]) -> Answer {
    match args {
        [Value::String(text)] => {
            Ok(Value::from(text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()))
        }
        _ => Ok(Value::Undefined),
    }
}

/// `urlquery.encode_object(object)`: sorted by key, a list value after value.
pub(super) fn query_encode(args: &[Value]) -> Answer {
    let [object] = args else { return Ok(Value::Undefined) };
    let Some(fields) = sorted_fields(object) else { return Ok(Value::Undefined) };
    let mut pairs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (key, value) in fields {
        let name = match key {
            Value::String(name) => name.to_string(),
            other => format::json(other, None)?,
        };
        let values = match value {
            Value::String(text) => Some(vec![text.as_ref()]),
            other => texts(other),
        };
        let Some(values) = values else { return Ok(Value::Undefined) };
        pairs.insert(name, values);
    }
    let pairs = pairs.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let encoded =
        pairs.map(|(name, value)| format!("{}={}", strings::escaped(name), strings::escaped(value)));
    Ok(Value::from(encoded.collect::<Vec<_>>().join("&")))
}

/// `urlquery.decode_object(text)`: Go's `url.ParseQuery`.
pub(super) fn query_decode(args: &[Value]) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    if text.split('&').count() > uri::MAX_PARAMETERS {
        return Ok(Value::Undefined);
    }
    let mut fields: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    // What is refused must not hide an error further on, which is an answer.
    let mut inexact = false;
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if part.contains(';') {
            return Ok(Value::Undefined);
        }
        match (strings::unescaped(key), strings::unescaped(value)) {
            (Ok(Value::Undefined), _) | (_, Ok(Value::Undefined)) => return Ok(Value::Undefined),
            (Ok(key), Ok(value)) => fields.entry(key).or_default().push(value),
            _ => inexact = true,
        }
    }
    if inexact {
        return Err(Inexact);
    }
    let fields = fields.into_iter().map(|(key, values)| (key, Value::from(values)));
    Ok(collections::object(fields))
}
