//! Clients of every protocol who know of each request what every version of a policy says to it. The policies say in
//! a header which version decided, so that a wrong decision shows even while versions change.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;

use crate::certs::Identity;
use crate::client::{Body, Connection, Request};
use crate::client2::{Call, Connection2, grpc_message};
use crate::rollout::VERSION_HEADER;

/// The one caller whom `/mine` is for.
pub const FRIEND: &str = "spiffe://cluster.local/ns/web/sa/friend";

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// gRPC, unary.
    Grpc,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// How it is sent.
    pub way: Way,
    /// The path.
    pub path: &'static str,
    /// Whether the friend asks, over mTLS; else nobody does, in plaintext.
    pub is_friend: bool,
    /// The body, JSON.
    pub body: &'static str,
    /// Whether this version allows it.
    pub allowed: fn(u32) -> bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A version decided.
    Decided {
        /// Which.
        version: u32,
        /// How.
        is_allowed: bool,
    },
    /// 503, or gRPC's UNAVAILABLE, and nobody decided.
    Unavailable,
    /// No answer: the connection is broken, or could not be made.
    Broken(String),
    /// Anything else.
    Odd(String),
}

/// Answers by kind.
#[derive(Debug, Default)]
pub struct Tally {
    /// Decided, and allowed.
    pub allowed: AtomicU64,
    /// Decided, and denied.
    pub denied: AtomicU64,
    /// [`Answer::Unavailable`].
    pub unavailable: AtomicU64,
    /// [`Answer::Broken`].
    pub broken: AtomicU64,
}

/// A client with connections of its own.
pub struct Client {
    to: SocketAddr,
    friend: Identity,
    http1: [Option<Connection>; 2],
    http2: [Option<Connection2>; 2],
}

const YES: fn(u32) -> bool = |_| true;
const NO: fn(u32) -> bool = |_| false;
const EVEN: fn(u32) -> bool = |version| version.is_multiple_of(2);

