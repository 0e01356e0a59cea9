//! Go's `big.Float` of 64 bits, in which OPA computes with fractions.

use num_bigint::{BigInt, BigUint, Sign};
use regorus::Value;

use super::number::Inexact;

/// Bits of a mantissa.
pub(super) const PRECISION: u32 = 64;
/// Beyond this power of ten Go rounds the power, too.
const MAX_POWER: u32 = 55;

/// A number as it is written: digits without zeros at either end, and the place of the point before or
/// after the first of them. Zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) digits: String,
    pub(super) point: i64,
}

impl Decimal {
    /// Of text without an exponent.
    pub(super) fn read(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = whole.trim_start_matches('0');
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let zeros = all.len().saturating_sub(digits.len());
        let point = size(whole.len()).saturating_sub(size(zeros));
        let digits = digits.trim_end_matches('0').to_owned();
        let point = if digits.is_empty() { 0 } else { point };
        Self { negative: negative && !digits.is_empty(), digits, point }
    }

    /// The value, if one holds just these digits.
    pub(super) fn value(&self) -> Result<Value, Inexact> {
        let sign = if self.negative { "-" } else { "" };
        let places = self.point.saturating_sub(size(self.digits.len()));
        if self.digits.is_empty() {
            return Ok(Value::from(0_u64));
        }
        if places >= 0 {
            let zeros = "0".repeat(usize::try_from(places).map_err(|_| Inexact)?.min(2000));
            return Value::from_numeric_string(&format!("{sign}{}{zeros}", self.digits)).map_err(|_| Inexact);
        }
        let float: f64 = format!("{sign}{}e{places}", self.digits).parse().map_err(|_| Inexact)?;
        let value = Value::from(float);
        if Self::read(&value.to_string()) == *self { Ok(value) } else { Err(Inexact) }
    }
}

fn size(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// A binary number of 64 bits: `mantissa * 2^exponent`, the mantissa's top bit set unless it is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide {
    pub(super) negative: bool,
    pub(super) mantissa: u64,
    pub(super) exponent: i32,
}

impl Wide {
    pub(super) const HALF: Self = Self { negative: false, mantissa: 1 << 63, exponent: -64 };
    pub(super) const ONE: Self = Self { negative: false, mantissa: 1 << 63, exponent: -63 };

    /// The number whose decimal is the value's, rounded to 64 bits.
    pub(super) fn read(value: &Value) -> Result<Self, Inexact> {
        let Value::Number(number) = value else { return Err(Inexact) };
        let text = number.format_decimal();
        if !text.contains('.') && text.len() <= 400 {
            return text.parse::<BigInt>().map(|whole| Self::from_whole(&whole)).map_err(|_| Inexact);
        }
        let decimal = Decimal::read(&text);
        let digits: BigUint = decimal.digits.parse().map_err(|_| Inexact)?;
        let places = size(decimal.digits.len()).saturating_sub(decimal.point);
        Self::scaled(decimal.negative, &digits, places)
    }

    /// `digits / 10^places`, rounded once.
    pub(super) fn scaled(negative: bool, digits: &BigUint, places: i64) -> Result<Self, Inexact> {
        let power = u32::try_from(places.unsigned_abs()).ok().filter(|p| *p <= MAX_POWER).ok_or(Inexact)?;
        let power = BigUint::from(10_u32).pow(power);
        if places <= 0 {
            let sign = if negative { Sign::Minus } else { Sign::Plus };
            return Ok(Self::from_whole(&BigInt::from_biguint(sign, digits * power)));
        }
        // A quotient of 66 bits at least; what is left over only matters for ties.
        let shift = power.bits().saturating_add(66).saturating_sub(digits.bits().min(66));
        let dividend = digits << shift;
        let (quotient, rest) = (&dividend / &power, &dividend % &power);
        let exponent = i32::try_from(shift).map_err(|_| Inexact)?.saturating_neg();
        Ok(Self::narrow(negative, &quotient, rest != BigUint::ZERO, exponent))
    }

