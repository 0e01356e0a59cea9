//! Arithmetic that is exactly OPA's, or refuses.
//!
//! OPA computes fractions in binary with 64 bits of mantissa and keeps the result as the shortest
//! decimal that reads back as the same, so that 0.1 + 0.2 is 0.3 (`topdown/arithmetic.go`). A number
//! here is an integer of any size or has 53 bits. So fractions are computed with 64 bits, and a result
//! that a number here cannot hold as OPA writes it, such as 1 / 3, is an error instead of almost right.

use regorus::Value;

use crate::plan::Operator;

/// Largest integer that arithmetic makes, in bits: as large as a double can be.
const MAX_BITS: u64 = 1024;

/// The result is not certain to be OPA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inexact;

/// `a op b` of two numbers; undefined where there is no such number.
pub(super) fn operate(op: Operator, a: &Value, b: &Value) -> Result<Value, Inexact> {
    let (Value::Number(x), Value::Number(y)) = (a, b) else { return Ok(Value::Undefined) };
    let number = |result: Result<_, _>| result.map_or(Ok(Value::Undefined), |n| bounded(Value::from(n)));
    // Exact integers; `3.0` of an input is a float inside, and would be multiplied as one.
    if let (Some(i), Some(j), Operator::Add | Operator::Sub | Operator::Mul) = (x.as_i64(), y.as_i64(), op) {
        let (i, j) = (i128::from(i), i128::from(j));
        return Ok(Value::from(match op {
            Operator::Add => i.saturating_add(j),
            Operator::Sub => i.saturating_sub(j),
            _ => i.saturating_mul(j),
        }));
    }
    let (a, b) = (&exact(a), &exact(b));
    let (Value::Number(x), Value::Number(y)) = (a, b) else { return Ok(Value::Undefined) };
    let whole = x.as_big().is_some() && y.as_big().is_some();
    let zero = *b == Value::from(0_u64);
    match op {
        Operator::Add if whole => number(x.add(y).map_err(|_| Inexact)),
        Operator::Sub if whole => number(x.sub(y).map_err(|_| Inexact)),
        Operator::Mul if whole => number(x.mul(y).map_err(|_| Inexact)),
        Operator::Div | Operator::Rem if zero => Ok(Value::Undefined),
        Operator::Rem if whole => number(x.clone().modulo(y).map_err(|_| Inexact)),
        Operator::Rem | Operator::And | Operator::Or => Ok(Value::Undefined),
        Operator::Add | Operator::Sub | Operator::Mul | Operator::Div => {
            let (x, y) = (Wide::read(a)?, Wide::read(b)?);
            match op {
                Operator::Add => x.add(y),
                Operator::Sub => x.add(Wide { negative: !y.negative, ..y }),
                Operator::Mul => x.mul(y),
                _ => x.div(y),
            }
            .value()
        }
    }
}

/// The same number, as an integer inside if it is one.
fn exact(value: &Value) -> Value {
    match value {
        Value::Number(n) => n.as_i64().map_or_else(|| value.clone(), Value::from),
        _ => value.clone(),
    }
}

/// The value, unless it is larger than any number of use: squaring again and again must not take all
/// memory.
fn bounded(value: Value) -> Result<Value, Inexact> {
    let bits = match &value {
        Value::Number(n) if n.as_i128().is_none() => n.as_big().map_or(0, |big| big.bits()),
        _ => 0,
    };
    if bits > MAX_BITS { Err(Inexact) } else { Ok(value) }
}

/// The sum of numbers, rounded as OPA does: never to a decimal in between.
pub(super) fn sum(numbers: &[&Value]) -> Result<Value, Inexact> {
    let zero = Value::from(0_u64);
    if numbers.iter().all(|number| is_whole(number)) {
        return numbers.iter().try_fold(zero, |total, number| operate(Operator::Add, &total, number));
    }
    numbers.iter().try_fold(Wide::read(&zero)?, |total, number| Ok(total.add(Wide::read(number)?)))?.value()
}

