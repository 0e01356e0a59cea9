//! Builtins on strings and encodings where regorus differs from OPA.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regorus::Value;

use super::number::Inexact;

/// Bytes as a string. OPA's strings hold any bytes; these hold UTF-8.
fn text(bytes: Vec<u8>) -> Result<Value, Inexact> {
    String::from_utf8(bytes).map(Value::from).map_err(|_| Inexact)
}

fn decoded(bytes: Option<Vec<u8>>) -> Result<Value, Inexact> {
    bytes.map_or(Ok(Value::Undefined), text)
}

/// `lower` and `upper`: rune by rune as in Go, where `ß` has no upper case and a final sigma is a sigma.
pub(super) fn cased<I: Iterator<Item = char>>(
    args: &[Value],
    map: impl Fn(char) -> I,
) -> Result<Value, Inexact> {
    let [Value::String(from)] = args else { return Ok(Value::Undefined) };
    let mut out = String::with_capacity(from.len());
    for c in from.chars() {
        let mut mapped = map(c);
        match (mapped.next(), mapped.next()) {
            (Some(one), None) if one == c || !recent(c) => out.push(one),
            // Go maps it to something else, or not at all.
            _ => return Err(Inexact),
        }
    }
    Ok(Value::from(out))
}

/// Letters that Unicode has given another case since version 15, which Go 1.26 knows.
fn recent(c: char) -> bool {
    matches!(c, '\u{19b}' | '\u{264}' | '\u{1c89}'..='\u{1c8a}' | '\u{a7cb}'..='\u{a7dc}'
        | '\u{10d50}'..='\u{10d85}' | '\u{16ea0}'..='\u{16ed3}')
}

/// `substring(text, offset, length)`
pub(super) fn substring(args: &[Value]) -> Value {
    let [Value::String(from), offset, length] = args else { return Value::Undefined };
    let (Some(offset), Some(length)) = (integer(offset), integer(length)) else { return Value::Undefined };
    let Ok(offset) = usize::try_from(offset) else { return Value::Undefined };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Value::from(from.chars().skip(offset).take(length).collect::<String>())
}

/// An integer as OPA's `IntOperand` takes it.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) if n.is_integer() => n.as_i64(),
        _ => None,
    }
}

/// `count` of a string: its characters.
pub(super) fn length(value: &Value) -> Option<Value> {
    let Value::String(text) = value else { return None };
    Some(Value::from(text.chars().count()))
}

/// Go's decoder: skips line ends anywhere, wants padding, does not mind bits left over.
fn base64(alphabet: &Alphabet, text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// `base64.decode(text)`
pub(super) fn base64_decode(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(from)] = args else { return Ok(Value::Undefined) };
    decoded(base64(&STANDARD, from))
}

/// `base64.is_valid(text)`: `false` for what is no string, too.
pub(super) fn base64_is_valid(args: &[Value]) -> Value {
    Value::Bool(matches!(args, [Value::String(from)] if base64(&STANDARD, from).is_some()))
}

/// `base64.decode`, but bytes.
pub(super) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    base64(&STANDARD, text)
}

/// `base64url.decode(text)`
pub(super) fn base64url_decode(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(from)] = args else { return Ok(Value::Undefined) };
    decoded(base64url_bytes(from))
}

/// `base64url.decode`, but bytes: padding may be missing.
pub(super) fn base64url_bytes(from: &str) -> Option<Vec<u8>> {
    let padding = match from.len() % 4 {
        _ if from.ends_with('=') => "",
        0 => "",
        2 => "==",
        3 => "=",
        _ => return None,
    };
    base64(&URL_SAFE, &format!("{from}{padding}"))
}

/// `hex.decode(text)`
pub(super) fn hex_decode(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(from)] = args else { return Ok(Value::Undefined) };
    let digits = from.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>();
    let bytes = digits.and_then(|digits| {
        let pairs = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from((high << 4) | low).ok(),
            _ => None,
        });
        pairs.collect::<Option<Vec<u8>>>()
    });
    decoded(bytes)
}

/// `urlquery.decode(text)`: Go's `url.QueryUnescape`.
pub(super) fn query_decode(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(from)] = args else { return Ok(Value::Undefined) };
    let mut out = Vec::with_capacity(from.len());
    let mut bytes = from.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Ok(Value::Undefined) };
                out.extend(u8::try_from((high << 4) | low));
            }
            byte => out.push(byte),
        }
    }
    text(out)
}

/// `urlquery.encode(text)`: Go's `url.QueryEscape`.
pub(super) fn query_encode(args: &[Value]) -> Value {
    let [Value::String(from)] = args else { return Value::Undefined };
    let mut out = String::with_capacity(from.len());
    for byte in from.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Value::from(out)
}

/// `glob.quote_meta(text)`
pub(super) fn quote_meta(args: &[Value]) -> Value {
    let [Value::String(from)] = args else { return Value::Undefined };
    let mut out = String::with_capacity(from.len());
    for c in from.chars() {
        if matches!(c, '*' | '?' | '\\' | '[' | ']' | '{' | '}') {
            out.push('\\');
        }
        out.push(c);
    }
    Value::from(out)
}

/// Whether text that regorus does not read as JSON may still be some to OPA: deeper nesting or
/// lone surrogates.
pub(super) fn json_in_doubt(text: &str) -> bool {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let lower = text.to_ascii_lowercase();
    let surrogate = ["\\ud8", "\\ud9", "\\uda", "\\udb", "\\udc", "\\udd", "\\ude", "\\udf"];
    deepest > 100 || surrogate.iter().any(|escape| lower.contains(escape))
}

/// Most digits of a number that is read.
const MAX_DIGITS: u32 = 400;

/// Whether text has a number outside strings that is slow to read or takes all memory: of very many
/// digits, or like `1e1000000000`, which regorus writes out in full.
pub(super) fn huge_number(text: &str) -> bool {
    let mut bytes = text.bytes().peekable();
    let mut before = b' ';
    let mut run = 0_u32;
    while let Some(byte) = bytes.next() {
        run = if byte.is_ascii_digit() { run.saturating_add(1) } else { 0 };
        if run > MAX_DIGITS {
            return true;
        }
        match byte {
            b'"' => {
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'e' | b'E' if before.is_ascii_digit() || before == b'.' => {
                while bytes.next_if(|byte| matches!(byte, b'+' | b'-' | b'0')).is_some() {}
                let mut digits = 0_u32;
                while bytes.next_if(u8::is_ascii_digit).is_some() {
                    digits = digits.saturating_add(1);
                }
                if digits > 2 {
                    return true;
                }
            }
            _ => {}
        }
        before = byte;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_seen_where_numbers_are() {
        assert!(huge_number("[1e1000000000]") && huge_number("1.5E+00100") && huge_number("1.e999"));
        assert!(huge_number(&"9".repeat(401)));
        assert!(!huge_number(r#"{"digest": "12e345678", "n": 1e10, "\\": 2}"#));
    }
}
