//! What a world is made of besides machines: signatures that are words, chance from a seed, data that is shared.

use std::collections::BTreeMap;

use crate::refresh::{Judge, Refusal, Shared};
use crate::trust::{Layer, Pointer};

/// Signed is what begins so: nobody else can write it.
pub(super) const SIGNED: &[u8] = b"signed:";
/// A blob with a policy that can be used.
pub(super) const GOOD: &[u8] = b"policy:";

pub(super) struct Fake;

impl Judge for Fake {
    type Policy = Vec<u8>;

    fn pointer(&self, bytes: &[u8]) -> Result<Pointer, Refusal> {
        let refuse = |code| Refusal { code, message: String::new() };
        let payload = bytes.strip_prefix(SIGNED).ok_or_else(|| refuse("signature_bad"))?;
        serde_json::from_slice(payload).map_err(|_| refuse("pointer_syntax"))
    }

    fn min_serial(&self) -> u64 {
        1
    }

    fn blob(&self, bytes: &[u8], layer: &Layer) -> Result<Vec<u8>, Refusal> {
        assert!(layer.is_of(bytes), "bytes are opened before their digest is known");
        self.bundle(bytes)
    }

    fn bundle(&self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        if bytes.starts_with(GOOD) && bytes.ends_with(b";") {
            Ok(bytes.to_vec())
        } else {
            Err(Refusal { code: "bundle_plan", message: String::new() })
        }
    }
}

/// Splitmix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Default)]
pub(super) struct Data {
    pub(super) values: BTreeMap<String, (Vec<u8>, u32)>,
    changes: u32,
}

impl Shared for Data {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.get(key).cloned()
    }

    fn set(&mut self, key: &str, value: &[u8], unchanged: Option<u32>) -> bool {
        let has = self.values.get(key).map(|(_, number)| *number);
        if unchanged.is_some_and(|number| has.is_some_and(|has| has != number)) {
            return false;
        }
        self.changes += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), self.changes));
        true
    }
}
