//! The calendar: the Gregorian one, for all time, as Go has it.

use super::split;

pub(super) const SECOND_NS: i64 = 1_000_000_000;
pub(super) const DAY_NS: i64 = 86_400 * SECOND_NS;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day; months and days count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

impl Date {
    /// The day of a moment, by the algorithm that counts from March so that leap days come last
    /// (<https://howardhinnant.github.io/date_algorithms.html>).
    pub(super) fn of(ns: i64) -> Self {
        let days = ns.div_euclid(DAY_NS).saturating_add(719_468);
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day: of_year - (153 * shifted + 2) / 5 + 1 }
    }

    /// Days since the year began, from 1.
    pub(super) fn of_year(self) -> i64 {
        days(self.year, self.month, self.day).saturating_sub(days(self.year, 1, 1)).saturating_add(1)
    }
}

/// Days since 1970; months beyond 1 to 12 are those of other years, and days count on from the first.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let index = month.saturating_sub(1);
    let year = year.saturating_add(index.div_euclid(12));
    let month = index.rem_euclid(12) + 1;
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era.saturating_mul(146_097)
        .saturating_add(of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
        .saturating_add(day.saturating_sub(1))
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Hours, minutes and seconds.
pub(super) fn clock(ns: i64) -> [i64; 3] {
    let seconds = split(ns).0.rem_euclid(86_400);
    [seconds / 3_600, seconds % 3_600 / 60, seconds % 60]
}

pub(super) fn weekday(ns: i64) -> &'static str {
    let at = ns.div_euclid(DAY_NS).saturating_add(4).rem_euclid(7);
    usize::try_from(at).ok().and_then(|at| WEEKDAYS.get(at)).copied().unwrap_or("")
}

pub(super) fn month_name(month: i64) -> &'static str {
    usize::try_from(month.saturating_sub(1)).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("")
}

/// A name that a text begins with, whatever the case, from 1: of a month or of a day, whole or three letters.
pub(super) fn named(text: &[u8], months: bool, whole: bool) -> Option<(i64, &[u8])> {
    let names: &[&str] = if months { &MONTHS } else { &WEEKDAYS };
    names.iter().zip(1..).find_map(|(name, number)| {
        let name = if whole { name.as_bytes() } else { name.as_bytes().get(..3)? };
        let (head, rest) = text.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some((number, rest))
    })
}
