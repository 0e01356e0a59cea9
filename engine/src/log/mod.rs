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

/// Where a policy says which events are not logged at all: `data.system.log.drop`, as in OPA.
pub const DROP: &str = "system/log/drop";
/// Where it says what of an event is not: `data.system.log.mask`, as in OPA.
pub const MASK: &str = "system/log/mask";
/// Where declarations say which of their rules decided.
pub const RULE: &str = "sidegate/authz/rule";
/// Where they decide.
pub const DECLARATIONS: &str = "sidegate/authz/decision";
