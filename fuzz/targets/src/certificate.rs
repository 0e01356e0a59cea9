//! Certificates of peers, and keys of the configuration.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sidegate_engine::Value;
use sidegate_engine::certificate::uri_sans;
use sidegate_engine::eval::{Builtin, Context};
use sidegate_engine::trust::TrustedKey;

/// A name that is found is a piece of the certificate, and those who read all of it find the same names.
///
/// The first byte says what the others are: PEM as it is; a certificate in DER; a public key in DER.
pub fn certificate(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 3 {
        0 => {
            names(rest, None);
            key(&String::from_utf8_lossy(rest));
        }
        1 => names(pem("CERTIFICATE", rest).as_bytes(), Some(rest)),
        _ => key(&pem("PUBLIC KEY", rest)),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let lines = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

fn names(text: &[u8], der: Option<&[u8]>) {
    let found = uri_sans(text);
    if let (Some(found), Some(der)) = (&found, der) {
        for name in found {
            assert!(name.is_empty() || der.windows(name.len()).any(|piece| piece == name), "a made up name");
        }
        let all: usize = found.iter().map(|name| name.len() + 2).sum();
        assert!(all < der.len(), "names that overlap");
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    let builtin = Builtin::find("crypto.x509.parse_certificates").unwrap();
    let args = [Value::from(text)];
    let Ok(Value::Array(certificates)) = builtin.call(&args, &Context::default()) else { return };
    let Some(certificate) = certificates.first().filter(|_| text.starts_with("-----BEGIN")) else { return };
    // One after another is many for them, and for a peer's certificate an error.
    let Some(found) = found else {
        assert!(certificates.len() != 1 || der.is_none(), "a certificate that only one of two reads");
        return;
    };
    let uris = match &certificate[&Value::from("URIStrings")] {
        Value::Array(uris) => uris.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let found: Vec<Value> =
        found.iter().map(|name| Value::from(String::from_utf8_lossy(name).as_ref())).collect();
    assert_eq!(uris, found, "two readers of one certificate");
}

fn key(text: &str) {
    for algorithm in ["ES256", "ES384", "ES512", "RS256", "PS512"] {
        let Ok(key) = TrustedKey::new("net", algorithm, text, Vec::new()) else { continue };
        assert!(!key.is_secret() && key.algorithm() == algorithm);
        // A key that is taken for anything takes no signature of anything.
        let trust = sidegate_engine::trust::Trust { required: true, keys: vec![key], ..Default::default() };
        let payload = br#"{"mesh":"","namespace":"shop","workload":"cart"}"#;
        let header = format!(r#"{{"alg":"{algorithm}","typ":"sidegate-pointer"}}"#);
        let encode = crate::packed::base64url;
        let file = serde_json::json!({"payload": encode(payload), "protected": encode(header.as_bytes()),
            "signature": encode(&[1; 64])});
        let error = trust.pointer(file.to_string().as_bytes(), &crate::packed::workload()).unwrap_err();
        assert_eq!(error.code(), "signature_bad", "{error}");
    }
}
