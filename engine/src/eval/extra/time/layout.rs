//! Layouts: a time written the way that the reference time is (Mon Jan 2 15:04:05 MST 2006).

use super::civil::{self, Date};
use super::split;

pub(super) const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
pub(super) const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// What stands at a place of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Month {
        whole: bool,
    },
    MonthNumber {
        two: bool,
    },
    WeekDay {
        whole: bool,
    },
    Day {
        pad: Option<u8>,
    },
    YearDay {
        pad: u8,
    },
    Hour,
    Hour12 {
        two: bool,
    },
    Minute {
        two: bool,
    },
    Second {
        two: bool,
    },
    Year {
        whole: bool,
    },
    Half {
        upper: bool,
    },
    Zone,
    /// Numbers of two digits, one to three of them; `Z` for UTC where `z`.
    Offset {
        z: bool,
        colon: bool,
        numbers: u8,
    },
    Fraction {
        trim: bool,
        digits: usize,
        separator: u8,
    },
}

/// The layout that a name stands for.
pub(super) fn named(layout: &str) -> &str {
    match layout {
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => RFC3339,
        "RFC3339Nano" => RFC3339_NANO,
        other => other,
    }
}

/// Parts by what they are written as. Of two that fit, the first is meant.
const WRITTEN: [(&[u8], Part); 33] = [
    (b"January", Part::Month { whole: true }),
    (b"Jan", Part::Month { whole: false }),
    (b"Monday", Part::WeekDay { whole: true }),
    (b"Mon", Part::WeekDay { whole: false }),
    (b"MST", Part::Zone),
    (b"01", Part::MonthNumber { two: true }),
    (b"02", Part::Day { pad: Some(b'0') }),
    (b"03", Part::Hour12 { two: true }),
    (b"04", Part::Minute { two: true }),
    (b"05", Part::Second { two: true }),
    (b"06", Part::Year { whole: false }),
    (b"002", Part::YearDay { pad: b'0' }),
    (b"15", Part::Hour),
    (b"1", Part::MonthNumber { two: false }),
    (b"2006", Part::Year { whole: true }),
    (b"2", Part::Day { pad: None }),
    (b"_2", Part::Day { pad: Some(b' ') }),
    (b"__2", Part::YearDay { pad: b' ' }),
    (b"3", Part::Hour12 { two: false }),
    (b"4", Part::Minute { two: false }),
    (b"5", Part::Second { two: false }),
    (b"PM", Part::Half { upper: true }),
    (b"pm", Part::Half { upper: false }),
    (b"-070000", Part::Offset { z: false, colon: false, numbers: 3 }),
    (b"-07:00:00", Part::Offset { z: false, colon: true, numbers: 3 }),
    (b"-0700", Part::Offset { z: false, colon: false, numbers: 2 }),
    (b"-07:00", Part::Offset { z: false, colon: true, numbers: 2 }),
    (b"-07", Part::Offset { z: false, colon: false, numbers: 1 }),
    (b"Z070000", Part::Offset { z: true, colon: false, numbers: 3 }),
    (b"Z07:00:00", Part::Offset { z: true, colon: true, numbers: 3 }),
    (b"Z0700", Part::Offset { z: true, colon: false, numbers: 2 }),
    (b"Z07:00", Part::Offset { z: true, colon: true, numbers: 2 }),
    (b"Z07", Part::Offset { z: true, colon: false, numbers: 1 }),
];

/// The text before the first part of a layout, the part, and the rest.
pub(super) fn next(layout: &[u8]) -> (&[u8], Option<(Part, &[u8])>) {
    for at in 0..layout.len() {
        let Some((before, here)) = layout.split_at_checked(at) else { break };
        if let Some(found) = part(here) {
            return (before, Some(found));
        }
    }
    (layout, None)
}

