//! Keys and signatures in DER, as far as signing needs them.

use super::SignError;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `AlgorithmIdentifier` of RSA keys, and of those of the curves.
pub(super) const RSA: &[u8] =
    &[0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00];
pub(super) const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 0x03, 0x01, 0x07,
];
pub(super) const P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00,
    0x22,
];
pub(super) const P521: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00,
    0x23,
];

/// A public key in PEM (`SubjectPublicKeyInfo`, RFC 5280).
pub(super) fn public_pem(algorithm: &[u8], key: &[u8]) -> String {
    let bits = element(BIT_STRING, &[&[0], key].concat());
    let der = element(SEQUENCE, &[algorithm, &bits].concat());
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("PUBLIC KEY", der), config)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let bytes = content.len().to_be_bytes();
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let length = match digits.as_slice() {
        [] => vec![0],
        [short] if *short < 0x80 => vec![*short],
        long => [&[0x80 | u8::try_from(long.len()).unwrap_or(0x7F)], long].concat(),
    };
    [&[tag], length.as_slice(), content].concat()
}

/// Bytes of a coordinate, for the algorithms that have them.
fn coordinate(algorithm: &str) -> Option<usize> {
    match algorithm {
        "ES256" => Some(32),
        "ES384" => Some(48),
        "ES512" => Some(66),
        _ => None,
    }
}

/// The signature in the form of RFC 7518, 3.4. For ECDSA that is both halves at their full length, which
/// is taken as it is; what `openssl dgst -sign` and key services print (DER) is turned into it.
pub(super) fn jws_form(algorithm: &str, signature: Vec<u8>) -> Result<Vec<u8>, SignError> {
    let Some(size) = coordinate(algorithm) else { return Ok(signature) };
    if signature.len() == size.saturating_mul(2) {
        return Ok(signature);
    }
    halves(&signature, size).ok_or_else(|| {
        SignError::Command(format!(
            "expected an {algorithm} signature in DER or of {} bytes, got {} bytes that are neither",
            size.saturating_mul(2),
            signature.len()
        ))
    })
}

fn halves(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let (both, rest) = take(der, SEQUENCE)?;
    let (r, s) = take(both, INTEGER)?;
    let (s, end) = take(s, INTEGER)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut signature = Vec::new();
    for half in [r, s] {
        let digits = half.strip_prefix(&[0]).unwrap_or(half);
        signature.resize(signature.len().checked_add(size.checked_sub(digits.len())?)?, 0);
        signature.extend_from_slice(digits);
    }
    Some(signature)
}

/// What is in the element of this tag at the front, and what follows. Lengths here are below 256.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [found, 0x81, length, rest @ ..] if *found == tag => (length, rest),
        [found, length, rest @ ..] if *found == tag && *length < 0x80 => (length, rest),
        _ => return None,
    };
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_padded_and_signs_dropped() {
        let half = |tag: &[u8], value: &[u8]| [tag, value].concat();
        let der = half(&[0x30, 7, 2, 1, 5, 2, 2, 0], &[0x80]);
        let mut expected = vec![0; 64];
        (expected[31], expected[63]) = (5, 0x80);
        assert_eq!(jws_form("ES256", der.clone()).unwrap(), expected);
        assert_eq!(jws_form("ES256", expected.clone()).unwrap(), expected);
        assert_eq!(jws_form("RS256", der.clone()).unwrap(), der);
        for bad in [&der[..8], &[der.clone(), vec![0]].concat(), &[0x30, 0], &[], &[0x31; 70]] {
            assert_eq!(jws_form("ES256", bad.to_vec()).unwrap_err().code(), "sign_command", "{bad:?}");
        }
    }

    #[test]
    fn lengths_are_the_shortest() {
        assert_eq!(element(4, &[])[..2], [4, 0]);
        assert_eq!(element(4, &[1; 0x7F])[..3], [4, 0x7F, 1]);
        assert_eq!(element(4, &[1; 0x80])[..4], [4, 0x81, 0x80, 1]);
        assert_eq!(element(4, &[1; 0x123])[..5], [4, 0x82, 1, 0x23, 1]);
    }
}
