//! Messages of `google.protobuf` that JSON has forms of its own for.
//! <https://protobuf.dev/programming-guides/json/>

use regorus::Value;

use super::read::{ReadError, Result, remove, zero};
use super::{Form, Kind, Messages, Type};
use crate::collections;

/// Seconds of `Timestamp`: the years 1 to 9999.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Seconds of `Duration`: some 10,000 years either way.
const DURATION_SECONDS: i64 = 315_576_000_000;
const NANOS: i64 = 999_999_999;
const DAY: i64 = 86_400;

type Fields = Vec<(u32, Value)>;

/// A message by the fields that are said to be there.
pub(super) fn value(messages: &Messages, ty: &Type, mut fields: Fields) -> Result<Value> {
    match ty.form {
        Form::Object => {
            let named = ty.fields.iter().filter_map(|field| {
                Some((Value::from(field.name.as_str()), remove(&mut fields, field.number)?))
            });
            Ok(collections::object(named))
        }
        Form::Any if fields.is_empty() => Ok(Value::new_object()),
        Form::Any => Err(ReadError::Inexact),
        Form::Timestamp => timestamp(whole(&fields, 1)?, whole(&fields, 2)?),
        Form::Duration => duration(whole(&fields, 1)?, whole(&fields, 2)?),
        Form::FieldMask => field_mask(&fields),
        Form::Struct => Ok(remove(&mut fields, 1).unwrap_or_else(Value::new_object)),
        Form::List => Ok(remove(&mut fields, 1).unwrap_or_else(Value::new_array)),
        Form::Value => {
            let (number, value) = fields.pop().ok_or(ReadError::Malformed)?;
            // A number that JSON has no form of.
            let is_word = number == 2 && matches!(value, Value::String(_));
            if is_word { Err(ReadError::Malformed) } else { Ok(value) }
        }
        Form::Wrapper => match remove(&mut fields, 1) {
            Some(value) => Ok(value),
            None => {
                let field = ty.fields.iter().find(|field| field.number == 1);
                zero(messages, field.map_or(Kind::Message(0), |field| field.kind))
            }
        },
    }
}

fn get(fields: &Fields, number: u32) -> Option<&Value> {
    fields.iter().find(|(known, _)| *known == number).map(|(_, value)| value)
}

fn whole(fields: &Fields, number: u32) -> Result<i64> {
    match get(fields, number) {
        None => Ok(0),
        Some(Value::String(text)) => text.parse().map_err(|_| ReadError::Inexact),
        Some(other) => other.as_i64().map_err(|_| ReadError::Inexact),
    }
}

/// RFC 3339 in UTC, with as many triples of digits as it takes.
fn timestamp(seconds: i64, nanos: i64) -> Result<Value> {
    if !TIMESTAMP_SECONDS.contains(&seconds) || !(0..=NANOS).contains(&nanos) {
        return Err(ReadError::Malformed);
    }
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = fraction(nanos);
    Ok(Value::from(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")))
}

fn duration(seconds: i64, nanos: i64) -> Result<Value> {
    let fits = seconds.unsigned_abs() <= DURATION_SECONDS.unsigned_abs()
        && nanos.unsigned_abs() <= NANOS.unsigned_abs();
    if !fits || seconds.signum() * nanos.signum() < 0 {
        return Err(ReadError::Malformed);
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = fraction(nanos.saturating_abs());
    Ok(Value::from(format!("{sign}{}{fraction}s", seconds.unsigned_abs())))
}

fn fraction(nanos: i64) -> String {
    let digits = format!(".{nanos:09}");
    let digits = digits.strip_suffix("000").unwrap_or(&digits);
    let digits = digits.strip_suffix("000").unwrap_or(digits);
    digits.strip_suffix(".000").unwrap_or(digits).to_owned()
}

/// Year, month and day of a day since 1970. Days are counted from the 1st of March 0000, so that the
/// leap day is a year's last, in eras of 400 years.
fn date(day: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let day = day.saturating_add(719_468);
    let (era, day) = (day.div_euclid(ERA), day.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day - (153 * march_month + 2) / 5 + 1)
}

/// Paths in camel case. Those that could not be turned back are left to Go's judgement.
fn field_mask(fields: &Fields) -> Result<Value> {
    let paths = match get(fields, 1) {
        Some(Value::Array(paths)) => paths.iter().map(|path| path.as_string().map(AsRef::as_ref)).collect(),
        _ => Ok(Vec::<&str>::new()),
    };
    let camel = |path: &str| {
        let mut name = String::with_capacity(path.len());
        let mut chars = path.chars();
        while let Some(c) = chars.next() {
            match c {
                '_' => name.push(chars.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
                'a'..='z' | '0'..='9' | '.' => name.push(c),
                _ => return None,
            }
        }
        let is_path = !name.is_empty() && !name.split('.').any(str::is_empty);
        is_path.then_some(name)
    };
    let paths = paths.map_err(|_| ReadError::Inexact)?;
    let paths: Option<Vec<String>> = paths.into_iter().map(camel).collect();
    Ok(Value::from(paths.ok_or(ReadError::Inexact)?.join(",")))
}
