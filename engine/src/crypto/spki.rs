//! `SubjectPublicKeyInfo`: a public key with the algorithm that it is of.

use super::der::{Der, NULL, OID, SEQUENCE};
use super::{BadKey, Curve, Material, PublicKey};

const RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
const EC: &[u64] = &[1, 2, 840, 10_045, 2, 1];
const ED25519: &[u64] = &[1, 3, 101, 112];
const X25519: &[u64] = &[1, 3, 101, 110];

/// The key, if it is one that is known here, and what follows it.
pub(crate) fn read(der: &[u8]) -> Result<(Option<Material>, &[u8]), BadKey> {
    let mut der = Der(der);
    let mut info = der.inside(SEQUENCE).ok_or(BadKey::Error)?;
    let mut algorithm = info.inside(SEQUENCE).ok_or(BadKey::Error)?;
    let (data, unused) = info.bits().ok_or(BadKey::Error)?;
    let name = algorithm.oid().ok_or(BadKey::Error)?;
    // Go shifts such keys into place, and reads over what follows in some places and not in others.
    if unused != 0 || !info.is_empty() {
        return Err(BadKey::Unsure);
    }
    let parameters = algorithm.element();
    if !algorithm.is_empty() {
        return Err(BadKey::Unsure);
    }
    let key = match name.as_slice() {
        RSA => {
            if parameters.is_none_or(|p| p.tag != NULL || !p.content.is_empty()) {
                return Err(BadKey::Error);
            }
            PublicKey::Rsa(rsa(data)?)
        }
        EC => {
            let curve =
                parameters.filter(|p| p.tag == OID).and_then(|p| Der(p.whole).oid()).ok_or(BadKey::Error)?;
            let curve = match curve.as_slice() {
                [1, 2, 840, 10_045, 3, 1, 7] => Curve::P256,
                [1, 3, 132, 0, 34] => Curve::P384,
                [1, 3, 132, 0, 35] => Curve::P521,
                _ => return Err(BadKey::Unsure),
            };
            PublicKey::Ec(curve, curve.point(data).ok_or(BadKey::Error)?)
        }
        ED25519 | X25519 => {
            let key =
                <[u8; 32]>::try_from(data).ok().filter(|_| parameters.is_none()).ok_or(BadKey::Error)?;
            if name == X25519 {
                return Ok((Some(Material::Other), der.0));
            }
            PublicKey::Ed25519(key)
        }
        _ => return Ok((None, der.0)),
    };
    Ok((Some(Material::Public(key)), der.0))
}

/// Modulus and exponent.
fn rsa(data: &[u8]) -> Result<(num_bigint::BigUint, i64), BadKey> {
    let mut key = Der(data).inside(SEQUENCE).ok_or(BadKey::Error)?;
    let modulus = key.natural().ok_or(BadKey::Error)?;
    let exponent = key.small().ok_or(BadKey::Error)?;
    if modulus == num_bigint::BigUint::ZERO || exponent == 0 {
        return Err(BadKey::Error);
    }
    Ok((modulus, exponent))
}
