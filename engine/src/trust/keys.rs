//! Configured keys.

use super::{KeyError, TrustError};
use crate::crypto::{Algorithm, Curve, Material, PublicKey, pem, spki};

/// Bits that an RSA modulus must have; what NIST SP 800-57 asks for at least, and what is bearable at most.
const RSA_BITS: std::ops::RangeInclusive<u64> = 2048..=8192;
/// Bytes that a secret must have: as many as its hash, RFC 7518, 3.2, for the shortest.
const SECRET_BYTES: usize = 32;
/// Stands for every namespace.
const ANY: &str = "*";

/// A key that bundles and pointers may be signed with.
#[derive(Clone, PartialEq)]
pub struct TrustedKey {
    id: String,
    algorithm: String,
    verifier: Algorithm,
    material: Material,
    namespaces: Vec<String>,
}

impl std::fmt::Debug for TrustedKey {
    /// Without the key itself, which may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustedKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

impl TrustedKey {
    /// A key by what the configuration says of it: `key` is a public key in PEM, or the secret itself for
    /// `HS*`; `namespaces` are those whose workloads it may sign for, `*` for all.
    ///
    /// # Errors
    /// [`KeyError`], where algorithm and key are none or do not fit.
    pub fn new(id: &str, algorithm: &str, key: &str, namespaces: Vec<String>) -> Result<Self, KeyError> {
        let verifier = Algorithm::named(algorithm)
            .filter(|found| *found != Algorithm::Ed25519)
            .ok_or_else(|| KeyError::Algorithm(algorithm.to_owned()))?;
        let material = match verifier {
            Algorithm::Hmac(_) => secret(key)?,
            _ => public(key)?,
        };
        fits(algorithm, verifier, &material)?;
        Ok(Self { id: id.to_owned(), algorithm: algorithm.to_owned(), verifier, material, namespaces })
    }

    /// What signed texts name it by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its algorithm, as RFC 7518 names it.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Whether whoever can check a signature could make one.
    pub fn is_secret(&self) -> bool {
        matches!(self.material, Material::Secret(_))
    }

    /// That it signed `text`, by the algorithm that both say.
    pub(crate) fn check(&self, algorithm: &str, text: &str, signature: &[u8]) -> Result<(), TrustError> {
        if algorithm != self.algorithm {
            return Err(TrustError::Algorithm {
                expected: self.algorithm.clone(),
                key: self.id.clone(),
                got: algorithm.to_owned(),
            });
        }
        match self.verifier.verify(&self.material, text.as_bytes(), signature, false) {
            Some(true) => Ok(()),
            Some(false) | None => Err(TrustError::Signature { key: self.id.clone() }),
        }
    }

    /// That it may sign for workloads of the namespace.
    pub(crate) fn covers(&self, namespace: &str) -> Result<(), TrustError> {
        if self.namespaces.iter().any(|covered| covered == ANY || covered == namespace) {
            return Ok(());
        }
        Err(TrustError::KeyNamespace { namespace: namespace.to_owned(), key: self.id.clone() })
    }
}

fn secret(key: &str) -> Result<Material, KeyError> {
    if key.len() < SECRET_BYTES {
        let got = format!("{} bytes", key.len());
        return Err(KeyError::Strength { expected: "a secret of at least 32 bytes", got });
    }
    Ok(Material::Secret(key.as_bytes().to_vec()))
}

fn public(key: &str) -> Result<Material, KeyError> {
    let (block, rest) = pem::decode(key.as_bytes()).ok_or(KeyError::Pem("no PEM"))?;
    if !rest.trim_ascii().is_empty() {
        return Err(KeyError::Pem("more than one block"));
    }
    match block.label.as_slice() {
        b"PUBLIC KEY" => {}
        label if label.ends_with(b"PRIVATE KEY") => return Err(KeyError::Pem("a private key")),
        b"CERTIFICATE" => return Err(KeyError::Pem("a certificate")),
        _ => return Err(KeyError::Pem("another block")),
    }
    match spki::read(&block.bytes) {
        Ok((Some(material), [])) => Ok(material),
        _ => Err(KeyError::Pem("a block that is no key known here")),
    }
}

/// That the key is one of the algorithm, and strong enough.
fn fits(algorithm: &str, verifier: Algorithm, material: &Material) -> Result<(), KeyError> {
    let (expected, good) = match verifier {
        Algorithm::Hmac(_) => ("a secret", matches!(material, Material::Secret(_))),
        Algorithm::Pkcs1(_) | Algorithm::Pss(..) => {
            ("an RSA key", matches!(material, Material::Public(PublicKey::Rsa(_))))
        }
        Algorithm::Ecdsa(_) => {
            let (expected, curve) = match algorithm {
                "ES256" => ("a key of curve P-256", Curve::P256),
                "ES384" => ("a key of curve P-384", Curve::P384),
                _ => ("a key of curve P-521", Curve::P521),
            };
            (expected, matches!(material, Material::Public(PublicKey::Ec(found, _)) if *found == curve))
        }
        Algorithm::Ed25519 => ("an Ed25519 key", false),
    };
    if !good {
        return Err(KeyError::Kind { algorithm: algorithm.to_owned(), expected, got: kind(material) });
    }
    match material {
        Material::Public(PublicKey::Rsa((modulus, _))) if !RSA_BITS.contains(&modulus.bits()) => {
            let got = format!("{} bits", modulus.bits());
            Err(KeyError::Strength { expected: "an RSA key of 2048 to 8192 bits", got })
        }
        _ => Ok(()),
    }
}

fn kind(material: &Material) -> &'static str {
    match material {
        Material::Public(PublicKey::Rsa(_)) => "an RSA key",
        Material::Public(PublicKey::Ec(Curve::P256, _)) => "a key of curve P-256",
        Material::Public(PublicKey::Ec(Curve::P384, _)) => "a key of curve P-384",
        Material::Public(PublicKey::Ec(Curve::P521, _)) => "a key of curve P-521",
        Material::Public(PublicKey::Ed25519(_)) => "an Ed25519 key",
        Material::Secret(_) => "a secret",
        Material::Other => "a key that cannot sign",
    }
}
