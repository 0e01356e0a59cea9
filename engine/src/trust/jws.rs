//! JSON Web Signatures (RFC 7515), read strictly: one form each, no doubled or unknown members.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::TrustError;

/// A flattened JWS in JSON (RFC 7515, 7.2.2).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flattened {
    payload: String,
    protected: String,
    signature: String,
}

/// A protected header. Extensions (`crit`) are none that are known here.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) typ: Option<String>,
}

impl Flattened {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TrustError> {
        serde_json::from_slice(bytes).map_err(|error| syntax(&error))
    }

    /// The bytes of a JWS whose signature is still to be made: `sign` makes it.
    pub(super) fn make<E>(
        header: &Header,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let header = serde_json::to_vec(header).unwrap_or_default();
        let mut made =
            Self { payload: encode(payload), protected: encode(&header), signature: String::new() };
        made.signature = encode(&sign(made.signed().as_bytes())?);
        let mut bytes = serde_json::to_vec(&made).unwrap_or_default();
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(super) fn header(&self) -> Result<Header, TrustError> {
        serde_json::from_slice(&decode(&self.protected)?).map_err(|error| syntax(&error))
    }

    /// What the signature is made of.
    pub(super) fn signed(&self) -> String {
        format!("{}.{}", self.protected, self.payload)
    }

    pub(super) fn payload(&self) -> Result<Vec<u8>, TrustError> {
        decode(&self.payload)
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, TrustError> {
        decode(&self.signature)
    }
}

fn syntax(error: &serde_json::Error) -> TrustError {
    TrustError::PointerSyntax(format!("something else: {error}"))
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>, TrustError> {
    let not_base64 = || TrustError::PointerSyntax("a part that is not base64url without padding".to_owned());
    bytes(text).ok_or_else(not_base64)
}

/// What base64url without padding stands for.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
