//! From a request to what becomes of it.

use sidegate_engine::Value;
use sidegate_engine::actions::{Actions, HeaderOp, metadata_text};
use sidegate_engine::attributes::Attributes;
use sidegate_engine::config::Mode;
use sidegate_engine::decide::Verdict;

use crate::attributes::{self, Failure};
use crate::body::{Progress, Waiting};
use crate::chance;
use crate::configure::Loaded;
use crate::contexts;
use crate::host::{self, Action, Level, Map, Status};
use crate::metrics::{self, Outcome};
use crate::policy::Gate;
use crate::refuse::{self, Refusal};
use crate::response::{self, Changes};

/// Status where there is no policy (yet): the client may come again.
const NO_POLICY_STATUS: u16 = 503;

/// The key of the filter state that has a decision's `dynamic_metadata`.
const METADATA_KEY: &str = "sidegate.dynamic_metadata";

/// Decides about a request and carries the decision out, unless its body is to come and the policy reads it.
pub(crate) fn on_request_headers(stream: u32, is_end: bool) -> Action {
    let Some(loaded) = contexts::loaded(stream) else {
        return refuse::send(Refusal::new("no_policy", NO_POLICY_STATUS));
    };
    if loaded.mode == Mode::Off {
        return pass(stream, is_end);
    }
    let attributes = match attributes::fetch(loaded.gate.needs()) {
        Ok(attributes) => attributes,
        Err(Failure { code, status }) => {
            return settle(stream, &loaded, Err(host_refusal(&loaded, code, status)), is_end);
        }
    };
    match loaded.gate.body_limit().filter(|_| !is_end && !attributes.is_tunnel()) {
        Some(limit) => {
            let is_held = loaded.mode == Mode::Enforce;
            let error_status = loaded.gate.error_status();
            let waiting = Waiting::new(loaded, attributes, limit, is_held);
            if !contexts::set_progress(stream, Progress::Waiting(Box::new(waiting))) {
                return refuse::send(Refusal::new("internal", error_status));
            }
            if is_held { Action::Stop } else { Action::Continue }
        }
        None => {
            let judged = judge(&loaded.gate, attributes);
            settle(stream, &loaded, judged, is_end)
        }
    }
}

/// More of a body: looked at where it is awaited.
pub(crate) fn on_request_body(stream: u32, size: usize, is_end: bool) -> Action {
    let mut waiting = match contexts::take_progress(stream) {
        Progress::Passed => return Action::Continue,
        Progress::Refused => return Action::Stop,
        Progress::Waiting(waiting) => waiting,
    };
    match waiting.arrived(size, is_end) {
        Ok(true) => complete(stream, *waiting, is_end),
        Ok(false) => {
            let action = if waiting.loaded.mode == Mode::Enforce { Action::Stop } else { Action::Continue };
            // A stream that is gone needs no answer; one that is there has its place.
            contexts::set_progress(stream, Progress::Waiting(waiting));
            action
        }
        Err(status) => {
            let loaded = &waiting.loaded;
            settle(stream, loaded, Err(host_refusal(loaded, "host_body", status)), is_end)
        }
    }
}

/// Trailers end a body.
pub(crate) fn on_request_trailers(stream: u32) -> Action {
    match contexts::take_progress(stream) {
        Progress::Passed => Action::Continue,
        Progress::Refused => Action::Stop,
        Progress::Waiting(waiting) => complete(stream, *waiting, true),
    }
}

/// A stream ends, or a root context.
pub(crate) fn on_delete(context: u32) {
    if let Some(Progress::Waiting(waiting)) = contexts::delete(context) {
        waiting.abandon();
    }
}

fn complete(stream: u32, waiting: Waiting, is_end: bool) -> Action {
    match waiting.complete() {
        Ok((loaded, attributes)) => {
            let judged = judge(&loaded.gate, attributes);
            settle(stream, &loaded, judged, is_end)
        }
        Err((loaded, status)) => {
            settle(stream, &loaded, Err(host_refusal(&loaded, "host_body", status)), is_end)
        }
    }
}

fn host_refusal(loaded: &Loaded, code: &'static str, status: Status) -> Refusal {
    Refusal::host(code, status, loaded.gate.error_status())
}

