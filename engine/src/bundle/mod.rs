//! A bundle: a gzipped tar that OPA can load too, of which the proxy reads `sidegate.bin` alone.

mod archive;

use crate::limits::Limits;
use crate::plan::{self, FormatError, Image};
use crate::trust::Layer;

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
            Self::Digest { .. } => "bundle_digest",
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

/// Reads the blob of a layer: trusted because the pointer is, which must have been verified
/// ([`Trust::pointer`](crate::trust::Trust::pointer)) and names these very bytes. Nothing of them is
/// unpacked before that is known.
///
/// # Errors
/// [`BundleError`], where they are others, or no bundle.
pub fn open_layer(bytes: &[u8], layer: &Layer, limits: &Limits) -> Result<VerifiedBundle, BundleError> {
    if bytes.len() > limits.bundle_bytes {
        return Err(BundleError::Size { limit: limits.bundle_bytes });
    }
    let got = Layer::of(bytes);
    if got != *layer {
        let Layer { digest, size } = layer.clone();
        return Err(BundleError::Digest { expected: digest, size, got: got.digest, bytes: got.size });
    }
    let Bundle { image } = open(bytes, limits)?;
    Ok(VerifiedBundle { image })
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
