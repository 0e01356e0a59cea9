//! The names in a peer's certificate, which the proxy has verified: Envoy's attributes tell of the first alone.

use crate::crypto::der::{BOOLEAN, Der, INTEGER, OCTET_STRING, OID, SEQUENCE};
use crate::crypto::pem;

/// `[0]` and `[3]` of `TBSCertificate` (RFC 5280, section 4.1): version and extensions.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// The unique identifiers of old, before the extensions.
const UNIQUE_IDS: [u8; 4] = [0x81, 0x82, 0xA1, 0xA2];
/// `id-ce-subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];
/// `[6]` of `GeneralName`.
const URI: u8 = 0x86;

/// All URI SANs of the first certificate in `text`, a PEM, in their order and as the bytes that they are.
///
/// `None` if it is none, or not of the form of RFC 5280: whoever asks then does not know whom the certificate
/// names.
pub fn uri_sans(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (block, _) = pem::decode(text)?;
    if block.label != b"CERTIFICATE" {
        return None;
    }
    let mut rest = Der(&block.bytes);
    let mut certificate = rest.inside(SEQUENCE)?;
    let mut fields = certificate.inside(SEQUENCE)?;
    if fields.is_next(VERSION) {
        fields.element()?;
    }
    // Serial number, algorithm, issuer, validity, subject, key.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        fields.tagged(tag)?;
    }
    while UNIQUE_IDS.iter().any(|tag| fields.is_next(*tag)) {
        fields.element()?;
    }
    let names = if fields.is_next(EXTENSIONS) {
        alternative_names(fields.inside(EXTENSIONS)?.inside(SEQUENCE)?)?
    } else {
        Vec::new()
    };
    (fields.is_empty() && rest.is_empty()).then_some(names)
}

fn alternative_names(mut extensions: Der<'_>) -> Option<Vec<Vec<u8>>> {
    let mut found = None;
    while !extensions.is_empty() {
        let mut extension = extensions.inside(SEQUENCE)?;
        let id = extension.tagged(OID)?.content;
        if extension.is_next(BOOLEAN) {
            extension.element()?;
        }
        let value = extension.tagged(OCTET_STRING)?.content;
        if !extension.is_empty() || id == SUBJECT_ALT_NAME && found.is_some() {
            return None;
        }
        if id == SUBJECT_ALT_NAME {
            found = Some(uris(value)?);
        }
    }
    Some(found.unwrap_or_default())
}

fn uris(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut whole = Der(value);
    let mut names = whole.inside(SEQUENCE)?;
    let mut found = Vec::new();
    while !names.is_empty() {
        let name = names.element()?;
        if name.tag == URI {
            found.push(name.content.to_vec());
        }
    }
    whole.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEVERAL: &str = include_str!("../tests/fixtures/certificates/several-uris.pem");
    const NONE: &str = include_str!("../tests/fixtures/certificates/no-names.pem");

    #[test]
    fn all_names_in_their_order() {
        let names = uri_sans(SEVERAL.as_bytes()).unwrap();
        let expected = [
            "spiffe://cluster.local/ns/shop/sa/web",
            "spiffe://cluster.local/ns/shop/sa/admin",
            "https://a.example/b",
        ];
        assert_eq!(names, expected.map(|name| name.as_bytes().to_vec()));
        assert_eq!(uri_sans(NONE.as_bytes()), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_certificate_has_no_answer() {
        for text in ["", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "spiffe://a"] {
            assert_eq!(uri_sans(text.as_bytes()), None, "{text}");
        }
        assert_eq!(uri_sans(SEVERAL.replace("CERTIFICATE", "PUBLIC KEY").as_bytes()), None);
    }

    /// Every byte changed in some ways, and every length: an answer or none, and never a name made up of what is
    /// not a name's content.
    #[test]
    fn damaged_certificates_do_no_harm() {
        let (block, _) = pem::decode(SEVERAL.as_bytes()).unwrap();
        let ask = |der: &[u8]| {
            use base64::Engine as _;
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            uri_sans(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").as_bytes())
        };
        assert_eq!(ask(&block.bytes), uri_sans(SEVERAL.as_bytes()));
        for at in 0..block.bytes.len() {
            assert_eq!(ask(&block.bytes[..at]), None, "cut at {at}");
            for change in [0x01_u8, 0x20, 0x80, 0xFF] {
                let mut der = block.bytes.clone();
                der[at] ^= change;
                if let Some(names) = ask(&der) {
                    let all: usize = names.iter().map(Vec::len).sum();
                    assert!(all < der.len(), "byte {at}");
                }
            }
        }
    }
}
