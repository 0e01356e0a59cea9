//! Why a plugin configuration is refused.

use crate::trust::KeyError;
use crate::words::{alternatives, nearest, shown};

/// Why a plugin configuration is refused. The messages name the key by its path in the JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON.
    #[error("expected the configuration as a JSON object, got text that is not JSON: {reason}")]
    Syntax {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// Not even text. Envoy unwraps a `StringValue` and a `BytesValue`; any other message reaches the
    /// plugin in protobuf's binary form (seen with Envoy 1.40).
    #[error(
        "expected the configuration as JSON in a `google.protobuf.StringValue`, got binary data, as Envoy passes on a `google.protobuf.Struct`"
    )]
    Binary,
    /// There is no configuration at all: the plugin's `configuration` field is missing or empty.
    #[error("expected the configuration as a JSON object, got no configuration")]
    Empty,
    /// A key that the contract does not have.
    #[error("unknown key `{path}`, {advice}")]
    UnknownKey {
        /// Path of the key.
        path: String,
        /// The key that was probably meant, or those that there are.
        advice: String,
    },
    /// A key that stands twice in one object: which one counts is anybody's guess.
    #[error("expected `{path}` once, got it twice")]
    DuplicateKey {
        /// Path of the key.
        path: String,
    },
    /// A key without a default is missing.
    #[error("expected `{path}` ({expected}), got no such key")]
    MissingKey {
        /// Path of the key.
        path: String,
        /// What it has to be.
        expected: String,
    },
    /// A value of the wrong type, outside its range or not one of those allowed.
    #[error("`{path}`: expected {expected}, got {got}")]
    Value {
        /// Path of the key.
        path: String,
        /// What it has to be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// The workload has no name to find its policy by, or one that is none.
    #[error("`bundle.http`: expected the workload's {what} ({places}), got {got}")]
    Identity {
        /// What is needed.
        what: &'static str,
        /// Where it is looked for.
        places: &'static str,
        /// What was there.
        got: String,
    },
    /// A key of `verify.keys` that cannot be used.
    #[error("`{path}`: {error}")]
    Key {
        /// Path of the key.
        path: String,
        /// What is the matter with it.
        error: KeyError,
    },
    /// The contract has it, this version does not.
    #[error("`{path}`: {what} not available in this version, {instead}")]
    Unavailable {
        /// Path of the key.
        path: String,
        /// What is missing, with its verb.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
}

impl ConfigError {
    /// Stable code: what a log line and a test go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "config_syntax",
            Self::Binary => "config_binary",
            Self::Empty => "config_empty",
            Self::UnknownKey { .. } => "config_unknown_key",
            Self::DuplicateKey { .. } => "config_duplicate_key",
            Self::MissingKey { .. } => "config_missing_key",
            Self::Value { .. } => "config_value",
            Self::Identity { .. } => "config_identity",
            Self::Key { .. } => "config_key",
            Self::Unavailable { .. } => "config_unavailable",
        }
    }

    /// A workload without a usable name.
    pub(super) fn identity(what: &'static str, places: &'static str, text: &str) -> Self {
        let got = match text {
            "" => "none".to_owned(),
            text => format!("`{}`, which is no name of Kubernetes (DNS-1123)", shown(text)),
        };
        Self::Identity { what, places, got }
    }

    /// An unknown key, with the nearest of those known if one is near, else all of them.
    pub(super) fn unknown_key(parent: &str, key: &str, known: &[&str]) -> Self {
        let advice = match nearest(key, known) {
            Some(near) => format!("did you mean `{}`?", join(parent, near)),
            None => format!("expected {}", alternatives(known.iter().copied())),
        };
        Self::UnknownKey { path: join(parent, &shown(key)), advice }
    }
}

/// The path of `key` inside `parent`; `parent` is empty at the top.
pub(super) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}
