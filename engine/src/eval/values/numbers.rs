//! Builtins on numbers, and numbers in texts: `numbers.range`, `bits.*`, `to_number`, `units.*`, `semver.*`.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use regorus::Value;

use super::super::number::{self, Inexact, Rounding, from_whole, whole};
use super::super::wide::{Decimal, PRECISION, Wide};

type Answer = Result<Value, Inexact>;

/// Farthest shift to the left, in bits.
const MAX_SHIFT: u32 = 1024;
/// Longest number that is read from text.
const MAX_DIGITS: usize = 400;

fn one(args: &[Value], answer: impl FnOnce(&Value) -> Answer) -> Answer {
    match args {
        [number @ Value::Number(_)] => answer(number),
        _ => Ok(Value::Undefined),
    }
}

pub(super) fn abs(args: &[Value]) -> Answer {
    one(args, number::abs)
}

pub(super) fn round(args: &[Value]) -> Answer {
    one(args, |number| number::rounded(number, Rounding::Nearest))
}

pub(super) fn ceil(args: &[Value]) -> Answer {
    one(args, |number| number::rounded(number, Rounding::Up))
}

pub(super) fn floor(args: &[Value]) -> Answer {
    one(args, |number| number::rounded(number, Rounding::Down))
}

/// Two whole numbers.
fn bits(args: &[Value], answer: impl FnOnce(BigInt, BigInt) -> Answer) -> Answer {
    let [a, b] = args else { return Ok(Value::Undefined) };
    match (whole(a)?, whole(b)?) {
        (Some(a), Some(b)) => answer(a, b),
        _ => Ok(Value::Undefined),
    }
}

pub(super) fn bits_and(args: &[Value]) -> Answer {
    bits(args, |a, b| from_whole(&(a & b)))
}

pub(super) fn bits_or(args: &[Value]) -> Answer {
    bits(args, |a, b| from_whole(&(a | b)))
}

pub(super) fn bits_xor(args: &[Value]) -> Answer {
    bits(args, |a, b| from_whole(&(a ^ b)))
}

pub(super) fn bits_negate(args: &[Value]) -> Answer {
    match args {
        [a] => whole(a)?.map_or(Ok(Value::Undefined), |a| from_whole(&!a)),
        _ => Ok(Value::Undefined),
    }
}

pub(super) fn shift_left(args: &[Value]) -> Answer {
    bits(args, |a, b| match (b.sign(), u32::try_from(&b)) {
        (Sign::Minus, _) => Ok(Value::Undefined),
        (_, Ok(by)) if by <= MAX_SHIFT => from_whole(&(a << by)),
        _ if u64::try_from(&b).is_ok() && a == BigInt::ZERO => Ok(Value::from(0_u64)),
        _ => Err(Inexact),
    })
}

pub(super) fn shift_right(args: &[Value]) -> Answer {
    bits(args, |a, b| match (b.sign(), u64::try_from(&b)) {
        (Sign::Minus, _) => Ok(Value::Undefined),
        // Nothing is left but the sign.
        (_, Ok(by)) => from_whole(&(a >> by.min(4096))),
        _ => Err(Inexact),
    })
}

/// First, last and step of a range, if they are integers within reach.
fn range_of(args: &[Value]) -> Result<Option<(i128, i128, i128)>, Inexact> {
    let limit = |n: BigInt| i128::try_from(n).ok().filter(|n| n.unsigned_abs() < 1 << 100).ok_or(Inexact);
    let step = args.get(2).map_or(Ok(Some(BigInt::from(1))), whole)?;
    match (args.first().map_or(Ok(None), whole)?, args.get(1).map_or(Ok(None), whole)?, step) {
        (Some(from), Some(to), Some(step)) => Ok(Some((limit(from)?, limit(to)?, limit(step)?))),
        _ => Ok(None),
    }
}

/// `numbers.range(from, to)` and `numbers.range_step(from, to, step)`
pub(super) fn range(args: &[Value]) -> Answer {
    let Some((from, to, step)) = range_of(args)? else { return Ok(Value::Undefined) };
    if step <= 0 {
        return Ok(Value::Undefined);
    }
    let (mut items, mut at) = (Vec::new(), from);
    while if from <= to { at <= to } else { at >= to } {
        items.push(Value::from(at));
        at = if from <= to { at.saturating_add(step) } else { at.saturating_sub(step) };
    }
    Ok(Value::from(items))
}

