//! What is refused because there is no decision about it, and how it is answered.

use sidegate_engine::Value;
use sidegate_engine::actions::metadata_text;
use sidegate_engine::attributes::Phase;
use sidegate_engine::log::{DecisionId, Outcome};

use crate::host::{self, Action, Level, Status};
use crate::metrics;

/// Status where there is no policy (yet): the client may come again.
pub(crate) const NO_POLICY_STATUS: u16 = 503;

/// The key of the filter state that has a decision's `dynamic_metadata`.
const METADATA_KEY: &str = "sidegate.dynamic_metadata";

/// No decision, and so a refusal: the client learns the status, the operator the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    /// Stable code: metric label and log field.
    pub(crate) code: &'static str,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// What the host answered, where a host call is the cause.
    pub(crate) cause: Option<Status>,
    /// The decision's id, where it has one.
    pub(crate) id: Option<DecisionId>,
}

impl Refusal {
    /// A refusal because of something in the engine.
    pub(crate) fn new(code: &'static str, status: u16) -> Self {
        Self { code, status, cause: None, id: None }
    }

    /// A refusal because there is no policy (yet).
    pub(crate) fn no_policy() -> Self {
        Self::new("no_policy", NO_POLICY_STATUS)
    }

    /// A refusal because of a host call.
    pub(crate) fn host(code: &'static str, cause: Status, status: u16) -> Self {
        Self { code, status, cause: Some(cause), id: None }
    }
}

/// Counts and logs an error; the line has its code and nothing that a client sent. `prefix` says what
/// becomes of the request.
pub(crate) fn report(phase: Phase, refusal: &Refusal, prefix: &str) {
    let Refusal { code, status, cause, id: _ } = refusal;
    metrics::count(phase, Outcome::Error);
    metrics::count_error(code);
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    host::log(Level::Warn, &format!("sidegate: {prefix} with {status} [{code}]{cause}"));
}

/// Reports a refusal and answers the request with it: a status and nothing else.
pub(crate) fn send(refusal: Refusal) -> Action {
    send_in(Phase::Request, refusal, None)
}

/// The same of what is refused in another phase than the request's, or with a header that tells the decision's id.
pub(crate) fn send_in(phase: Phase, refusal: Refusal, told: Option<(String, String)>) -> Action {
    report(phase, &refusal, "refused");
    let headers: Vec<_> = told.into_iter().collect();
    answer(refusal.status, &format!("sidegate_error_{}", refusal.code), &headers, b"")
}

/// Puts a decision's `dynamic_metadata` where the access log and later filters find it.
pub(crate) fn keep_metadata(metadata: Option<&Value>) -> Result<(), Status> {
    let Some(metadata) = metadata else { return Ok(()) };
    let text = metadata_text(metadata).ok_or(Status::BadArgument)?;
    host::set_filter_state(METADATA_KEY, text.as_bytes())
}

/// Answers the request. If the host cannot, the stream is reset: it must not go on.
pub(crate) fn answer(status: u16, details: &str, headers: &[(String, String)], body: &[u8]) -> Action {
    if let Err(cause) = host::send_local_response(status, details, headers, body) {
        metrics::count_error("host_local_response");
        host::log(
            Level::Error,
            &format!("sidegate: stream reset, no answer possible [host_local_response]: {cause}"),
        );
        let _ = host::close(host::Side::Request);
    }
    Action::Stop
}
