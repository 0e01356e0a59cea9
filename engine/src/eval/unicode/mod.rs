//! Unicode as the Go that OPA is built with knows it: categories, scripts, case mappings and folding.
//!
//! Rust's own tables are of another version, and which letters a class or `upper` takes must not depend
//! on that. `tables.bin` is written by `tests/opa/values` (`make fixtures`).

use std::sync::OnceLock;

use crate::collections;

/// Inclusive ranges of code points.
pub(super) type Ranges = Vec<(u32, u32)>;

/// The largest code point.
pub(super) const MAX: u32 = 0x10_ffff;

static BYTES: &[u8] = include_bytes!("tables.bin");
static TABLES: OnceLock<Tables> = OnceLock::new();

#[derive(Default)]
struct Tables {
    categories: Runs,
    scripts: Runs,
    /// Long names of categories with the short ones.
    aliases: Vec<(&'static str, &'static str)>,
    cases: Vec<Case>,
    /// Code points that fold, each with the next one of its ring.
    folds: Vec<(u32, u32)>,
}

/// Disjoint tables: every code point is in one of them at most.
#[derive(Default)]
struct Runs {
    names: Vec<&'static str>,
    /// First and last code point, and which table.
    runs: Vec<(u32, u32, usize)>,
}

/// Code points whose cases are as far away; both distances are 0 where upper and lower alternate.
struct Case {
    low: u32,
    high: u32,
    upper: i32,
    lower: i32,
}

struct Reader {
    rest: &'static [u8],
}

impl Reader {
    fn number(&mut self) -> u32 {
        let (mut value, mut shift) = (0_u32, 0_u32);
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// A number with a sign: the lowest bit is the sign.
    fn signed(&mut self) -> i32 {
        let n = self.number();
        let half = i32::try_from(n >> 1).unwrap_or(0);
        if n & 1 == 0 { half } else { !half }
    }

    fn text(&mut self) -> &'static str {
        let len = usize::try_from(self.number()).unwrap_or(0);
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        self.rest = rest;
        std::str::from_utf8(text).unwrap_or_default()
    }

    fn runs(&mut self) -> Runs {
        let names: Vec<_> = (0..self.number()).map(|_| self.text()).collect();
        let mut last = 0_u32;
        let runs = (0..self.number())
            .map(|_| {
                let owner = usize::try_from(self.number()).unwrap_or(0);
                let low = last.saturating_add(self.number());
                let high = low.saturating_add(self.number());
                last = high.saturating_add(1);
                (low, high, owner)
            })
            .collect();
        Runs { names, runs }
    }
}

impl Runs {
    fn of(&self, wanted: impl Fn(&str) -> bool) -> Option<Ranges> {
        let owners: Vec<bool> = self.names.iter().map(|name| wanted(name)).collect();
        owners.contains(&true).then(|| {
            let mine = self.runs.iter().filter(|(_, _, owner)| owners.get(*owner) == Some(&true));
            mine.map(|(low, high, _)| (*low, *high)).collect()
        })
    }

    fn name(&self, c: u32) -> Option<&'static str> {
        let at = self.runs.partition_point(|(_, high, _)| *high < c);
        let (low, _, owner) = self.runs.get(at)?;
        if *low <= c { self.names.get(*owner).copied() } else { None }
    }
}

impl Tables {
    fn read() -> Self {
        let mut reader = Reader { rest: BYTES };
        let (categories, scripts) = (reader.runs(), reader.runs());
        let aliases = (0..reader.number()).map(|_| (reader.text(), reader.text())).collect();
        let mut last = 0_u32;
        let cases = (0..reader.number())
            .map(|_| {
                let low = last.saturating_add(reader.number());
                let high = low.saturating_add(reader.number());
                last = high;
                Case { low, high, upper: reader.signed(), lower: reader.signed() }
            })
            .collect();
        let mut tables = Self { categories, scripts, aliases, cases, folds: Vec::new() };
        let mut last = 0_u32;
        let odd: Vec<(u32, u32)> = (0..reader.number())
            .map(|_| {
                last = last.saturating_add(reader.number());
                (last, last.saturating_add_signed(reader.signed()))
            })
            .collect();
        let simple = tables.cases.iter().flat_map(|case| case.low..=case.high).map(|c| {
            let lower = tables.case(c, false);
            (c, if lower == c { tables.case(c, true) } else { lower })
        });
        let mut folds: Vec<_> = simple.filter(|(c, _)| odd.iter().all(|(other, _)| other != c)).collect();
        folds.extend(odd);
        folds.retain(|(c, next)| c != next);
        tables.folds = collections::sorted(folds, Ord::cmp);
        tables
    }

