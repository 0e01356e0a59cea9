//! Values from bytes, of every kind: also those that JSON has not.

use std::collections::{BTreeMap, BTreeSet};

use sidegate_engine::Value;

use crate::feed::Bytes;

/// How deep they nest.
const DEPTH: u32 = 12;

/// Words that something looks for.
const WORDS: [&str; 48] = [
    "allowed",
    "headers",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_set",
    "response_headers_to_remove",
    "query_parameters_to_set",
    "query_parameters_to_remove",
    "body",
    "http_status",
    "dynamic_metadata",
    "mode",
    "undeclared",
    "shadow",
    "enforce",
    "host",
    "x-a",
    "set-cookie",
    "op",
    "path",
    "from",
    "value",
    "add",
    "remove",
    "replace",
    "move",
    "copy",
    "test",
    "/a/0",
    "/-",
    "alg",
    "kid",
    "secret",
    "cert",
    "iss",
    "aud",
    "time",
    "HS256",
    "10.0.0.0/8",
    "::/0",
    "2006-01-02T15:04:05Z07:00",
    "2026-01-02T03:04:05.5Z",
    "1h30m",
    "%d %s %v %x %5.2f",
    "YQ==",
    "{\"a\":[1,2.5e3,null]}",
    "a{0,3}(b|c)*$",
    "America/New_York",
];

/// A value; what there are no bytes for is null.
pub(crate) fn value(bytes: &mut Bytes<'_>) -> Value {
    at(bytes, DEPTH)
}

/// JSON; undefined where it is none. Numbers of a million digits take regorus minutes: whoever reads foreign numbers in the
/// engine does not get that far.
pub(crate) fn json(text: &str) -> Value {
    let is_huge = |rest: &str| {
        let digits = rest.trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit);
        digits.count() > 3
    };
    if text.split(['e', 'E']).skip(1).any(is_huge) {
        return Value::Undefined;
    }
    Value::from_json_str(text).unwrap_or(Value::Undefined)
}

fn at(bytes: &mut Bytes<'_>, depth: u32) -> Value {
    let kind = bytes.byte();
    match kind % 16 {
        0 => Value::Null,
        1 => Value::Bool(kind < 128),
        2 => Value::from(i64::from(bytes.byte())),
        3 => Value::from(-i64::from(bytes.byte())),
        4 => Value::from(crate::feed::number(&bytes.some())),
        5 => {
            let float = f64::from_bits(crate::feed::number(&bytes.some()).cast_unsigned());
            if float.is_finite() { Value::from(float) } else { Value::from(0.5) }
        }
        // A number by its text, as large as it likes.
        6 => json(&bytes.text()),
        7 | 8 => Value::from(bytes.text()),
        9 | 10 => Value::from(WORDS[bytes.below(WORDS.len())]),
        // Several times the same text.
        11 => {
            let times = usize::from(bytes.byte());
            Value::from(bytes.text().repeat(times))
        }
        _ if depth == 0 => Value::Null,
        12 => Value::from(items(bytes, depth)),
        13 => Value::from(items(bytes, depth).into_iter().collect::<BTreeSet<_>>()),
        _ => {
            let mut fields = BTreeMap::new();
            for _ in 0..bytes.byte() % 8 {
                if bytes.is_empty() {
                    break;
                }
                let key = at(bytes, depth - 1);
                fields.insert(key, at(bytes, depth - 1));
            }
            Value::from(fields)
        }
    }
}

fn items(bytes: &mut Bytes<'_>, depth: u32) -> Vec<Value> {
    let mut items = Vec::new();
    for _ in 0..bytes.byte() % 16 {
        if bytes.is_empty() {
            break;
        }
        items.push(at(bytes, depth - 1));
    }
    items
}

/// The bytes that a value is read from; of what is large, something else.
pub(crate) fn written(value: &Value) -> Vec<u8> {
    let text = |kind: u8, text: &str| {
        let length = text.len().min(0x7FFF);
        let head = match u8::try_from(length) {
            Ok(short) if short < 0x80 => vec![kind, short],
            _ => vec![kind, u8::try_from(length >> 8).unwrap_or(0) | 0x80, length.to_le_bytes()[0]],
        };
        [&head, &text.as_bytes()[..length]].concat()
    };
    let all = |kind: u8, items: Vec<&Value>, each: usize| {
        let count = u8::try_from(items.len() / each).unwrap_or(15);
        [vec![kind, count], items.into_iter().flat_map(written).collect()].concat()
    };
    match value {
        Value::Null | Value::Undefined => vec![0],
        Value::Bool(true) => vec![1],
        Value::Bool(false) => vec![129],
        Value::Number(_) => text(6, &value.to_string()),
        Value::String(string) => match WORDS.iter().position(|word| *word == string.as_ref()) {
            Some(at) => vec![9, u8::try_from(at).unwrap_or(0)],
            None => text(7, string),
        },
        Value::Array(items) => all(12, items.iter().collect(), 1),
        Value::Set(items) => all(13, items.iter_sorted().collect(), 1),
        Value::Object(fields) => {
            all(14, fields.iter_sorted().flat_map(|(key, value)| [key, value]).collect(), 2)
        }
    }
}
