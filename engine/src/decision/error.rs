//! Why a policy's answer is no decision.

/// What is wrong with a decision. Each is a deny in enforce mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// The entry point has no value for this input.
    #[error("the decision is undefined")]
    Undefined,
    /// Neither a boolean nor an object.
    #[error("expected a decision that is a boolean or an object, got {got}")]
    Type {
        /// The kind of value.
        got: &'static str,
    },
    /// An object without `allowed`.
    #[error("expected the key `allowed` in the decision")]
    AllowedMissing,
    /// A key of a kind that the plugin does not take on this branch.
    #[error("expected `{key}` to be {expected}, got {got}")]
    KeyType {
        /// The decision's key.
        key: &'static str,
        /// The kinds that are taken.
        expected: &'static str,
        /// The kind of value.
        got: &'static str,
    },
    /// A header name that is empty or has characters that no header name has (RFC 9110, section 5.1).
    #[error("expected a header name in `{key}`, got `{name}`")]
    HeaderName {
        /// The decision's key.
        key: &'static str,
        /// The name as the policy wrote it, cut and escaped.
        name: String,
    },
    /// A header that a policy may not write: a pseudo-header, or `host` on a request.
    #[error("expected a header that may be changed in `{key}`, got `{name}`")]
    HeaderReserved {
        /// The decision's key.
        key: &'static str,
        /// The name as the policy wrote it, cut and escaped.
        name: String,
    },
    /// A header value with control characters, of which CR, LF and NUL could split the message
    /// (RFC 9110, section 5.5).
    #[error("expected a value without control characters for the header `{name}` in `{key}`")]
    HeaderValue {
        /// The decision's key.
        key: &'static str,
        /// The header's name.
        name: String,
    },
    /// A status that is not one of Envoy's `StatusCode` from 200 on.
    #[error("expected a final HTTP status code that Envoy knows, got `{got}`")]
    HttpStatus {
        /// The number, cut.
        got: String,
    },
    /// A `mode` that is none of a decision's.
    #[error("expected `mode` to be `enforce` or `shadow`, got `{got}`")]
    Mode {
        /// What the policy wrote, cut and escaped.
        got: String,
    },
    /// A decision that allows although nobody has declared whom.
    #[error("expected `undeclared` in a decision that denies")]
    Undeclared,
    /// A query parameter that would not stay one parameter in a path.
    #[error("expected a URL-encoded query parameter in `{key}`, got `{name}`")]
    QueryParameter {
        /// The decision's key.
        key: &'static str,
        /// The parameter's name as the policy wrote it, cut and escaped.
        name: String,
    },
    /// Query parameters for a request that has no path (`CONNECT`).
    #[error("expected a request with a path to change query parameters of")]
    NoPath,
    /// A change to a request, when its response is decided about.
    #[error("expected no `{key}` in a decision about a response: its request has gone upstream")]
    Phase {
        /// The decision's key.
        key: &'static str,
    },
    /// More output than allowed.
    #[error("expected a decision of at most {limit} bytes")]
    OutputBytes {
        /// [`Limits::output_bytes`](crate::limits::Limits::output_bytes).
        limit: usize,
    },
}

impl DecisionError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undefined => "decision_undefined",
            Self::Type { .. } => "decision_type",
            Self::AllowedMissing => "decision_allowed_missing",
            Self::KeyType { .. } => "decision_key_type",
            Self::HeaderName { .. } => "decision_header_name",
            Self::HeaderReserved { .. } => "decision_header_reserved",
            Self::HeaderValue { .. } => "decision_header_value",
            Self::HttpStatus { .. } => "decision_http_status",
            Self::Mode { .. } => "decision_mode",
            Self::Undeclared => "decision_undeclared",
            Self::QueryParameter { .. } => "decision_query_parameter",
            Self::NoPath => "decision_no_path",
            Self::Phase { .. } => "decision_phase",
            Self::OutputBytes { .. } => "decision_output_bytes",
        }
    }
}
