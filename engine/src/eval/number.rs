//! Arithmetic that is exactly OPA's, or refuses.
//!
//! OPA computes with whole numbers of any size exactly, with fractions in binary with 64 bits of mantissa,
//! and keeps a result as the shortest decimal that reads back as the same, so that 0.1 + 0.2 is 0.3
//! (`topdown/arithmetic.go`). A number here is an integer of any size or has 53 bits. So fractions are
//! computed with 64 bits, and a result that a number here cannot hold as OPA writes it, such as 1 / 3, is
//! an error instead of almost right.

use num_bigint::{BigInt, Sign};
use regorus::Value;

use super::wide::{PRECISION, Wide};
use crate::plan::Operator;

/// Largest integer that arithmetic makes, in bits: as large as a double can be. Squaring again and again
/// must not take all memory.
const MAX_BITS: u64 = 1024;

/// The result is not certain to be OPA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inexact;

/// `a op b` of two numbers; undefined where there is no such number.
pub(super) fn operate(op: Operator, a: &Value, b: &Value) -> Result<Value, Inexact> {
    let (Value::Number(x), Value::Number(y)) = (a, b) else { return Ok(Value::Undefined) };
    // Exact integers; `3.0` of an input is a float inside.
    if let (Some(i), Some(j), Operator::Add | Operator::Sub | Operator::Mul) = (x.as_i64(), y.as_i64(), op) {
        let (i, j) = (i128::from(i), i128::from(j));
        return Ok(Value::from(match op {
            Operator::Add => i.saturating_add(j),
            Operator::Sub => i.saturating_sub(j),
            _ => i.saturating_mul(j),
        }));
    }
    let zero = *b == Value::from(0_u64);
    match (op, whole(a)?, whole(b)?) {
        (Operator::Div | Operator::Rem, ..) if zero => Ok(Value::Undefined),
        (Operator::Add, Some(x), Some(y)) => from_whole(&(x + y)),
        (Operator::Sub, Some(x), Some(y)) => from_whole(&(x - y)),
        (Operator::Mul, Some(x), Some(y)) => from_whole(&(x * y)),
        (Operator::Rem, Some(x), Some(y)) => from_whole(&(x % y)),
        (Operator::Rem | Operator::And | Operator::Or, ..) => Ok(Value::Undefined),
        (op, ..) => {
            let (x, y) = (Wide::read(a)?, Wide::read(b)?);
            match op {
                Operator::Add => x.add(y),
                Operator::Sub => x.add(Wide { negative: !y.negative, ..y }),
                Operator::Mul => x.mul(y, PRECISION),
                _ => x.div(y),
            }
            .value()
        }
    }
}

/// The integer that a number is, whatever it looks like inside; none for a fraction.
pub(super) fn whole(value: &Value) -> Result<Option<BigInt>, Inexact> {
    let Value::Number(number) = value else { return Ok(None) };
    if !number.is_integer() {
        return Ok(None);
    }
    if let Some(small) = number.as_i64() {
        return Ok(Some(small.into()));
    }
    let text = number.format_decimal();
    if text.len() > 400 {
        return Err(Inexact);
    }
    text.parse().map(Some).map_err(|_| Inexact)
}

/// The integer as a value, unless it is larger than any of use.
pub(super) fn from_whole(whole: &BigInt) -> Result<Value, Inexact> {
    if whole.bits() > MAX_BITS {
        return Err(Inexact);
    }
    match i64::try_from(whole) {
        Ok(small) => Ok(Value::from(small)),
        Err(_) => Value::from_numeric_string(&whole.to_string()).map_err(|_| Inexact),
    }
}

/// The sum of numbers, rounded as OPA does: never to a decimal in between.
pub(super) fn sum(numbers: &[&Value]) -> Result<Value, Inexact> {
    let zero = Value::from(0_u64);
    if numbers.iter().all(|number| is_whole(number)) {
        return numbers.iter().try_fold(zero, |total, number| operate(Operator::Add, &total, number));
    }
    numbers.iter().try_fold(Wide::read(&zero)?, |total, number| Ok(total.add(Wide::read(number)?)))?.value()
}