/// The product of integers. OPA multiplies fractions with 53 bits here, but reads them with 64.
pub(super) fn product(numbers: &[&Value]) -> Result<Value, Inexact> {
    if !numbers.iter().all(|number| is_whole(number)) {
        return Err(Inexact);
    }
    let one = Value::from(1_u64);
    numbers.iter().try_fold(one, |total, number| operate(Operator::Mul, &total, number))
}

/// Whether it is an integer (of any size).
pub(super) fn is_whole(value: &Value) -> bool {
    matches!(value, Value::Number(n) if n.is_integer())
}

/// The integer, if it is one that no arithmetic in between rounds.
pub(super) fn small(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) if n.is_integer() => n.as_i64().filter(|n| n.unsigned_abs() < 1 << 53),
        _ => None,
    }
}

/// A binary number of 64 bits: `mantissa * 2^exponent`, the mantissa's top bit set unless it is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wide {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Wide {
    /// The number whose decimal is the value's, rounded to 64 bits.
    fn read(value: &Value) -> Result<Self, Inexact> {
        let text = value.to_string();
        let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut scaled: u64 = 0;
        for digit in whole.chars().chain(fraction.chars()) {
            let digit = digit.to_digit(10).ok_or(Inexact)?;
            scaled = scaled.checked_mul(10).and_then(|n| n.checked_add(digit.into())).ok_or(Inexact)?;
        }
        // Ten to the power of 18 leaves 65 bits of the quotient.
        let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 18).ok_or(Inexact)?;
        let divisor = 10_u128.pow(places);
        let shift = u128::from(scaled).leading_zeros().saturating_sub(1);
        let dividend = u128::from(scaled) << shift;
        let exponent = i32::try_from(shift).map_err(|_| Inexact)?.saturating_neg();
        let (quotient, rest) = (dividend.checked_div(divisor), dividend.checked_rem(divisor));
        Ok(Self::round(negative, quotient.ok_or(Inexact)?, rest != Some(0), exponent))
    }

    /// `bits * 2^exponent` to the nearest, ties to even; `more` says that something below `bits` is lost.
    fn round(negative: bool, bits: u128, more: bool, exponent: i32) -> Self {
        let width = 128_u32.saturating_sub(bits.leading_zeros());
        let Some(excess) = width.checked_sub(64) else {
            let shift = 64_u32.saturating_sub(width);
            let mantissa = u64::try_from(bits).unwrap_or(0).checked_shl(shift).unwrap_or(0);
            let exponent = if bits == 0 { 0 } else { exponent.saturating_sub_unsigned(shift) };
            return Self { negative: negative && bits != 0, mantissa, exponent };
        };
        let kept = bits >> excess;
        let lost = bits & !(u128::MAX << excess);
        let half = (1_u128 << excess) >> 1;
        let up = excess > 0 && (lost > half || (lost == half && (more || kept & 1 == 1)));
        let exponent = exponent.saturating_add_unsigned(excess);
        match u64::try_from(kept.saturating_add(u128::from(up))) {
            Ok(mantissa) => Self { negative, mantissa, exponent },
            Err(_) => Self { negative, mantissa: 1 << 63, exponent: exponent.saturating_add(1) },
        }
    }

    fn add(self, other: Self) -> Self {
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
        Self::round(big.negative, bits, more, exponent)
    }

    fn mul(self, other: Self) -> Self {
        let bits = u128::from(self.mantissa).saturating_mul(other.mantissa.into());
        let exponent = self.exponent.saturating_add(other.exponent);
        Self::round(self.negative != other.negative, bits, false, exponent)
    }

    /// The divisor must not be zero.
    fn div(self, other: Self) -> Self {
        let divisor = u128::from(other.mantissa.max(1));
        let dividend = u128::from(self.mantissa) << 64;
        let (quotient, rest) = (dividend / divisor, (dividend % divisor) << 2);
        let bits = (quotient << 2) | (rest / divisor);
        let exponent = self.exponent.saturating_sub(other.exponent).saturating_sub(66);
        Self::round(self.negative != other.negative, bits, rest % divisor != 0, exponent)
    }

    /// As a value, if one holds the decimal that OPA would write.
    fn value(self) -> Result<Value, Inexact> {
        let down = self.exponent.unsigned_abs();
        let whole = match self.exponent {
            0 => Some(self.mantissa),
            ..0 => self.mantissa.checked_shr(down).filter(|n| n.checked_shl(down) == Some(self.mantissa)),
            1.. => return Err(Inexact),
        };
        if self.mantissa == 0 {
            return Ok(Value::from(0_u64));
        }
        let value = match whole {
            Some(whole) if self.negative => {
                let negated = i128::from(whole).checked_neg().ok_or(Inexact)?;
                Value::from(i64::try_from(negated).map_err(|_| Inexact)?)
            }
            Some(whole) => Value::from(whole),
            None => {
                // The conversion rounds to the nearest; scaling by a power of two then loses nothing.
                #[expect(clippy::cast_precision_loss, reason = "compared with the exact number below")]
                let float = self.mantissa as f64 * 2_f64.powi(self.exponent);
                Value::from(if self.negative { -float } else { float })
            }
        };
        if Self::read(&value)? == self { Ok(value) } else { Err(Inexact) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value {
        Value::from_json_str(text).unwrap()
    }

    /// Each with what `opa eval` answers; `?` where a number here cannot hold it.
    #[test]
    fn fractions_are_as_in_opa_or_refused() {
        for (a, op, b, want) in [
            ("0.1", Operator::Add, "0.2", "0.3"),
            ("1", Operator::Sub, "0.9", "?"),
            ("0.3", Operator::Sub, "0.1", "?"),
            ("0.1", Operator::Mul, "3", "0.3"),
            ("1.1", Operator::Mul, "1.1", "1.21"),
            ("100", Operator::Mul, "1.1", "110"),
            ("4.35", Operator::Mul, "100", "435"),
            ("1.005", Operator::Mul, "1000", "1005"),
            ("1.5", Operator::Mul, "-2", "-3"),
            ("7", Operator::Div, "2", "3.5"),
            ("-7", Operator::Div, "2", "-3.5"),
            ("6", Operator::Div, "3", "2"),
            ("0", Operator::Div, "5", "0"),
            ("1", Operator::Div, "3", "?"),
            ("10", Operator::Div, "3", "?"),
            ("1", Operator::Div, "10", "0.1"),
            ("0.5", Operator::Sub, "0.5", "0"),
            ("0.1", Operator::Sub, "0.2", "-0.1"),
            ("3.0", Operator::Mul, "12345678901234567891", "37037036703703703673"),
            ("123456789012.0", Operator::Mul, "123456789012.0", "15241578753153483936144"),
            ("12345678901234567890", Operator::Add, "1", "12345678901234567891"),
            ("123456789012345678901234567890", Operator::Mul, "0.5", "?"),
        ] {
            let got = operate(op, &number(a), &number(b)).map_or("?".to_owned(), |value| value.to_string());
            assert_eq!(got, want, "{a} {op:?} {b}");
        }
        let none = operate(Operator::Rem, &number("1.5"), &number("1"));
        assert_eq!(none, Ok(Value::Undefined));
    }

    #[test]
    fn sums_are_rounded_once() {
        let numbers: Vec<_> = ["0.1", "0.2", "0.3"].into_iter().map(number).collect();
        let numbers: Vec<_> = numbers.iter().collect();
        assert_eq!(sum(&numbers), Ok(number("0.6")));
        assert_eq!(product(&numbers), Err(Inexact));
        assert_eq!(product(&[]), Ok(number("1")));
    }
}
