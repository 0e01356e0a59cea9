//! The plugin configuration: from JSON to values that are ready to use.
//!
//! The keys and defaults are a contract with users. Nothing is ignored: a key that is unknown, a value
//! that is not understood and a feature that this version does not have all refuse the configuration, and
//! the message says what to write instead. So a configuration that is accepted means what it says.

mod error;
mod json;
mod log;
mod read;
mod source;
mod verify;

pub use self::error::ConfigError;
pub use self::log::{DecisionLog, LogLevel, LogSink};
pub use self::source::{Form, HttpSource, Location, Sources};

use self::json::Node;
use self::read::{Reader, text_value, value};
use crate::limits::Limits;
use crate::trust::Trust;

/// The entry point of OPA's Envoy plugin, and so the default here.
pub const DEFAULT_ENTRYPOINT: &str = "envoy/authz/allow";

/// The largest body that Envoy's HTTP client hands to a Wasm module, and so the largest bundle.
const BUNDLE_BYTES: u64 = 33_554_432;

/// What Envoy buffers of a request by default; it answers what is larger with 413 itself.
const BODY_BYTES: u64 = 1_048_576;
/// Most decisions that are kept: an entry takes up to a kilobyte in every VM.
const CACHE_ENTRIES: u64 = 65_536;

/// What the filter does with decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decisions are carried out.
    Enforce,
    /// Decisions are made, counted and logged; requests and responses pass unchanged.
    Shadow,
    /// Nothing is decided.
    Off,
}

/// The rules that decide, as paths with slashes: `envoy/authz/allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrypoints {
    /// `entrypoint`: about requests.
    pub request: String,
    /// `response_entrypoint`: about the responses to requests that were allowed, if anything is.
    pub response: Option<String>,
    /// `network_entrypoint`: about connections, where the module is a network filter.
    pub connection: Option<String>,
}

/// A plugin configuration that has been checked whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The rules that decide.
    pub entrypoints: Entrypoints,
    /// What is done with decisions.
    pub mode: Mode,
    /// HTTP status of the answer where there is no decision because of an error.
    pub on_error_status: u16,
    /// What one decision and one bundle may cost.
    pub limits: Limits,
    /// Whether a signed pointer, or a decision for itself, may lower `mode`.
    pub allow_lowering: bool,
    /// `guard`: whether whatever this filter sees is marked, for a filter of the proxy's own behind it that lets nothing
    /// else pass.
    pub is_guarded: bool,
    /// Whether decisions about what nobody has declared are only counted: `undeclared: shadow`.
    pub waives_undeclared: bool,
    /// Other names of the trust domain that this proxy is in.
    pub trust_domain_aliases: Vec<String>,
    /// What bundles and pointers are trusted by.
    pub trust: Trust,
    /// Which decisions are logged.
    pub decision_log: DecisionLog,
    /// Where the policy comes from.
    pub bundle: Sources,
}

impl Mode {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

impl Config {
    /// Reads a plugin configuration.
    ///
    /// # Errors
    /// [`ConfigError`] for anything that is not understood or not available in this version.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        if json.trim_ascii().is_empty() {
            return Err(ConfigError::Empty);
        }
        let node = serde_json::from_slice(json).map_err(|e| syntax(json, &e))?;
        let mut top = Reader::open(
            "",
            node,
            &[
                "version",
                "bundle",
                "entrypoint",
                "response_entrypoint",
                "network_entrypoint",
                "mode",
                "allow_lowering",
                "guard",
                "undeclared",
                "verify",
                "trust_domain_aliases",
                "paths",
                "on_error",
                "limits",
                "decision_log",
            ],
        )?;
        version(&mut top)?;
        refuse_unavailable(&mut top)?;
        let mode = top
            .word("mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow), ("off", Mode::Off)])?
            .unwrap_or(Mode::Enforce);
        let entrypoints = Entrypoints {
            request: entrypoint(&mut top, "entrypoint")?.unwrap_or_else(|| DEFAULT_ENTRYPOINT.to_owned()),
            response: entrypoint(&mut top, "response_entrypoint")?,
            connection: entrypoint(&mut top, "network_entrypoint")?,
        };
        let trust_domain_aliases = aliases(&mut top)?;
        let on_error_status = on_error(&mut top)?;
        let limits = limits(&mut top)?;
        let trust = verify::verify(&mut top)?;
        let allow_lowering = top.boolean("allow_lowering", false)?;
        let is_guarded = top.boolean("guard", false)?;
        let waives_undeclared =
            top.word("undeclared", &[("deny", false), ("shadow", true)])?.unwrap_or(false);
        let decision_log = log::decision_log(&mut top)?;
        let bundle = source::sources(&mut top, limits.bundle_bytes)?;
        verify::refuse_secrets(&trust, bundle.http.is_some())?;
        Ok(Self {
            entrypoints,
            mode,
            on_error_status,
            limits,
            allow_lowering,
            is_guarded,
            waives_undeclared,
            trust_domain_aliases,
            trust,
            decision_log,
            bundle,
        })
    }
}