    /// The upper or lower case of a code point.
    fn case(&self, c: u32, upper: bool) -> u32 {
        let at = self.cases.partition_point(|case| case.high < c);
        match self.cases.get(at) {
            Some(case) if case.low <= c && case.upper == 0 && case.lower == 0 => {
                let offset = (c - case.low) & !1 | u32::from(!upper);
                case.low.saturating_add(offset)
            }
            Some(case) if case.low <= c => {
                c.saturating_add_signed(if upper { case.upper } else { case.lower })
            }
            _ => c,
        }
    }
}

fn tables() -> &'static Tables {
    TABLES.get_or_init(Tables::read)
}

fn cased(c: char, upper: bool) -> char {
    if c.is_ascii() {
        return if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    }
    char::from_u32(tables().case(c.into(), upper)).unwrap_or(c)
}

/// The upper case of a character: always one.
pub(super) fn upper(c: char) -> char {
    cased(c, true)
}

/// The lower case of a character: always one.
pub(super) fn lower(c: char) -> char {
    cased(c, false)
}

/// The code points that fold, in order, each with the next of its ring.
pub(super) fn folds() -> &'static [(u32, u32)] {
    &tables().folds
}

/// The next code point that `c` folds with; itself if there is none.
pub(super) fn fold(c: u32) -> u32 {
    match folds().binary_search_by_key(&c, |(c, _)| *c).map(|at| folds().get(at)) {
        Ok(Some((_, next))) => *next,
        _ => c,
    }
}

fn category(c: char) -> &'static str {
    tables().categories.name(c.into()).unwrap_or_default()
}

/// A letter, as `unicode.IsLetter`.
pub(super) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { category(c).starts_with('L') }
}

/// A decimal digit, as `unicode.IsDigit`.
pub(super) fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { category(c) == "Nd" }
}

/// Printed as it is by `strconv.Quote`: letters, marks, numbers, punctuation, symbols and the space.
pub(super) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    category(c).starts_with(['L', 'M', 'N', 'P', 'S'])
}

/// White space, as `unicode.IsSpace`.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// The code points of a category or script by its name in a pattern (`\p{Greek}`), as Go finds it.
pub(super) fn class(name: &str) -> Option<Ranges> {
    let name = canonical(name);
    let tables = tables();
    match name.as_str() {
        "Any" => return Some(vec![(0, MAX)]),
        "Ascii" => return Some(vec![(0, 0x7f)]),
        "Assigned" => {
            return Some(tables.categories.runs.iter().map(|(low, high, _)| (*low, *high)).collect());
        }
        _ => {}
    }
    let short = |name: &str| match name {
        "Lc" | "LC" => tables.categories.of(|own| matches!(own, "Lu" | "Ll" | "Lt")),
        "Cn" => Some(unassigned(tables)),
        "C" => {
            let mut ranges = tables.categories.of(|own| own.starts_with('C'))?;
            ranges.extend(unassigned(tables));
            Some(ranges)
        }
        _ if name.len() == 1 => tables.categories.of(|own| own.starts_with(name)),
        _ => tables.categories.of(|own| own == name),
    };
    short(&name).or_else(|| tables.scripts.of(|own| own == name)).or_else(|| {
        let alias = tables.aliases.iter().find(|(long, _)| canonical(long) == name)?;
        short(alias.1)
    })
}

fn unassigned(tables: &Tables) -> Ranges {
    let mut free = Vec::new();
    let mut next = 0_u32;
    for (low, high, _) in &tables.categories.runs {
        if next < *low {
            free.push((next, low - 1));
        }
        next = high.saturating_add(1);
    }
    if next <= MAX {
        free.push((next, MAX));
    }
    free
}

/// A leading capital, the rest small, no `_`, `-` and spaces.
fn canonical(name: &str) -> String {
    let kept = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    kept.enumerate()
        .map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_the_cases_go_gives_them() {
        assert_eq!((upper('ß'), lower('Σ'), upper('ÿ'), lower('İ'), upper('ǆ')), ('ß', 'σ', 'Ÿ', 'i', 'Ǆ'));
        assert_eq!(upper('\u{19b}'), '\u{19b}', "upper case since Unicode 16");
        assert_eq!((fold('k'.into()), fold(0x212a), fold('K'.into())), (0x212a, 'K'.into(), 'k'.into()));
    }

    #[test]
    fn classes_are_found_by_their_names() {
        assert!(class("Greek").is_some() && class("lu").is_some() && class("Letter").is_some());
        assert!(class("Klingon").is_none() && class("").is_none());
        assert!(is_print('é') && !is_print('\u{200b}') && !is_print('\u{a0}') && is_letter('中'));
    }
}
