//! `decision_log`: which decisions are logged, and where.

use super::error::ConfigError;
use super::json::Node;
use super::read::{Reader, text_value, value};
use super::source::is_plain;

/// Which decisions are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// None.
    Off,
    /// Those that there was no decision about.
    Errors,
    /// These, and what was denied.
    Denied,
    /// These, and one in a hundred of those that were allowed.
    Sampled,
    /// All.
    All,
}

/// Where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSink {
    /// A line each in the proxy's log.
    Log,
    /// `POST`ed in batches, as OPA does.
    Http {
        /// The proxy's cluster that takes them.
        cluster: String,
        /// The path to post to.
        path: String,
    },
}

/// `decision_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionLog {
    /// Which decisions.
    pub level: LogLevel,
    /// Where they go.
    pub sink: LogSink,
    /// Most events of a second, of each worker; those beyond are dropped and counted.
    pub rate: u32,
    /// The header in which a denied client is told the decision's id; in lower case.
    pub id_header: Option<String>,
}

impl LogLevel {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("", |(word, _)| word)
    }
}

/// The levels by their words, from none to all.
const LEVELS: [(&str, LogLevel); 5] = [
    ("off", LogLevel::Off),
    ("errors", LogLevel::Errors),
    ("denied", LogLevel::Denied),
    ("sampled", LogLevel::Sampled),
    ("all", LogLevel::All),
];

const KEY: &str = "decision_log";
const PATH: &str = "/logs";
const RATE: u64 = 100;
/// Events of a second that fit into what a worker hands on between two ticks.
const MOST_RATE: u64 = 100_000;

impl Default for DecisionLog {
    fn default() -> Self {
        Self { level: LogLevel::Denied, sink: LogSink::Log, rate: 100, id_header: None }
    }
}

/// Reads `decision_log`.
pub(super) fn decision_log(top: &mut Reader) -> Result<DecisionLog, ConfigError> {
    let default = DecisionLog::default();
    let Some(node) = top.take(KEY) else { return Ok(default) };
    let mut log = Reader::open(KEY, node, &["level", "sink", "cluster", "path", "rate", "id_header"])?;
    let level = log.word("level", &LEVELS)?.unwrap_or(default.level);
    let is_http = log.word("sink", &[("log", false), ("http", true)])?.unwrap_or(false);
    let cluster = plain(&mut log, "cluster", "the name of a cluster", is_plain)?;
    let path =
        plain(&mut log, "path", "a path such as `/logs`", |path| path.starts_with('/') && is_plain(path))?;
    let sink = match (is_http, cluster) {
        (true, Some(cluster)) => LogSink::Http { cluster, path: path.unwrap_or_else(|| PATH.to_owned()) },
        (true, None) => {
            return Err(ConfigError::MissingKey {
                path: log.path("cluster"),
                expected: "the cluster that events are posted to".to_owned(),
            });
        }
        // The default may be written out; a cluster that nothing is sent to is a mistake.
        (false, None) if path.as_deref().is_none_or(|path| path == PATH) => LogSink::Log,
        (false, cluster) => {
            let key = if cluster.is_some() { "cluster" } else { "path" };
            let got = cluster.or(path).unwrap_or_default();
            return Err(text_value(&log.path(key), "no such key beside `sink: \"log\"`", &got));
        }
    };
    let rate = log.whole("rate", 1, MOST_RATE, RATE)?;
    let id_header = plain(&mut log, "id_header", "the name of a header in lower case", is_header)?;
    Ok(DecisionLog { level, sink, rate: u32::try_from(rate).unwrap_or(default.rate), id_header })
}

/// A text for which `is` holds; `null` is the key left out.
fn plain(
    log: &mut Reader,
    key: &str,
    expected: &str,
    is: fn(&str) -> bool,
) -> Result<Option<String>, ConfigError> {
    let path = log.path(key);
    match log.take(key) {
        None | Some(Node::Null) => Ok(None),
        Some(Node::Text(text)) if is(&text) => Ok(Some(text)),
        Some(Node::Text(text)) => Err(text_value(&path, expected, &text)),
        Some(other) => Err(value(&path, expected, &other)),
    }
}

fn is_header(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}
