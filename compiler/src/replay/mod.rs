//! Recorded decisions, decided anew: what another policy would say to the requests of a log, or how two policies differ
//! on them.
//!
//! The policy is asked as the proxy asks it, about the event's own input, at the time of the event. What it reads and
//! the event does not have makes the decision unknown: never the same.

mod decide;
mod event;
mod explain;
mod hidden;
mod outcome;
mod pool;
mod report;
mod rule;
mod state;

use crate::slice::Workload;
pub use explain::{AskError, Asked, Found, find, words};
pub use outcome::Change;
pub use pool::{Log, replay};
pub use report::{Counts, Example, Group, GroupKey, Replay, RuleAt, Unknown};
pub use state::State;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The entry point that is asked about requests; else that of the event.
    pub path: Option<String>,
    /// The workload of events that name none.
    pub workload: Option<Workload>,
    /// Threads that decide.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: None, workload: None, threads: 1 }
    }
}
