//! From the headers of a response to what goes to the client.

use sidegate_engine::actions::{Actions, HeaderOp};
use sidegate_engine::attributes::{Attributes, Phase};
use sidegate_engine::config::Mode;
use sidegate_engine::log::Outcome;

use crate::contexts;
use crate::host::{self, Action, Level, Map, Status};
use crate::loaded::{Asked, Decided};
use crate::metrics;
use crate::refuse::{self, Refusal};

/// What is kept of a request until its response comes.
pub(crate) struct Kept {
    /// What its decision wants done with the response, in this order.
    pub(crate) headers: Vec<HeaderOp>,
    /// Status of the answer if one of them cannot be carried out.
    pub(crate) error_status: u16,
    /// Who decides about the response, and what is known of the request.
    pub(crate) awaited: Option<Box<Awaited>>,
}

/// A response that is decided about.
pub(crate) struct Awaited {
    pub(crate) asked: Asked,
    /// As they were when the request was decided about: later the proxy does not show them any more.
    pub(crate) attributes: Attributes,
    /// Whether what is decided is carried out. It is not where the request's own decision was not.
    pub(crate) is_enforced: bool,
}

/// Carries out what was kept for this stream, then asks about the response. For an answer of our own, and for requests
/// that another filter answered before they came here, nothing is kept: these pass as they were made.
pub(crate) fn on_response_headers(stream: u32) -> Action {
    let Some(Kept { headers, error_status, awaited }) = contexts::take_kept(stream) else {
        return Action::Continue;
    };
    if let Err(status) = headers.iter().try_for_each(change) {
        return refuse::send_in(
            Phase::Response,
            Refusal::host("host_response_headers", status, error_status),
            None,
        );
    }
    match awaited {
        None => Action::Continue,
        Some(awaited) => {
            let Awaited { asked, attributes, is_enforced } = *awaited;
            let decided = asked.judge_response(attributes);
            if is_enforced { settle(&asked, decided) } else { report(decided) }
        }
    }
}

fn settle(asked: &Asked, decided: Decided) -> Action {
    match decided {
        Ok((Actions::Allow { response_headers, dynamic_metadata, .. }, None, _)) => {
            let kept = refuse::keep_metadata(dynamic_metadata.as_ref());
            match response_headers.iter().try_for_each(change).and(kept) {
                Ok(()) => {
                    metrics::count(Phase::Response, Outcome::Allowed);
                    Action::Continue
                }
                Err(status) => {
                    let refusal = Refusal::host("host_response_headers", status, asked.error_status());
                    refuse::send_in(Phase::Response, refusal, None)
                }
            }
        }
        Ok((Actions::Deny { status, mut headers, body, dynamic_metadata }, None, id)) => {
            headers.extend(asked.told(id));
            if refuse::keep_metadata(dynamic_metadata.as_ref()).is_err() {
                metrics::count_error("host_filter_state");
            }
            metrics::count(Phase::Response, Outcome::Denied);
            refuse::answer(status, "sidegate_response_denied", &headers, body.as_bytes())
        }
        Ok((_, Some(_), _)) => report(decided),
        Err(refusal) => refuse::send_in(Phase::Response, refusal, asked.told(refusal.id)),
    }
}

/// Counts and logs a decision; the response passes as it came.
fn report(decided: Decided) -> Action {
    match decided {
        Ok((Actions::Allow { .. }, ..)) => metrics::count(Phase::Response, Outcome::Allowed),
        Ok((Actions::Deny { status, .. }, ..)) => {
            metrics::count(Phase::Response, Outcome::Denied);
            host::log(Level::Info, &format!("sidegate: shadow: the response would be replaced by {status}"));
        }
        Err(refusal) => refuse::report(Phase::Response, &refusal, "shadow: the response would be replaced"),
    }
    Action::Continue
}

/// Whether something is to be kept of a request until its response comes.
pub(crate) fn awaited(asked: &Asked, attributes: Attributes) -> Option<Box<Awaited>> {
    let is_enforced = asked.mode == Mode::Enforce;
    asked.has_response().then(|| Box::new(Awaited { asked: asked.clone(), attributes, is_enforced }))
}

/// Carries out one change of the response.
fn change(change: &HeaderOp) -> Result<(), Status> {
    match change {
        HeaderOp::RemovePrefix(prefix) => {
            let headers = host::header_map(Map::Response)?;
            let names =
                headers.iter().map(|(name, _)| name).filter(|name| name.starts_with(prefix.as_bytes()));
            names.into_iter().try_for_each(|name| host::remove_header(Map::Response, name))
        }
        other => apply(Map::Response, other),
    }
}

/// Carries out one change of one header.
pub(crate) fn apply(map: Map, change: &HeaderOp) -> Result<(), Status> {
    match change {
        HeaderOp::Set(name, value) => host::set_header(map, name.as_bytes(), value.as_bytes()),
        HeaderOp::Add(name, value) => host::add_header(map, name.as_bytes(), value.as_bytes()),
        HeaderOp::Remove(name) => host::remove_header(map, name.as_bytes()),
        // Of many headers: who has the map goes through it.
        HeaderOp::RemovePrefix(_) => Err(Status::BadArgument),
    }
}
