//! A bundle: a gzipped tar that OPA can load too, of which the proxy reads `sidegate.bin` alone.

mod archive;

use crate::limits::Limits;
use crate::plan::{self, FormatError, Image};

/// Name of the compiled policy inside a bundle.
pub const PLAN_FILE: &str = "sidegate.bin";

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than [`Limits::bundle_bytes`], packed or unpacked.
    #[error(
        "expected a bundle of at most {limit} bytes, got more; raise `limits.bundle_bytes` or make the bundle smaller"
    )]
    Size {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not a gzipped tar, or a damaged one.
    #[error("expected a gzipped tar, got bytes that are not: {0}")]
    Archive(#[source] std::io::Error),
    /// An OPA bundle without a compiled policy.
    #[error("expected a bundle with `{PLAN_FILE}`, got one without; build it with `sidegate build`")]
    NoPlan,
    /// More than one compiled policy: which one would count?
    #[error("expected one `{PLAN_FILE}` in the bundle, got more")]
    ManyPlans,
    /// The compiled policy cannot be used.
    #[error(transparent)]
    Plan(#[from] FormatError),
    /// The policy does not answer what is asked.
    #[error(
        "expected an entry point `{wanted}`, got a bundle that has {have}; build it with `--entrypoint {wanted}` or change `entrypoint`"
    )]
    Entrypoint {
        /// The one configured.
        wanted: String,
        /// Those of the bundle, in backticks.
        have: String,
    },
    /// An evaluation could nest deeper than [`Limits::depth`].
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
            Self::Archive(_) => "bundle_archive",
            Self::NoPlan => "bundle_no_plan",
            Self::ManyPlans => "bundle_many_plans",
            Self::Plan(FormatError::Version(_)) => "bundle_version",
            Self::Plan(_) => "bundle_plan",
            Self::Entrypoint { .. } => "bundle_entrypoint",
            Self::Depth { .. } => "bundle_depth",
        }
    }
}

/// A bundle whose compiled policy has been read and checked, not yet trusted.
#[derive(Debug)]
pub struct Bundle {
    image: Image,
}

/// A bundle that may decide. There is no policy without one.
#[derive(Debug)]
pub struct VerifiedBundle {
    pub(crate) image: Image,
}

/// Reads a bundle: gzip, tar, `sidegate.bin`; each within the limits.
pub fn open(bytes: &[u8], limits: &Limits) -> Result<Bundle, BundleError> {
    let plan = archive::plan(bytes, limits.bundle_bytes)?;
    Ok(Bundle { image: plan::decode(&plan)? })
}

impl Bundle {
    /// The compiled policy, to look at.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Takes the bundle as it is, because whoever configured it said that no signature is required.
    pub fn accept_unsigned(self) -> VerifiedBundle {
        VerifiedBundle { image: self.image }
    }
}