fn syntax(json: &[u8], error: &serde_json::Error) -> ConfigError {
    if json.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) {
        ConfigError::Binary
    } else {
        ConfigError::Syntax { reason: error.to_string() }
    }
}

fn version(top: &mut Reader) -> Result<(), ConfigError> {
    match top.require("version", "the number `1`")? {
        Node::Number(number) if number.whole() == Some(1) => Ok(()),
        other => Err(value("version", "the number `1`", &other)),
    }
}

/// Top-level keys of the contract that only their default is accepted for so far.
fn refuse_unavailable(top: &mut Reader) -> Result<(), ConfigError> {
    const LEAVE_OUT: &str = "leave the key out";
    let word = |text: &str| Some(Node::Text(text.to_owned()));
    top.unavailable("paths", word("strict"), "any other treatment than `strict` is", LEAVE_OUT)
}

/// Takes `envoy/authz/allow` and, as OPA's plugin has a `query` too, `data.envoy.authz.allow`.
fn entrypoint(top: &mut Reader, key: &str) -> Result<Option<String>, ConfigError> {
    const EXPECTED: &str = "the path of a rule such as `envoy/authz/allow`";
    let text = match top.take(key) {
        None => return Ok(None),
        // As the contract writes those that there need not be.
        Some(Node::Null) if key != "entrypoint" => return Ok(None),
        Some(Node::Text(text)) => text,
        Some(other) => return Err(value(key, EXPECTED, &other)),
    };
    let slashes = match text.strip_prefix("data.") {
        Some(dotted) if !dotted.contains('/') => dotted.replace('.', "/"),
        _ => text.clone(),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let good = |segment: &str| !segment.is_empty() && segment.chars().all(allowed);
    if slashes.split('/').all(good) { Ok(Some(slashes)) } else { Err(text_value(key, EXPECTED, &text)) }
}

/// Names of trust domains, as SPIFFE has them: no scheme, no wildcard.
fn aliases(top: &mut Reader) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "trust_domain_aliases";
    const EXPECTED: &str = "a list of trust domains such as `[\"old.example\"]`";
    let items = match top.take(KEY) {
        None => return Ok(Vec::new()),
        Some(Node::List(items)) => items,
        Some(other) => return Err(value(KEY, EXPECTED, &other)),
    };
    let name = |item| match item {
        Node::Text(text) if is_trust_domain(&text) => Ok(text),
        Node::Text(text) => Err(text_value(KEY, EXPECTED, &text)),
        other => Err(value(KEY, EXPECTED, &other)),
    };
    items.into_iter().map(name).collect()
}

/// Letters in lower case, digits, `.`, `-` and `_` (SPIFFE-ID, section 2.1).
fn is_trust_domain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_plain)
}

fn on_error(top: &mut Reader) -> Result<u16, ConfigError> {
    const DEFAULT: u16 = 403;
    let Some(node) = top.take("on_error") else { return Ok(DEFAULT) };
    let mut on_error = Reader::open("on_error", node, &["status"])?;
    let status = on_error.whole("status", 400, 599, u64::from(DEFAULT))?;
    Ok(u16::try_from(status).unwrap_or(DEFAULT))
}

fn limits(top: &mut Reader) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let Some(node) = top.take("limits") else { return Ok(default) };
    let mut limits = Reader::open(
        "limits",
        node,
        &["body_bytes", "steps", "depth", "output_bytes", "cache_entries", "bundle_bytes"],
    )?;
    let steps = limits.whole("steps", 1, 100_000_000, default.steps)?;
    let depth = limits.whole("depth", 1, 128, u64::from(default.depth))?;
    let output_bytes = limits.whole("output_bytes", 1, 1_048_576, default.output_bytes as u64)?;
    let body_bytes = limits.whole("body_bytes", 1, BODY_BYTES, default.body_bytes as u64)?;
    let cache_entries = limits.whole("cache_entries", 0, CACHE_ENTRIES, default.cache_entries as u64)?;
    let bundle_bytes = limits.whole("bundle_bytes", 1, BUNDLE_BYTES, default.bundle_bytes as u64)?;
    Ok(Limits {
        steps,
        depth: u32::try_from(depth).unwrap_or(default.depth),
        output_bytes: usize::try_from(output_bytes).unwrap_or(default.output_bytes),
        body_bytes: usize::try_from(body_bytes).unwrap_or(default.body_bytes),
        cache_entries: usize::try_from(cache_entries).unwrap_or(default.cache_entries),
        bundle_bytes: usize::try_from(bundle_bytes).unwrap_or(default.bundle_bytes),
    })
}
