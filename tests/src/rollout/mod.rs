//! What the rollout tests and the rollout demo share: a sidecar that fetches its policy, a server to fetch it
//! from, somebody who publishes, and clients that never stop asking.

mod bundles;
mod load;
mod publisher;
mod refusals;
mod site;
mod trap;

pub use self::bundles::{reading_bodies, versioned};
pub use self::load::Load;
pub use self::publisher::{Publisher, WORKLOAD};
pub use self::refusals::{Refused, live_refusals};
pub use self::site::{Site, SiteOptions};
pub use self::trap::{trapping, trapping_if};

/// The header that says which version decided.
pub const VERSION_HEADER: &str = "x-policy";
