//! From a request to what becomes of it.

use std::rc::Rc;

use sidegate_engine::actions::{Actions, HeaderOp};
use sidegate_engine::attributes::{Attributes, Phase};
use sidegate_engine::config::Mode;
use sidegate_engine::decide::Waived;
use sidegate_engine::log::{DecisionId, Outcome};

use crate::body::{Held, Progress, Waiting};
use crate::contexts;
use crate::host::{self, Action, Level, Map, Side, Status};
use crate::loaded::{Asked, Loaded};
use crate::log;
use crate::metrics;
use crate::network;
use crate::refuse::{self, Refusal};
use crate::response::{self, Awaited, Kept};

/// What became of a request: what to do, whether to do it, and the id that the log knows it by.
type Judged = Result<(Actions, Option<Waived>, Option<DecisionId>, Attributes), Refusal>;

/// Decides about a request and carries the decision out, unless its body is to come and the policy reads it.
pub(crate) fn on_request_headers(stream: u32, is_end: bool) -> Action {
    let Some(loaded) = contexts::loaded(stream) else {
        return refuse::send(Refusal::no_policy());
    };
    log::mark_seen(&loaded);
    if loaded.fixed.mode == Mode::Off {
        return pass(stream, is_end);
    }
    match loaded.asked() {
        Some(asked) => begin(stream, asked, Held::new(is_end)),
        None => hold(stream, &loaded, is_end),
    }
}

/// A request that came before the first policy: it waits, where one is to come.
fn hold(stream: u32, loaded: &Loaded, is_end: bool) -> Action {
    if loaded.mode() != Mode::Enforce {
        metrics::count_shadow(Outcome::Error);
        refuse::report(Phase::Request, &loaded.no_policy(Phase::Request), "shadow: would be refused");
        return pass(stream, is_end);
    }
    if let Some(until) = loaded.may_wait()
        && contexts::hold(stream, until, Progress::Held(Box::new(Held::new(is_end))))
    {
        return Action::Stop;
    }
    no_policy(loaded)
}

fn no_policy(loaded: &Loaded) -> Action {
    let refusal = loaded.no_policy(Phase::Request);
    refuse::send_in(Phase::Request, refusal, loaded.fixed.log.told(refusal.id))
}

/// The first policy is there, or the time to wait for it is over: a request that was held goes on, or not. Calls are
/// about its stream.
pub(crate) fn release(stream: u32, loaded: Option<&Rc<Loaded>>) {
    let held = match contexts::take_progress(stream) {
        Progress::Held(held) => *held,
        Progress::HeldConnection => return network::release(stream, loaded),
        other => {
            contexts::set_progress(stream, other);
            return;
        }
    };
    let action = match loaded.and_then(|loaded| loaded.asked()) {
        Some(asked) => begin(stream, asked, held),
        // Of a stream that is held, its root context's may be gone.
        None => match loaded.cloned().or_else(|| contexts::loaded(stream)) {
            Some(loaded) => no_policy(&loaded),
            None => refuse::send(Refusal::no_policy()),
        },
    };
    if action == Action::Continue {
        // There may be more of it to come, whatever has come.
        contexts::set_progress(stream, Progress::Passed);
        if let Err(status) = host::resume(Side::Request) {
            refuse::send(Refusal::host("host_continue", status, refuse::NO_POLICY_STATUS));
        }
    }
}

/// Looks at a request for the first time: of its body so much is there as `held` says.
fn begin(stream: u32, mut asked: Asked, held: Held) -> Action {
    let is_end = !held.has_body();
    let attributes = match asked.fetch() {
        Ok(attributes) => attributes,
        Err(refusal) => return settle(stream, &asked, Err(refusal), is_end),
    };
    match asked.body_limit().filter(|_| !is_end && !attributes.is_tunnel()) {
        Some(limit) if held.is_new() => {
            let is_held = asked.mode == Mode::Enforce;
            let waiting = Waiting::new(asked, attributes, limit, is_held);
            wait(stream, waiting)
        }
        Some(limit) => match Waiting::after(held, asked, attributes, limit) {
            (waiting, true) => complete(stream, waiting, false),
            (waiting, false) => wait(stream, waiting),
        },
        None => judge(stream, &asked, attributes, is_end),
    }
}

