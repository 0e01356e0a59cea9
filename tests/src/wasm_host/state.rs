//! What the mock host knows: the plugin's configuration, the streams under way, logs, metrics, shared data.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::pairs::{self, Headers};

/// A log line of the filter.
#[derive(Clone, Debug)]
pub struct Log {
    /// 0 trace … 5 critical.
    pub level: i32,
    /// The text.
    pub text: String,
}

/// What a request shows the filter: its headers in Envoy's order, and properties by path.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The request's headers, pseudo-headers first, names in lower case.
    pub headers: Headers,
    /// The pieces in which its body comes; `None` for a request that ends with its headers.
    pub body: Option<Vec<Vec<u8>>>,
    /// Whether trailers follow the body.
    pub has_trailers: bool,
    /// Attributes other than `request.*`, by their path with dots, in Envoy's encoding.
    pub properties: BTreeMap<String, Vec<u8>>,
}

/// A response that the filter gave itself.
#[derive(Clone, Debug)]
pub struct LocalResponse {
    /// The status code.
    pub status: u16,
    /// The headers that it added.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// A request that a plugin sent itself.
#[derive(Clone, Debug)]
pub struct Call {
    /// The host's number for it.
    pub token: i32,
    /// The cluster it goes to.
    pub cluster: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// When it is given up, in milliseconds.
    pub timeout: i32,
}

/// What all VMs with one id share: key to value and the number of its last change.
pub type SharedData = Arc<Mutex<BTreeMap<Vec<u8>, (Vec<u8>, u32)>>>;

/// When a callback runs: it decides which header map is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Request,
    Response,
    Log,
}

pub(super) struct Stream {
    pub(super) phase: Phase,
    pub(super) request: Headers,
    /// The bytes that a filter sees of the body: all that are held, or those that have just come.
    pub(super) body: Vec<u8>,
    /// Bytes that are held and that it no longer sees.
    pub(super) hidden: Vec<u8>,
    /// Bytes that went on.
    pub(super) passed: Vec<u8>,
    /// Whether it is held back.
    pub(super) is_held: bool,
    pub(super) response: Headers,
    pub(super) local: Option<LocalResponse>,
    pub(super) properties: BTreeMap<String, Vec<u8>>,
    pub(super) filter_state: BTreeMap<String, Vec<u8>>,
}

pub(super) struct Metric {
    pub(super) name: String,
    pub(super) value: i64,
}

pub(super) struct Host {
    /// Nanoseconds since 1970.
    pub(super) now: u64,
    pub(super) configuration: Vec<u8>,
    /// The requests under way, by context.
    pub(super) streams: BTreeMap<i32, Stream>,
    /// The context that the callback under way is about, and the one that it turned to.
    pub(super) current: i32,
    pub(super) effective: Option<i32>,
    /// Attributes of the proxy, which are there without a request too.
    pub(super) properties: BTreeMap<String, Vec<u8>>,
    /// Clusters that there are.
    pub(super) clusters: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) next_token: i32,
    /// The answer to a call that the callback under way is about.
    pub(super) answer: Option<(Headers, Vec<u8>)>,
    pub(super) tick_period: i32,
    pub(super) logs: Vec<Log>,
    pub(super) metrics: Vec<Metric>,
    pub(super) shared: SharedData,
    pub(super) unimplemented: Vec<String>,
}

impl LocalResponse {
    /// The headers as a filter sees them in the response phase of its own answer.
    pub(super) fn to_headers(&self) -> Headers {
        let mut headers = vec![(b":status".to_vec(), self.status.to_string().into_bytes())];
        if !self.body.is_empty() {
            headers.push((b"content-length".to_vec(), self.body.len().to_string().into_bytes()));
        }
        headers.extend(self.headers.iter().cloned());
        headers
    }
}

impl Stream {
    pub(super) fn new(seen: Seen) -> Self {
        Self {
            phase: Phase::Request,
            request: seen.headers,
            body: Vec::new(),
            hidden: Vec::new(),
            passed: Vec::new(),
            is_held: false,
            response: Headers::new(),
            local: None,
            properties: seen.properties,
            filter_state: BTreeMap::new(),
        }
    }

    /// Lets it go on with all that is held.
    pub(super) fn go_on(&mut self) {
        self.is_held = false;
        self.passed.append(&mut self.hidden);
        self.passed.append(&mut self.body);
    }

    /// The header map of a type (0 request, 2 response), where this phase has it: Envoy takes the request
    /// headers away once they went on, and gives them back, unchangeable, when it logs.
    pub(super) fn map(&mut self, kind: i32) -> Option<&mut Headers> {
        match (kind, self.phase) {
            (0, Phase::Request | Phase::Log) => Some(&mut self.request),
            (2, Phase::Response | Phase::Log) => Some(&mut self.response),
            _ => None,
        }
    }

    /// An attribute by its path with dots.
    pub(super) fn property(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(of_request) = path.strip_prefix("request.") {
            return if self.phase == Phase::Response { None } else { self.request_property(of_request) };
        }
        let state = || {
            path.strip_prefix("wasm.")
                .or(path.strip_prefix("filter_state.wasm."))
                .and_then(|k| self.filter_state.get(k))
        };
        self.properties.get(path).or_else(state).cloned()
    }

    fn request_property(&self, path: &str) -> Option<Vec<u8>> {
        let header = |name: &str| pairs::joined(&self.request, name.as_bytes());
        let target = || header(":path");
        let split = || {
            target().map(|t| {
                t.iter()
                    .position(|b| *b == b'?')
                    .map_or((t.clone(), Vec::new()), |at| (t[..at].to_vec(), t[at + 1..].to_vec()))
            })
        };
        match path {
            "path" => target(),
            "url_path" => split().map(|(path, _)| path),
            "query" => split().map(|(_, query)| query),
            "host" => header(":authority"),
            "method" => header(":method"),
            "scheme" => header(":scheme"),
            "useragent" => header("user-agent"),
            "referer" => header("referer"),
            "id" => header("x-request-id"),
            "headers" => Some(pairs::encode(&self.request)),
            "size" => Some(0_i64.to_le_bytes().to_vec()),
            other => match other.strip_prefix("headers.") {
                Some(name) => header(name),
                None => self.properties.get(&format!("request.{other}")).cloned(),
            },
        }
    }
}

impl Host {
    /// The request that host calls are about.
    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.effective.unwrap_or(self.current))
    }

    pub(super) fn new(shared: SharedData) -> Self {
        Self {
            now: 1_767_323_045_678_901_000,
            configuration: Vec::new(),
            streams: BTreeMap::new(),
            current: 0,
            effective: None,
            properties: BTreeMap::new(),
            clusters: Vec::new(),
            calls: Vec::new(),
            next_token: 1,
            answer: None,
            tick_period: 0,
            logs: Vec::new(),
            metrics: Vec::new(),
            shared,
            unimplemented: Vec::new(),
        }
    }
}
