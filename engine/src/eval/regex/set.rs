//! Sets of characters.

use super::super::unicode::{self, MAX, Ranges};
use crate::collections;

/// A set as a program holds it: sorted ranges, and the ASCII part as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    ascii: u128,
    ranges: Box<[(u32, u32)]>,
}

impl Class {
    /// The set of sorted, disjoint ranges.
    pub(super) fn new(ranges: &[(u32, u32)]) -> Self {
        let mut ascii = 0_u128;
        for (low, high) in ranges {
            for c in *low..=(*high).min(127) {
                ascii |= 1_u128.checked_shl(c).unwrap_or(0);
            }
        }
        Self { ascii, ranges: ranges.into() }
    }

    pub(super) fn has(&self, c: char) -> bool {
        let c = u32::from(c);
        if c < 128 {
            return (self.ascii >> c) & 1 == 1;
        }
        let at = self.ranges.partition_point(|(_, high)| *high < c);
        self.ranges.get(at).is_some_and(|(low, _)| *low <= c)
    }
}

/// Sorts ranges and joins those that touch.
pub(in super::super) fn clean(ranges: Ranges) -> Ranges {
    let mut out: Ranges = Vec::with_capacity(ranges.len());
    for (low, high) in collections::sorted(ranges, Ord::cmp) {
        match out.last_mut() {
            Some((_, last)) if low <= last.saturating_add(1) => *last = (*last).max(high),
            _ => out.push((low, high)),
        }
    }
    out
}

/// What is not in `ranges`, which are clean.
pub(in super::super) fn negate(ranges: &[(u32, u32)]) -> Ranges {
    let mut out = Vec::with_capacity(ranges.len().saturating_add(1));
    let mut next = 0_u32;
    for (low, high) in ranges {
        if next < *low {
            out.push((next, low - 1));
        }
        next = high.saturating_add(1);
    }
    if next <= MAX {
        out.push((next, MAX));
    }
    out
}

/// Clean ranges with all that folds with what is in them.
pub(super) fn fold(ranges: Ranges) -> Ranges {
    let ranges = clean(ranges);
    let mut more = Vec::new();
    let mut own = ranges.iter().peekable();
    for (c, next) in unicode::folds() {
        while own.next_if(|(_, high)| high < c).is_some() {}
        if own.peek().is_some_and(|(low, _)| low <= c) {
            let mut other = *next;
            // Rings have four code points at most.
            for _ in 0..4 {
                if other == *c {
                    break;
                }
                more.push((other, other));
                other = unicode::fold(other);
            }
        }
    }
    more.extend(ranges);
    clean(more)
}

/// `\d`, `\s`, `\w`.
pub(super) fn perl(letter: char) -> Option<&'static [(u32, u32)]> {
    Some(match letter {
        'd' => &[(0x30, 0x39)],
        's' => &[(0x09, 0x0a), (0x0c, 0x0d), (0x20, 0x20)],
        'w' => &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)],
        _ => return None,
    })
}

/// The name inside `[:…:]`.
pub(super) fn posix(name: &str) -> Option<&'static [(u32, u32)]> {
    Some(match name {
        "alnum" => &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)],
        "alpha" => &[(0x41, 0x5a), (0x61, 0x7a)],
        "ascii" => &[(0, 0x7f)],
        "blank" => &[(0x09, 0x09), (0x20, 0x20)],
        "cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        "digit" => &[(0x30, 0x39)],
        "graph" => &[(0x21, 0x7e)],
        "lower" => &[(0x61, 0x7a)],
        "print" => &[(0x20, 0x7e)],
        "punct" => &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)],
        "space" => &[(0x09, 0x0d), (0x20, 0x20)],
        "upper" => &[(0x41, 0x5a)],
        "word" => &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)],
        "xdigit" => &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)],
        _ => return None,
    })
}
