//! Hostile clients: malformed and extreme requests of every kind, against listeners of every kind. After some of them
//! good requests must be answered as ever by the same VM, and nothing may get to the upstream without a right to.

mod attack;
mod bodies;
mod http1;
mod http2;
mod judge;
mod parts;
mod random;
mod run;
mod stage;

pub use self::judge::{Judge, SEAL};
pub use self::random::Random;
pub use self::run::{Report, run};
pub use self::stage::{Caller, KINDS, Stage};

/// Who may do what the policies allow; nobody else may do anything.
pub const FRONTEND: &str = "spiffe://cluster.local/ns/web/sa/frontend";
/// `limits.body_bytes` of the listener that reads bodies.
const BODY_LIMIT: usize = 20_000;
