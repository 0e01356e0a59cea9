//! What a bundle or a pointer is trusted by: the configured keys, and what they may sign.
//!
//! Nothing of a pointer or a bundle is believed before its signature. The algorithm is the configured
//! key's, never what the signed text says of itself.

mod bundle;
mod error;
mod jws;
mod keys;
mod pointer;
mod signatures;

pub use bundle::signatures_file;
pub use error::{KeyError, TrustError};
pub use keys::TrustedKey;
pub use pointer::{Candidate, Layer, Lowering, Pointer, PointerMode, Release};
pub use signatures::{FileHash, Signed, is_structured, unverified};

use crate::attributes::Workload;

/// Most bytes of a pointer's file.
pub const POINTER_BYTES: usize = 65_536;

/// What is trusted, as the plugin's configuration says it in `verify`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    /// Whether what is not signed is refused.
    pub required: bool,
    /// The keys; each has an id of its own.
    pub keys: Vec<TrustedKey>,
    /// The scope that bundle signatures must have (OPA's `scope`); empty for none.
    pub scope: String,
    /// The mesh that pointers must be for.
    pub mesh: String,
    /// The lowest serial of a pointer that is taken, also by a proxy that has seen none yet.
    pub min_serial: u64,
}

impl Trust {
    /// Takes anything: for tools that look at what nobody is asked to trust.
    pub fn nothing_required() -> Self {
        Self::default()
    }

    /// Reads the pointer in `bytes`, if it is signed for this mesh and workload. Time and serial are
    /// [`Pointer::check`]'s.
    ///
    /// Where nothing has to be signed and no key is configured, the signature is not looked at.
    ///
    /// # Errors
    /// [`TrustError`], for anything else.
    pub fn pointer(&self, bytes: &[u8], workload: &Workload) -> Result<Pointer, TrustError> {
        if bytes.len() > POINTER_BYTES {
            return Err(TrustError::PointerSize { limit: POINTER_BYTES });
        }
        let signed = jws::Flattened::read(bytes)?;
        let header = signed.header()?;
        // Before the signature, so that the message names what is the matter; a wrong type is refused
        // either way.
        if header.typ.as_deref() != Some(pointer::TYPE) {
            return Err(TrustError::PointerType { got: header.typ.unwrap_or_default() });
        }
        if self.required || !self.keys.is_empty() {
            let key = self.key(header.kid.as_deref())?;
            key.check(&header.alg, &signed.signed(), &signed.signature()?)?;
            key.covers(&workload.namespace)?;
        }
        let pointer = Pointer::parse(&signed.payload()?)?;
        pointer.belongs(&self.mesh, workload)?;
        Ok(pointer)
    }

    /// The key of this id; the only one where the signed text names none.
    pub(crate) fn key(&self, id: Option<&str>) -> Result<&TrustedKey, TrustError> {
        let found = match (id, self.keys.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id() == id),
        };
        found.ok_or_else(|| TrustError::KeyUnknown {
            got: id.unwrap_or_default().to_owned(),
            known: self.keys.iter().map(|key| format!("`{}`", key.id())).collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests;
