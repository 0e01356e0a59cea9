//! `time.*`, as Go's `time` computes, in UTC.
//!
//! Zones are known by name where they are UTC all year long. The rules of all others would outweigh the
//! rest of the filter; they are refused.

mod civil;
mod duration;
mod layout;
mod read;

use regorus::Value;

use self::civil::{DAY_NS, Date, SECOND_NS};
use crate::eval::context::Context;
use crate::eval::number::integer;
use crate::eval::table::Unanswered;

type Answer = Result<Value, Unanswered>;

/// A moment, the name of its zone, and the layout that came with it.
struct Moment<'a> {
    ns: i64,
    zone: &'static str,
    layout: &'a str,
}

/// Years, months and days beyond which Go's own numbers overflow.
const MAX_SHIFT: i64 = 1_000_000_000;

/// What `time.format` and others take: nanoseconds, or an array of nanoseconds, a zone and a layout.
fn moment(value: &Value) -> Result<Option<Moment<'_>>, Unanswered> {
    let (number, zone, layout) = match value {
        Value::Number(_) => (value, None, None),
        Value::Array(items) => {
            let mut items = items.iter();
            let Some(number) = items.next() else { return Ok(None) };
            (number, items.next(), items.next())
        }
        _ => return Ok(None),
    };
    let layout = match layout {
        None => "",
        Some(Value::String(layout)) => layout.as_ref(),
        Some(_) => return Ok(None),
    };
    let zone = match zone {
        None => "UTC",
        Some(Value::String(zone)) => match zone.as_ref() {
            // A container has no zone of its own.
            "" | "UTC" | "Local" | "Etc/UTC" | "Etc/UCT" | "Etc/Universal" | "Etc/Zulu" | "UCT"
            | "Universal" | "Zulu" => "UTC",
            "GMT" | "Etc/GMT" | "Etc/GMT0" | "Etc/GMT+0" | "Etc/GMT-0" | "Etc/Greenwich" | "GMT0"
            | "Greenwich" => "GMT",
            _ => return Err(Unanswered::Inexact),
        },
        Some(_) => return Ok(None),
    };
    Ok(nanoseconds(number)?.map(|ns| Moment { ns, zone, layout }))
}

/// Nanoseconds that are a whole number of 64 bits, however it is written.
fn nanoseconds(number: &Value) -> Result<Option<i64>, Unanswered> {
    let Value::Number(n) = number else { return Ok(None) };
    if !n.is_integer() {
        // OPA reads more digits of a fraction than there are here.
        let beside = n.as_f64().is_none_or(|f| f.fract() == 0.0 || f.abs() > 1e9);
        return if beside { Err(Unanswered::Inexact) } else { Ok(None) };
    }
    match (n.as_i64(), number.to_string().parse::<i64>()) {
        (Some(ns), Ok(written)) if ns == written => Ok(Some(ns)),
        (Some(ns), _) if ns.unsigned_abs() < 1 << 53 => Ok(Some(ns)),
        (Some(_), _) => Err(Unanswered::Inexact),
        (None, _) => Ok(None),
    }
}

/// `YYYYMMDDHHMMSS` of a certificate as Go writes times in JSON, if it is a time.
pub(super) fn rfc3339(digits: &str) -> Option<String> {
    let field = |from: usize, to: usize| digits.get(from..to);
    let number = |from: usize, to: usize| field(from, to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let date = (1..=12).contains(&month) && (1..=civil::days_in(month, year)).contains(&day);
    let time = number(8, 10)? < 24 && number(10, 12)? < 60 && number(12, 14)? < 60;
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        field(0, 4)?,
        field(4, 6)?,
        field(6, 8)?,
        field(8, 10)?,
        field(10, 12)?,
        field(12, 14)?
    );
    (date && time).then_some(written)
}

/// A time in UTC as Go writes times in JSON.
pub(crate) fn time_text(ns: i64) -> Option<String> {
    layout::write(layout::RFC3339_NANO, ns, "UTC")
}

fn within(ns: i128) -> Value {
    i64::try_from(ns).map_or(Value::Undefined, Value::from)
}

fn numbers(items: &[i64]) -> Value {
    Value::from(items.iter().copied().map(Value::from).collect::<Vec<_>>())
}

/// `time.now_ns()`
pub(in crate::eval) fn now(_: &[Value], context: &Context) -> Answer {
    Ok(Value::from(context.clock()?))
}

/// `time.parse_ns(layout, text)`
pub(in crate::eval) fn parse(args: &[Value], _: &Context) -> Answer {
    let [Value::String(layout), Value::String(text)] = args else { return Ok(Value::Undefined) };
    Ok(read::read(layout::named(layout), text).map_or(Value::Undefined, within))
}

