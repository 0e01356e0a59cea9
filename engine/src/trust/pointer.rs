//! Pointers: what a workload's policy is, signed, small, asked for again and again.

use serde::{Deserialize, Serialize};

use super::TrustError;
use super::jws::{Flattened, Header};
use crate::attributes::Workload;

/// The type in a pointer's protected header: no other text that a key signs has it.
pub(super) const TYPE: &str = "sidegate-pointer";
/// Most layers of a release.
const MAX_LAYERS: usize = 64;

/// Which policy a workload is to decide by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The mesh it is for.
    pub mesh: String,
    /// Kubernetes namespace of the workload.
    pub namespace: String,
    /// Canonical name of the workload.
    pub workload: String,
    /// What the operator calls the release.
    pub revision: String,
    /// Counts up when a tree is begun anew; compared before the serial.
    pub epoch: u64,
    /// Counts up with every change of the tree, over all workloads.
    pub serial: u64,
    /// When it was signed, in seconds since 1970.
    pub issued: i64,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
    /// What decides.
    pub stable: Release,
    /// What is to decide next, tried by some of the sidecars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// A lowering of the mode (break glass).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowering: Option<Lowering>,
}

/// A policy by what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Blobs; the last is the workload's own slice.
    pub layers: Vec<Layer>,
}

/// A blob of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// `sha256:` and 64 digits in lower case: of the blob as it is served.
    pub digest: String,
    /// Bytes of the blob as it is served.
    pub size: u64,
}

/// A release that some sidecars try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// What the operator calls it.
    pub revision: String,
    /// What it is made of.
    pub layers: Vec<Layer>,
    /// How many of a hundred sidecars try it, 1 to 100.
    pub percent: u8,
    /// What they do with its decisions.
    pub mode: PointerMode,
}

/// What is done with decisions, as far as a pointer can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointerMode {
    /// They are carried out.
    Enforce,
    /// They are counted.
    Shadow,
}

/// A lowering of the mode, honoured only where the configuration allows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lowering {
    /// What the mode is lowered to.
    pub mode: PointerMode,
    /// When that ends, in seconds since 1970.
    pub until: i64,
    /// Why, for the log.
    pub reason: String,
}

impl Pointer {
    /// The file of this pointer: `sign` is given what is to be signed.
    ///
    /// # Errors
    /// Those of `sign`.
    pub fn sign<E>(
        &self,
        algorithm: &str,
        key_id: &str,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let header =
            Header { alg: algorithm.to_owned(), kid: Some(key_id.to_owned()), typ: Some(TYPE.to_owned()) };
        let payload = serde_json::to_vec(self).unwrap_or_default();
        Flattened::make(&header, &payload, sign)
    }

    pub(super) fn parse(payload: &[u8]) -> Result<Self, TrustError> {
        let syntax = |what: &str| TrustError::PointerSyntax(what.to_owned());
        let pointer: Self = serde_json::from_slice(payload)
            .map_err(|error| TrustError::PointerSyntax(format!("a payload that is none: {error}")))?;
        let releases = [Some(&pointer.stable.layers), pointer.candidate.as_ref().map(|c| &c.layers)];
        for layers in releases.into_iter().flatten() {
            if layers.is_empty() || layers.len() > MAX_LAYERS {
                return Err(syntax("a release of no layers, or of more than 64"));
            }
            if !layers.iter().all(|layer| layer.hex().is_some()) {
                return Err(syntax("a digest that is not `sha256:` and 64 digits"));
            }
        }
        if pointer.candidate.as_ref().is_some_and(|candidate| !(1..=100).contains(&candidate.percent)) {
            return Err(syntax("a `percent` that is not from 1 to 100"));
        }
        Ok(pointer)
    }

    /// That it is for this mesh and workload.
    pub(super) fn belongs(&self, mesh: &str, workload: &Workload) -> Result<(), TrustError> {
        if self.mesh != mesh {
            return Err(TrustError::Mesh { expected: mesh.to_owned(), got: self.mesh.clone() });
        }
        if self.namespace != workload.namespace || self.workload != workload.name {
            return Err(TrustError::Workload {
                expected: format!("{}/{}", workload.namespace, workload.name),
                got: format!("{}/{}", self.namespace, self.workload),
            });
        }
        Ok(())
    }

    /// That it is not over at `now_s` (seconds since 1970), and not older than what was taken before
    /// (`floor`: epoch and serial) or than the configuration takes.
    ///
    /// # Errors
    /// [`TrustError::Serial`], [`TrustError::Replay`], [`TrustError::Expired`].
    pub fn check(&self, now_s: i64, floor: Option<(u64, u64)>, min_serial: u64) -> Result<(), TrustError> {
        self.check_order(floor, min_serial)?;
        match now_s.checked_sub(self.expires) {
            Some(since_s) if since_s < 0 => Ok(()),
            since_s => Err(TrustError::Expired { since_s: since_s.unwrap_or(i64::MAX) }),
        }
    }

    /// The same without the time: for what other workers decide by already.
    ///
    /// # Errors
    /// [`TrustError::Serial`], [`TrustError::Replay`].
    pub fn check_order(&self, floor: Option<(u64, u64)>, min_serial: u64) -> Result<(), TrustError> {
        if self.serial < min_serial {
            return Err(TrustError::Serial { min: min_serial, got: self.serial });
        }
        match floor {
            Some(floor) if self.order() < floor => Err(TrustError::Replay { floor, got: self.order() }),
            _ => Ok(()),
        }
    }

    /// What of two pointers of a workload is compared: epoch, then serial.
    pub fn order(&self) -> (u64, u64) {
        (self.epoch, self.serial)
    }
}

impl Layer {
    /// The digits of the digest, if it is one.
    pub fn hex(&self) -> Option<&str> {
        let hex = self.digest.strip_prefix("sha256:")?;
        let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (hex.len() == 64 && hex.bytes().all(digit)).then_some(hex)
    }

    /// The layer of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            digest: format!("sha256:{}", crate::crypto::hex(&crate::crypto::Hash::Sha256.digest(bytes))),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }

    /// Whether these are its bytes.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        *self == Self::of(bytes)
    }
}