fn part(here: &[u8]) -> Option<(Part, &[u8])> {
    if let [separator @ (b'.' | b','), ..] = here {
        return fraction(here, *separator);
    }
    // `_2006` is an underscore and a year.
    if here.starts_with(b"_2006") {
        return None;
    }
    WRITTEN.iter().find_map(|(written, part)| {
        let rest = here.strip_prefix(*written)?;
        let short = matches!(part, Part::Month { whole: false } | Part::WeekDay { whole: false });
        let word = short && rest.first().is_some_and(u8::is_ascii_lowercase);
        (!word).then_some((*part, rest))
    })
}

/// A separator and zeros or nines up to where the digits end.
fn fraction(here: &[u8], separator: u8) -> Option<(Part, &[u8])> {
    let digits = here.get(1..)?;
    let digit = *digits.first().filter(|digit| matches!(**digit, b'0' | b'9'))?;
    let count = digits.iter().take_while(|b| **b == digit).count();
    let rest = digits.get(count..)?;
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    // Go keeps twelve bits of the count.
    Some((Part::Fraction { trim: digit == b'9', digits: count & 0xFFF, separator }, rest))
}

/// A moment of the zone `zone`, which is UTC under some name.
pub(super) fn write(layout: &str, ns: i64, zone: &str) -> Option<String> {
    let mut out = Vec::with_capacity(layout.len().saturating_mul(2));
    let mut rest = layout.as_bytes();
    loop {
        let (before, found) = next(rest);
        out.extend_from_slice(before);
        let Some((part, after)) = found else { return String::from_utf8(out).ok() };
        out.extend_from_slice(written(part, ns, zone).as_bytes());
        rest = after;
    }
}

fn written(part: Part, ns: i64, zone: &str) -> String {
    let date = Date::of(ns);
    let [hour, minute, second] = civil::clock(ns);
    let padded = |n: i64, two: bool| if two { format!("{n:02}") } else { n.to_string() };
    let short =
        |name: &str, whole: bool| if whole { name.to_owned() } else { name.chars().take(3).collect() };
    match part {
        Part::Month { whole } => short(civil::month_name(date.month), whole),
        Part::MonthNumber { two } => padded(date.month, two),
        Part::WeekDay { whole } => short(civil::weekday(ns), whole),
        Part::Day { pad: None } => date.day.to_string(),
        Part::Day { pad: Some(b'0') } => format!("{:02}", date.day),
        Part::Day { pad: Some(_) } => format!("{:2}", date.day),
        Part::YearDay { pad: b'0' } => format!("{:03}", date.of_year()),
        Part::YearDay { .. } => format!("{:3}", date.of_year()),
        Part::Hour => format!("{hour:02}"),
        Part::Hour12 { two } => padded(if hour % 12 == 0 { 12 } else { hour % 12 }, two),
        Part::Minute { two } => padded(minute, two),
        Part::Second { two } => padded(second, two),
        Part::Year { whole: true } => format!("{:04}", date.year),
        Part::Year { whole: false } => format!("{:02}", date.year % 100),
        Part::Half { upper: true } => (if hour >= 12 { "PM" } else { "AM" }).to_owned(),
        Part::Half { upper: false } => (if hour >= 12 { "pm" } else { "am" }).to_owned(),
        Part::Zone => zone.to_owned(),
        Part::Offset { z: true, .. } => "Z".to_owned(),
        Part::Offset { colon, numbers, .. } => {
            let between = if colon { ":" } else { "" };
            format!("+{}", vec!["00"; usize::from(numbers)].join(between))
        }
        Part::Fraction { trim, digits, separator } => {
            fractional(split(ns).1, trim, digits, char::from(separator))
        }
    }
}

fn fractional(ns: i64, trim: bool, digits: usize, separator: char) -> String {
    if trim && (digits == 0 || ns == 0) {
        return String::new();
    }
    let text: String = format!("{ns:09}").chars().take(digits).collect();
    match (trim, text.trim_end_matches('0')) {
        (true, "") => String::new(),
        (true, kept) => format!("{separator}{kept}"),
        (false, _) => format!("{separator}{text}"),
    }
}
