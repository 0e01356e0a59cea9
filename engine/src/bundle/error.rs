//! Why a bundle cannot be used.

use super::PLAN_FILE;
use crate::plan::FormatError;
use crate::trust::TrustError;
use crate::words::{line, shown};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than [`Limits::bundle_bytes`](crate::limits::Limits), packed or unpacked.
    #[error(
        "expected a bundle of at most {limit} bytes, got more; raise `limits.bundle_bytes` or make the bundle smaller"
    )]
    Size {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Unpacks to far more than policies do.
    #[error("expected a bundle that unpacks to at most {ratio} times its size, got more")]
    Ratio {
        /// The limit.
        ratio: u64,
    },
    /// Too many files.
    #[error("expected a bundle of at most {limit} files, got more")]
    Files {
        /// The limit.
        limit: usize,
    },
    /// Not a gzipped tar, or a damaged one.
    #[error("expected a gzipped tar, got bytes that are not: {0}")]
    Archive(#[source] std::io::Error),
    /// Something in the tar that is no plain file.
    #[error(
        "expected a tar of plain files with names of at most 255 bytes, got {what}; build it with `sidegate build`"
    )]
    Entry {
        /// What it is.
        what: &'static str,
    },
    /// A name that might mean another file elsewhere.
    #[error("expected plain names of files in the bundle, got `{name}`")]
    Name {
        /// The name, escaped and cut.
        name: String,
    },
    /// One name for two files: which one would count?
    #[error("expected each file once in the bundle, got `{name}` twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// An OPA bundle without a compiled policy.
    #[error("expected a bundle with `{PLAN_FILE}`, got one without; build it with `sidegate build`")]
    NoPlan,
    /// Not signed, where it has to be.
    #[error(
        "expected a signed bundle (`verify.required`), got one without `.signatures.json`; build it with `--sign-key`"
    )]
    Unsigned,
    /// Not the form of `.signatures.json`.
    #[error("expected one signature of a bundle in `.signatures.json`, got {}", line(.0))]
    Signatures(String),
    /// Not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Signed for something else.
    #[error("expected a bundle signed for scope `{expected}` (`verify.scope`), got `{}`", shown(.got))]
    Scope {
        /// The configured one.
        expected: String,
        /// The signed one.
        got: String,
    },
    /// A file is not what was signed.
    #[error("expected `{name}` as it was signed, got another")]
    FileHash {
        /// The file.
        name: String,
    },
    /// A file that was not signed.
    #[error("expected the files that were signed, got `{name}` besides")]
    FileUnlisted {
        /// The file.
        name: String,
    },
    /// A file that was signed is not there.
    #[error("expected the files that were signed, got none of the name `{name}`")]
    FileMissing {
        /// The file.
        name: String,
    },
    /// Not the bytes that the pointer names.
    #[error("expected the blob `{expected}` of {size} bytes, got `{got}`, {bytes} bytes")]
    Digest {
        /// The digest in the pointer.
        expected: String,
        /// The size in the pointer, in bytes.
        size: u64,
        /// That of what came.
        got: String,
        /// How many bytes that were.
        bytes: u64,
    },
    /// The compiled policy cannot be used.
    #[error(transparent)]
    Plan(#[from] FormatError),
    /// The policy does not answer what is asked.
    #[error(
        "expected an entry point `{wanted}`, got a bundle that has {have}; build it with `--entrypoint {wanted}`, or have the configuration ask for one that there is"
    )]
    Entrypoint {
        /// The one configured.
        wanted: String,
        /// Those of the bundle, in backticks.
        have: String,
    },
    /// An evaluation could nest deeper than [`Limits::depth`](crate::limits::Limits).
    #[error(
        "expected a policy that nests at most {limit} calls and blocks, got {depth}; raise `limits.depth` or flatten the policy"
    )]
    Depth {
        /// The limit.
        limit: u32,
        /// What the policy needs.
        depth: u32,
    },
}

impl BundleError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "bundle_size",
            Self::Ratio { .. } => "bundle_ratio",
            Self::Files { .. } => "bundle_files",
            Self::Archive(_) => "bundle_archive",
            Self::Entry { .. } => "bundle_entry",
            Self::Name { .. } => "bundle_name",
            Self::Twice { .. } => "bundle_file_twice",
            Self::NoPlan => "bundle_no_plan",
            Self::Unsigned => "bundle_unsigned",
            Self::Signatures(_) => "bundle_signatures",
            Self::Trust(error) => error.code(),
            Self::Scope { .. } => "bundle_scope",
            Self::FileHash { .. } => "bundle_file_hash",
            Self::FileUnlisted { .. } => "bundle_file_unlisted",
            Self::FileMissing { .. } => "bundle_file_missing",
            Self::Digest { .. } => "bundle_digest",
            Self::Plan(FormatError::Version(_)) => "bundle_version",
            Self::Plan(_) => "bundle_plan",
            Self::Entrypoint { .. } => "bundle_entrypoint",
            Self::Depth { .. } => "bundle_depth",
        }
    }
}
