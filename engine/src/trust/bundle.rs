//! Bundles that are trusted by their signature.

use super::Trust;
use super::signatures::{SIGNATURES_BYTES, Signed, is_structured};
use crate::attributes::Workload;
use crate::bundle::{self, BundleError, PLAN_FILE, SIGNATURES_FILE, Unpacker, VerifiedBundle};
use crate::limits::Limits;

impl Trust {
    /// Reads a bundle, if it is signed for the workload by a key that is trusted with it, and its files are
    /// those that were signed, no more and no fewer.
    ///
    /// The signature comes first, then every file's bytes. The content of `data.json`, `.manifest` and
    /// other files that OPA hashes by what they say is not looked at, since nothing here reads them:
    /// `sidegate verify` and OPA check those too.
    ///
    /// Where no signature is required, a bundle without one is taken, and where no key is configured, any.
    ///
    /// # Errors
    /// [`BundleError`], for anything else, or where it is no bundle.
    pub fn bundle(
        &self,
        bytes: &[u8],
        limits: &Limits,
        workload: &Workload,
    ) -> Result<VerifiedBundle, BundleError> {
        match self.signed(bytes, limits, workload)? {
            Some(signed) => bundle::read(&verified(bytes, limits, &signed)?, Some(signed.key_id)),
            None => bundle::read(&bundle::plan(bytes, limits)?, None),
        }
    }

    /// What the bundle's signature says, after it has been verified; `None` where none is required and
    /// there is none, or no key to verify it with. The files are still to be compared.
    ///
    /// # Errors
    /// [`BundleError`], where the signature is not one that is trusted.
    pub fn signed(
        &self,
        bytes: &[u8],
        limits: &Limits,
        workload: &Workload,
    ) -> Result<Option<Signed>, BundleError> {
        if !self.required && self.keys.is_empty() {
            return Ok(None);
        }
        match signatures_file(bytes, limits)? {
            Some(file) => Ok(Some(self.signatures(&file, workload)?)),
            None if self.required => Err(BundleError::Unsigned),
            None => Ok(None),
        }
    }
}

/// The bytes of `.signatures.json`, if there is one.
///
/// # Errors
/// [`BundleError`], where it is no bundle, or the file is too large to be one.
pub fn signatures_file(bytes: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, BundleError> {
    let mut unpacker = Unpacker::new(bytes, limits.bundle_bytes)?;
    while let Some(name) = unpacker.next()? {
        if name == SIGNATURES_FILE {
            let large = || BundleError::Signatures("a file of more than 4 MiB".to_owned());
            return unpacker.content(SIGNATURES_BYTES)?.ok_or_else(large).map(Some);
        }
    }
    Ok(None)
}

/// The compiled policy of a bundle whose files are those that were signed.
fn verified(bytes: &[u8], limits: &Limits, signed: &Signed) -> Result<Vec<u8>, BundleError> {
    let mut missing = signed.files.clone();
    let mut plan = None;
    let mut unpacker = Unpacker::new(bytes, limits.bundle_bytes)?;
    while let Some(name) = unpacker.next()? {
        if name == SIGNATURES_FILE {
            continue;
        }
        let Some(hash) = missing.remove(&name) else { return Err(BundleError::FileUnlisted { name }) };
        if is_structured(&name) {
            continue;
        }
        let content = unpacker.whole()?;
        if !hash.is_of(&content) {
            return Err(BundleError::FileHash { name });
        }
        if name == PLAN_FILE {
            plan = Some(content);
        }
    }
    match missing.into_keys().next() {
        Some(name) => Err(BundleError::FileMissing { name }),
        None => plan.ok_or(BundleError::NoPlan),
    }
}

#[cfg(test)]
mod tests;