fn wait(stream: u32, waiting: Waiting) -> Action {
    let error_status = waiting.asked.error_status();
    let is_held = waiting.is_held;
    if !contexts::set_progress(stream, Progress::Waiting(Box::new(waiting))) {
        return refuse::send(Refusal::new("internal", error_status));
    }
    if is_held { Action::Stop } else { Action::Continue }
}

/// More of a body: looked at where it is awaited.
pub(crate) fn on_request_body(stream: u32, size: usize, is_end: bool) -> Action {
    match contexts::take_progress(stream) {
        Progress::Passed => Action::Continue,
        Progress::Refused | Progress::Opened | Progress::HeldConnection => Action::Stop,
        Progress::Held(mut held) => {
            let most = contexts::loaded(stream).map_or(0, |loaded| loaded.fixed.settings.limits.body_bytes);
            match held.arrived(size, is_end, most) {
                Ok(action) => {
                    contexts::set_progress(stream, Progress::Held(held));
                    action
                }
                Err(status) => refuse::send(Refusal::host("host_body", status, refuse::NO_POLICY_STATUS)),
            }
        }
        Progress::Waiting(mut waiting) => match waiting.arrived(size, is_end) {
            Ok(true) => complete(stream, *waiting, is_end),
            Ok(false) => {
                let is_held = waiting.is_held;
                // A stream that is gone needs no answer; one that is there has its place.
                contexts::set_progress(stream, Progress::Waiting(waiting));
                if is_held { Action::Stop } else { Action::Continue }
            }
            Err(status) => {
                let asked = &waiting.asked;
                settle(stream, asked, Err(no_body(asked, status)), is_end)
            }
        },
    }
}

/// Trailers end a body.
pub(crate) fn on_request_trailers(stream: u32) -> Action {
    match contexts::take_progress(stream) {
        Progress::Passed => Action::Continue,
        Progress::Refused | Progress::Opened | Progress::HeldConnection => Action::Stop,
        Progress::Held(mut held) => {
            held.end();
            contexts::set_progress(stream, Progress::Held(held));
            Action::Stop
        }
        Progress::Waiting(waiting) => complete(stream, *waiting, true),
    }
}

/// A stream ends, or a root context.
pub(crate) fn on_delete(context: u32) {
    match contexts::delete(context) {
        Some((Progress::Waiting(waiting), _)) => waiting.abandon(),
        Some((Progress::Held(_) | Progress::HeldConnection, root)) => contexts::forget_held(root, context),
        _ => {}
    }
}

fn complete(stream: u32, waiting: Waiting, is_end: bool) -> Action {
    match waiting.complete() {
        Ok((asked, attributes)) => judge(stream, &asked, attributes, is_end),
        Err((asked, status)) => {
            let refusal = no_body(&asked, status);
            settle(stream, &asked, Err(refusal), is_end)
        }
    }
}

fn no_body(asked: &Asked, status: Status) -> Refusal {
    asked.refused(Phase::Request, Refusal::host("host_body", status, asked.error_status()))
}

/// Decides; an error is a refusal with its own status.
fn judge(stream: u32, asked: &Asked, mut attributes: Attributes, is_end: bool) -> Action {
    let judged = asked.judge(&mut attributes, !is_end);
    settle(stream, asked, judged.map(|(actions, waived, id)| (actions, waived, id, attributes)), is_end)
}

/// Carries out what became of a request.
fn settle(stream: u32, asked: &Asked, judged: Judged, is_end: bool) -> Action {
    let waived = match &judged {
        Ok((_, waived, ..)) => *waived,
        Err(_) => None,
    };
    match (asked.mode, waived) {
        (Mode::Enforce, None) => enforce(stream, asked, judged, is_end),
        (_, waived) => {
            if let Some(attributes) = shadow(judged, waived)
                && let Some(awaited) = response::awaited(asked, attributes)
            {
                // Nothing is carried out of the one, and so of the other: a stream that is gone is no matter.
                let awaited = Some(Box::new(Awaited { is_enforced: false, ..*awaited }));
                contexts::keep(
                    stream,
                    Kept { headers: Vec::new(), error_status: asked.error_status(), awaited },
                );
            }
            pass(stream, is_end)
        }
    }
}