    pub(super) fn from_whole(whole: &BigInt) -> Self {
        Self::narrow(whole.sign() == Sign::Minus, whole.magnitude(), false, 0)
    }

    /// `bits * 2^exponent`, of any size, rounded.
    fn narrow(negative: bool, bits: &BigUint, more: bool, exponent: i32) -> Self {
        let excess = bits.bits().saturating_sub(126);
        let kept = bits >> excess;
        let more = more || bits.trailing_zeros().is_some_and(|zeros| zeros < excess);
        let exponent = exponent.saturating_add(i32::try_from(excess).unwrap_or(i32::MAX));
        Self::round(negative, u128::try_from(kept).unwrap_or(0), more, exponent, PRECISION)
    }

    /// `bits * 2^exponent` to the nearest of `precision` bits, ties to even; `more` says that something below
    /// `bits` is lost.
    fn round(negative: bool, bits: u128, more: bool, exponent: i32, precision: u32) -> Self {
        let width = 128_u32.saturating_sub(bits.leading_zeros());
        let (mut kept, mut exponent) = (bits, exponent);
        if let Some(excess) = width.checked_sub(precision).filter(|excess| *excess > 0) {
            kept = bits >> excess;
            let lost = bits & !(u128::MAX << excess);
            let half = (1_u128 << excess) >> 1;
            let up = lost > half || (lost == half && (more || kept & 1 == 1));
            kept = kept.saturating_add(u128::from(up));
            exponent = exponent.saturating_add_unsigned(excess);
        }
        if kept == 0 {
            return Self { negative: false, mantissa: 0, exponent: 0 };
        }
        let shift = kept.leading_zeros().saturating_sub(64);
        match u64::try_from(kept) {
            Ok(mantissa) => {
                let mantissa = mantissa.checked_shl(shift).unwrap_or(0);
                Self { negative, mantissa, exponent: exponent.saturating_sub_unsigned(shift) }
            }
            Err(_) => Self { negative, mantissa: 1 << 63, exponent: exponent.saturating_add(1) },
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        let size = |n: &Self| (n.mantissa != 0, n.exponent, n.mantissa);
        let (big, low) = if size(&self) >= size(&other) { (self, other) } else { (other, self) };
        if low.mantissa == 0 {
            return big;
        }
        let exponent = big.exponent.saturating_sub(63);
        let distance = big.exponent.saturating_sub(low.exponent).unsigned_abs();
        let (a, b) = (u128::from(big.mantissa) << 63, u128::from(low.mantissa) << 63);
        let shifted = b.checked_shr(distance).unwrap_or(0);
        let more = shifted.checked_shl(distance).unwrap_or(0) != b;
        let bits = if big.negative == low.negative {
            a.saturating_add(shifted)
        } else {
            // What is lost would be subtracted too.
            a.saturating_sub(shifted).saturating_sub(u128::from(more))
        };
        Self::round(big.negative, bits, more, exponent, PRECISION)
    }

    pub(super) fn mul(self, other: Self, precision: u32) -> Self {
        let bits = u128::from(self.mantissa).saturating_mul(other.mantissa.into());
        let exponent = self.exponent.saturating_add(other.exponent);
        Self::round(self.negative != other.negative, bits, false, exponent, precision)
    }

    /// The divisor must not be zero.
    pub(super) fn div(self, other: Self) -> Self {
        let divisor = u128::from(other.mantissa.max(1));
        let dividend = u128::from(self.mantissa) << 64;
        let (quotient, rest) = (dividend / divisor, (dividend % divisor) << 2);
        let bits = (quotient << 2) | (rest / divisor);
        let exponent = self.exponent.saturating_sub(other.exponent).saturating_sub(66);
        Self::round(self.negative != other.negative, bits, rest % divisor != 0, exponent, PRECISION)
    }

    /// The whole part, and whether there is no other.
    pub(super) fn trunc(self) -> (BigInt, bool) {
        let mantissa = BigUint::from(self.mantissa);
        let down = self.exponent.unsigned_abs();
        let (whole, exact) = if self.exponent >= 0 {
            (mantissa << down, true)
        } else {
            let whole = self.mantissa.checked_shr(down).unwrap_or(0);
            (BigUint::from(whole), whole.checked_shl(down).unwrap_or(0) == self.mantissa)
        };
        let sign = if self.negative { Sign::Minus } else { Sign::Plus };
        (BigInt::from_biguint(sign, whole), exact)
    }

    /// The decimal that OPA writes: the shortest that reads back as the same at `precision` bits
    /// (`big.Float.Text` with precision -1, whose bounds are half a unit to both sides).
    pub(super) fn decimal(self, precision: u32) -> Result<Decimal, Inexact> {
        if self.mantissa == 0 {
            return Ok(Decimal { negative: false, digits: String::new(), point: 0 });
        }
        if self.exponent.unsigned_abs() > 1200 {
            return Err(Inexact);
        }
        // One bit more than the precision: the last one is half a unit.
        let drop = 63_u32.saturating_sub(precision);
        let bits =
            if precision > 63 { u128::from(self.mantissa) << 1 } else { u128::from(self.mantissa >> drop) };
        let exponent = if precision > 63 {
            self.exponent.saturating_sub(1)
        } else {
            self.exponent.saturating_add_unsigned(drop)
        };
        let exact = written(bits, exponent);
        let (low, high) =
            (written(bits.saturating_sub(1), exponent), written(bits.saturating_add(1), exponent));
        let inclusive = bits & 2 == 0;
        let digit = |digits: &[u8], at: usize| digits.get(at).copied().unwrap_or(b'0');
        let (mut digits, mut point) = (exact.0.clone(), exact.1);
        for (at, m) in exact.0.iter().copied().enumerate() {
            let (l, u) = (digit(&low.0, at), digit(&high.0, at));
            let after = at.saturating_add(1);
            let down = l != m || (inclusive && after == low.0.len());
            let up = m != u && (inclusive || m.saturating_add(1) < u || after < high.0.len());
            let raise = match (down, up) {
                (true, true) => {
                    let next = digit(&exact.0, after);
                    let tie = next == b'5' && after.saturating_add(1) == exact.0.len();
                    if tie { m & 1 == 1 } else { next >= b'5' }
                }
                (true, false) => false,
                (false, true) => true,
                (false, false) => continue,
            };
            digits.truncate(after);
            if raise {
                raise_last(&mut digits, &mut point);
            }
            break;
        }
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let digits = digits.into_iter().map(char::from).collect();
        Ok(Decimal { negative: self.negative, digits, point })
    }

    /// As a value, if one holds the decimal that OPA would write.
    pub(super) fn value(self) -> Result<Value, Inexact> {
        self.decimal(PRECISION)?.value()
    }
}

/// `bits * 2^exponent` in decimal: digits without zeros at the end, and the place of the point.
fn written(bits: u128, exponent: i32) -> (Vec<u8>, i64) {
    let down = exponent.unsigned_abs();
    let (whole, places) = if exponent >= 0 {
        (BigUint::from(bits) << down, 0)
    } else {
        (BigUint::from(bits) * BigUint::from(5_u32).pow(down), i64::from(down))
    };
    let mut digits = whole.to_string().into_bytes();
    let point = size(digits.len()).saturating_sub(places);
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    (digits, point)
}

/// Adds one to the last digit.
fn raise_last(digits: &mut Vec<u8>, point: &mut i64) {
    while digits.last() == Some(&b'9') {
        digits.pop();
    }
    match digits.last_mut() {
        Some(digit) => *digit = digit.saturating_add(1),
        None => {
            digits.push(b'1');
            *point = point.saturating_add(1);
        }
    }
}
