//! From the headers of a request to what becomes of it.

use sidegate_engine::actions::{Actions, HeaderOp};
use sidegate_engine::attributes::Attributes;
use sidegate_engine::config::Mode;
use sidegate_engine::decide::Verdict;

use crate::attributes::{self, Failure};
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

/// Decides about a request and carries the decision out.
pub(crate) fn on_request_headers(stream: u32) -> Action {
    let Some(loaded) = contexts::loaded(stream) else {
        return refuse::send(Refusal::new("no_policy", NO_POLICY_STATUS));
    };
    let Loaded { mode, gate } = loaded.as_ref();
    match mode {
        Mode::Enforce => enforce(stream, gate),
        Mode::Shadow => shadow(gate),
        Mode::Off => Action::Continue,
    }
}

/// The decision, and what was known of the request. An error is a refusal with its own status.
fn judge(gate: &Gate) -> Result<(Actions, Attributes), Refusal> {
    let host = |Failure { code, status }| Refusal::host(code, status, gate.error_status());
    let mut attributes = attributes::fetch(gate.needs()).map_err(host)?;
    attributes.context = chance::context(gate).map_err(host)?;
    let Verdict { actions, error, input: _, result: _ } = gate.decide(&attributes);
    match error {
        None => Ok((actions, attributes)),
        Some(error) => Err(Refusal::new(error.code(), error.status(gate.error_status()))),
    }
}

fn enforce(stream: u32, gate: &Gate) -> Action {
    match judge(gate) {
        Ok((Actions::Allow { request_headers, path, response_headers, dynamic_metadata: _ }, attributes)) => {
            // The upstream trusts what the policy sets and removes: without it the request must not get
            // there.
            if let Err(status) = change_request(&attributes, &request_headers, path.as_deref()) {
                return refuse::send(Refusal::host("host_request_headers", status, gate.error_status()));
            }
            allow(stream, gate, response_headers)
        }
        Ok((Actions::Deny { status, headers, body, dynamic_metadata: _ }, _)) => {
            metrics::count(Outcome::Denied);
            refuse::answer(status, "sidegate_denied", &headers, body.as_bytes())
        }
        Err(refusal) => refuse::send(refusal),
    }
}

fn allow(stream: u32, gate: &Gate, response_headers: Vec<HeaderOp>) -> Action {
    if !response_headers.is_empty() {
        let changes = Changes { headers: response_headers, error_status: gate.error_status() };
        if !contexts::keep_changes(stream, changes) {
            return refuse::send(Refusal::new("internal", gate.error_status()));
        }
    }
    metrics::count(Outcome::Allowed);
    Action::Continue
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

/// Decides, counts and logs; the request goes on as it came.
fn shadow(gate: &Gate) -> Action {
    match judge(gate) {
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
    Action::Continue
}
