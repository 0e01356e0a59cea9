//! What is looked at from outside: sidecars that decide, a real Prometheus that scrapes them, the shipped dashboard and
//! alerts asked of it, and the dashboard drawn.

mod dashboard;
mod names;
mod picture;
mod prometheus;
mod scene;
mod sidecar;

pub use self::dashboard::{Dashboard, Panel, Target, alerts};
pub use self::names::{errors_in_sources, families_in, gauges_and_counters_in_sources, refusals_in_sources};
pub use self::picture::{Period, draw};
pub use self::prometheus::{Prometheus, Scraped, Series, promtool};
pub use self::scene::Scene;
pub use self::sidecar::{Sidecar, SidecarOptions, rules};
