//! From the headers of a response to what goes to the client.

use sidegate_engine::actions::HeaderOp;

use crate::contexts;
use crate::host::{self, Action, Map, Status};
use crate::refuse::{self, Refusal};

/// What the policy wants done with the response, kept from the request until the response comes.
pub(crate) struct Changes {
    /// In the order in which they are carried out.
    pub(crate) headers: Vec<HeaderOp>,
    /// Status of the answer if one of them cannot be carried out.
    pub(crate) error_status: u16,
}

/// Carries out what was kept for this stream. For an answer of our own nothing is kept, so it passes as
/// it was made.
pub(crate) fn on_response_headers(stream: u32) -> Action {
    let Some(Changes { headers, error_status }) = contexts::take_changes(stream) else {
        return Action::Continue;
    };
    match headers.iter().try_for_each(|change| apply(Map::Response, change)) {
        Ok(()) => Action::Continue,
        Err(status) => refuse::send(Refusal::host("host_response_headers", status, error_status)),
    }
}

/// Carries out one change.
pub(crate) fn apply(map: Map, change: &HeaderOp) -> Result<(), Status> {
    match change {
        HeaderOp::Set(name, value) => host::set_header(map, name.as_bytes(), value.as_bytes()),
        HeaderOp::Add(name, value) => host::add_header(map, name.as_bytes(), value.as_bytes()),
        HeaderOp::Remove(name) => host::remove_header(map, name.as_bytes()),
    }
}
