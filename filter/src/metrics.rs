//! Counters in the proxy's stats. The names are a fixed set: nothing that a client, a server or a bundle
//! sends ever becomes part of one.

use std::cell::RefCell;

use crate::host::{self, Level, Status};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The policy allowed it.
    Allowed,
    /// The policy denied it.
    Denied,
    /// There was no decision.
    Error,
}

struct Counters {
    allowed: u32,
    denied: u32,
    error: u32,
    /// By error code; defined when the code first comes up.
    codes: Vec<(&'static str, u32)>,
}

thread_local! {
    /// One set for the VM: the proxy keeps every definition for as long as the VM lives.
    static COUNTERS: RefCell<Option<Counters>> = const { RefCell::new(None) };
}

/// Defines the counters, once in a VM. Without them the filter still decides.
pub(crate) fn define() {
    let defined = COUNTERS.try_with(|cell| cell.try_borrow().is_ok_and(|counters| counters.is_some()));
    if defined != Ok(false) {
        return;
    }
    match Counters::define() {
        Ok(counters) => {
            let _ = COUNTERS.try_with(|cell| cell.try_borrow_mut().map(|mut place| *place = Some(counters)));
        }
        Err(status) => host::log(Level::Warn, &format!("sidegate: metrics cannot be defined: {status}")),
    }
}

/// Counts a decision.
pub(crate) fn count(outcome: Outcome) {
    with(|counters| {
        let id = match outcome {
            Outcome::Allowed => counters.allowed,
            Outcome::Denied => counters.denied,
            Outcome::Error => counters.error,
        };
        let _ = host::increment_metric(id);
    });
}

/// Counts an error by its code.
pub(crate) fn count_error(code: &'static str) {
    with(|counters| {
        let known = counters.codes.iter().find(|(known, _)| *known == code).map(|(_, id)| *id);
        let id = known.or_else(|| {
            let id = host::define_counter(&format!("sidegate.errors.{code}")).ok()?;
            counters.codes.push((code, id));
            Some(id)
        });
        if let Some(id) = id {
            let _ = host::increment_metric(id);
        }
    });
}

impl Counters {
    fn define() -> Result<Self, Status> {
        Ok(Self {
            allowed: host::define_counter("sidegate.decisions.allowed")?,
            denied: host::define_counter("sidegate.decisions.denied")?,
            error: host::define_counter("sidegate.decisions.error")?,
            codes: Vec::new(),
        })
    }
}

/// The host calls made here return no data, so they do not come back into this module.
fn with(work: impl FnOnce(&mut Counters)) {
    let _ = COUNTERS.try_with(|cell| {
        if let Ok(mut counters) = cell.try_borrow_mut()
            && let Some(counters) = counters.as_mut()
        {
            work(counters);
        }
    });
}
