//! Lookups of text: entries in the order of their buckets, found by a hash and compared whole.
//!
//! A lookup is words of an arena: for each bucket the number of its first entry, and one more for the end; then the
//! entries, four words each.

use serde::{Deserialize, Serialize};

use super::{Arena, Mine, NotMine, Work, hash};

/// Where a lookup stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lookup {
    /// What the hashes begin with.
    pub(super) seed: u32,
    /// Its first word.
    pub(super) at: u32,
    /// A power of two; 0 where there are no entries.
    pub(super) buckets: u32,
    /// How many there are.
    pub(super) entries: u32,
}

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) hash: u32,
    /// Its text, by the first byte and the length.
    pub(super) from: u32,
    pub(super) length: u32,
    /// What it stands for.
    pub(super) value: u32,
}

/// Words of an entry.
pub(super) const ENTRY: usize = 4;

impl Lookup {
    /// The value of a text.
    pub(super) fn find(&self, arena: &Arena, text: &[u8], work: &mut Work) -> Mine<Option<u32>> {
        if self.entries == 0 {
            return Ok(None);
        }
        let hash = hash::finish(hash::text(self.seed, text));
        self.find_hashed(arena, hash, work, |found| found == text)
    }

    /// The value of the text of this hash that `is_it`.
    pub(super) fn find_hashed(
        &self,
        arena: &Arena,
        hash: u32,
        work: &mut Work,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Mine<Option<u32>> {
        work.take(1)?;
        let (starts, entries) = self.words(arena).ok_or(NotMine)?;
        let bucket = usize::try_from(hash & self.buckets.wrapping_sub(1)).map_err(|_| NotMine)?;
        let Some([first, end]) = starts.get(bucket..).and_then(|starts| starts.first_chunk::<2>()) else {
            return Ok(None);
        };
        let range =
            usize::try_from(*first).map_err(|_| NotMine)?..usize::try_from(*end).map_err(|_| NotMine)?;
        for entry in entries.get(range).ok_or(NotMine)? {
            work.take(1)?;
            let entry = Entry::of(entry);
            if entry.hash == hash && is_it(arena.text(&entry).ok_or(NotMine)?) {
                return Ok(Some(entry.value));
            }
        }
        Ok(None)
    }

    /// First entries of the buckets, and the entries.
    fn words<'a>(&self, arena: &'a Arena) -> Option<(&'a [u32], &'a [[u32; ENTRY]])> {
        let starts = usize::try_from(self.buckets).ok()?.checked_add(1)?;
        let rest = arena.words.get(usize::try_from(self.at).ok()?..)?;
        let (starts, rest) = rest.split_at_checked(starts)?;
        let (entries, _) = rest.as_chunks::<ENTRY>();
        Some((starts, entries.get(..usize::try_from(self.entries).ok()?)?))
    }

    /// Checks that it stands where there is something, and `is_value` of each value.
    pub(super) fn check(&self, arena: &Arena, is_value: impl Fn(u32) -> bool) -> Result<(), &'static str> {
        if self.entries == 0 {
            return Ok(());
        }
        if !self.buckets.is_power_of_two() {
            return Err("a lookup has no buckets");
        }
        let (starts, entries) = self.words(arena).ok_or("a lookup is out of range")?;
        let ascends = starts.is_sorted() && starts.last() == Some(&self.entries);
        if !ascends {
            return Err("the buckets of a lookup are out of order");
        }
        let is_sound = |entry: &[u32; ENTRY]| {
            let entry = Entry::of(entry);
            arena.text(&entry).is_some() && is_value(entry.value)
        };
        if entries.iter().all(is_sound) { Ok(()) } else { Err("an entry of a lookup is out of range") }
    }
}

impl Entry {
    fn of([hash, from, length, value]: &[u32; ENTRY]) -> Self {
        Self { hash: *hash, from: *from, length: *length, value: *value }
    }

    pub(super) fn words(self) -> [u32; ENTRY] {
        [self.hash, self.from, self.length, self.value]
    }
}

impl Arena {
    fn text(&self, entry: &Entry) -> Option<&[u8]> {
        let from = usize::try_from(entry.from).ok()?;
        let end = from.checked_add(usize::try_from(entry.length).ok()?)?;
        self.text.get(from..end)
    }
}