/// The product of numbers. OPA reads fractions with 64 bits, and rounds to 53 with every factor.
pub(super) fn product(numbers: &[&Value]) -> Result<Value, Inexact> {
    if numbers.iter().all(|number| is_whole(number)) {
        let one = Value::from(1_u64);
        return numbers.iter().try_fold(one, |total, number| operate(Operator::Mul, &total, number));
    }
    let product = numbers.iter().try_fold(Wide::ONE, |total, n| Ok(total.mul(Wide::read(n)?, DOUBLE)))?;
    product.decimal(DOUBLE)?.value()
}

/// Bits of a double.
const DOUBLE: u32 = 53;

/// Which way a number becomes whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Nearest,
    Up,
    Down,
}

/// `round`, `ceil`, `floor`. A fraction above -1 counts as positive, since its whole part is.
pub(super) fn rounded(value: &Value, way: Rounding) -> Result<Value, Inexact> {
    if is_small(value) {
        return Ok(value.clone());
    }
    let number = Wide::read(value)?;
    if way == Rounding::Nearest {
        let half = Wide { negative: number.negative, ..Wide::HALF };
        return from_whole(&number.add(half).trunc().0);
    }
    let (whole, exact) = number.trunc();
    let negative = whole.sign() == Sign::Minus;
    from_whole(&match way {
        _ if exact => whole,
        Rounding::Up if !negative => whole + 1,
        Rounding::Down if negative => whole - 1,
        _ => whole,
    })
}

/// `abs`
pub(super) fn abs(value: &Value) -> Result<Value, Inexact> {
    match whole(value)? {
        Some(small) if is_small(value) => {
            from_whole(&BigInt::from_biguint(Sign::Plus, small.magnitude().clone()))
        }
        _ => Wide { negative: false, ..Wide::read(value)? }.value(),
    }
}

/// What OPA computes with as an integer of 32 bits.
fn is_small(value: &Value) -> bool {
    matches!(value, Value::Number(n) if n.is_integer() && n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()))
}

/// Whether it is held as a double: it was written with a fraction, also one of zeros, or is the result of
/// what makes fractions.
pub(super) fn is_float(value: &Value) -> bool {
    matches!(value, Value::Number(n) if n.format_decimal_with_width(1).contains('.'))
}

/// Whether it is an integer (of any size).
pub(super) fn is_whole(value: &Value) -> bool {
    matches!(value, Value::Number(n) if n.is_integer())
}

/// The integer of a value that is one, as OPA's `IntOperand` takes it.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) if n.is_integer() => n.as_i64(),
        _ => None,
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
            ("123456789012345678901234567890", Operator::Mul, "0.5", "61728394506172839450000000000"),
        ] {
            let got = operate(op, &number(a), &number(b)).map_or("?".to_owned(), |value| value.to_string());
            assert_eq!(got, want, "{a} {op:?} {b}");
        }
        let none = operate(Operator::Rem, &number("1.5"), &number("1"));
        assert_eq!(none, Ok(Value::Undefined));
    }

    /// `tests/opa/values` asked OPA.
    #[test]
    fn operators_answer_as_opa_or_not_at_all() {
        let (mut answered, mut refused) = (0, 0);
        for line in include_str!("../../tests/fixtures/arithmetic.jsonl").lines() {
            let call: serde_json::Value = serde_json::from_str(line).unwrap();
            let op = match call["name"].as_str().unwrap() {
                "plus" => Operator::Add,
                "minus" => Operator::Sub,
                "mul" => Operator::Mul,
                "div" => Operator::Div,
                _ => Operator::Rem,
            };
            let exact = |json: &serde_json::Value| match json {
                serde_json::Value::Number(number) => Value::from_numeric_string(number.as_str()).unwrap(),
                other => Value::from(other.clone()),
            };
            match operate(op, &exact(&call["args"][0]), &exact(&call["args"][1])) {
                Ok(got) => {
                    answered += 1;
                    assert_eq!(got, call.get("opa").map_or(Value::Undefined, exact), "{line}");
                }
                Err(Inexact) => refused += 1,
            }
        }
        assert!(answered > refused, "{answered} answered, {refused} refused");
    }

    #[test]
    fn sums_are_rounded_once() {
        let numbers: Vec<_> = ["0.1", "0.2", "0.3"].into_iter().map(number).collect();
        let numbers: Vec<_> = numbers.iter().collect();
        assert_eq!(sum(&numbers), Ok(number("0.6")));
        assert_eq!(product(&numbers), Ok(number("0.006")));
        assert_eq!(product(&[]), Ok(number("1")));
    }
}
