//! `rand.intn`, `uuid.*`, `opa.runtime`.

use regorus::Value;
use sha2::{Digest, Sha256};

use crate::collections;
use crate::eval::context::Context;
use crate::eval::number::integer;
use crate::eval::table::Unanswered;

/// The OPA whose answers these are.
const VERSION: &str = "1.22.2";
/// Nanoseconds from the beginning of the Gregorian calendar to that of Unix.
const GREGORIAN_NS: i128 = 12_219_292_800 * 1_000_000_000;

/// A hash of `parts`, each with its length so that none runs into the next.
pub(in crate::eval) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// `opa.runtime()`: the shape that OPA has, with nothing of the proxy in it. Environment and configuration
/// of a proxy are not the policy's to read.
pub(in crate::eval) fn runtime() -> Value {
    collections::object([
        (Value::from("commit"), Value::from("")),
        (Value::from("config"), Value::new_object()),
        (Value::from("env"), Value::new_object()),
        (Value::from("version"), Value::from(VERSION)),
    ])
}

/// `rand.intn(text, n)`: from 0 to below `n`.
pub(in crate::eval) fn intn(args: &[Value], context: &Context) -> Result<Value, Unanswered> {
    let [Value::String(text), n] = args else { return Ok(Value::Undefined) };
    let Some(n) = integer(n) else { return Ok(Value::Undefined) };
    if n == 0 {
        return Ok(Value::from(0_u64));
    }
    let n = i64::try_from(n.unsigned_abs()).map_err(|_| Unanswered::Inexact)?;
    let drawn = context.draw(&[b"rand.intn", text.as_bytes(), &n.to_le_bytes()])?;
    // The high half of a product of 128 random bits: no value is likelier than another by more than 2^-64.
    let wide = first(&drawn).checked_shr(64).unwrap_or(0);
    let value = wide.checked_mul(u128::from(n.unsigned_abs())).unwrap_or(0) >> 64;
    Ok(Value::from(u64::try_from(value).unwrap_or(0)))
}

/// `uuid.rfc4122(key)`: a random one, version 4.
pub(in crate::eval) fn uuid(args: &[Value], context: &Context) -> Result<Value, Unanswered> {
    let [key] = args else { return Ok(Value::Undefined) };
    Ok(Value::from(uuid_of(&context.draw(&[b"uuid.rfc4122", key.to_string().as_bytes()])?)))
}

/// The UUID, version 4, of random bytes.
pub(crate) fn uuid_of(random: &[u8; 32]) -> String {
    written(first(random) & !(0xF << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62))
}

/// `8-4-4-4-12` hexadecimal digits.
fn written(bits: u128) -> String {
    let field = |shift: u32, mask: u128| (bits >> shift) & mask;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        field(96, 0xFFFF_FFFF),
        field(80, 0xFFFF),
        field(64, 0xFFFF),
        field(48, 0xFFFF),
        field(0, 0xFFFF_FFFF_FFFF),
    )
}

fn first(drawn: &[u8; 32]) -> u128 {
    drawn.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// `uuid.parse(text)`: what is in it; the forms that Go's `google/uuid` reads.
pub(in crate::eval) fn uuid_parse(args: &[Value], _: &Context) -> Result<Value, Unanswered> {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    Ok(read(text).map_or(Value::Undefined, described))
}

fn read(text: &str) -> Option<u128> {
    let bare = match text.len() {
        36 => text,
        38 => text.get(1..37)?,
        45 if text.get(..9)?.eq_ignore_ascii_case("urn:uuid:") => text.get(9..)?,
        32 => return hex(text),
        _ => return None,
    };
    let parts: Vec<&str> = bare.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if lengths == [8, 4, 4, 4, 12] { hex(&parts.concat()) } else { None }
}

fn hex(digits: &str) -> Option<u128> {
    if digits.bytes().all(|b| b.is_ascii_hexdigit()) { u128::from_str_radix(digits, 16).ok() } else { None }
}

fn described(bits: u128) -> Value {
    let low = |shift: u32, width: u32| (bits >> shift) & !(u128::MAX << width);
    let small = |n: u128| Value::from(u64::try_from(n).unwrap_or(0));
    let version = low(76, 4);
    let variant = match low(61, 3) {
        0b100 | 0b101 => "RFC4122",
        0b110 => "Microsoft",
        0b111 => "Future",
        _ => "Reserved",
    };
    let mut fields: Vec<(&str, Value)> = vec![("version", small(version)), ("variant", Value::from(variant))];
    if matches!(version, 1 | 2) {
        let node: Vec<String> = (0..6_u32).rev().map(|at| format!("{:02x}", low(at * 8, 8))).collect();
        let kind = match low(40, 2) {
            0b11 => "local:multicast",
            0b01 => "global:multicast",
            0b10 => "local:unicast",
            _ => "global:unicast",
        };
        let ticks = (low(64, 12) << 48) | (low(80, 16) << 32) | low(96, 32);
        let ns = i128::try_from(ticks).unwrap_or(0) * 100 - GREGORIAN_NS;
        fields.extend([
            ("nodeid", Value::from(node.join("-"))),
            ("macvariables", Value::from(kind)),
            ("clocksequence", small(low(48, 14))),
            ("time", Value::from(wrapped(ns))),
        ]);
    }
    if version == 2 {
        let domain = match low(48, 8) {
            0 => "Person".to_owned(),
            1 => "Group".to_owned(),
            2 => "Org".to_owned(),
            other => format!("Domain{other}"),
        };
        fields.extend([("id", small(low(96, 32))), ("domain", Value::from(domain))]);
    }
    collections::object(fields.into_iter().map(|(key, value)| (Value::from(key), value)))
}

/// As Go computes with 64 bits.
fn wrapped(wide: i128) -> i64 {
    let low = u128::from_le_bytes(wide.to_le_bytes()) & u128::from(u64::MAX);
    i64::from_le_bytes(u64::try_from(low).unwrap_or(0).to_le_bytes())
}
