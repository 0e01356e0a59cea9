//! Reading a time by a layout: Go's `time.Parse`, in a place whose own zone is UTC.

use super::civil::{self, DAY_NS, SECOND_NS};
use super::layout::{Part, next};

/// What has been read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    ns: i64,
    /// The half of the day; `true` is the second one.
    half: Option<bool>,
    utc: bool,
    /// Seconds east of UTC.
    offset: Option<i64>,
}

/// Nanoseconds since 1970; `None` where Go has an error.
pub(super) fn read(layout: &str, text: &str) -> Option<i128> {
    let (mut layout, mut text) = (layout.as_bytes(), text.as_bytes());
    let mut fields = Fields::default();
    loop {
        let (before, found) = next(layout);
        text = skip(text, before)?;
        let Some((part, after)) = found else { break };
        layout = after;
        text = fields.take(part, text, layout)?;
    }
    if text.is_empty() { fields.moment() } else { None }
}

/// The text after `prefix`; blanks match any number of blanks, or the end.
fn skip<'t>(mut text: &'t [u8], mut prefix: &[u8]) -> Option<&'t [u8]> {
    while let Some((wanted, rest)) = prefix.split_first() {
        if *wanted == b' ' {
            if text.first().is_some_and(|b| *b != b' ') {
                return None;
            }
            (prefix, text) = (without_blanks(prefix), without_blanks(text));
            continue;
        }
        let (got, after) = text.split_first()?;
        if got != wanted {
            return None;
        }
        (prefix, text) = (rest, after);
    }
    Some(text)
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| **b == b' ').count();
    text.get(blanks..).unwrap_or_default()
}

fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number with a sign or without; no digits are zero.
fn signed(text: &[u8]) -> Option<i64> {
    let digits = match text {
        [b'+' | b'-', rest @ ..] => rest,
        all => all,
    };
    if leading_digits(digits) != digits.len() {
        return None;
    }
    let n = if digits.is_empty() { 0 } else { number(digits)? };
    Some(if text.starts_with(b"-") { n.saturating_neg() } else { n })
}

/// One digit or two, exactly two if `fixed`.
fn two(text: &[u8], fixed: bool) -> Option<(i64, &[u8])> {
    // No further: a layout may ask for this ten thousand times.
    let count = leading_digits(text.get(..2).unwrap_or(text));
    if count == 0 || (fixed && count < 2) {
        return None;
    }
    let (digits, rest) = text.split_at_checked(count)?;
    Some((number(digits)?, rest))
}

fn is_separator(b: u8) -> bool {
    matches!(b, b'.' | b',')
}

/// A separator and digits as nanoseconds; what is beyond nine digits is left out.
fn nanoseconds(text: &[u8]) -> Option<i64> {
    let (separator, digits) = text.split_first()?;
    if !is_separator(*separator) {
        return None;
    }
    let digits = digits.get(..9).unwrap_or(digits);
    let ns = signed(digits).filter(|ns| *ns >= 0)?;
    let missing = u32::try_from(9_usize.saturating_sub(digits.len())).ok()?;
    ns.checked_mul(10_i64.checked_pow(missing)?)
}

