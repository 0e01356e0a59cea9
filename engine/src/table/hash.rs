//! Hashes of what is looked up. They need not be secret: the keys come from the bundle, and its writer sees to it that
//! few of them meet. What a client sends is only ever looked for.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The state after this text.
pub(super) fn text(seed: u32, bytes: &[u8]) -> u64 {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words
        .iter()
        .fold(step(u64::from(seed), length), |state, word| step(state, u64::from_le_bytes(*word)));
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    step(state, last)
}

/// The state after one more word.
pub(super) fn step(state: u64, word: u64) -> u64 {
    let mixed = (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    mixed ^ mixed >> 29
}

/// What is compared, and chosen a bucket by.
pub(super) fn finish(state: u64) -> u32 {
    let mixed = state.wrapping_mul(FACTOR) >> 32;
    u32::try_from(mixed).unwrap_or_default()
}
