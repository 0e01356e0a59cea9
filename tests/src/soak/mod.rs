//! A sidecar that is never left alone: its policy, its configuration, its process, its clock and the server that it
//! fetches from change and fail while clients never stop asking.

mod clock;
mod events;
mod live;
mod run;
mod sidecar;

pub use self::clock::Clock;
pub use self::events::{Chaos, EVENTS, Event};
pub use self::live::Live;
pub use self::run::{Soak, soak};
pub use self::sidecar::{Sidecar, SidecarOptions, TRAP_BYTES, WORKERS};
