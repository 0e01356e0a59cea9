//! Bounds on what one decision and one bundle may cost.

/// Bounds of one evaluation. Exceeding one is an error, and so a deny in enforce mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps of the evaluator: one for a statement, one for 64 bytes in or out of a builtin.
    pub steps: u64,
    /// Nested calls and blocks.
    pub depth: u32,
    /// Bytes of one decision: header names and values, body.
    pub output_bytes: usize,
    /// Bytes of a request's body that a policy may see.
    pub body_bytes: usize,
    /// Decisions that are kept; 0 keeps none.
    pub cache_entries: usize,
    /// Bytes of a bundle, packed and unpacked alike.
    pub bundle_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 100_000,
            depth: 128,
            output_bytes: 65_536,
            body_bytes: 65_536,
            cache_entries: 4096,
            bundle_bytes: 33_554_432,
        }
    }
}
