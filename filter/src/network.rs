//! The same module as a network filter: decides about connections, from the first bytes that a client sends.
//!
//! Without TLS the decision is made when a connection is opened, and of one that is denied nothing is opened upstream.
//! Who is calling by TLS is known once the handshake is over, and that is when the first bytes come; until then no byte
//! passes, in neither direction. The connection upstream may be open by then: Envoy's TCP proxy reads nothing before it is,
//! so that a filter which stops it when a connection is new never gets to see a byte.
//!
//! A client that waits for the server to speak first never sends any: such protocols work without TLS alone.

use std::rc::Rc;

use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::Phase;
use sidegate_engine::config::Mode;
use sidegate_engine::log::Outcome;

use crate::body::Progress;
use crate::contexts;
use crate::host::{self, Action, Level, Side};
use crate::loaded::{Asked, Decided, Loaded};
use crate::log;
use crate::metrics;
use crate::refuse::{self, NO_POLICY_STATUS, Refusal};

/// Said of a TLS connection only, from when it is new.
const TLS_VERSION: &[u8] = b"connection\0tls_version";

/// A connection was opened.
pub(crate) fn on_new_connection(stream: u32) -> Action {
    let Some(loaded) = contexts::loaded(stream) else {
        return close(Refusal::no_policy());
    };
    log::mark_seen(&loaded);
    if loaded.fixed.mode == Mode::Off {
        return pass(stream);
    }
    match host::property(TLS_VERSION) {
        Ok(None) => begin(stream, &loaded),
        Ok(Some(_)) if contexts::set_progress(stream, Progress::Opened) => Action::Continue,
        Ok(Some(_)) => close(Refusal::new("internal", NO_POLICY_STATUS)),
        Err(status) => close(Refusal::host("host_property", status, NO_POLICY_STATUS)),
    }
}

/// Bytes came from the client; what they are is not looked at.
pub(crate) fn on_downstream_data(stream: u32) -> Action {
    match contexts::take_progress(stream) {
        Progress::Passed => Action::Continue,
        Progress::Opened => match contexts::loaded(stream) {
            Some(loaded) => begin(stream, &loaded),
            None => close(Refusal::no_policy()),
        },
        held @ Progress::HeldConnection => {
            contexts::set_progress(stream, held);
            Action::Stop
        }
        Progress::Refused | Progress::Waiting(_) | Progress::Held(_) => Action::Stop,
    }
}

/// Bytes came from the server: they wait for the decision about the client. What is only counted waits for nothing.
pub(crate) fn on_upstream_data(stream: u32) -> Action {
    match contexts::take_progress(stream) {
        Progress::Passed => Action::Continue,
        Progress::Opened => {
            contexts::set_progress(stream, Progress::Opened);
            let is_held = contexts::loaded(stream).is_none_or(|loaded| loaded.mode() == Mode::Enforce);
            if is_held { Action::Stop } else { Action::Continue }
        }
        held @ Progress::HeldConnection => {
            contexts::set_progress(stream, held);
            Action::Stop
        }
        Progress::Refused | Progress::Waiting(_) | Progress::Held(_) => Action::Stop,
    }
}

/// The first policy is there, or the time to wait for it is over.
pub(crate) fn release(stream: u32, loaded: Option<&Rc<Loaded>>) {
    let action = match loaded.and_then(|loaded| loaded.asked()) {
        Some(asked) => decide(stream, &asked),
        None => match loaded.cloned().or_else(|| contexts::loaded(stream)) {
            Some(loaded) => close(loaded.no_policy(Phase::Connection)),
            None => close(Refusal::no_policy()),
        },
    };
    if action == Action::Continue
        && let Err(status) = host::resume(Side::Downstream)
    {
        close(Refusal::host("host_continue", status, NO_POLICY_STATUS));
    }
}

fn begin(stream: u32, loaded: &Loaded) -> Action {
    match loaded.asked() {
        Some(asked) => decide(stream, &asked),
        None => match loaded.may_wait() {
            Some(until) if contexts::hold(stream, until, Progress::HeldConnection) => Action::Stop,
            _ if loaded.mode() != Mode::Enforce => {
                refuse::report(
                    Phase::Connection,
                    &loaded.no_policy(Phase::Connection),
                    "shadow: would be closed",
                );
                pass(stream)
            }
            _ => close(loaded.no_policy(Phase::Connection)),
        },
    }
}

fn decide(stream: u32, asked: &Asked) -> Action {
    let decided = asked.judge_connection();
    match (asked.mode, decided) {
        (Mode::Enforce, Ok((actions, None, _))) => enforce(stream, actions),
        (Mode::Enforce, Err(refusal)) => close(refusal),
        (_, decided) => {
            report(decided);
            pass(stream)
        }
    }
}

fn enforce(stream: u32, actions: Actions) -> Action {
    let (Actions::Allow { dynamic_metadata, .. } | Actions::Deny { dynamic_metadata, .. }) = &actions;
    let kept = refuse::keep_metadata(dynamic_metadata.as_ref());
    match (actions, kept) {
        (Actions::Allow { .. }, Ok(())) => {
            metrics::count(Phase::Connection, Outcome::Allowed);
            pass(stream)
        }
        (Actions::Allow { .. }, Err(status)) => {
            close(Refusal::host("host_filter_state", status, NO_POLICY_STATUS))
        }
        (Actions::Deny { .. }, kept) => {
            if kept.is_err() {
                metrics::count_error("host_filter_state");
            }
            metrics::count(Phase::Connection, Outcome::Denied);
            end()
        }
    }
}

fn pass(stream: u32) -> Action {
    // What is not noted stays refused.
    if contexts::set_progress(stream, Progress::Passed) { Action::Continue } else { end() }
}

/// Reports a refusal and closes the connection.
fn close(refusal: Refusal) -> Action {
    refuse::report(Phase::Connection, &refusal, "connection closed");
    end()
}

fn end() -> Action {
    if let Err(cause) = host::close(Side::Downstream) {
        metrics::count_error("host_close");
        host::log(Level::Error, &format!("sidegate: a connection cannot be closed [host_close]: {cause}"));
    }
    // Nothing of it goes on, closed or not.
    Action::Stop
}

/// Counts and logs a decision that is not carried out.
fn report(decided: Decided) {
    match decided {
        Ok((Actions::Allow { .. }, ..)) => metrics::count(Phase::Connection, Outcome::Allowed),
        Ok((Actions::Deny { .. }, ..)) => {
            metrics::count(Phase::Connection, Outcome::Denied);
            host::log(Level::Info, "sidegate: shadow: the connection would be closed");
        }
        Err(refusal) => refuse::report(Phase::Connection, &refusal, "shadow: would be closed"),
    }
}
