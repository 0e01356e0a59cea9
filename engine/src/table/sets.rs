//! Sets of small numbers, of clauses as a rule: a list of them, or bits where that is shorter. One word says which and
//! how long; lists ascend, bits are led by the number of their first word.

use serde::{Deserialize, Serialize};

use super::{Arena, Mine, NotMine, Work};

/// Where a set stands in an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct SetAt(pub(super) u32);

/// A set as it stands there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set<'a> {
    /// Its numbers, ascending.
    List(&'a [u32]),
    /// Bits, from the word of this number on.
    Bits(u32, &'a [u32]),
}

/// Lists up to this length are as quick as bits.
const SHORT: usize = 3;

/// The words of a set of these numbers, which ascend.
pub(super) fn words(numbers: &[u32]) -> Vec<u32> {
    let (first, last) = match numbers {
        [] => return vec![0],
        [only] => (*only >> 5, *only >> 5),
        [first, .., last] => (*first >> 5, *last >> 5),
    };
    let span = usize::try_from(last.saturating_sub(first)).map_or(usize::MAX, |span| span.saturating_add(1));
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX) << 1;
    if numbers.len() <= SHORT || span > numbers.len().saturating_mul(2) {
        return std::iter::once(length(numbers.len())).chain(numbers.iter().copied()).collect();
    }
    let mut bits = vec![0_u32; span];
    for number in numbers {
        let at = usize::try_from((number >> 5).saturating_sub(first)).unwrap_or(usize::MAX);
        if let Some(word) = bits.get_mut(at) {
            *word |= 1 << (number & 31);
        }
    }
    [length(span) | 1, first].into_iter().chain(bits).collect()
}

impl Arena {
    /// The set at a place; `None` where there is none, which loading has ruled out.
    pub(super) fn set(&self, SetAt(at): SetAt) -> Option<Set<'_>> {
        let (head, rest) = self.sets.get(usize::try_from(at).ok()?..)?.split_first()?;
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            return rest.get(..length).map(Set::List);
        }
        let (first, rest) = rest.split_first()?;
        rest.get(..length).map(|words| Set::Bits(*first, words))
    }
}

impl Set<'_> {
    /// Words that it takes, as it stands.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::List(numbers) => numbers.len().saturating_add(1),
            Self::Bits(_, words) => words.len().saturating_add(2),
        }
    }

    /// One more than its largest number; `None` where it is no set as it must be.
    pub(super) fn bound(&self) -> Option<u64> {
        match self {
            Self::List(numbers) => {
                let ascends = numbers.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
                ascends.then(|| numbers.last().map_or(0, |last| u64::from(*last).saturating_add(1)))
            }
            Self::Bits(first, words) => {
                let words_before = u64::from(*first).checked_add(u64::try_from(words.len()).ok()?)?;
                let top = words.last().map_or(0, |word| word.leading_zeros());
                words_before.checked_mul(32)?.checked_sub(u64::from(top))
            }
        }
    }

    pub(super) fn contains(&self, number: u32, work: &mut Work) -> Mine<bool> {
        match self {
            Self::List(numbers) => {
                work.take(1)?;
                Ok(if numbers.len() <= 8 {
                    numbers.contains(&number)
                } else {
                    numbers.binary_search(&number).is_ok()
                })
            }
            Self::Bits(first, words) => {
                work.take(1)?;
                let at = (number >> 5).checked_sub(*first).and_then(|at| usize::try_from(at).ok());
                Ok(at.and_then(|at| words.get(at)).is_some_and(|word| word >> (number & 31) & 1 == 1))
            }
        }
    }
}

/// Whether `is_meant` says so of any number that is in both sets.
pub(super) fn any_common(
    a: Set<'_>,
    b: Set<'_>,
    work: &mut Work,
    is_meant: &mut dyn FnMut(u32, &mut Work) -> Mine<bool>,
) -> Mine<bool> {
    match (a, b) {
        (Set::Bits(a_first, a), Set::Bits(b_first, b)) => {
            let first = a_first.max(b_first);
            let from = |first_word: u32, words: &'_ [u32]| -> Mine<usize> {
                let skipped = usize::try_from(first.saturating_sub(first_word)).map_err(|_| NotMine)?;
                Ok(skipped.min(words.len()))
            };
            let a = a.get(from(a_first, a)?..).unwrap_or_default();
            let b = b.get(from(b_first, b)?..).unwrap_or_default();
            for (at, (a, b)) in (first..=u32::MAX).zip(a.iter().zip(b)) {
                work.take(1)?;
                let mut both = a & b;
                while both != 0 {
                    let number = (at << 5) | both.trailing_zeros();
                    if is_meant(number, work)? {
                        return Ok(true);
                    }
                    both &= both.wrapping_sub(1);
                }
            }
            Ok(false)
        }
        (Set::List(list), other) | (other, Set::List(list)) => {
            // The shorter of two lists is gone through.
            let (list, other) = match other {
                Set::List(others) if others.len() < list.len() => (others, Set::List(list)),
                other => (list, other),
            };
            for number in list {
                if other.contains(*number, work)? && is_meant(*number, work)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn arena(sets: &[&[u32]]) -> (Arena, Vec<SetAt>) {
        let mut arena = Arena::default();
        let mut places = Vec::new();
        for set in sets {
            places.push(SetAt(u32::try_from(arena.sets.len()).unwrap()));
            arena.sets.extend(words(set));
        }
        (arena, places)
    }

    #[test]
    fn sets_hold_what_was_put_in_and_meet_where_both_have_it() {
        let dense: Vec<u32> = (100..300).collect();
        let even: Vec<u32> = (0..400).map(|n| n * 2).collect();
        let sparse: Vec<u32> = (0..40).map(|n| n * 1000).collect();
        let sets: [&[u32]; 8] =
            [&[], &[7], &[1, 150, 9999], &dense, &even, &sparse, &[0, 31, 32, 63, 64], &[u32::MAX]];
        let (arena, places) = arena(&sets);
        let mut work = Work(1 << 40);
        for (set, at) in sets.iter().zip(&places) {
            let read = arena.set(*at).unwrap();
            assert_eq!(read.size(), words(set).len());
            assert_eq!(read.bound(), Some(set.last().map_or(0, |last| u64::from(*last) + 1)));
            for number in [0, 1, 7, 31, 32, 64, 99, 100, 150, 299, 300, 1000, 9999, u32::MAX] {
                assert_eq!(
                    read.contains(number, &mut work),
                    Ok(set.contains(&number)),
                    "{number} in {set:?}"
                );
            }
            for (other, other_at) in sets.iter().zip(&places) {
                let mut met = Vec::new();
                let other_read = arena.set(*other_at).unwrap();
                let found = any_common(read, other_read, &mut work, &mut |number, _| {
                    met.push(number);
                    Ok(false)
                });
                let wanted: Vec<u32> = set.iter().filter(|n| other.contains(n)).copied().collect();
                assert_eq!((found, met), (Ok(false), wanted), "{set:?} and {other:?}");
            }
        }
    }

    #[test]
    fn work_is_bounded() {
        let even: Vec<u32> = (0..4000).map(|n| n * 2).collect();
        let (arena, places) = arena(&[&even]);
        let set = arena.set(places[0]).unwrap();
        assert_eq!(any_common(set, set, &mut Work(10), &mut |_, _| Ok(false)), Err(NotMine));
    }
}
