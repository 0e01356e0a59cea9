//! Who says whether something may decide.

use super::Refusal;
use crate::attributes::Workload;
use crate::bundle::{self, BundleError};
use crate::config::Entrypoints;
use crate::limits::Limits;
use crate::policy::Policies;
use crate::trust::{Layer, Pointer, Trust, TrustError};

/// Verifies what was fetched. All of its answers depend on the bytes alone: not on time, nor on what came before.
pub trait Judge {
    /// What decides about requests.
    type Policy;

    /// A pointer that is signed for this workload; whether it is in time and in order is not said.
    ///
    /// # Errors
    /// It is not.
    fn pointer(&self, bytes: &[u8]) -> Result<Pointer, Refusal>;

    /// The lowest serial that is taken.
    fn min_serial(&self) -> u64;

    /// The policy in a blob, whose layer a trusted pointer names.
    ///
    /// # Errors
    /// The bytes are others, or there is no policy in them that could be used.
    fn blob(&self, bytes: &[u8], layer: &Layer) -> Result<Self::Policy, Refusal>;

    /// The policy in a bundle that bears its own signature.
    ///
    /// # Errors
    /// It is not trusted, or there is no policy in it that could be used.
    fn bundle(&self, bytes: &[u8]) -> Result<Self::Policy, Refusal>;
}

/// The judge of the filter.
#[derive(Clone, Debug)]
pub struct Opener {
    /// What is trusted.
    pub trust: Trust,
    /// Whose pointers are taken.
    pub workload: Workload,
    /// Where policies answer.
    pub entrypoints: Entrypoints,
    /// What a bundle and an evaluation may cost.
    pub limits: Limits,
}

impl Judge for Opener {
    type Policy = Policies;

    fn pointer(&self, bytes: &[u8]) -> Result<Pointer, Refusal> {
        Ok(self.trust.pointer(bytes, &self.workload)?)
    }

    fn min_serial(&self) -> u64 {
        self.trust.min_serial
    }

    fn blob(&self, bytes: &[u8], layer: &Layer) -> Result<Policies, Refusal> {
        let bundle = bundle::open_layer(bytes, layer, &self.limits)?;
        Ok(Policies::load(bundle, &self.entrypoints, self.limits)?)
    }

    fn bundle(&self, bytes: &[u8]) -> Result<Policies, Refusal> {
        let bundle = self.trust.bundle(bytes, &self.limits, &self.workload)?;
        Ok(Policies::load(bundle, &self.entrypoints, self.limits)?)
    }
}

impl From<TrustError> for Refusal {
    fn from(error: TrustError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<BundleError> for Refusal {
    fn from(error: BundleError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}