/// `time.parse_rfc3339_ns(text)`
pub(in crate::eval) fn parse_rfc3339(args: &[Value], _: &Context) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    Ok(read::read(layout::RFC3339, text).map_or(Value::Undefined, within))
}

/// `time.parse_duration_ns(text)`
pub(in crate::eval) fn parse_duration(args: &[Value], _: &Context) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    Ok(duration::read(text).map_or(Value::Undefined, Value::from))
}

/// `time.format(moment)`
pub(in crate::eval) fn format(args: &[Value], _: &Context) -> Answer {
    let [value] = args else { return Ok(Value::Undefined) };
    let Some(Moment { ns, zone, layout }) = moment(value)? else { return Ok(Value::Undefined) };
    let layout = if layout.is_empty() { layout::RFC3339_NANO } else { layout::named(layout) };
    Ok(layout::write(layout, ns, zone).map_or(Value::Undefined, Value::from))
}

/// `time.date(moment)`
pub(in crate::eval) fn date(args: &[Value], _: &Context) -> Answer {
    let [value] = args else { return Ok(Value::Undefined) };
    let Some(moment) = moment(value)? else { return Ok(Value::Undefined) };
    let Date { year, month, day } = Date::of(moment.ns);
    Ok(numbers(&[year, month, day]))
}

/// `time.clock(moment)`
pub(in crate::eval) fn clock(args: &[Value], _: &Context) -> Answer {
    let [value] = args else { return Ok(Value::Undefined) };
    let Some(moment) = moment(value)? else { return Ok(Value::Undefined) };
    Ok(numbers(&civil::clock(moment.ns)))
}

/// `time.weekday(moment)`
pub(in crate::eval) fn weekday(args: &[Value], _: &Context) -> Answer {
    let [value] = args else { return Ok(Value::Undefined) };
    let Some(moment) = moment(value)? else { return Ok(Value::Undefined) };
    Ok(Value::from(civil::weekday(moment.ns)))
}

/// `time.add_date(moment, years, months, days)`
pub(in crate::eval) fn add_date(args: &[Value], _: &Context) -> Answer {
    let [value, years, months, days] = args else { return Ok(Value::Undefined) };
    let Some(moment) = moment(value)? else { return Ok(Value::Undefined) };
    let (Some(years), Some(months), Some(days)) = (integer(years), integer(months), integer(days)) else {
        return Ok(Value::Undefined);
    };
    if [years, months, days].iter().any(|n| n.unsigned_abs() > MAX_SHIFT.unsigned_abs()) {
        return Err(Unanswered::Inexact);
    }
    let date = Date::of(moment.ns);
    let shifted = civil::days(
        date.year.saturating_add(years),
        date.month.saturating_add(months),
        date.day.saturating_add(days),
    );
    let rest = i128::from(moment.ns.rem_euclid(DAY_NS));
    Ok(within(i128::from(shifted).saturating_mul(DAY_NS.into()).saturating_add(rest)))
}

/// `time.diff(moment, moment)`: years, months, days, hours, minutes and seconds between.
pub(in crate::eval) fn diff(args: &[Value], _: &Context) -> Answer {
    let [a, b] = args else { return Ok(Value::Undefined) };
    let Some(a) = moment(a)? else { return Ok(Value::Undefined) };
    let Some(b) = moment(b)? else { return Ok(Value::Undefined) };
    let (from, to) = (a.ns.min(b.ns), a.ns.max(b.ns));
    let (start, end) = (Date::of(from), Date::of(to));
    // What one unit lacks is taken from the next larger one.
    let between = |from: i64, to: i64, base: i64, owed: bool| {
        let n = to.saturating_sub(from).saturating_sub(owed.into());
        if n < 0 { (n.saturating_add(base), true) } else { (n, false) }
    };
    let ([h1, m1, s1], [h2, m2, s2]) = (civil::clock(from), civil::clock(to));
    let (seconds, owed) = between(s1, s2, 60, false);
    let (minutes, owed) = between(m1, m2, 60, owed);
    let (hours, owed) = between(h1, h2, 24, owed);
    let (days, owed) = between(start.day, end.day, civil::days_in(start.month, start.year), owed);
    let (months, owed) = between(start.month, end.month, 12, owed);
    let years = end.year.saturating_sub(start.year).saturating_sub(owed.into());
    Ok(numbers(&[years, months, days, hours, minutes, seconds]))
}

/// Nanoseconds into whole seconds and the rest.
fn split(ns: i64) -> (i64, i64) {
    (ns.div_euclid(SECOND_NS), ns.rem_euclid(SECOND_NS))
}
