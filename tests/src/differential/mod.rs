//! The same policies and requests through Envoy with OPA (`ext_authz` to its Envoy plugin) and through the
//! same Envoy with Sidegate: status, path, headers and body must be the same at the client and upstream.

mod on_purpose;
mod opa;
mod policy;
mod random;
mod sides;

pub use on_purpose::reason;
pub use opa::Opa;
pub use policy::Policy;
pub use random::{Generator, Sent};
pub use sides::{CALLERS, Difference, Headers, Reached, Seen, Sides, Tally};
