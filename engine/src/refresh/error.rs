//! Why something that was to be fetched did not come, or was not taken.

/// Why there is no answer that could be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Another status than 200 or, where asked for, 304.
    #[error("expected status 200, got {0}")]
    Status(u16),
    /// No answer at all: out of time, connection refused, reset or cut off.
    #[error("expected an answer, got none: out of time, no connection, or cut off")]
    Failed,
    /// The proxy does not know the cluster.
    #[error("expected the cluster of `bundle.http.cluster` in the proxy, got none of that name")]
    Cluster,
    /// The bytes have another digest than the pointer says.
    #[error("expected the blob that the pointer names, got bytes of another digest")]
    BlobDigest,
    /// The bytes are not as many as the pointer says.
    #[error("expected a blob of {expected} bytes, got {got}")]
    BlobSize {
        /// As the pointer says.
        expected: u64,
        /// As they came.
        got: u64,
    },
}

/// Something that came, and is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code: metric label and log field.
    pub code: &'static str,
    /// For the log.
    pub message: String,
}

impl FetchError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Status(_) => "fetch_status",
            Self::Failed => "fetch_failed",
            Self::Cluster => "fetch_cluster",
            Self::BlobDigest => "blob_digest",
            Self::BlobSize { .. } => "blob_size",
        }
    }
}

impl From<FetchError> for Refusal {
    fn from(error: FetchError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}
