//! A request of a case as it is sent: headers, body, trailers.

use serde::Deserialize;

use super::RequestCase;
use crate::bytes::unescape;
use crate::certs;
use crate::client::{Body, Request};
use crate::wasm_host::Headers;

const REQUEST_ID: &str = "5f2c2c5e-9a0d-4d53-9c9b-6a2f5ad0b6a1";

/// A header, or several made from a pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum HeaderLine {
    /// `name: value`, bytes escaped as `\xHH`.
    Line(String),
    /// `count` headers; `{n}` in name and value is their number, the value is repeated `times`.
    Pattern {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// How often the value is repeated.
        #[serde(default = "one")]
        times: usize,
        /// How many headers.
        #[serde(default = "one")]
        count: usize,
    },
}

/// The bytes of a body.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// These, escaped as `\xHH`.
    Plain(String),
    /// These, so many times.
    Times {
        /// The bytes, escaped.
        text: String,
        /// How often.
        times: usize,
    },
    /// One after the other.
    Parts(Vec<Text>),
}

impl RequestCase {
    /// The SPIFFE id of the caller; `None` for one in plaintext.
    pub fn principal(&self) -> Option<String> {
        let (namespace, account) = self.from.as_deref()?.split_once('/').unwrap_or(("", ""));
        Some(certs::spiffe(namespace, account))
    }

    /// All URI SANs of the caller's certificate; none for a caller in plaintext.
    pub fn uri_sans(&self) -> Vec<String> {
        self.principal().into_iter().chain(self.more_uri_sans.iter().cloned()).collect()
    }

    /// The request as the client sends it.
    ///
    /// # Errors
    /// A header line that is none, a bad escape, a caller that is not `namespace/service-account`.
    pub fn to_wire(&self) -> Result<Request, String> {
        if self.from.as_ref().is_some_and(|from| from.split('/').count() != 2) {
            return Err("expected `from: namespace/service-account`".to_owned());
        }
        let mut headers = vec![(b"host".to_vec(), unescape(&self.host)?)];
        let body = self.body()?;
        let header = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
        match &body {
            Some(Body { chunks: Some(_), .. }) => {
                headers.push(header("transfer-encoding", "chunked".to_owned()));
            }
            Some(Body { bytes, .. }) => headers.push(header("content-length", bytes.len().to_string())),
            None => {}
        }
        for line in &self.headers {
            line.push_to(&mut headers)?;
        }
        Ok(Request { method: self.method.clone(), target: unescape(&self.path)?, headers, body })
    }

    /// The body as the client sends it.
    ///
    /// # Errors
    /// A bad escape, or chunks of no body.
    pub fn body(&self) -> Result<Option<Body>, String> {
        let Some(text) = &self.body else {
            return if self.chunks.is_none() && self.trailers.is_empty() {
                Ok(None)
            } else {
                Err("expected a `body` where there are `chunks` or `trailers`".to_owned())
            };
        };
        if self.chunks.is_none() && !self.trailers.is_empty() {
            return Err("expected `chunks` where there are `trailers`".to_owned());
        }
        let (mut bytes, mut trailers) = (Vec::new(), Headers::new());
        text.push_to(&mut bytes)?;
        for line in &self.trailers {
            line.push_to(&mut trailers)?;
        }
        Ok(Some(Body { bytes, chunks: self.chunks, trailers }))
    }

    /// The request's header map as Envoy shows it to a filter: pseudo-headers first, names in lower case.
    pub fn to_header_map(&self) -> Result<Headers, String> {
        let Request { method, target, headers, body: _ } = self.to_wire()?;
        let scheme: &[u8] = if self.from.is_some() { b"https" } else { b"http" };
        let mut map = Headers::new();
        let mut push = |name: &str, value: &[u8]| map.push((name.as_bytes().to_vec(), value.to_vec()));
        if method == "CONNECT" {
            push(":authority", &target);
        } else {
            push(":authority", &unescape(&self.host)?);
            push(":path", &target);
        }
        push(":method", method.as_bytes());
        push(":scheme", scheme);
        for (name, value) in headers.iter().skip(1) {
            push(&String::from_utf8_lossy(&name.to_ascii_lowercase()), value);
        }
        push("x-forwarded-proto", scheme);
        push("x-request-id", REQUEST_ID.as_bytes());
        Ok(map)
    }
}

impl Text {
    fn push_to(&self, bytes: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Plain(text) => bytes.extend(unescape(text)?),
            Self::Times { text, times } => bytes.extend(unescape(text)?.repeat(*times)),
            Self::Parts(parts) => parts.iter().try_for_each(|part| part.push_to(bytes))?,
        }
        Ok(())
    }
}

impl HeaderLine {
    fn push_to(&self, headers: &mut Headers) -> Result<(), String> {
        match self {
            Self::Line(line) => {
                let (name, value) =
                    line.split_once(':').ok_or_else(|| format!("expected `name: value`, got `{line}`"))?;
                headers.push((unescape(name)?, unescape(value.strip_prefix(' ').unwrap_or(value))?));
            }
            Self::Pattern { name, value, times, count } => {
                for n in 0..*count {
                    let fill = |text: &str| unescape(&text.replace("{n}", &n.to_string()));
                    headers.push((fill(name)?, fill(value)?.repeat(*times)));
                }
            }
        }
        Ok(())
    }
}

fn one() -> usize {
    1
}
