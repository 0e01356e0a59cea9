//! Amounts with units, and versions: `units.*`, `semver.*`.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use regorus::Value;

use super::super::number::{Inexact, from_whole};
use super::super::unicode;
use super::super::wide::{Decimal, PRECISION, Wide};
use super::numbers::{Written, scaled_decimal};

type Answer = Result<Value, Inexact>;

/// Parts of an amount as `units.*` cut it; none where OPA has an error.
fn amount(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let sign = |at: usize| matches!(bytes.get(at), Some(b'+' | b'-'));
    let (mut at, mut end) = (0, bytes.len());
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'e' | b'E' => {
                let next = at.saturating_add(1);
                if !digit(next) && !sign(next) {
                    end = at;
                    break;
                }
                if sign(next) {
                    at = next;
                }
                let first = at.saturating_add(1);
                let count = bytes.get(first..)?.iter().take_while(|b| b.is_ascii_digit()).count();
                if count > 6 {
                    return None;
                }
            }
            b'0'..=b'9' | b'.' | b'+' | b'-' => {}
            _ => {
                end = at;
                break;
            }
        }
        at = at.saturating_add(1);
    }
    text.split_at_checked(end).filter(|(number, _)| !number.is_empty())
}

const SI: [&str; 7] = ["", "k", "m", "g", "t", "p", "e"];

/// The size of a unit: a power of 1000, or of 1024 where it ends with `i`.
fn unit(letter: &str, binary: bool) -> Option<BigUint> {
    let power = u32::try_from(SI.iter().position(|known| *known == letter)?).ok()?;
    Some(BigUint::from(if binary { 1024_u32 } else { 1000 }).pow(power))
}

/// `units.parse_bytes(text)`
pub(super) fn parse_bytes(args: &[Value]) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    let text: String = text.chars().map(unicode::lower).filter(|c| *c != '"').collect();
    let Some((number, name)) = amount(&text).filter(|_| !text.contains(' ')) else {
        return Ok(Value::Undefined);
    };
    let bare = name.strip_suffix('b').filter(|bare| !bare.is_empty()).unwrap_or(name);
    let (letter, binary) = bare.strip_suffix('i').map_or((bare, false), |letter| (letter, true));
    let known = !(binary && letter.is_empty());
    let (Some(size), Some(written)) = (unit(letter, binary).filter(|_| known), Written::read(number)) else {
        return Ok(Value::Undefined);
    };
    let (digits, places) = written.scaled()?;
    let number = Wide::scaled(written.negative, &digits, places)?;
    let size = Wide::from_whole(&BigInt::from_biguint(Sign::Plus, size));
    from_whole(&number.mul(size, PRECISION).trunc().0)
}

/// `units.parse(text)`
pub(super) fn parse_units(args: &[Value]) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    let text = text.replace('"', "");
    let Some((number, name)) = amount(&text).filter(|_| !text.contains(' ')) else {
        return Ok(Value::Undefined);
    };
    let mut chars = name.chars();
    let first: String = chars.next().into_iter().collect();
    let rest: String = chars.map(unicode::lower).collect();
    // A small `m` is a thousandth, and as a double.
    let milli = (first.as_str(), rest.as_str()) == ("m", "");
    let size = match rest.as_str() {
        _ if milli => Some(BigUint::from(1_152_921_504_606_847_u64)),
        "" => unit(&first.to_ascii_lowercase(), false),
        "i" => unit(&first.to_ascii_lowercase(), true),
        _ => None,
    };
    let (Some(size), Some(written)) = (size, Written::read(number)) else { return Ok(Value::Undefined) };
    let (digits, places) = written.scaled()?;
    let power = BigUint::from(10_u32).pow(u32::try_from(places.unsigned_abs()).map_err(|_| Inexact)?);
    let (mut top, mut bottom) =
        if places > 0 { (digits, power) } else { (digits * power, BigUint::from(1_u32)) };
    top *= size;
    if milli {
        // 0.001 is this many times 2^-60.
        bottom <<= 60_u32;
    }
    let sign = if written.negative { Sign::Minus } else { Sign::Plus };
    if &top % &bottom == BigUint::ZERO {
        return from_whole(&BigInt::from_biguint(sign, top / bottom));
    }
    // Ten places, halves away from zero.
    let scaled = top * BigUint::from(10_u64.pow(10));
    let (mut quotient, rest) = (&scaled / &bottom, &scaled % &bottom);
    if rest * 2_u32 >= bottom {
        quotient += 1_u32;
    }
    let decimal = scaled_decimal(written.negative, &quotient, 10);
    // Written with ten places: a double, also where it is whole.
    let text = format!("{}{quotient}e-10", if written.negative { "-" } else { "" });
    let value = Value::from(text.parse::<f64>().map_err(|_| Inexact)?);
    if Decimal::read(&value.to_string()) == decimal { Ok(value) } else { Err(Inexact) }
}

/// A version: its numbers and what is before a release.
struct Version<'t> {
    numbers: [i64; 3],
    pre: &'t str,
}

impl<'t> Version<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let identifiers = |text: &str| {
            text.split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric()))
        };
        let (text, meta) = text.split_once('+').map_or((text, None), |(text, meta)| (text, Some(meta)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let zeros = |part: &str| part.len() > 1 && part.starts_with('0') && decimal(part);
        if !meta.is_none_or(identifiers)
            || !pre.is_none_or(|pre| identifiers(pre) && !pre.split('.').any(zeros))
        {
            return None;
        }
        let mut parts = core.split('.').map(|part| {
            let fits = decimal(part) && (part.len() == 1 || !part.starts_with('0'));
            part.parse::<i64>().ok().filter(|_| fits)
        });
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self { numbers, pre: pre.unwrap_or_default() })
    }
}

fn decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The order of two identifiers: numbers before others. OPA reads numbers with 64 bits, and takes the
/// largest for what does not fit.
fn identifiers(a: &str, b: &str) -> Ordering {
    let number = |text: &str| decimal(text).then(|| text.parse().unwrap_or(i64::MAX));
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

pub(super) fn semver_is_valid(args: &[Value]) -> Answer {
    Ok(Value::Bool(matches!(args, [Value::String(text)] if Version::read(text).is_some())))
}

pub(super) fn semver_compare(args: &[Value]) -> Answer {
    let [Value::String(a), Value::String(b)] = args else { return Ok(Value::Undefined) };
    let (Some(a), Some(b)) = (Version::read(a), Version::read(b)) else { return Ok(Value::Undefined) };
    let order = a.numbers.cmp(&b.numbers).then_with(|| match (a.pre, b.pre) {
        (a, b) if a == b => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (a, b) => {
            let (mut x, mut y) = (a.split('.'), b.split('.'));
            loop {
                match (x.next(), y.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(a), Some(b)) => match identifiers(a, b) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        }
    });
    Ok(Value::from(match order {
        Ordering::Less => -1_i64,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}