/// All that is asked.
pub const ASKS: &[Ask] = &[
    Ask { way: Way::Http1, path: "/all", is_friend: false, body: "", allowed: YES },
    Ask { way: Way::Http1, path: "/none", is_friend: true, body: "", allowed: NO },
    Ask { way: Way::Http1, path: "/mine", is_friend: true, body: "", allowed: YES },
    Ask { way: Way::Http1, path: "/mine", is_friend: false, body: "", allowed: NO },
    Ask { way: Way::Http1, path: "/even", is_friend: false, body: "", allowed: EVEN },
    Ask { way: Way::Http1, path: "/body", is_friend: true, body: r#"{"ok": true}"#, allowed: YES },
    Ask { way: Way::Http1, path: "/body", is_friend: false, body: r#"{"ok": false}"#, allowed: NO },
    Ask { way: Way::Http2, path: "/all?x=1", is_friend: true, body: "", allowed: YES },
    Ask { way: Way::Http2, path: "/mine", is_friend: true, body: "", allowed: YES },
    Ask { way: Way::Http2, path: "/mine", is_friend: false, body: "", allowed: NO },
    Ask { way: Way::Http2, path: "/even", is_friend: true, body: "", allowed: EVEN },
    Ask { way: Way::Http2, path: "/body", is_friend: false, body: r#"{"ok": true}"#, allowed: YES },
    Ask { way: Way::Http2, path: "/body", is_friend: true, body: r#"{"no": true}"#, allowed: NO },
    Ask { way: Way::Grpc, path: "/all/Do", is_friend: true, body: "", allowed: YES },
    Ask { way: Way::Grpc, path: "/mine/Do", is_friend: true, body: "", allowed: YES },
    Ask { way: Way::Grpc, path: "/mine/Do", is_friend: false, body: "", allowed: NO },
    Ask { way: Way::Grpc, path: "/even/Do", is_friend: false, body: "", allowed: EVEN },
];

/// The bundle of a version of the policy.
pub fn bundle(version: u32) -> Vec<u8> {
    let even = if version.is_multiple_of(2) { "true" } else { "false" };
    let text = format!(
        r#"package envoy.authz

import rego.v1

default may := false

may if input.parsed_path[0] == "all"

may if {{
	input.parsed_path[0] == "mine"
	input.source_principal == "{FRIEND}"
}}

may if {{
	input.parsed_path[0] == "even"
	{even}
}}

may if {{
	input.parsed_path == ["body"]
	input.parsed_body.ok == true
}}

allow := {{"allowed": true, "response_headers_to_add": {{"{VERSION_HEADER}": "{version}"}}}} if may

allow := {{"allowed": false, "headers": {{"{VERSION_HEADER}": "{version}"}}}} if not may
"#
    );
    let sources = Sources::from_parts(vec![("policy.rego".to_owned(), text)], Value::new_object());
    build(&sources, &BuildOptions::default()).expect("the policy of a test compiles").bundle
}

impl Ask {
    /// What is wrong with an answer, where one of `versions` may decide.
    pub fn objection(&self, answer: &Answer, versions: &[u32]) -> Option<String> {
        match answer {
            Answer::Decided { version, is_allowed } if *is_allowed != (self.allowed)(*version) => {
                Some(format!("{self:?}: version {version} decided wrongly: allowed: {is_allowed}"))
            }
            Answer::Decided { version, .. } if !versions.contains(version) => {
                Some(format!("{self:?}: expected one of the versions {versions:?}, got {version}"))
            }
            Answer::Odd(what) => Some(format!("{self:?}: {what}")),
            Answer::Decided { .. } | Answer::Unavailable | Answer::Broken(_) => None,
        }
    }
}

impl Tally {
    /// Counts an answer.
    pub fn count(&self, answer: &Answer) {
        let counter = match answer {
            Answer::Decided { is_allowed: true, .. } => &self.allowed,
            Answer::Decided { is_allowed: false, .. } => &self.denied,
            Answer::Unavailable => &self.unavailable,
            Answer::Broken(_) => &self.broken,
            Answer::Odd(_) => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    /// Allowed, denied, unavailable, broken.
    pub fn read(&self) -> [u64; 4] {
        [&self.allowed, &self.denied, &self.unavailable, &self.broken]
            .map(|count| count.load(Ordering::SeqCst))
    }
}

impl Client {
    /// A client that asks there; `friend` is its certificate where it is the friend.
    pub fn new(to: SocketAddr, friend: &Identity) -> Self {
        Self { to, friend: friend.clone(), http1: [None, None], http2: [None, None] }
    }

    /// Asks, on a connection that stays open for the next time.
    pub fn ask(&mut self, ask: &Ask) -> Answer {
        let which = usize::from(ask.is_friend);
        let result = match ask.way {
            Way::Http1 => self.by_http1(ask, which),
            Way::Http2 | Way::Grpc => self.by_http2(ask, which),
        };
        result.unwrap_or_else(|e| {
            self.hang_up();
            Answer::Broken(e)
        })
    }

    /// Closes all connections: the next ones may be with another worker.
    pub fn hang_up(&mut self) {
        self.http1 = [None, None];
        self.http2 = [None, None];
    }

    fn by_http1(&mut self, ask: &Ask, which: usize) -> Result<Answer, String> {
        let open = match &mut self.http1[which] {
            Some(open) => open,
            none => none.insert(Connection::open(self.to, ask.is_friend.then_some(&self.friend))?),
        };
        let text = |text: &str| text.as_bytes().to_vec();
        let mut headers = vec![(text("host"), text("cart.shop"))];
        let mut body = None;
        if !ask.body.is_empty() {
            headers.push((text("content-type"), text("application/json")));
            headers.push((text("content-length"), text(&ask.body.len().to_string())));
            body = Some(Body { bytes: text(ask.body), chunks: None, trailers: Vec::new() });
        }
        let method = if body.is_some() { "POST" } else { "GET" }.to_owned();
        let response = open.send(&Request { method, target: text(ask.path), headers, body })?;
        if response.closes() {
            self.http1[which] = None;
        }
        let versions: Vec<String> =
            response.values(VERSION_HEADER).iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        Ok(answer(response.status, &versions, None))
    }

    fn by_http2(&mut self, ask: &Ask, which: usize) -> Result<Answer, String> {
        let open = match &mut self.http2[which] {
            Some(open) => open,
            none => none.insert(Connection2::open(self.to, ask.is_friend.then_some(&self.friend))?),
        };
        let mut call = match ask.way {
            Way::Grpc => Call::grpc(ask.path, b"ping"),
            _ => Call::new(if ask.body.is_empty() { "GET" } else { "POST" }, ask.path, &[]),
        };
        if !ask.body.is_empty() {
            call.headers.push(("content-type".to_owned(), b"application/json".to_vec()));
            call.data.push(ask.body.into());
        }
        let reply = open.call(&call)?;
        if let Some(code) = reply.reset
            && reply.status == 0
        {
            return Err(format!("the stream was reset, code {code}"));
        }
        let grpc = reply.grpc_status();
        if ask.way == Way::Grpc && grpc.as_deref() == Some("0") && reply.body != grpc_message(b"ping") {
            return Ok(Answer::Odd("another message came back".to_owned()));
        }
        // Where the VM traps between an answer's headers and its trailers, Envoy resets the stream: it is decided, and
        // the client has part of the answer.
        let is_cut = reply.status == 200 && reply.reset.is_some() && grpc.is_none();
        let grpc = (ask.way == Way::Grpc && !is_cut).then(|| grpc.unwrap_or_default());
        Ok(answer(reply.status, &reply.values(VERSION_HEADER), grpc.as_deref()))
    }
}

/// `grpc`: the gRPC status of a gRPC call, empty where there was none.
fn answer(status: u16, versions: &[String], grpc: Option<&str>) -> Answer {
    let version = match versions {
        [] => None,
        [one] => one.parse().ok(),
        _ => return Answer::Odd(format!("several versions: {versions:?}")),
    };
    match (status, grpc, version) {
        (200, None | Some("0"), Some(version)) => Answer::Decided { version, is_allowed: true },
        (403, None, Some(version)) | (200, Some("7"), Some(version)) => {
            Answer::Decided { version, is_allowed: false }
        }
        // Where the upstream of an allowed gRPC call is gone, the version is there all the same.
        (503, None, None) | (200, Some("14"), None) => Answer::Unavailable,
        _ => Answer::Odd(format!("status {status}, grpc-status {grpc:?}, version {version:?}")),
    }
}
