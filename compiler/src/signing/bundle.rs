//! `.signatures.json`, as OPA writes and checks it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sidegate_engine::bundle::{self, BundleError, SIGNATURES_FILE};
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Signed, is_structured};

use super::{SignError, Signer, structural};
use crate::archive;

/// The hash that `opa sign` takes too.
const HASH: &str = "SHA-256";

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'static str,
}

/// No time in it: the same sources have the same signature.
#[derive(Serialize)]
struct Claims<'a> {
    files: Vec<File<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    hash: String,
    algorithm: &'static str,
}

/// The same bundle, signed (or signed anew) for a scope, which is empty for none.
///
/// # Errors
/// [`SignError`], where it is no bundle, or the signer has no signature.
pub fn sign_bundle(bundle: &[u8], signer: &dyn Signer, scope: &str) -> Result<Vec<u8>, SignError> {
    let failed = |error: &dyn std::fmt::Display| SignError::Bundle(error.to_string());
    let mut files = bundle::files(bundle, &Limits::default()).map_err(|error| failed(&error))?;
    files.retain(|(name, _)| name != SIGNATURES_FILE);
    let mut listed = Vec::new();
    for (name, bytes) in &files {
        let hashed = if is_structured(name) {
            structural(bytes).map_err(|error| failed(&format!("expected JSON in `{name}`: {error}")))?
        } else {
            bytes.clone()
        };
        let hash = Sha256::digest(hashed).iter().map(|byte| format!("{byte:02x}")).collect();
        listed.push(File { name, hash, algorithm: HASH });
    }
    let header = Header { alg: signer.algorithm(), kid: signer.key_id(), typ: "JWT" };
    let part = |json: serde_json::Result<Vec<u8>>| {
        json.map(|json| BASE64_URL_SAFE_NO_PAD.encode(json)).map_err(|error| failed(&error))
    };
    let claims = Claims { files: listed, scope };
    let text = format!("{}.{}", part(serde_json::to_vec(&header))?, part(serde_json::to_vec(&claims))?);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes())?);
    let token = format!("{text}.{signature}");
    let json = serde_json::to_vec(&serde_json::json!({ "signatures": [token] }));
    files.push((SIGNATURES_FILE.to_owned(), json.map_err(|error| failed(&error))?));
    archive::pack(files).map_err(|error| failed(&error))
}

/// That the structured files of a bundle are those that were signed, too: what the proxy does not look at
/// ([`Trust::bundle`](sidegate_engine::trust::Trust::bundle) has checked the others), and OPA does.
///
/// # Errors
/// [`BundleError`], for the first that is another.
pub fn check_structured(bundle: &[u8], signed: &Signed, limits: &Limits) -> Result<(), BundleError> {
    for (name, bytes) in bundle::files(bundle, limits)? {
        if !is_structured(&name) {
            continue;
        }
        let same = match (signed.files.get(&name), structural(&bytes)) {
            (Some(hash), Ok(said)) => hash.is_of(&said),
            _ => false,
        };
        if !same {
            return Err(BundleError::FileHash { name });
        }
    }
    Ok(())
}
