//! Checking signatures, with what Go's `crypto` demands of keys and signatures.

use ed25519_dalek::{Signature, VerifyingKey};
use num_bigint::BigUint;

use super::hash::{self, Hash};

/// Bits of an RSA modulus below which Go finds a key insecure, and beyond which it is refused here.
const RSA_BITS: std::ops::RangeInclusive<u64> = 1024..=8192;
/// What Go takes for an exponent: odd, and of 31 bits.
const RSA_EXPONENTS: std::ops::RangeInclusive<i64> = 2..=0x7FFF_FFFF;

/// How a signature is made of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hmac(Hash),
    Pkcs1(Hash),
    /// With as much salt as the hash is long, or any.
    Pss(Hash, bool),
    Ecdsa(Hash),
    Ed25519,
}

/// A key by what it is good for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Material {
    Public(PublicKey),
    /// Bytes that both sides know.
    Secret(Vec<u8>),
    /// A key, but for something else than signatures.
    Other,
}

/// A public key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PublicKey {
    /// Modulus and exponent.
    Rsa((BigUint, i64)),
    /// A point of the curve: both coordinates.
    Ec(Curve, Vec<u8>),
    Ed25519([u8; 32]),
}

/// A curve for ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// Runs the same code for the crate of each curve.
macro_rules! for_curve {
    ($curve:expr, $module:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                use p256 as $module;
                $body
            }
            Curve::P384 => {
                use p384 as $module;
                $body
            }
            Curve::P521 => {
                use p521 as $module;
                $body
            }
        }
    };
}

impl Curve {
    /// Bytes of a coordinate.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The point, uncompressed, if it is one of the curve.
    pub(crate) fn point(self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.first() != Some(&4) || bytes.len() != self.size().checked_mul(2)?.checked_add(1)? {
            return None;
        }
        let found = for_curve!(self, curve => curve::PublicKey::from_sec1_bytes(bytes).is_ok());
        found.then(|| bytes.to_vec())
    }

    fn verify(self, point: &[u8], digest: &[u8], r: &[u8], s: &[u8]) -> bool {
        for_curve!(self, curve => {
            let scalar = |bytes: &[u8]| {
                let bytes = unpadded(bytes);
                let mut field = curve::FieldBytes::default();
                let fits = bytes.len() <= field.len();
                field.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
                fits.then_some(field)
            };
            let (Some(r), Some(s)) = (scalar(r), scalar(s)) else { return false };
            let Ok(signature) = curve::ecdsa::Signature::from_scalars(r, s) else { return false };
            let Ok(key) = curve::PublicKey::from_sec1_bytes(point) else { return false };
            ecdsa::hazmat::verify_prehashed(&key.to_projective(), digest, &signature).is_ok()
        })
    }
}

fn unpadded(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

impl Algorithm {
    /// By its name in a token's header, as `io.jwt.decode_verify` takes it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hmac(Hash::Sha256),
            "HS384" => Self::Hmac(Hash::Sha384),
            "HS512" => Self::Hmac(Hash::Sha512),
            "RS256" => Self::Pkcs1(Hash::Sha256),
            "RS384" => Self::Pkcs1(Hash::Sha384),
            "RS512" => Self::Pkcs1(Hash::Sha512),
            "PS256" => Self::Pss(Hash::Sha256, true),
            "PS384" => Self::Pss(Hash::Sha384, true),
            "PS512" => Self::Pss(Hash::Sha512, true),
            "ES256" => Self::Ecdsa(Hash::Sha256),
            "ES384" => Self::Ecdsa(Hash::Sha384),
            "ES512" => Self::Ecdsa(Hash::Sha512),
            "EdDSA" | "Ed25519" => Self::Ed25519,
            _ => return None,
        })
    }

    /// Steps that [`Self::verify`] takes with a key; as measured in V8, where a step is half a
    /// microsecond.
    pub(crate) fn price(self, key: &Material) -> u64 {
        match (self, key) {
            (Self::Pkcs1(_) | Self::Pss(..), Material::Public(PublicKey::Rsa((modulus, exponent)))) => {
                let limbs = modulus.bits() / 64;
                let products = u64::from(64_u32.saturating_sub(exponent.leading_zeros())).saturating_add(16);
                limbs.saturating_mul(limbs).saturating_mul(products) / 6
            }
            (Self::Ecdsa(_), Material::Public(PublicKey::Ec(Curve::P256, _))) => 6_000,
            (Self::Ecdsa(_), Material::Public(PublicKey::Ec(Curve::P384, _))) => 16_000,
            (Self::Ecdsa(_), Material::Public(PublicKey::Ec(Curve::P521, _))) => 20_000,
            (Self::Ed25519, Material::Public(PublicKey::Ed25519(_))) => 4_000,
            _ => 1,
        }
    }

    /// Whether `signature` is one of `data`; `None` if the key is too large to tell.
    ///
    /// `halves` are those of an ECDSA signature where it is not of the length that the curve has.
    pub(crate) fn verify(self, key: &Material, data: &[u8], signature: &[u8], halves: bool) -> Option<bool> {
        Some(match (self, key) {
            (Self::Hmac(hash), Material::Secret(secret)) => hash::same(&hash.hmac(secret, data), signature),
            (Self::Pkcs1(hash), Material::Public(PublicKey::Rsa(key))) => {
                let Some(message) = rsa(key, signature)? else { return Some(false) };
                is_pkcs1(&message, hash, data)
            }
            (Self::Pss(hash, exact), Material::Public(PublicKey::Rsa(key))) => {
                let Some(message) = rsa(key, signature)? else { return Some(false) };
                is_pss(&message, key.0.bits(), hash, exact, data).unwrap_or(false)
            }
            (Self::Ecdsa(hash), Material::Public(PublicKey::Ec(curve, point))) => {
                let whole = curve.size().saturating_mul(2);
                let (r, s) = signature.split_at_checked(signature.len() / 2)?;
                (halves || signature.len() == whole) && curve.verify(point, &hash.digest(data), r, s)
            }
            (Self::Ed25519, Material::Public(PublicKey::Ed25519(key))) => {
                let Ok(signature) = <[u8; 64]>::try_from(signature) else { return Some(false) };
                let Ok(key) = VerifyingKey::from_bytes(key) else { return Some(false) };
                ed25519_dalek::Verifier::verify(&key, data, &Signature::from_bytes(&signature)).is_ok()
            }
            _ => false,
        })
    }
}

