//! A bundle: a gzipped tar that OPA can load too, of which the proxy reads `sidegate.bin` alone.
//!
//! What may decide is a [`VerifiedBundle`], and there are two ways to one:
//! [`Trust::bundle`](crate::trust::Trust::bundle), by the bundle's own signature, and [`open_layer`], by the
//! digest in a pointer.

pub(crate) mod archive;
mod error;
mod tar;

pub use error::BundleError;

pub(crate) use archive::Unpacker;

use crate::limits::Limits;
use crate::plan::{self, Image};
use crate::trust::Layer;

/// Name of the compiled policy inside a bundle.
pub const PLAN_FILE: &str = "sidegate.bin";
/// Name of the signature inside a bundle.
pub const SIGNATURES_FILE: &str = ".signatures.json";

/// A bundle that may decide. There is no policy without one.
#[derive(Debug)]
pub struct VerifiedBundle {
    pub(crate) image: Image,
    pub(crate) signed_by: Option<String>,
}

impl VerifiedBundle {
    /// The compiled policy, to look at.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The id of the key whose signature in the bundle was verified; `None` for a layer, which a pointer
    /// vouches for, and where no signature was required.
    pub fn signed_by(&self) -> Option<&str> {
        self.signed_by.as_deref()
    }
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
    read(&plan(bytes, limits)?, None)
}

/// The files of a bundle in their order, as the proxy would read them; none is believed.
///
/// # Errors
/// [`BundleError`], where it is no bundle, or larger than allowed.
pub fn files(bytes: &[u8], limits: &Limits) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
    let mut files = Vec::new();
    let mut unpacker = Unpacker::new(bytes, limits.bundle_bytes)?;
    while let Some(name) = unpacker.next()? {
        files.push((name, unpacker.whole()?));
    }
    Ok(files)
}

/// That the proxy could unpack it: what a build checks before it ships.
///
/// # Errors
/// [`BundleError`], where it could not.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), BundleError> {
    let mut unpacker = Unpacker::new(bytes, limits.bundle_bytes)?;
    while unpacker.next()?.is_some() {}
    Ok(())
}

/// The name of a file in a bundle, in the one form that is compared: without the `/` or `./` in front.
///
/// # Errors
/// [`BundleError::Name`], where it could mean another file elsewhere.
pub fn name(bytes: &[u8]) -> Result<String, BundleError> {
    tar::name(bytes)
}

/// The bytes of `sidegate.bin`, not believed.
pub(crate) fn plan(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, BundleError> {
    let mut found = None;
    let mut unpacker = Unpacker::new(bytes, limits.bundle_bytes)?;
    while let Some(name) = unpacker.next()? {
        if name == PLAN_FILE {
            found = Some(unpacker.whole()?);
        }
    }
    found.ok_or(BundleError::NoPlan)
}

/// The bundle of a compiled policy that is trusted.
pub(crate) fn read(plan: &[u8], signed_by: Option<String>) -> Result<VerifiedBundle, BundleError> {
    Ok(VerifiedBundle { image: plan::decode(plan)?, signed_by })
}

#[cfg(test)]
mod tests {
    use super::archive::tests::{gzip, tar};
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_plan_is_found_among_other_files() {
        let packed = gzip(&tar(&[("data.json", b"{}"), (PLAN_FILE, b"plan"), ("a/sidegate.bin", b"no")]));
        assert_eq!(plan(&packed, &Limits::default()).unwrap(), b"plan");
        let without = gzip(&tar(&[("data.json", b"{}"), ("a/sidegate.bin", b"no")]));
        assert_eq!(plan(&without, &Limits::default()).unwrap_err().code(), "bundle_no_plan");
        let two = gzip(&tar(&[(PLAN_FILE, b"1"), (PLAN_FILE, b"2")]));
        assert_eq!(plan(&two, &Limits::default()).unwrap_err().code(), "bundle_file_twice");
    }

    #[test]
    fn a_layer_is_the_bytes_that_the_pointer_names() {
        let packed = gzip(&tar(&[(PLAN_FILE, b"plan")]));
        let limits = Limits::default();
        let code = |bytes: &[u8], layer: &Layer| open_layer(bytes, layer, &limits).unwrap_err().code();
        let layer = Layer::of(&packed);
        // Not `bundle_digest`: it is looked into.
        assert_eq!(code(&packed, &layer), "bundle_plan");
        assert_eq!(code(&packed[1..], &layer), "bundle_digest");
        assert_eq!(code(b"", &layer), "bundle_digest");
        assert_eq!(code(&packed, &Layer { size: layer.size + 1, ..layer.clone() }), "bundle_digest");
        assert_eq!(code(&packed, &Layer { digest: "sha256:".to_owned(), ..layer }), "bundle_digest");
    }
}
