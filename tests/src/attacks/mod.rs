//! What an attacker sends and what has to become of it, as data; a place to send it to; who has a right to what.
//! The format is described in `tests/attacks/README.md`.

mod arena;
mod http2;
mod random;
mod readings;
mod report;
mod rights;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use self::arena::{Arena, Seen, Side};
pub use self::random::Paths;
pub use self::readings::readings;
pub use self::report::report;
pub use self::rights::{Caller, violation};
use crate::bytes::unescape;
use crate::case::HOST;
use crate::places;

/// Every attack, and who attacks.
#[derive(Debug)]
pub struct Attacks {
    /// The URI SANs of each caller, by name; none for plaintext.
    pub callers: BTreeMap<String, Vec<String>>,
    /// By the files that they are from.
    pub chapters: Vec<Chapter>,
}

/// One file of rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chapter {
    /// What its rows are about.
    pub about: String,
    /// The rows in their order.
    pub rows: Vec<Row>,
}

/// One attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Names it.
    pub id: String,
    /// What is tried.
    pub attack: String,
    /// The class of CVE or complaint it is of.
    pub class: Option<String>,
    /// Who does.
    pub by: String,
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    #[serde(default)]
    without_host: bool,
    #[serde(default)]
    headers: Vec<String>,
    lines: Option<Vec<String>>,
    http2: Option<Vec<String>>,
    body: Option<String>,
    /// So many `a` stand for `{long}` in path and body.
    #[serde(default)]
    long: usize,
    /// The path that Envoy shows the filter, escaped.
    pub sees: Option<String>,
    /// What becomes of it by the declaration.
    pub want: String,
    /// What becomes of it by the Rego, where that is another thing.
    pub rego: Option<String>,
    /// What becomes of it in Envoys that lack something.
    pub before: Option<Before>,
}

/// What is wanted of Envoys before a version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// The first version that has what it takes: `1.38`.
    pub envoy: String,
    /// What is wanted of those before.
    pub want: String,
}

/// The bytes of an attack.
#[derive(Clone, Debug)]
pub struct Wire {
    /// What is sent on a new connection.
    pub bytes: Vec<u8>,
    /// Whether it is HTTP/2.
    pub is_http2: bool,
    /// Whether it asks for a tunnel, to which an answer has no body.
    pub is_connect: bool,
}

impl Wire {
    /// These bytes, of HTTP/1.1.
    pub fn http1(bytes: Vec<u8>) -> Self {
        Self { bytes, is_http2: false, is_connect: false }
    }
}

impl Attacks {
    /// Reads the folder of attacks.
    ///
    /// # Errors
    /// A file that is not of this format, an id that stands twice, an unknown caller.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let callers: BTreeMap<String, Vec<String>> = yaml(&dir.join("callers.yaml"))?;
        let rows = dir.join("rows");
        let mut files: Vec<_> = std::fs::read_dir(&rows)
            .map_err(|e| format!("{}: {e}", rows.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
        let chapters: Vec<Chapter> = files.iter().map(|path| yaml(path)).collect::<Result<_, _>>()?;
        let mut ids = std::collections::BTreeSet::new();
        for row in chapters.iter().flat_map(|chapter| &chapter.rows) {
            let at = |what: &str| format!("`{}`: {what}", row.id);
            if !ids.insert(&row.id) {
                return Err(at("expected every id once"));
            }
            if !callers.contains_key(&row.by) {
                return Err(at(&format!("expected a caller of callers.yaml, got `{}`", row.by)));
            }
            row.to_wire().map_err(|e| at(&e))?;
        }
        Ok(Self { callers, chapters })
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.chapters.iter().flat_map(|chapter| &chapter.rows)
    }
}

impl Row {
    /// What is wanted of one side in Envoy `version`.
    pub fn wanted(&self, side: Side, version: &str) -> &str {
        match (&self.before, &self.rego) {
            (Some(Before { envoy, want }), _) if places::is_before(version, envoy) => want,
            (_, Some(rego)) if side == Side::Rego => rego,
            _ => &self.want,
        }
    }

    /// What is sent, to be read by people.
    pub fn shown(&self) -> String {
        if let Some(lines) = self.lines.as_ref().or(self.http2.as_ref()) {
            return lines.join(" ⏎ ");
        }
        let mut shown = format!("{} {}", self.method(), self.path.as_deref().unwrap_or("/"));
        if let Some(host) = &self.host {
            shown.push_str(&format!(" ⏎ host: {host}"));
        }
        if self.without_host {
            shown.push_str(" ⏎ (no host)");
        }
        for header in &self.headers {
            shown.push_str(&format!(" ⏎ {header}"));
        }
        if let Some(body) = &self.body {
            shown.push_str(&format!(" ⏎⏎ {body}"));
        }
        shown
    }

    fn method(&self) -> &str {
        self.method.as_deref().unwrap_or("GET")
    }

    /// What is sent.
    ///
    /// # Errors
    /// A bad escape, or a request that is written in two ways.
    pub fn to_wire(&self) -> Result<Wire, String> {
        let long = "a".repeat(self.long);
        let body = self.body.as_ref().map(|body| unescape(&body.replace("{long}", &long))).transpose()?;
        let is_plain = self.method.is_none()
            && self.path.is_none()
            && self.host.is_none()
            && !self.without_host
            && self.headers.is_empty();
        let is_connect = self.shown().starts_with("CONNECT ");
        match (&self.lines, &self.http2) {
            (None, None) => Ok(Wire { is_connect, ..Wire::http1(self.ordinary(body, &long)?) }),
            (Some(lines), None) if is_plain => {
                let mut bytes = Vec::new();
                for line in lines {
                    bytes.extend(unescape(line)?);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"\r\n");
                bytes.extend(body.unwrap_or_default());
                Ok(Wire { is_connect, ..Wire::http1(bytes) })
            }
            (None, Some(fields)) if is_plain => {
                let mut parsed = Vec::new();
                for field in fields {
                    let at = field.get(1..).and_then(|rest| rest.find(':')).map(|at| at + 1);
                    let at = at.ok_or_else(|| format!("expected `name: value`, got `{field}`"))?;
                    let value = field[at + 1..].strip_prefix(' ').unwrap_or(&field[at + 1..]);
                    parsed.push((unescape(&field[..at])?, unescape(value)?));
                }
                let bytes = http2::request(&parsed, body.as_deref());
                Ok(Wire { bytes, is_http2: true, is_connect: false })
            }
            _ => Err("expected one of `path`, `lines` and `http2`".to_owned()),
        }
    }

    fn ordinary(&self, body: Option<Vec<u8>>, long: &str) -> Result<Vec<u8>, String> {
        let path = self.path.as_deref().unwrap_or("/").replace("{long}", long);
        let path = unescape(&path)?;
        let mut bytes = [self.method().as_bytes(), b" ", &path, b" HTTP/1.1\r\n"].concat();
        if !self.without_host {
            let host = unescape(self.host.as_deref().unwrap_or(HOST))?;
            bytes.extend([b"host: ", &host[..], b"\r\n"].concat());
        }
        for header in &self.headers {
            bytes.extend([&unescape(header)?[..], b"\r\n"].concat());
        }
        if let Some(body) = &body {
            bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.unwrap_or_default());
        Ok(bytes)
    }
}

fn yaml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
    serde_yaml_ng::from_str(&text).map_err(|e| at(&e))
}
