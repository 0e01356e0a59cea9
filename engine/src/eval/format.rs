//! `sprintf` and `json.marshal`: values as OPA writes them.

use std::fmt::Write;

use regorus::Value;

use super::number::{Inexact, is_whole};
use super::order;

/// Why a format is not supported, if it is not.
pub(super) fn refusal(format: &str) -> Option<&'static str> {
    let why = "write only `%s`, `%d`, `%v` and `%%` in the format, without flags and widths";
    verbs(format).is_err().then_some(why)
}

/// A piece of a format.
enum Piece<'f> {
    Text(&'f str),
    Verb(char),
}

fn verbs(format: &str) -> Result<Vec<Piece<'_>>, Inexact> {
    let mut pieces = Vec::new();
    let mut parts = format.split('%');
    pieces.extend(parts.next().map(Piece::Text));
    while let Some(part) = parts.next() {
        let mut chars = part.chars();
        match chars.next() {
            Some(verb @ ('s' | 'd' | 'v')) => pieces.extend([Piece::Verb(verb), Piece::Text(chars.as_str())]),
            None => {
                // `%%`: the text after the second one comes next.
                let after = parts.next().ok_or(Inexact)?;
                pieces.extend([Piece::Text("%"), Piece::Text(after)]);
            }
            Some(_) => return Err(Inexact),
        }
    }
    Ok(pieces)
}

/// `sprintf(format, values)`. What OPA marks inside the text (`%!d(string=a)`) is refused.
pub(super) fn sprintf(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(format), Value::Array(values)] = args else { return Ok(Value::Undefined) };
    let mut values = values.iter();
    let mut out = String::new();
    for piece in verbs(format)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Verb(verb) => match (verb, values.next().ok_or(Inexact)?) {
                ('s' | 'v', Value::String(text)) => out.push_str(text),
                ('d' | 'v', number @ Value::Number(_)) if is_whole(number) => {
                    out.push_str(&number.to_string())
                }
                // A large one is printed with an exponent.
                ('v', number @ Value::Number(_)) if below_a_million(number) => {
                    out.push_str(&fraction(number)?)
                }
                (_, Value::Number(_)) | ('d', _) => return Err(Inexact),
                (_, value) => term(value, &mut out)?,
            },
        }
    }
    if values.next().is_some() { Err(Inexact) } else { Ok(Value::from(out)) }
}

fn below_a_million(number: &Value) -> bool {
    let bound = 1_000_000_i64;
    Value::from(bound.saturating_neg()) < *number && *number < Value::from(bound)
}

/// A fraction that Go prints with `%v` as it is written: neither tiny nor huge.
fn fraction(number: &Value) -> Result<String, Inexact> {
    let text = number.to_string();
    let digits = text.trim_start_matches('-');
    let plain = digits.contains('.')
        && digits.len() <= 17
        && !digits.starts_with("0.0000")
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { Ok(text) } else { Err(Inexact) }
}

/// A value in Rego's syntax, as OPA prints terms.
pub(super) fn term(value: &Value, out: &mut String) -> Result<(), Inexact> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => write!(out, "{b}").map_err(|_| Inexact)?,
        Value::Number(_) if is_whole(value) => out.push_str(&value.to_string()),
        Value::Number(_) => out.push_str(&fraction(value)?),
        Value::String(text) => quote(text, out)?,
        Value::Array(items) => list(items.iter(), ('[', ']'), out)?,
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => list(order::sorted(items.iter_sorted()).into_iter(), ('{', '}'), out)?,
        Value::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in order::fields(fields.iter_sorted()).into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                term(key, out)?;
                out.push_str(": ");
                term(value, out)?;
            }
            out.push('}');
        }
        Value::Undefined => return Err(Inexact),
    }
    Ok(())
}

fn list<'v>(
    items: impl Iterator<Item = &'v Value>,
    (open, close): (char, char),
    out: &mut String,
) -> Result<(), Inexact> {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        term(item, out)?;
    }
    out.push(close);
    Ok(())
}

/// As Go's `strconv.Quote`, for what it certainly prints as it is.
fn quote(text: &str, out: &mut String) -> Result<(), Inexact> {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c if c.is_alphabetic() && !c.is_ascii() => out.push(c),
            _ => return Err(Inexact),
        }
    }
    out.push('"');
    Ok(())
}

/// What Go's encoder escapes beyond what regorus does.
pub(super) fn marshalled(json: &str) -> Value {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Value::from(out)
}

/// Whether a value has a fraction or a mix of kinds that regorus writes in another order or form.
pub(super) fn marshals_alike(value: &Value) -> bool {
    match value {
        Value::Number(_) => is_whole(value) || fraction(value).is_ok(),
        Value::Array(items) => items.iter().all(marshals_alike),
        // A set is written in Rego's order.
        Value::Set(items) => {
            items.iter_sorted().all(marshals_alike)
                && order::sorted(items.iter_sorted()).into_iter().eq(items.iter_sorted())
        }
        Value::Object(fields) => {
            fields.iter_sorted().all(|(k, v)| matches!(k, Value::String(_)) && marshals_alike(v))
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Undefined => true,
    }
}