/// Lets a request go on, and whatever is to come of it.
fn pass(stream: u32, is_end: bool) -> Action {
    if !is_end {
        contexts::set_progress(stream, Progress::Passed);
    }
    Action::Continue
}

fn enforce(stream: u32, asked: &Asked, judged: Judged, is_end: bool) -> Action {
    let error_status = asked.error_status();
    match judged {
        Ok((
            Actions::Allow { request_headers, path, response_headers, dynamic_metadata },
            _,
            _,
            attributes,
        )) => {
            // The upstream trusts what the policy sets and removes, later filters what it says: without it
            // the request must not get there.
            if let Err(status) = change_request(&attributes, &request_headers, path.as_deref()) {
                return refuse::send(Refusal::host("host_request_headers", status, error_status));
            }
            if let Err(status) = refuse::keep_metadata(dynamic_metadata.as_ref()) {
                return refuse::send(Refusal::host("host_filter_state", status, error_status));
            }
            let awaited = response::awaited(asked, attributes);
            allow(stream, Kept { headers: response_headers, error_status, awaited }, is_end)
        }
        Ok((Actions::Deny { status, mut headers, body, dynamic_metadata }, _, id, _)) => {
            headers.extend(asked.told(id));
            if refuse::keep_metadata(dynamic_metadata.as_ref()).is_err() {
                metrics::count_error("host_filter_state");
            }
            metrics::count(Phase::Request, Outcome::Denied);
            refuse::answer(status, "sidegate_denied", &headers, body.as_bytes())
        }
        Err(refusal) => refuse::send_in(Phase::Request, refusal, asked.told(refusal.id)),
    }
}

fn allow(stream: u32, kept: Kept, is_end: bool) -> Action {
    let error_status = kept.error_status;
    let is_empty = kept.headers.is_empty() && kept.awaited.is_none();
    if !is_empty && !contexts::keep(stream, kept) {
        return refuse::send(Refusal::new("internal", error_status));
    }
    metrics::count(Phase::Request, Outcome::Allowed);
    pass(stream, is_end)
}

/// Every change makes Envoy choose the route anew, so none is made that changes nothing: as a rule the
/// headers that a policy removes are not there.
fn change_request(attributes: &Attributes, changes: &[HeaderOp], path: Option<&[u8]>) -> Result<(), Status> {
    for change in changes {
        match change {
            HeaderOp::Remove(name) if attributes.header(name.as_bytes()).is_none() => {}
            HeaderOp::RemovePrefix(prefix) => {
                let names = attributes.headers.iter().map(|(name, _)| name);
                names
                    .filter(|name| name.starts_with(prefix.as_bytes()))
                    .try_for_each(|name| host::remove_header(Map::Request, name))?;
            }
            other => response::apply(Map::Request, other)?,
        }
    }
    match path {
        Some(path) => host::set_header(Map::Request, b":path", path),
        None => Ok(()),
    }
}

/// Counts and logs a decision; the request goes on as it came. Gives back what is known of one that would be allowed. `waived`: why, where the proxy is to enforce.
fn shadow(judged: Judged, waived: Option<Waived>) -> Option<Attributes> {
    let why = match waived {
        None => "shadow",
        Some(Waived::Shadow) => "declared shadow",
        Some(Waived::Undeclared) => "undeclared",
    };
    let attributes = match judged {
        Ok((Actions::Allow { .. }, _, _, attributes)) => {
            metrics::count(Phase::Request, Outcome::Allowed);
            metrics::count_shadow(Outcome::Allowed);
            host::log(Level::Info, &format!("sidegate: {why}: would be allowed"));
            Some(attributes)
        }
        Ok((Actions::Deny { status, .. }, ..)) => {
            metrics::count(Phase::Request, Outcome::Denied);
            metrics::count_shadow(Outcome::Denied);
            host::log(Level::Info, &format!("sidegate: {why}: would be denied with {status}"));
            None
        }
        Err(refusal) => {
            metrics::count_shadow(Outcome::Error);
            refuse::report(Phase::Request, &refusal, "shadow: would be refused");
            None
        }
    };
    if let Some(waived) = waived {
        metrics::count_named("waived.", waived.name());
    }
    attributes
}
