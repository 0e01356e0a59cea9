//! Counters in the proxy's stats. The names are a fixed set: nothing that a client, a server or a bundle
//! sends ever becomes part of one.

use std::cell::{Cell, RefCell};

use sidegate_engine::attributes::Phase;
use sidegate_engine::config::Mode;
use sidegate_engine::log::Outcome;
use sidegate_engine::refresh::Gauges;

use crate::host::{self, Level, Status};

struct Counters {
    allowed: u32,
    denied: u32,
    error: u32,
    /// Counters and gauges by name, defined when they first come up. A name is made of a prefix and a word that both
    /// stand in this program.
    named: Vec<((&'static str, &'static str), u32)>,
}

/// One in so many evaluations is timed.
const SAMPLE: u32 = 64;

thread_local! {
    /// One set for the VM: the proxy keeps every definition for as long as the VM lives.
    static COUNTERS: RefCell<Option<Counters>> = const { RefCell::new(None) };
    static SEEN: Cell<u32> = const { Cell::new(0) };
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
pub(crate) fn count(phase: Phase, outcome: Outcome) {
    match phase {
        Phase::Request => count_request(outcome),
        Phase::Response => count_named("responses.", outcome.name()),
        Phase::Connection => count_named("connections.", outcome.name()),
    }
}

fn count_request(outcome: Outcome) {
    with(|counters| {
        let id = match outcome {
            Outcome::Allowed => counters.allowed,
            Outcome::Denied => counters.denied,
            Outcome::Error => counters.error,
        };
        let _ = host::increment_metric(id, 1);
    });
}

/// Counts a decision about a request that is not carried out, besides [`count`].
pub(crate) fn count_shadow(outcome: Outcome) {
    count_named("shadow.", outcome.name());
}

/// Counts an error by its code.
pub(crate) fn count_error(code: &'static str) {
    count_named("errors.", code);
}

/// Counts under a name: a prefix that ends in a dot, and a word.
pub(crate) fn count_named(prefix: &'static str, word: &'static str) {
    count_many(prefix, word, 1);
}

/// Counts several at once.
pub(crate) fn count_many(prefix: &'static str, word: &'static str, by: u64) {
    with(|counters| {
        if let Some(id) = counters.named(prefix, word, host::define_counter) {
            let _ = host::increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    });
}

/// The time, if how long the next evaluation takes is to be known: for one in so many, reading the clock twice costs as
/// much as deciding a little.
pub(crate) fn begin() -> Option<i64> {
    let seen = SEEN.try_with(|seen| {
        seen.set(seen.get().wrapping_add(1));
        seen.get()
    });
    if seen.is_ok_and(|seen| seen % SAMPLE == 1) { host::current_time_ns().ok() } else { None }
}

/// Adds how long an evaluation took, in nanoseconds, to the histogram, which has microseconds.
pub(crate) fn record_evaluation(nanoseconds: i64) {
    with(|counters| {
        if let Some(id) = counters.named("", "evaluation_us", host::define_histogram) {
            let _ = host::record_metric(id, u64::try_from(nanoseconds / 1_000).unwrap_or(0));
        }
    });
}

/// Says what is done with decisions.
pub(crate) fn record_mode(mode: Mode) {
    let mode = match mode {
        Mode::Off => 0,
        Mode::Shadow => 1,
        Mode::Enforce => 2,
    };
    with(|counters| {
        if let Some(id) = counters.named("", "mode", host::define_gauge) {
            let _ = host::record_metric(id, mode);
        }
    });
}

/// Sets the gauges about the bundle.
pub(crate) fn record(gauges: &Gauges) {
    let Gauges { epoch, serial, expires_in_s, last_success_s, digest_prefix } = *gauges;
    record_gauge("epoch", Some(epoch));
    record_gauge("serial", Some(serial));
    record_gauge("expires_in_s", expires_in_s);
    record_gauge("last_success_s", last_success_s);
    record_gauge("digest_prefix", Some(digest_prefix));
}

/// Sets one gauge about the bundle, if there is a value.
pub(crate) fn record_gauge(word: &'static str, value: Option<u64>) {
    let Some(value) = value else { return };
    with(|counters| {
        if let Some(id) = counters.named("bundle.", word, host::define_gauge) {
            let _ = host::record_metric(id, value);
        }
    });
}

impl Counters {
    fn define() -> Result<Self, Status> {
        Ok(Self {
            allowed: host::define_counter("sidegate.decisions.allowed")?,
            denied: host::define_counter("sidegate.decisions.denied")?,
            error: host::define_counter("sidegate.decisions.error")?,
            named: Vec::new(),
        })
    }
}

impl Counters {
    fn named(
        &mut self,
        prefix: &'static str,
        word: &'static str,
        define: fn(&str) -> Result<u32, Status>,
    ) -> Option<u32> {
        if let Some((_, id)) = self.named.iter().find(|(name, _)| *name == (prefix, word)) {
            return Some(*id);
        }
        let id = define(&format!("sidegate.{prefix}{word}")).ok()?;
        self.named.push(((prefix, word), id));
        Some(id)
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
