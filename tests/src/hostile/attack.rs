//! One hostile request, or several on one connection.

use super::{Caller, Random, http1, http2};

/// What is sent on one connection, and how that ends.
#[derive(Debug)]
pub(super) struct Attack {
    /// What it is, for reports.
    pub(super) what: &'static str,
    /// What is sent, one write each.
    pub(super) writes: Vec<Vec<u8>>,
    /// What comes then.
    pub(super) end: Ending,
    /// Streams that were used, in HTTP/2.
    pub(super) streams: u32,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// An answer is waited for; if it comes, the connection may be used again.
    Keep,
    /// An answer is waited for, then the connection is closed.
    Answer,
    /// It is closed at once.
    Close,
    /// It is closed for writing, and what comes is read.
    HalfClose,
    /// It is broken off.
    Reset,
}

impl Attack {
    /// One that waits for an answer and leaves the connection as it should be.
    pub(super) fn tame(what: &'static str, write: Vec<u8>) -> Self {
        Self { what, writes: vec![write], end: Ending::Keep, streams: 1 }
    }

    /// One that waits for an answer, after which the connection is not what it was.
    pub(super) fn wild(what: &'static str, writes: Vec<Vec<u8>>) -> Self {
        Self { what, writes, end: Ending::Answer, streams: 1 }
    }
}

/// Who attacks: most of the time one who may do nothing, or one who may.
pub(super) fn caller(random: &mut Random) -> Caller {
    use Caller::{Expired, Frontend, FrontendOther, Impostor, Nameless, Other, OtherFrontend, Plain};
    match random.below(100) {
        0 => random.pick(&[Nameless, Impostor, Expired]),
        1..5 => random.pick(&[OtherFrontend, FrontendOther]),
        5..40 => Frontend,
        40..60 => Other,
        _ => Plain,
    }
}

/// The attack; on a connection of HTTP/2 its first stream is `stream`.
pub(super) fn attack(random: &mut Random, kind: &str, is_http2: bool, stream: u32) -> Attack {
    if is_http2 { http2::attack(random, kind, stream) } else { http1::attack(random, kind) }
}

/// An ending other than the proper one.
pub(super) fn rude(random: &mut Random) -> Ending {
    random.pick(&[Ending::Close, Ending::HalfClose, Ending::Reset, Ending::Close, Ending::Reset])
}
