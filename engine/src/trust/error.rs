//! Why something is not trusted.
//!
//! What is quoted here is nobody's whom anybody trusts, and a line of the log is one line.

use crate::words::{line, shown};

/// Why a configured key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No algorithm of that name.
    #[error(
        "expected one of ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384, HS512, got `{}`", shown(.0)
    )]
    Algorithm(String),
    /// Not a PEM block with a public key.
    #[error("expected a public key in PEM (`-----BEGIN PUBLIC KEY-----`), got {0}")]
    Pem(&'static str),
    /// A key of another kind than the algorithm's.
    #[error("expected {expected} for {algorithm}, got {got}")]
    Kind {
        /// The algorithm.
        algorithm: String,
        /// The kind of key it is for.
        expected: &'static str,
        /// The kind of key that it is.
        got: &'static str,
    },
    /// A key that is too weak or too large.
    #[error("expected {expected}, got {got}")]
    Strength {
        /// What is taken.
        expected: &'static str,
        /// What it is.
        got: String,
    },
}

/// Why a pointer or a bundle is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Too many bytes to be a pointer.
    #[error("expected a pointer of at most {limit} bytes, got more")]
    PointerSize {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not a pointer's form: no JSON, no JWS, members missing, doubled or unknown.
    #[error("expected a pointer (a flattened JWS in JSON), got {}", line(.0))]
    PointerSyntax(String),
    /// Signed, but as something else.
    #[error("expected a JWS of type `sidegate-pointer`, got type `{}`", shown(.got))]
    PointerType {
        /// The type in its header; empty if there is none.
        got: String,
    },
    /// Signed by a key that is not configured.
    #[error("expected a signature by one of the configured keys ({known}), got one by `{}`", shown(.got))]
    KeyUnknown {
        /// The id in the header; empty if there is none.
        got: String,
        /// The ids that are configured, in backticks.
        known: String,
    },
    /// The key may not sign for the workload's namespace.
    #[error("expected a key for namespace `{namespace}`, got key `{key}`, which is for others")]
    KeyNamespace {
        /// The workload's namespace.
        namespace: String,
        /// The key's id.
        key: String,
    },
    /// Signed by another algorithm than the key's.
    #[error("expected algorithm {expected} for key `{key}`, got `{}`", shown(.got))]
    Algorithm {
        /// The key's algorithm.
        expected: String,
        /// The key's id.
        key: String,
        /// The algorithm in the header.
        got: String,
    },
    /// The signature is not the key's.
    #[error("expected a signature by key `{key}`, got one that does not verify")]
    Signature {
        /// The key's id.
        key: String,
    },
    /// A pointer of another mesh.
    #[error("expected a pointer for mesh `{expected}`, got one for `{}`", shown(.got))]
    Mesh {
        /// The configured mesh.
        expected: String,
        /// The pointer's.
        got: String,
    },
    /// A pointer of another workload.
    #[error("expected a pointer for workload `{expected}`, got one for `{}`", shown(.got))]
    Workload {
        /// This workload: namespace, slash, name.
        expected: String,
        /// The pointer's.
        got: String,
    },
    /// A pointer whose time is over.
    #[error("expected a pointer that has not expired, got one that did {since_s} s ago")]
    Expired {
        /// Seconds since.
        since_s: i64,
    },
    /// A pointer that is older than one that was taken before.
    #[error("expected (epoch, serial) of at least {floor:?}, got {got:?}")]
    Replay {
        /// The highest that was taken.
        floor: (u64, u64),
        /// The pointer's.
        got: (u64, u64),
    },
    /// A pointer below what the configuration takes.
    #[error("expected a serial of at least {min} (`verify.min_serial`), got {got}")]
    Serial {
        /// The configured one.
        min: u64,
        /// The pointer's.
        got: u64,
    },
}

impl TrustError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PointerSize { .. } => "pointer_size",
            Self::PointerSyntax(_) => "pointer_syntax",
            Self::PointerType { .. } => "pointer_type",
            Self::KeyUnknown { .. } => "key_unknown",
            Self::KeyNamespace { .. } => "key_namespace",
            Self::Algorithm { .. } => "signature_algorithm",
            Self::Signature { .. } => "signature_bad",
            Self::Mesh { .. } => "pointer_mesh",
            Self::Workload { .. } => "pointer_workload",
            Self::Expired { .. } => "pointer_expired",
            Self::Replay { .. } => "pointer_replay",
            Self::Serial { .. } => "pointer_serial",
        }
    }
}
