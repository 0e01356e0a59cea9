//! What the VMs of one proxy tell each other through the host's shared data.
//!
//! Every plugin with the same `vm_id` can write there, so nothing that is read is believed: pointers and blobs
//! are verified by everyone who takes them, and the lease can at worst be stolen, or lost for a while.

use super::timing;
use crate::crypto::{Hash, hex};

/// The host's shared data, or a stand-in for it.
pub trait Shared {
    /// A value, and the number by which [`Shared::set`] knows that it has not changed since. `None` where there is
    /// none.
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Sets a value; with `unchanged` only if it still has that number. Whether it was set.
    fn set(&mut self, key: &str, value: &[u8], unchanged: Option<u32>) -> bool;
}

/// Who fetches for all, until when, and how often what is shared has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lease {
    /// The number that the next VM gets.
    pub(super) next_id: u64,
    /// The holder's number; 0 is nobody.
    pub(super) holder: u64,
    /// When the lease ends unless it is renewed, in nanoseconds.
    pub(super) until: i64,
    /// Says what is shared: a part of a digest over it, 0 for nothing. It changes with what is shared, and means the
    /// same to everyone even where somebody writes an old lease over a new one.
    pub(super) generation: u64,
}

const FORM: u8 = 1;

/// Longer than VMs that have trapped need to come back, in nanoseconds. The main thread, which answers no requests,
/// holds the lease meanwhile.
const LEFT_BEHIND: i64 = 30 * timing::SECOND;

/// The beginning of the keys of those who are configured alike: as far as `parts` say it, and they have to say all
/// that what is fetched and taken depends on.
pub fn prefix(parts: &[&str]) -> String {
    let digest = hex(&Hash::Sha256.digest(parts.join("\0").as_bytes()));
    format!("sidegate.{FORM}.{}", digest.get(..16).unwrap_or(&digest))
}

impl Lease {
    /// Reads a lease. What is none reads as one that nobody holds.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let raw = bytes.get(at..at.checked_add(8)?)?;
            Some(u64::from_le_bytes(<[u8; 8]>::try_from(raw).ok()?))
        };
        let read = || {
            if bytes.first() != Some(&FORM) || bytes.len() != 33 {
                return None;
            }
            Some(Self {
                next_id: number(1)?,
                holder: number(9)?,
                until: number(17)?.cast_signed(),
                generation: number(25)?,
            })
        };
        read().unwrap_or_default()
    }

    /// Whether nobody has held it for so long that what is shared is not what others decide by, but what was left
    /// behind: by a configuration that is in force again, after another one was.
    pub(super) fn is_left_behind(&self, now: i64) -> bool {
        self.until.saturating_add(LEFT_BEHIND) < now
    }

    /// The bytes of a lease.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Self { next_id, holder, until, generation } = self;
        let mut bytes = vec![FORM];
        for number in [next_id, holder, until.cast_unsigned(), generation] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// Whether somebody holds it at `now`. One that ends later than any is ever granted is none.
    pub(super) fn is_held(&self, now: i64, length: i64) -> bool {
        self.holder != 0 && !timing::is_due(now, self.until, length.saturating_mul(2))
    }
}

/// A bundle as it is shared: the `ETag` that it came with, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) etag: &'a [u8],
    pub(super) bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Reads what [`Stored::to_bytes`] wrote.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (etag, bytes) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        Some(Self { etag, bytes })
    }

    /// Both in one value.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { etag, bytes } = self;
        // An `ETag` of more than 64 KiB is none.
        let (length, etag) = u16::try_from(etag.len()).map_or((0, &[][..]), |length| (length, *etag));
        [&length.to_le_bytes(), etag, *bytes].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_lease_and_back() {
        let lease = Lease { next_id: 3, holder: 2, until: -5, generation: u64::MAX };
        assert_eq!(Lease::read(&lease.to_bytes()), lease);
        for bad in [&b""[..], b"\x01", &[0; 33], &[1; 32], &[1; 34]] {
            assert_eq!(Lease::read(bad), Lease::default());
        }
    }

    #[test]
    fn a_lease_from_a_clock_that_ran_ahead_is_not_held() {
        let lease = Lease { holder: 1, until: 100, ..Lease::default() };
        assert!(lease.is_held(95, 10) && !lease.is_held(100, 10) && !lease.is_held(50, 10));
        assert!(!Lease { holder: 0, ..lease }.is_held(95, 10));
    }

    #[test]
    fn a_stored_bundle_and_back() {
        let stored = Stored { etag: b"\"a\"", bytes: b"bundle" };
        assert_eq!(Stored::read(&stored.to_bytes()), Some(stored));
        let long = vec![b'x'; 1 << 17];
        assert_eq!(Stored::read(&Stored { etag: &long, bytes: b"b" }.to_bytes()).unwrap().bytes, b"b");
        for bad in [&b""[..], b"\x01", b"\x05\x00abc"] {
            assert_eq!(Stored::read(bad), None);
        }
    }
}
