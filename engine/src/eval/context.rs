//! What an evaluation may know besides policy and input.

use super::extra::chance;
use super::table::Unanswered;

/// Clock and chance of one evaluation. Both stay as they are while it runs, as in OPA: every call of
/// `time.now_ns` gives the same time, and `rand.intn` and `uuid.rfc4122` the same value for the same
/// arguments. What the caller did not give is an error where a policy asks for it, never a guess: an
/// expired token must not pass because the clock stands at zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Nanoseconds since the Unix epoch.
    pub now_ns: Option<i64>,
    /// What random values are made from. Whoever can guess it can guess them.
    pub seed: Option<[u8; 32]>,
}

impl Context {
    /// A seed from whatever the host can name that others cannot foresee. Not fit for secrets: a proxy
    /// gives its filters no source of randomness.
    pub fn seed_from(parts: &[&[u8]]) -> [u8; 32] {
        chance::digest(parts)
    }

    /// The time, if it is known.
    pub(super) fn clock(&self) -> Result<i64, Unanswered> {
        self.now_ns.ok_or(Unanswered::Missing("clock"))
    }

    /// Thirty-two random bytes that are the same for the same `parts`.
    pub(super) fn draw(&self, parts: &[&[u8]]) -> Result<[u8; 32], Unanswered> {
        let seed = self.seed.as_ref().ok_or(Unanswered::Missing("randomness"))?;
        let parts: Vec<&[u8]> = std::iter::once(seed.as_slice()).chain(parts.iter().copied()).collect();
        Ok(chance::digest(&parts))
    }
}
