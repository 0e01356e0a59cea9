//! Decisions that were made before, by all that they depend on.
//!
//! What a policy reads of a request is known when it is loaded. Where that is all an answer depends on, a request that
//! says the same as one before gets the same decision. Keys are compared whole, so what a hash says never decides.
//!
//! Nobody can make it grow: it has a number of sets of four, each with a bound of bytes, and where a key falls depends
//! on a secret. Who sends nothing but new keys evicts what others had, and no more.

mod key;

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::actions::{Actions, HeaderOp};
use crate::decide::{DecideError, Verdict, Waived};
use crate::input::Request;
use crate::input::leaves::Place;

pub(crate) use key::{Uncached, places};

/// Entries of a set.
const WAYS: usize = 4;
/// Bytes of the entries of one set.
const SET_BYTES: usize = 4096;
/// Bytes that an entry takes besides what it holds.
const ENTRY_BYTES: usize = 128;
/// Bytes that each text of it takes besides its own.
const TEXT_BYTES: usize = 64;

/// What makes the hashes of one cache its own.
pub type Seed = [u8; 16];

/// A bounded number of decisions.
#[derive(Debug)]
pub(crate) struct Cache {
    places: Vec<Place>,
    seed: Seed,
    sets: Vec<Set>,
    /// Where keys are written; its memory is kept.
    key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Set {
    entries: Vec<Entry>,
    /// The entry that is looked at first when room is needed.
    hand: usize,
}

#[derive(Debug)]
struct Entry {
    key: Box<[u8]>,
    kept: Kept,
    bytes: usize,
    /// Whether it has answered since room was last needed.
    was_used: bool,
}

/// A verdict without what it was made by.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) actions: Actions,
    pub(crate) waived: Option<Waived>,
    pub(crate) error: Option<DecideError>,
}

/// Where a request's decision belongs.
#[derive(Debug)]
pub(crate) struct Slot {
    key: Vec<u8>,
    set: usize,
}

/// What a look brings.
#[derive(Debug)]
pub(crate) enum Looked {
    /// The decision.
    Found(Kept),
    /// Where to put it.
    Missing(Slot),
    /// The request says so much that its decision is not kept.
    TooLong,
}

impl Cache {
    /// A cache of about so many decisions that depend on these places alone.
    pub(crate) fn new(places: Vec<Place>, entries: usize, seed: Seed) -> Self {
        let sets = entries.div_ceil(WAYS).max(1);
        let sets = std::iter::repeat_with(Set::default).take(sets).collect();
        Self { places, seed, sets, key: Vec::new() }
    }

    /// Looks for the decision about a request.
    pub(crate) fn look(&mut self, request: &Request<'_>) -> Looked {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let is_written = key::write(&mut key, request, &self.places);
        let found = if is_written { self.find(&key) } else { None };
        let Some((set, entry)) = found else {
            self.key = key;
            return Looked::TooLong;
        };
        match entry {
            Some(entry) => {
                entry.was_used = true;
                let kept = entry.kept.clone();
                self.key = key;
                Looked::Found(kept)
            }
            None => Looked::Missing(Slot { key, set }),
        }
    }

    /// Keeps a decision, where it is not too long.
    pub(crate) fn keep(&mut self, slot: Slot, kept: Kept) {
        let Slot { key, set } = slot;
        let bytes =
            kept.bytes().map(|bytes| bytes.saturating_add(key.len())).filter(|bytes| *bytes <= SET_BYTES);
        if let (Some(bytes), Some(set)) = (bytes, self.sets.get_mut(set)) {
            set.make_room(bytes);
            set.entries.push(Entry { key: key.as_slice().into(), kept, bytes, was_used: false });
        }
        self.key = key;
    }

    /// Gives a slot back that nothing is kept in.
    pub(crate) fn leave(&mut self, slot: Slot) {
        self.key = slot.key;
    }

    fn find(&mut self, key: &[u8]) -> Option<(usize, Option<&mut Entry>)> {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write(key);
        let sets = u64::try_from(self.sets.len()).ok()?;
        let at = usize::try_from(hasher.finish().checked_rem(sets)?).ok()?;
        let set = self.sets.get_mut(at)?;
        Some((at, set.entries.iter_mut().find(|entry| *entry.key == *key)))
    }
}

impl Set {
    /// Drops entries until there is a place and so many bytes: those first that have not answered since the hand last
    /// came by.
    fn make_room(&mut self, bytes: usize) {
        loop {
            let taken: usize = self.entries.iter().map(|entry| entry.bytes).sum();
            if self.entries.len() < WAYS && taken.saturating_add(bytes) <= SET_BYTES {
                return;
            }
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            match self.entries.get_mut(self.hand) {
                Some(entry) if entry.was_used => {
                    entry.was_used = false;
                    self.hand = self.hand.saturating_add(1);
                }
                Some(_) => {
                    self.entries.swap_remove(self.hand);
                }
                None => return,
            }
        }
    }
}

impl Kept {
    /// What can be kept of a verdict.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        let Verdict { actions, waived, error, basis: _ } = verdict;
        Self { actions: actions.clone(), waived: *waived, error: error.clone() }
    }

    /// About what it takes; `None` if that is more than any set has.
    fn bytes(&self) -> Option<usize> {
        let mut texts = Vec::new();
        let mut ops = |ops: &[HeaderOp]| {
            texts.extend(ops.iter().map(|op| match op {
                HeaderOp::Set(name, value) | HeaderOp::Add(name, value) => {
                    name.len().saturating_add(value.len())
                }
                HeaderOp::Remove(name) | HeaderOp::RemovePrefix(name) => name.len(),
            }));
        };
        let metadata = match &self.actions {
            Actions::Allow { request_headers, path, response_headers, dynamic_metadata } => {
                ops(request_headers);
                ops(response_headers);
                texts.extend(path.as_ref().map(Vec::len));
                dynamic_metadata
            }
            Actions::Deny { status: _, headers, body, dynamic_metadata } => {
                texts.extend(headers.iter().map(|(name, value)| name.len().saturating_add(value.len())));
                texts.push(body.len());
                dynamic_metadata
            }
        };
        texts.extend(metadata.iter().map(key::bytes).collect::<Option<Vec<_>>>()?);
        let each = texts.into_iter().map(|bytes| bytes.saturating_add(TEXT_BYTES));
        Some(each.fold(ENTRY_BYTES, usize::saturating_add))
    }
}

#[cfg(test)]
mod tests;
