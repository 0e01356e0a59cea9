//! `.signatures.json`: OPA's signature of a bundle, a JSON Web Token that lists its files.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Trust, jws};
use crate::attributes::Workload;
use crate::bundle::BundleError;
use crate::crypto::{Hash, hex};

/// Most bytes of `.signatures.json`.
pub(crate) const SIGNATURES_BYTES: usize = 4 << 20;

/// What a signature says of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The id of the key that signed.
    pub key_id: String,
    /// The algorithm.
    pub algorithm: String,
    /// OPA's scope; empty for none.
    pub scope: String,
    /// Every file of the bundle, by its name, but `.signatures.json` itself.
    pub files: BTreeMap<String, FileHash>,
}

/// The hash of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    hash: Hash,
    hex: String,
}

/// Whether OPA hashes a file of this name by what it says and not by its bytes.
pub fn is_structured(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    matches!(base, "data.json" | "data.yaml" | "data.yml" | ".manifest")
}

impl FileHash {
    /// Whether these bytes have it. For a structured file they are not its own: [`is_structured`].
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        hex(&self.hash.digest(bytes)) == self.hex
    }
}

/// The file's form. OPA refuses more than one signature, and so is it here: with several, which files are
/// signed would depend on which one is looked at. Two keys at once are for the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signatures: Vec<String>,
    /// `opa build` writes the name of its own.
    #[serde(default)]
    plugin: String,
}

/// The claims that OPA reads; there may be others.
#[derive(Deserialize)]
struct Claims {
    files: Vec<Listed>,
    #[serde(default)]
    scope: String,
    #[serde(default, rename = "keyid")]
    _keyid: Option<String>,
    #[serde(default, rename = "iat")]
    _issued_at: Option<i64>,
    #[serde(default, rename = "iss")]
    _issuer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    hash: String,
    algorithm: String,
}

impl Listed {
    fn read(self) -> Result<(String, FileHash), BundleError> {
        let Self { name, hash: hex, algorithm } = self;
        let name = crate::bundle::name(name.as_bytes())?;
        let (hash, digits) = match algorithm.as_str() {
            "SHA-256" => (Hash::Sha256, 64),
            "SHA-384" => (Hash::Sha384, 96),
            "SHA-512" => (Hash::Sha512, 128),
            _ => return Err(bad("a hash that is none of SHA-256, SHA-384 and SHA-512")),
        };
        if hex.len() != digits || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad("a hash that is none"));
        }
        Ok((name, FileHash { hash, hex: hex.to_ascii_lowercase() }))
    }
}

fn bad(got: &str) -> BundleError {
    BundleError::Signatures(got.to_owned())
}

impl Trust {
    /// Reads `.signatures.json`, if a key that is trusted with the workload's namespace signed it for the
    /// configured scope.
    ///
    /// # Errors
    /// [`BundleError`], for anything else.
    pub(crate) fn signatures(&self, bytes: &[u8], workload: &Workload) -> Result<Signed, BundleError> {
        let token = token(bytes)?;
        let Parts { header, signed, payload, signature } = Parts::of(&token)?;
        let key = self.key(header.kid.as_deref().filter(|id| !id.is_empty()))?;
        key.check(&header.alg, signed, &signature)?;
        key.covers(&workload.namespace)?;
        let (scope, files) = claims(&payload)?;
        if scope != self.scope {
            return Err(BundleError::Scope { expected: self.scope.clone(), got: scope });
        }
        Ok(Signed { key_id: key.id().to_owned(), algorithm: header.alg, scope, files })
    }
}

/// What a signature says of itself, which nobody has checked: to look at.
///
/// # Errors
/// [`BundleError`], where it is none.
pub fn unverified(bytes: &[u8]) -> Result<Signed, BundleError> {
    let token = token(bytes)?;
    let Parts { header, payload, .. } = Parts::of(&token)?;
    let (scope, files) = claims(&payload)?;
    Ok(Signed { key_id: header.kid.unwrap_or_default(), algorithm: header.alg, scope, files })
}

fn token(bytes: &[u8]) -> Result<String, BundleError> {
    let File { mut signatures, plugin } =
        serde_json::from_slice(bytes).map_err(|error| bad(&format!("something else: {error}")))?;
    if !matches!(plugin.as_str(), "" | "_default") {
        return Err(bad("one that a plugin has to check"));
    }
    match (signatures.pop(), signatures.is_empty()) {
        (Some(token), true) => Ok(token),
        (None, _) => Err(bad("none")),
        (Some(_), false) => Err(bad("more than one")),
    }
}

/// A JSON Web Token, taken apart.
struct Parts<'a> {
    header: jws::Header,
    /// What the signature is made of.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, BundleError> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("something else than a JSON Web Token"));
        };
        let decode = |part: &str| jws::bytes(part).ok_or(bad("a part that is not base64url without padding"));
        let header: jws::Header = serde_json::from_slice(&decode(header)?)
            .map_err(|error| bad(&format!("a header that is none: {error}")))?;
        // A pointer is one that the same keys sign, and no bundle.
        if header.typ.as_deref().is_some_and(|typ| typ != "JWT") {
            return Err(bad("a token of another type than `JWT`"));
        }
        let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
        Ok(Self { header, signed, payload: decode(payload)?, signature: decode(signature)? })
    }
}

fn claims(payload: &[u8]) -> Result<(String, BTreeMap<String, FileHash>), BundleError> {
    let Claims { files: listed, scope, .. } =
        serde_json::from_slice(payload).map_err(|error| bad(&format!("claims that are none: {error}")))?;
    let mut files = BTreeMap::new();
    for file in listed {
        let (name, hash) = file.read()?;
        if files.insert(name, hash).is_some() {
            return Err(bad("one that lists a file twice"));
        }
    }
    Ok((scope, files))
}