/// The decision, and what was known of the request. An error is a refusal with its own status.
fn judge(gate: &Gate, mut attributes: Attributes) -> Result<(Actions, Attributes), Refusal> {
    attributes.context = chance::context(gate)
        .map_err(|Failure { code, status }| Refusal::host(code, status, gate.error_status()))?;
    let Verdict { actions, error, input: _, result: _ } = gate.decide(&attributes);
    match error {
        None => Ok((actions, attributes)),
        Some(error) => Err(Refusal::new(error.code(), error.status(gate.error_status()))),
    }
}

/// Carries out what became of a request.
fn settle(
    stream: u32,
    loaded: &Loaded,
    judged: Result<(Actions, Attributes), Refusal>,
    is_end: bool,
) -> Action {
    if loaded.mode == Mode::Enforce {
        enforce(stream, &loaded.gate, judged, is_end)
    } else {
        shadow(judged);
        pass(stream, is_end)
    }
}

/// Lets a request go on, and whatever is to come of it.
fn pass(stream: u32, is_end: bool) -> Action {
    if !is_end {
        contexts::set_progress(stream, Progress::Passed);
    }
    Action::Continue
}

fn enforce(stream: u32, gate: &Gate, judged: Result<(Actions, Attributes), Refusal>, is_end: bool) -> Action {
    match judged {
        Ok((Actions::Allow { request_headers, path, response_headers, dynamic_metadata }, attributes)) => {
            // The upstream trusts what the policy sets and removes, later filters what it says: without it
            // the request must not get there.
            if let Err(status) = change_request(&attributes, &request_headers, path.as_deref()) {
                return refuse::send(Refusal::host("host_request_headers", status, gate.error_status()));
            }
            if let Err(status) = keep_metadata(dynamic_metadata.as_ref()) {
                return refuse::send(Refusal::host("host_filter_state", status, gate.error_status()));
            }
            allow(stream, gate, response_headers, is_end)
        }
        Ok((Actions::Deny { status, headers, body, dynamic_metadata }, _)) => {
            if keep_metadata(dynamic_metadata.as_ref()).is_err() {
                metrics::count_error("host_filter_state");
            }
            metrics::count(Outcome::Denied);
            refuse::answer(status, "sidegate_denied", &headers, body.as_bytes())
        }
        Err(refusal) => refuse::send(refusal),
    }
}

fn allow(stream: u32, gate: &Gate, response_headers: Vec<HeaderOp>, is_end: bool) -> Action {
    if !response_headers.is_empty() {
        let changes = Changes { headers: response_headers, error_status: gate.error_status() };
        if !contexts::keep_changes(stream, changes) {
            return refuse::send(Refusal::new("internal", gate.error_status()));
        }
    }
    metrics::count(Outcome::Allowed);
    pass(stream, is_end)
}

/// Puts `dynamic_metadata` where the access log and later filters find it.
fn keep_metadata(metadata: Option<&Value>) -> Result<(), Status> {
    let Some(metadata) = metadata else { return Ok(()) };
    let text = metadata_text(metadata).ok_or(Status::BadArgument)?;
    host::set_filter_state(METADATA_KEY, text.as_bytes())
}

/// Every change makes Envoy choose the route anew, so none is made that changes nothing: as a rule the
/// headers that a policy removes are not there.
fn change_request(attributes: &Attributes, changes: &[HeaderOp], path: Option<&[u8]>) -> Result<(), Status> {
    for change in changes {
        match change {
            HeaderOp::Remove(name) if attributes.header(name.as_bytes()).is_none() => {}
            other => response::apply(Map::Request, other)?,
        }
    }
    match path {
        Some(path) => host::set_header(Map::Request, b":path", path),
        None => Ok(()),
    }
}

/// Counts and logs a decision; the request goes on as it came.
fn shadow(judged: Result<(Actions, Attributes), Refusal>) {
    match judged {
        Ok((Actions::Allow { .. }, _)) => {
            metrics::count(Outcome::Allowed);
            host::log(Level::Info, "sidegate: shadow: would be allowed");
        }
        Ok((Actions::Deny { status, .. }, _)) => {
            metrics::count(Outcome::Denied);
            host::log(Level::Info, &format!("sidegate: shadow: would be denied with {status}"));
        }
        Err(refusal) => refuse::report(&refusal, "shadow: would be refused"),
    }
}
