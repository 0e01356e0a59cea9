//! Keeping the policy current: when to ask, what to believe, what to tell the other workers.
//!
//! A [`Machine`] turns events (a tick, a response) into [`Effect`]s. It does no I/O and has no clock and no
//! randomness: time, seeds and the host's shared data are arguments. There is one for each configured plugin in
//! each VM. Together they fetch once for the proxy: whoever holds the lease in the shared data asks the server,
//! verifies, and puts what it took where the others find it; they verify it again. A refusal never touches the
//! policy that decides.

mod adopt;
mod effect;
mod error;
mod fetch;
mod judge;
mod machine;
mod shared;
pub mod timing;
mod trial;

#[cfg(test)]
mod model;

pub use self::effect::{About, Asked, Body, Count, Effect, Gauges, Level, Response};
pub use self::error::{FetchError, Refusal};
pub use self::judge::{Judge, Opener};
pub use self::machine::{Machine, Settings};
pub use self::shared::{Shared, prefix};
pub use self::trial::takes_part;