/// `signature ^ exponent` in as many bytes as the modulus has; `None` inside where key or signature are
/// none that Go takes.
fn rsa((modulus, exponent): &(BigUint, i64), signature: &[u8]) -> Option<Option<Vec<u8>>> {
    let bits = modulus.bits();
    if bits > *RSA_BITS.end() {
        return None;
    }
    let size = usize::try_from(bits.div_ceil(8)).ok()?;
    let number = BigUint::from_bytes_be(signature);
    let fits = RSA_BITS.contains(&bits)
        && modulus.bit(0)
        && RSA_EXPONENTS.contains(exponent)
        && exponent & 1 == 1
        && signature.len() == size
        && number < *modulus;
    if !fits {
        return Some(None);
    }
    let message = number.modpow(&BigUint::try_from(*exponent).ok()?, modulus).to_bytes_be();
    let mut padded = vec![0; size.saturating_sub(message.len())];
    padded.extend(message);
    Some(Some(padded))
}

/// RFC 8017, 9.2: `00 01 FF … FF 00`, the hash function's name, the hash.
fn is_pkcs1(message: &[u8], hash: Hash, data: &[u8]) -> bool {
    let (name, length): (u8, u8) = match hash {
        Hash::Sha384 => (2, 48),
        Hash::Sha512 => (3, 64),
        _ => (1, 32),
    };
    let info = [
        0x30,
        0x11_u8.saturating_add(length),
        0x30,
        0x0D,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        name,
        0x05,
        0x00,
        0x04,
        length,
    ];
    let tail = [info.as_slice(), &hash.digest(data)].concat();
    let Some(filler) = message.len().checked_sub(tail.len().saturating_add(3)).filter(|n| *n >= 8) else {
        return false;
    };
    [&[0, 1], vec![0xFF; filler].as_slice(), &[0], &tail].concat() == message
}

/// RFC 8017, 9.1.2.
fn is_pss(message: &[u8], modulus_bits: u64, hash: Hash, exact: bool, data: &[u8]) -> Option<bool> {
    let bits = usize::try_from(modulus_bits.checked_sub(1)?).ok()?;
    let size = bits.div_ceil(8);
    let (zeros, message) = message.split_at_checked(message.len().checked_sub(size)?)?;
    let digest = hash.digest(data);
    let (last, message) = message.split_last()?;
    let (masked, seed) = message.split_at_checked(message.len().checked_sub(digest.len())?)?;
    let unused = size.checked_mul(8)?.checked_sub(bits)?;
    let mask = 0xFF_u8.checked_shr(u32::try_from(unused).ok()?)?;
    if *last != 0xBC || zeros.iter().any(|b| *b != 0) || masked.first()? & !mask != 0 {
        return Some(false);
    }
    let blocks = (0..u32::try_from(masked.len()).ok()?.div_ceil(32))
        .flat_map(|at| hash.digest(&[seed, at.to_be_bytes().as_slice()].concat()));
    let mut block: Vec<u8> = masked.iter().zip(blocks).map(|(b, m)| b ^ m).collect();
    if let Some(first) = block.first_mut() {
        *first &= mask;
    }
    let filler = block.iter().position(|b| *b == 1)?;
    let (before, rest) = block.split_at_checked(filler)?;
    let salt = rest.get(1..)?;
    if before.iter().any(|b| *b != 0) || (exact && salt.len() != digest.len()) {
        return Some(false);
    }
    Some(hash.digest(&[[0; 8].as_slice(), &digest, salt].concat()) == seed)
}
