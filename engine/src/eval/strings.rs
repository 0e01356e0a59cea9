//! Encodings.

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

fn encoded(args: &[Value], engine: &GeneralPurpose) -> Result<Value, Inexact> {
    match args {
        [Value::String(from)] => Ok(Value::from(engine.encode(from.as_bytes()))),
        _ => Ok(Value::Undefined),
    }
}

/// `base64.encode(text)`
pub(super) fn base64_encode(args: &[Value]) -> Result<Value, Inexact> {
    encoded(args, &base64::prelude::BASE64_STANDARD)
}

/// `base64url.encode(text)`
pub(super) fn base64url_encode(args: &[Value]) -> Result<Value, Inexact> {
    encoded(args, &base64::prelude::BASE64_URL_SAFE)
}

/// `base64url.encode_no_pad(text)`
pub(super) fn base64url_encode_no_pad(args: &[Value]) -> Result<Value, Inexact> {
    encoded(args, &base64::prelude::BASE64_URL_SAFE_NO_PAD)
}

/// `base64.is_valid(text)`: `false` for what is no string, too.
pub(super) fn base64_is_valid(args: &[Value]) -> Value {
    Value::Bool(matches!(args, [Value::String(from)] if base64(&STANDARD, from).is_some()))
}

/// `base64.decode`, but bytes.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
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

/// `urlquery.decode(text)`
pub(super) fn query_decode(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::String(from)] = args else { return Ok(Value::Undefined) };
    unescaped(from)
}

/// Go's `url.QueryUnescape`; undefined for an error.
pub(super) fn unescaped(from: &str) -> Result<Value, Inexact> {
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

/// `urlquery.encode(text)`
pub(super) fn query_encode(args: &[Value]) -> Value {
    let [Value::String(from)] = args else { return Value::Undefined };
    Value::from(escaped(from))
}

/// Go's `url.QueryEscape`.
pub(super) fn escaped(from: &str) -> String {
    let mut out = String::with_capacity(from.len());
    for byte in from.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
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
