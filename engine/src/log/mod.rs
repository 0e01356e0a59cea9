//! The decision log: what was decided about whom, as OPA's events.
//!
//! An event is one JSON object, field for field what OPA's decision log plugin posts (`EventV1` of OPA 1.22), so that
//! what takes OPA's takes these. What Sidegate knows besides is under `custom.sidegate`.

mod batch;
mod event;
mod mask;
mod sender;
#[cfg(test)]
mod tests;
mod trace;

pub use batch::{Buffer, array, gzip};
pub use event::{DecisionId, Event, Outcome, labels};
pub use mask::{MaskError, Masked, mask};
pub use sender::{Batch, Sender, Sent};
pub use trace::{Trace, trace};

/// Where a policy says what is not logged at all, and what of an event is not: `data.system.log.drop` and
/// `data.system.log.mask`, as in OPA.
pub const ENTRYPOINTS: [&str; 2] = ["system/log/drop", "system/log/mask"];
