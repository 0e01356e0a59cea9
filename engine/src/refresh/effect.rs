//! What goes into a machine and what comes out of it.

use crate::trust::PointerMode;

/// What the host is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<P> {
    /// Send this request; then tell [`Machine::started`](super::Machine::started) what became of it.
    Fetch(Asked),
    /// This policy decides from now on.
    Stable(P, About),
    /// What decides has not changed, what is known of it has.
    About(About),
    /// This policy is tried beside the one that decides, or instead of it.
    Candidate(P, PointerMode),
    /// The same candidate, used otherwise.
    CandidateMode(PointerMode),
    /// No candidate is tried any more.
    NoCandidate,
    /// Decisions are only counted until then (nanoseconds since 1970); `None` ends it.
    Lowered(Option<i64>),
    /// What became of a request.
    Count(Count),
    /// A refusal or failure, by its code; whether a candidate's.
    Refused(&'static str, bool),
    /// A line for the log, of text that may be anybody's but has no control characters.
    Log(Level, String),
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It goes as it should.
    Info,
    /// Somebody should look.
    Warn,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// It brought something that was taken.
    Ok,
    /// There was nothing new.
    NotModified,
    /// No answer, or none that could be looked at.
    Failed,
    /// What it brought was not taken.
    Refused,
}

/// A request to the source: a `GET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// `if-none-match`, if there is something to compare with.
    pub if_none_match: Option<Vec<u8>>,
    /// `prefer`, if the source serves bundles.
    pub prefer: Option<String>,
    /// Nanoseconds until it is given up.
    pub timeout: i64,
    /// Most bytes of the body that are looked at.
    pub most: usize,
}

/// A response, as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status; `None` where no response came.
    pub status: Option<u16>,
    /// `etag`.
    pub etag: Option<Vec<u8>>,
    /// `content-type`.
    pub content_type: Option<Vec<u8>>,
    /// The body.
    pub body: Body,
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Bytes(Vec<u8>),
    /// It has so many bytes, more than asked for, and was not copied.
    TooLarge(usize),
}

/// What is known of the policy that decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What the operator calls it, if a pointer says so; without control characters.
    pub revision: String,
    /// Epoch and serial of its pointer.
    pub order: (u64, u64),
    /// When its pointer ends, in seconds since 1970.
    pub expires: Option<i64>,
    /// SHA-256 of the blob or bundle, in hex.
    pub digest: String,
}

/// Figures for the proxy's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Epoch of the pointer.
    pub epoch: u64,
    /// Serial of the pointer.
    pub serial: u64,
    /// Seconds until the pointer ends; 0 once it has, `None` without a pointer.
    pub expires_in_s: Option<u64>,
    /// When the source last answered as it should, in seconds since 1970; `None` where another VM asks.
    pub last_success_s: Option<u64>,
    /// The first 48 bits of the digest: a number that a dashboard's arithmetic keeps exact.
    pub digest_prefix: u64,
}

impl Count {
    /// The last part of the counter's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotModified => "not_modified",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

impl Response {
    /// What stands for a response that never came.
    pub fn none() -> Self {
        Self { status: None, etag: None, content_type: None, body: Body::Bytes(Vec::new()) }
    }
}

/// Text from elsewhere for a log line: one line, not too long.
pub(super) fn plain(text: &str) -> String {
    const MOST: usize = 300;
    let mut plain: String =
        text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        plain.push('…');
    }
    plain
}
