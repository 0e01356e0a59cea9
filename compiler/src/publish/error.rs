//! Why something is not published.

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostics::Diagnostics;
use crate::signing::SignError;
use crate::slice::Workload;

/// Why something is not published. What was published before stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The sources do not compile.
    #[error("{0}")]
    Findings(Diagnostics),
    /// A file of the tree cannot be read or written.
    #[error("expected to {what} `{}`: {error}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The tree is none.
    #[error("expected a folder for the tree at `{}`, got a file", .0.display())]
    Tree(PathBuf),
    /// Another publisher is at work.
    #[error("expected to be the only publisher of `{}`, got another: {holder}; wait until it is done", tree.display())]
    Locked {
        /// The tree.
        tree: PathBuf,
        /// Who holds it and since when, as the lock says.
        holder: String,
    },
    /// What is asked for does not fit what is published.
    #[error("{0}")]
    Request(String),
    /// A new slice cannot be loaded.
    #[error("expected a slice of `{workload}` that a proxy loads: {why} [{code}]")]
    Slice {
        /// Whose slice.
        workload: Workload,
        /// Why it is refused.
        why: String,
        /// The code of that.
        code: &'static str,
    },
    /// No signature.
    #[error("expected a signature for the pointer of `{workload}`: {error} [{}]", error.code())]
    Sign {
        /// Whose pointer.
        workload: Workload,
        /// Why not.
        error: SignError,
    },
    /// A pointer that the proxies would refuse.
    #[error("expected a pointer of `{workload}` that the key verifies: {why} [{code}]")]
    Verify {
        /// Whose pointer.
        workload: Workload,
        /// Why it is refused.
        why: String,
        /// The code of that.
        code: &'static str,
    },
}

impl PublishError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Findings(_) => "publish_findings",
            Self::File { .. } => "publish_file",
            Self::Tree(_) => "publish_tree",
            Self::Locked { .. } => "publish_locked",
            Self::Request(_) => "publish_request",
            Self::Slice { .. } => "publish_slice",
            Self::Sign { .. } => "publish_sign",
            Self::Verify { .. } => "publish_verify",
        }
    }

    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { what, path, error }
    }

    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::Request(message.into())
    }
}

impl From<Diagnostics> for PublishError {
    fn from(findings: Diagnostics) -> Self {
        Self::Findings(findings)
    }
}
