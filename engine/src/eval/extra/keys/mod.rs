//! Public keys as policies name them: PEM (`PUBLIC KEY`, `CERTIFICATE`) or a JWK or set of JWKs, read as
//! Go and the library that OPA uses for JWKs read them.

mod jwk;

use super::{Failed, UNSURE, x509};
use crate::crypto::{Material, pem, spki};

/// A key that a signature may be checked with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The algorithm that it is for, where it says so.
    pub(super) alg: Option<String>,
    /// Its name; empty if it has none.
    pub(super) kid: String,
    /// The key itself.
    pub(super) material: Material,
}

/// The keys in `text`.
pub(super) fn read(text: &str) -> Result<Vec<Key>, Failed> {
    let Some((block, rest)) = pem::decode(text.as_bytes()) else { return jwk::read(text) };
    if !rest.is_empty() {
        return Err(Failed::Error);
    }
    let material = match block.label.as_slice() {
        b"CERTIFICATE" => x509::public_key(&block.bytes)?,
        b"PUBLIC KEY" => {
            let (material, rest) = spki::read(&block.bytes)?;
            if !rest.is_empty() {
                return Err(Failed::Error);
            }
            // Go has an error for what is no key that it knows; which those are is its own affair.
            material.ok_or(UNSURE)?
        }
        _ => return Err(Failed::Error),
    };
    Ok(vec![Key { alg: None, kid: String::new(), material }])
}
