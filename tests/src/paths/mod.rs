//! The paths that every case is run through, and the comparison of what came with what is wanted.

mod envoy;
mod native;
mod wasm;

use std::collections::BTreeMap;

pub use self::envoy::Fleet;
pub use self::native::{Native, build, evaluator, interpreter};
pub use self::wasm::Wasm;
use crate::bytes::escape;
use crate::case::{Reach, RequestCase, WantValues};
use crate::upstream::{Echo, checksum};
use crate::wasm_host::Headers;

/// What became of a request, in the same form from every path.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The status at the client.
    pub status: u16,
    /// What the upstream got; `None` where the request did not reach it.
    pub upstream: Option<Echo>,
    /// The headers of the response at the client, values escaped.
    pub response_headers: Vec<(String, String)>,
    /// The body at the client, escaped.
    pub body: String,
    /// The text in the filter state for `dynamic_metadata`, `-` for none; `None` where nobody looked.
    pub dynamic_metadata: Option<String>,
}

impl Observed {
    /// What differs from what is wanted, one line each.
    pub fn differences(&self, request: &RequestCase) -> Vec<String> {
        let want = &request.want;
        let mut lines = Vec::new();
        let mut differ = |what: &str, want: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
            lines.push(format!("{what}: expected {want:?}, got {got:?}"));
        };
        if self.status != want.status() {
            differ("status", &want.status(), &self.status);
        }
        let reached = if self.upstream.is_some() { Reach::Allow } else { Reach::Deny };
        if reached != want.decision {
            differ("decision", &want.decision, &reached);
        }
        if let Some(echo) = &self.upstream {
            if let Some(path) = &want.path
                && *path != echo.path
            {
                differ("path at the upstream", path, &echo.path);
            }
            let sent = request.body().ok().flatten().map(|body| body.bytes).unwrap_or_default();
            if (sent.len(), checksum(&sent)) != (echo.body_bytes, echo.body_sum) {
                differ("bytes of body at the upstream, or those themselves", &sent.len(), &echo.body_bytes);
            }
            compare(&want.upstream_headers, &echo.headers, "at the upstream", &mut differ);
        }
        compare(&want.response_headers, &self.response_headers, "of the response", &mut differ);
        if let Some(body) = &want.body
            && *body != self.body
        {
            differ("body", body, &self.body);
        }
        if let (Some(want), Some(got)) = (&want.dynamic_metadata, &self.dynamic_metadata)
            && want != got
        {
            differ("dynamic metadata", want, got);
        }
        if !lines.is_empty() && self.upstream.is_none() && want.body.is_none() && !self.body.is_empty() {
            lines.push(format!("the body at the client: `{}`", self.body));
        }
        lines
    }
}

fn compare(
    want: &BTreeMap<String, WantValues>,
    got: &[(String, String)],
    place: &str,
    differ: &mut dyn FnMut(&str, &dyn std::fmt::Debug, &dyn std::fmt::Debug),
) {
    for (name, wanted) in want {
        let values: Vec<&String> = got.iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect();
        let wanted: Vec<&String> = match wanted {
            WantValues::All(all) => all.iter().collect(),
            WantValues::Word(_absent) => Vec::new(),
        };
        if wanted != values {
            differ(&format!("header `{name}` {place}"), &wanted, &values);
        }
    }
}

/// What Envoy makes of the filter's own answer to a gRPC request (`Grpc::Utility::httpToGrpcStatus`).
fn local_reply(observed: Observed, request: &Headers) -> Observed {
    let content_type = request.iter().find(|(name, _)| name == b"content-type").map(|(_, value)| value);
    let is_grpc = content_type
        .is_some_and(|value| value == b"application/grpc" || value.starts_with(b"application/grpc+"));
    if observed.upstream.is_some() || !is_grpc {
        return observed;
    }
    let code = match observed.status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502..=504 => "14",
        _ => "2",
    };
    let mut response_headers = observed.response_headers;
    response_headers.push(("grpc-status".to_owned(), code.to_owned()));
    Observed { status: 200, response_headers, body: String::new(), ..observed }
}

/// What the upstream answers, as it leaves the upstream.
fn upstream_response() -> Headers {
    let headers = [(":status", "200"), ("content-type", "application/json"), ("x-upstream", "echo")];
    headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
}

/// A request as the upstream would tell of it.
fn echo(headers: &Headers, body: &[u8]) -> Echo {
    let pseudo = |name: &str| {
        headers.iter().find(|(n, _)| n == name.as_bytes()).map_or(String::new(), |(_, value)| escape(value))
    };
    Echo {
        method: pseudo(":method"),
        path: pseudo(":path"),
        headers: readable(headers.iter().filter(|(name, _)| !name.starts_with(b":"))),
        body_bytes: body.len(),
        body_sum: checksum(body),
        body: body.to_vec(),
    }
}

fn readable<'a>(headers: impl Iterator<Item = &'a (Vec<u8>, Vec<u8>)>) -> Vec<(String, String)> {
    headers.map(|(name, value)| (escape(name), escape(value))).collect()
}

/// The status of a response's header map.
fn status(headers: &Headers) -> u16 {
    let value = headers.iter().find(|(name, _)| name == b":status").map(|(_, value)| value);
    value.and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()).unwrap_or_default()
}
