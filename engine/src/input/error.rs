//! Why a request has no input.

use super::body;
use super::json;
use super::uri;

/// Why a request cannot be turned into an input. Where OPA's plugin cannot either it answers 400, without
/// asking the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A `%` in the path that two hexadecimal digits do not follow.
    #[error("expected two hexadecimal digits after `%` in the path")]
    PathEscape,
    /// A `%` in the query, or in a form, that two hexadecimal digits do not follow.
    #[error("expected two hexadecimal digits after `%` in the query or form")]
    QueryEscape,
    /// A `;` in the query or in a form, which some servers take for a separator and others do not.
    #[error("expected `&` between parameters of the query or form, got `;`")]
    QuerySeparator,
    /// More parameters than Go parses.
    #[error("expected at most {} parameters in the query or form", uri::MAX_PARAMETERS)]
    QueryParameters,
    /// A `content-length` that is no number, on a body that is looked into.
    #[error("expected a whole number in `content-length`")]
    ContentLength,
    /// A body that is to be JSON and is not.
    #[error("expected a body of JSON")]
    BodyJson,
    /// A body that is to be `multipart/form-data` and is not, or a content type that says so badly.
    #[error("expected a body of `multipart/form-data`")]
    BodyMultipart,
    /// A gRPC body that is not of its method's message, or on a path that names no method.
    #[error("expected a gRPC message of the method that the path names")]
    BodyGrpc,
    /// A body that OPA reads and this engine cannot hold: numbers with more digits than a double has, JSON
    /// nested deeper than it takes, a parameter of a multipart header that comes in pieces.
    #[error("expected a body of numbers that can be held, nested at most {} deep", json::MAX_DEPTH)]
    BodyInexact,
    /// A body beyond the limit whose `content-length` did not tell. OPA would read the piece it has.
    #[error("expected a body within `limits.body_bytes`, or a `content-length` that says how long it is")]
    BodyCut,
    /// The host's metadata is not what Envoy writes.
    #[error("expected metadata as Envoy has it, nested at most {} deep", body::MAX_METADATA_DEPTH)]
    Metadata,
    /// The source address is not the connection's: Envoy took it from `x-forwarded-for`, which anyone may send.
    #[error(
        "expected the address of the connection, got one from `x-forwarded-for`; decide by principal, or set \
         `use_remote_address`"
    )]
    SourceAddress,
}

impl RequestError {
    /// Stable code: metric label and log field.
    pub fn code(self) -> &'static str {
        match self {
            Self::PathEscape => "request_path_escape",
            Self::QueryEscape => "request_query_escape",
            Self::QuerySeparator => "request_query_separator",
            Self::QueryParameters => "request_query_parameters",
            Self::ContentLength => "request_content_length",
            Self::BodyJson => "request_body_json",
            Self::BodyMultipart => "request_body_multipart",
            Self::BodyGrpc => "request_body_grpc",
            Self::BodyInexact => "request_body_inexact",
            Self::BodyCut => "request_body_cut",
            Self::Metadata => "request_metadata",
            Self::SourceAddress => "request_source_address",
        }
    }

    /// The status that answers it; `error_status` where it is not the client's fault.
    pub fn status(self, error_status: u16) -> u16 {
        match self {
            Self::Metadata | Self::SourceAddress => error_status,
            Self::BodyCut => 413,
            _ => 400,
        }
    }
}