impl Fields {
    /// Takes what `part` stands for from the text; `layout` is what follows the part.
    fn take<'t>(&mut self, part: Part, text: &'t [u8], layout: &[u8]) -> Option<&'t [u8]> {
        let within = |n: i64, least: i64, most: i64| (least..=most).contains(&n).then_some(n);
        let rest;
        match part {
            Part::Year { whole: false } => {
                let (digits, after) = text.split_at_checked(2)?;
                let year = signed(digits)?;
                self.year = year.saturating_add(if year >= 69 { 1900 } else { 2000 });
                rest = after;
            }
            Part::Year { whole: true } => {
                let (digits, after) = text.split_at_checked(4)?;
                self.year = (leading_digits(digits) == 4).then(|| number(digits))??;
                rest = after;
            }
            Part::Month { whole } => {
                let (month, after) = civil::named(text, true, whole)?;
                (self.month, rest) = (Some(month), after);
            }
            Part::MonthNumber { two: fixed } => {
                let (month, after) = two(text, fixed)?;
                (self.month, rest) = (Some(within(month, 1, 12)?), after);
            }
            Part::WeekDay { whole } => rest = civil::named(text, false, whole)?.1,
            Part::Day { pad } => {
                let text = if pad == Some(b' ') { text.strip_prefix(b" ").unwrap_or(text) } else { text };
                let (day, after) = two(text, pad == Some(b'0'))?;
                (self.day, rest) = (Some(day), after);
            }
            Part::YearDay { pad } => {
                let unpadded = if pad == b' ' {
                    let once = text.strip_prefix(b" ").unwrap_or(text);
                    once.strip_prefix(b" ").unwrap_or(once)
                } else {
                    text
                };
                let count = leading_digits(unpadded).min(3);
                let (digits, after) = unpadded.split_at_checked(count)?;
                if count == 0 || (pad == b'0' && count < 3) {
                    return None;
                }
                (self.year_day, rest) = (Some(number(digits)?), after);
            }
            Part::Hour => {
                let (hour, after) = two(text, false)?;
                (self.hour, rest) = (within(hour, 0, 23)?, after);
            }
            Part::Hour12 { two: fixed } => {
                let (hour, after) = two(text, fixed)?;
                (self.hour, rest) = (within(hour, 0, 12)?, after);
            }
            Part::Minute { two: fixed } => {
                let (minute, after) = two(text, fixed)?;
                (self.minute, rest) = (within(minute, 0, 59)?, after);
            }
            Part::Second { two: fixed } => {
                let (second, after) = two(text, fixed)?;
                self.second = within(second, 0, 59)?;
                rest = self.unasked_fraction(after, layout)?;
            }
            Part::Half { upper } => {
                let (half, after) = text.split_at_checked(2)?;
                let names: [&[u8]; 2] = if upper { [b"AM", b"PM"] } else { [b"am", b"pm"] };
                self.half = Some(names.iter().position(|name| *name == half)? == 1);
                rest = after;
            }
            Part::Zone => rest = self.zone(text)?,
            Part::Offset { z: true, .. } if text.starts_with(b"Z") => {
                self.utc = true;
                rest = text.get(1..)?;
            }
            Part::Offset { colon, numbers, .. } => rest = self.offset(text, colon, numbers)?,
            Part::Fraction { trim: false, digits, .. } => {
                let (fraction, after) = text.split_at_checked(digits.checked_add(1)?)?;
                (self.ns, rest) = (nanoseconds(fraction)?, after);
            }
            Part::Fraction { trim: true, .. } => rest = self.fraction(text)?,
        }
        Some(rest)
    }

    /// A separator and all digits after it, if they are there.
    fn fraction<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let [separator, digits @ ..] = text else { return Some(text) };
        let count = leading_digits(digits);
        if !is_separator(*separator) || count == 0 {
            return Some(text);
        }
        let (fraction, rest) = text.split_at_checked(count.checked_add(1)?)?;
        self.ns = nanoseconds(fraction)?;
        Some(rest)
    }

    /// A fraction after seconds that the layout does not speak of.
    fn unasked_fraction<'t>(&mut self, text: &'t [u8], layout: &[u8]) -> Option<&'t [u8]> {
        if let (_, Some((Part::Fraction { .. }, _))) = next(layout) {
            return Some(text);
        }
        self.fraction(text)
    }

    fn offset<'t>(&mut self, text: &'t [u8], colon: bool, numbers: u8) -> Option<&'t [u8]> {
        let (sign, mut rest) = text.split_first()?;
        let mut seconds = 0_i64;
        for (at, (most, unit)) in
            [(24, 3_600), (60, 60), (60, 1)].into_iter().take(numbers.into()).enumerate()
        {
            if colon && at > 0 {
                rest = rest.strip_prefix(b":")?;
            }
            let (n, after) = two(rest, true)?;
            if n > most {
                return None;
            }
            seconds = seconds.saturating_add(n.saturating_mul(unit));
            rest = after;
        }
        let offset = match sign {
            b'+' => seconds,
            b'-' => seconds.saturating_neg(),
            _ => return None,
        };
        // Go has this one for "none".
        self.offset = Some(offset).filter(|offset| *offset != -1);
        Some(rest)
    }

    /// The name of a zone. Elsewhere than in UTC Go knows no names, and takes any for UTC.
    fn zone<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.utc = true;
            return Some(rest);
        }
        text.get(name_length(text)?..)
    }

    fn moment(self) -> Option<i128> {
        let hour = match self.half {
            Some(true) if self.hour < 12 => self.hour.saturating_add(12),
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (month, day) = match self.year_day {
            Some(year_day) => self.by_year_day(year_day)?,
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > civil::days_in(month, self.year) {
            return None;
        }
        let offset = if self.utc { 0 } else { self.offset.unwrap_or(0) };
        let seconds = hour.saturating_mul(3_600).saturating_add(self.minute.saturating_mul(60));
        let seconds = seconds.saturating_add(self.second).saturating_sub(offset);
        let days = i128::from(civil::days(self.year, month, day));
        let whole = days.saturating_mul(DAY_NS.into());
        Some(
            whole
                .saturating_add(i128::from(seconds).saturating_mul(SECOND_NS.into()))
                .saturating_add(self.ns.into()),
        )
    }

    fn by_year_day(&self, year_day: i64) -> Option<(i64, i64)> {
        let most = if civil::is_leap(self.year) { 366 } else { 365 };
        if !(1..=most).contains(&year_day) {
            return None;
        }
        let (mut month, mut day) = (1, year_day);
        while day > civil::days_in(month, self.year) {
            day = day.saturating_sub(civil::days_in(month, self.year));
            month = month.saturating_add(1);
        }
        let fits = self.month.is_none_or(|m| m == month) && self.day.is_none_or(|d| d == day);
        fits.then_some((month, day))
    }
}

/// Length of what looks like the name of a zone.
fn name_length(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3_usize.saturating_add(signed_offset(rest).unwrap_or(0)));
    }
    if let [b'+' | b'-', ..] = text {
        return signed_offset(text);
    }
    let upper = text.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
    match upper {
        5 if text.get(4) == Some(&b'T') => Some(5),
        4 if text.get(3) == Some(&b'T') || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// Length of a sign and an hour up to 23.
fn signed_offset(text: &[u8]) -> Option<usize> {
    let [b'+' | b'-', digits @ ..] = text else { return None };
    let count = leading_digits(digits);
    let hour = number(digits.get(..count)?)?;
    (hour <= 23).then(|| count.saturating_add(1))
}
