//! Builtins on numbers, and numbers in texts: `numbers.range`, `bits.*`, `to_number`.

use num_bigint::{BigInt, BigUint, Sign};
use regorus::Value;

use super::super::number::{self, Inexact, Rounding, from_whole, whole};
use super::super::wide::Decimal;

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
pub(in super::super) struct Written<'t> {
    pub(super) negative: bool,
    whole: &'t str,
    fraction: &'t str,
    /// It has a point, maybe with nothing on one side.
    pointed: bool,
    exponent: Option<i64>,
}

impl<'t> Written<'t> {
    /// None if it is no such number.
    pub(in super::super) fn read(text: &'t str) -> Option<Self> {
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
        (any && digits(whole) && digits(fraction)).then_some(Self {
            negative,
            whole,
            fraction,
            pointed,
            exponent,
        })
    }

    /// Whether it is beyond all numbers that are read from text, by JSON's reader and by `to_number`.
    pub(in super::super) fn is_beyond(&self) -> bool {
        let exponent = self.exponent.unwrap_or(0).unsigned_abs();
        self.whole.len().saturating_add(self.fraction.len()) > MAX_DIGITS || exponent > 99
    }

    /// Its digits, and by how many places they are too large.
    pub(super) fn scaled(&self) -> Result<(BigUint, i64), Inexact> {
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

pub(super) fn scaled_decimal(negative: bool, digits: &BigUint, places: i64) -> Decimal {
    let text = digits.to_string();
    let point = i64::try_from(text.len()).unwrap_or(i64::MAX).saturating_sub(places);
    let kept = text.trim_end_matches('0').to_owned();
    let zero = kept.is_empty();
    Decimal { negative: negative && !zero, digits: kept, point: if zero { 0 } else { point } }
}

/// Steps for counting with long numbers.
pub(super) fn sum_cost(args: &[Value], _: u64) -> u64 {
    let count = match args.first() {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Set(items)) => items.len(),
        _ => 0,
    };
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(3)
}

/// Steps for numbers that are longer than a machine's.
pub(super) fn long_cost(args: &[Value], _: u64) -> u64 {
    let long = |value: &&Value| matches!(value, Value::Number(n) if n.as_i64().is_none());
    u64::try_from(args.iter().filter(long).count()).unwrap_or(u64::MAX).saturating_mul(24)
}