/// Steps for the numbers of a range.
pub(super) fn range_cost(args: &[Value], _: u64) -> u64 {
    match range_of(args) {
        Ok(Some((from, to, step))) if step > 0 => {
            let count = from.abs_diff(to).checked_div(step.unsigned_abs()).unwrap_or(0);
            u64::try_from(count / 4).unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}

/// A decimal number in text as Go reads it: sign, digits, digits after the point, exponent.
struct Written<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    /// It has a point, maybe with nothing on one side.
    pointed: bool,
    exponent: Option<i64>,
}

impl<'t> Written<'t> {
    /// None if it is no such number.
    fn read(text: &'t str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power)),
            None => (rest, None),
        };
        let exponent = match power {
            None => None,
            Some(power) => {
                let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
                if unsigned.is_empty() || !digits(unsigned) {
                    return None;
                }
                let size: i64 = unsigned.parse().unwrap_or(i64::from(i32::MAX)).min(i64::from(i32::MAX));
                Some(if power.starts_with('-') { size.saturating_neg() } else { size })
            }
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let any = !whole.is_empty() || !fraction.is_empty();
        let pointed = mantissa.contains('.');
        (any && digits(whole) && digits(fraction)).then_some(Self { negative, whole, fraction, pointed, exponent })
    }

    /// Its digits, and by how many places they are too large.
    fn scaled(&self) -> Result<(BigUint, i64), Inexact> {
        let digits = format!("{}{}", self.whole, self.fraction);
        let exponent = self.exponent.unwrap_or(0);
        if digits.len() > MAX_DIGITS || exponent.unsigned_abs() > 400 {
            return Err(Inexact);
        }
        let places = i64::try_from(self.fraction.len()).unwrap_or(i64::MAX).saturating_sub(exponent);
        Ok((digits.parse().map_err(|_| Inexact)?, places))
    }
}

/// `to_number(value)`
pub(super) fn to_number(args: &[Value]) -> Answer {
    match args {
        [Value::Null | Value::Bool(false)] => Ok(Value::from(0_u64)),
        [Value::Bool(true)] => Ok(Value::from(1_u64)),
        [number @ Value::Number(_)] => Ok(number.clone()),
        [Value::String(text)] => read_number(text),
        _ => Ok(Value::Undefined),
    }
}

fn read_number(text: &str) -> Answer {
    let Some(written) = Written::read(text) else {
        // Hexadecimal fractions are numbers to Go, and some with underscores.
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
        let more = hex || (text.contains('_') && text.contains(|c: char| c.is_ascii_digit()));
        return if more { Err(Inexact) } else { Ok(Value::Undefined) };
    };
    let Written { whole, fraction, pointed, exponent, .. } = written;
    let zeros = whole.len() > 1 && whole.starts_with('0');
    // OPA keeps the text: `+5`, `05` and `.5` are numbers that JSON does not have.
    let odd = text.starts_with('+') || zeros || whole.is_empty() || (pointed && fraction.is_empty());
    let float: f64 = text.parse().map_err(|_| Inexact)?;
    if !float.is_finite() {
        return Ok(Value::Undefined);
    }
    if odd || exponent.is_some_and(|exponent| exponent.unsigned_abs() > 30) || text.len() > MAX_DIGITS {
        return Err(Inexact);
    }
    if !pointed && exponent.is_none() {
        return Value::from_numeric_string(text).map_err(|_| Inexact);
    }
    let (digits, places) = written.scaled()?;
    let decimal = scaled_decimal(written.negative, &digits, places);
    // A double, as it is written with a point or an exponent.
    let value = Value::from(float);
    if Decimal::read(&value.to_string()) == decimal { Ok(value) } else { Err(Inexact) }
}

fn scaled_decimal(negative: bool, digits: &BigUint, places: i64) -> Decimal {
    let text = digits.to_string();
    let point = i64::try_from(text.len()).unwrap_or(i64::MAX).saturating_sub(places);
    let kept = text.trim_end_matches('0').to_owned();
    let zero = kept.is_empty();
    Decimal { negative: negative && !zero, digits: kept, point: if zero { 0 } else { point } }
}

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
    let text: String = text.chars().map(super::super::unicode::lower).filter(|c| *c != '"').collect();
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
    let rest: String = chars.map(super::super::unicode::lower).collect();
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
    let (mut top, mut bottom) = if places > 0 { (digits, power) } else { (digits * power, BigUint::from(1_u32)) };
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
            text.split('.').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric())
            })
        };
        let (text, meta) = text.split_once('+').map_or((text, None), |(text, meta)| (text, Some(meta)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let zeros = |part: &str| part.len() > 1 && part.starts_with('0') && decimal(part);
        if !meta.is_none_or(identifiers) || !pre.is_none_or(|pre| identifiers(pre) && !pre.split('.').any(zeros)) {
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

/// Steps for counting with long numbers.
pub(super) fn sum_cost(args: &[Value], _: u64) -> u64 {
    let count = match args.first() {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Set(items)) => items.len(),
        _ => 0,
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}
