//! Requests whose body the policy reads: held until the body is there, or as much of it as the limit allows.
//!
//! In enforce mode the proxy holds headers and body back, so that not a byte of a denied request gets to the
//! upstream; the body is copied once, when it is decided about. In shadow mode nothing is held: the bytes
//! are copied as they pass by.

use std::cell::Cell;

use sidegate_engine::attributes::{Attributes, Body};

use crate::host::{self, Action, Level, Status};
use crate::loaded::Asked;

/// The plugin's setting without which Envoy gives a held request no body.
pub(crate) const NEEDED_SETTING: &str = "allow_on_headers_stop_iteration";

/// How far a request is, or a connection.
pub(crate) enum Progress {
    /// It goes on, whatever its body is.
    Passed,
    /// It was answered here, or has not been looked at: nothing of it goes on.
    Refused,
    /// Its body is awaited.
    Waiting(Box<Waiting>),
    /// A policy is awaited.
    Held(Box<Held>),
    /// It is a connection, whose first bytes are awaited.
    Opened,
    /// It is a connection, and a policy is awaited.
    HeldConnection,
}

/// A request that came before the first policy.
#[derive(Default)]
pub(crate) struct Held {
    /// Bytes of its body that arrived so far; `None` before the first callback about it.
    received: Option<usize>,
    /// Whether all of it has arrived.
    is_end: bool,
    /// The beginning of a body that is longer than any policy may see.
    copy: Option<Vec<u8>>,
}

/// A request whose body is awaited.
pub(crate) struct Waiting {
    pub(crate) asked: Asked,
    attributes: Attributes,
    limit: usize,
    /// Whether the proxy holds the request meanwhile.
    pub(crate) is_held: bool,
    /// Bytes that arrived so far; `None` before the first callback about the body.
    received: Option<usize>,
    /// What passed by of the body, where the request is not held.
    copy: Option<Vec<u8>>,
}

thread_local! {
    /// Whether any body ever came to a request that was held for it.
    static ANY_CAME: Cell<bool> = const { Cell::new(false) };
}

impl Waiting {
    /// A request of these attributes, of whose body `limit` bytes may be looked at.
    pub(crate) fn new(asked: Asked, attributes: Attributes, limit: usize, is_held: bool) -> Self {
        Self { asked, attributes, limit, is_held, received: None, copy: (!is_held).then(Vec::new) }
    }

    /// The same for a request that has been held so far. Also whether there is no need to wait for more.
    pub(crate) fn after(held: Held, asked: Asked, attributes: Attributes, limit: usize) -> (Self, bool) {
        let Held { received, is_end, copy } = held;
        let is_enough = is_end || received.is_some_and(|received| received > limit);
        (Self { asked, attributes, limit, is_held: true, received, copy }, is_enough)
    }

    /// Takes note of bytes that arrived. True if there is no need to wait for more.
    pub(crate) fn arrived(&mut self, size: usize, is_end: bool) -> Result<bool, Status> {
        let _ = ANY_CAME.try_with(|came| came.set(true));
        let received = match &mut self.copy {
            // The proxy counts all that it holds.
            None => size,
            Some(copy) => {
                let room = self.limit.saturating_sub(copy.len()).min(size);
                if room > 0 {
                    copy.extend(exactly(room)?);
                }
                self.received.unwrap_or(0).saturating_add(size)
            }
        };
        self.received = Some(received);
        Ok(is_end || received > self.limit)
    }

    /// All that is known of the request, its body among it.
    pub(crate) fn complete(self) -> Result<(Asked, Attributes), (Asked, Status)> {
        let Self { asked, mut attributes, limit, is_held: _, received, copy } = self;
        if let Some(received) = received {
            let wanted = received.min(limit);
            let bytes = match copy {
                Some(copy) => Ok(copy),
                None if wanted == 0 => Ok(Vec::new()),
                None => exactly(wanted),
            };
            match bytes {
                Ok(bytes) => {
                    attributes.body = Some(Body { bytes, received, is_cut: received > limit });
                }
                Err(status) => return Err((asked, status)),
            }
        }
        Ok((asked, attributes))
    }

    /// The request ended without a decision. Where no body ever came, the plugin is not set up for them.
    pub(crate) fn abandon(self) {
        let any_came = ANY_CAME.try_with(Cell::get).unwrap_or(true);
        if self.received.is_none() && self.copy.is_none() && !any_came {
            let message = format!(
                "sidegate: a request ended while its body was awaited, and none ever came: \
                 is `{NEEDED_SETTING}: true` set for the plugin?"
            );
            host::log(Level::Error, &message);
        }
    }
}

impl Held {
    /// A request without a body, or with one that is to come.
    pub(crate) fn new(is_end: bool) -> Self {
        Self { is_end, ..Self::default() }
    }

    /// Whether nothing of a body has come, and more than headers is to come.
    pub(crate) fn is_new(&self) -> bool {
        !self.is_end && self.received.is_none()
    }

    /// Whether there is a body, or may be one.
    pub(crate) fn has_body(&self) -> bool {
        !self.is_end || self.received.is_some()
    }

    /// The body is over.
    pub(crate) fn end(&mut self) {
        self.is_end = true;
    }

    /// Takes note of bytes that arrived. `most` is what any policy may see; of a longer body so much is copied now,
    /// since the proxy then holds the sender back and no longer shows what it has.
    pub(crate) fn arrived(&mut self, size: usize, is_end: bool, most: usize) -> Result<Action, Status> {
        self.is_end |= is_end;
        let received = match &self.copy {
            None => size,
            Some(_) => self.received.unwrap_or(0).saturating_add(size),
        };
        self.received = Some(received);
        if received <= most {
            return Ok(Action::Stop);
        }
        if self.copy.is_none() {
            self.copy = Some(exactly(most)?);
        }
        Ok(Action::StopAndThrottle)
    }
}

fn exactly(wanted: usize) -> Result<Vec<u8>, Status> {
    let bytes = host::request_body(wanted)?;
    if bytes.len() == wanted { Ok(bytes) } else { Err(Status::Malformed) }
}
