//! Bundles that OPA signed (`make fixtures`), read as the proxy does.
#![allow(clippy::unwrap_used, reason = "tests")]

use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Trust, TrustedKey};

const SECRET: &str = "a secret of tests that is as long as it has to be";
const P256: &str = include_str!("../../compiler/tests/fixtures/keys/p256.pub");
const P384: &str = include_str!("../../compiler/tests/fixtures/keys/p384.pub");
const RSA: &str = include_str!("../../compiler/tests/fixtures/keys/rsa.pub");

const SIGNED: [(&str, &str, &[u8]); 6] = [
    ("ES256", P256, include_bytes!("fixtures/bundles/opa-es256.tar.gz")),
    ("ES384", P384, include_bytes!("fixtures/bundles/opa-es384.tar.gz")),
    ("RS256", RSA, include_bytes!("fixtures/bundles/opa-rs256.tar.gz")),
    ("RS512", RSA, include_bytes!("fixtures/bundles/opa-rs512.tar.gz")),
    ("PS256", RSA, include_bytes!("fixtures/bundles/opa-ps256.tar.gz")),
    ("HS256", SECRET, include_bytes!("fixtures/bundles/opa-hs256.tar.gz")),
];

fn key(id: &str, algorithm: &str, text: &str) -> TrustedKey {
    TrustedKey::new(id, algorithm, text, vec!["*".to_owned()]).unwrap()
}

/// What becomes of a bundle: `taken`, or why not. A plan of another format than today's comes after all
/// that is looked at here.
fn code(keys: Vec<TrustedKey>, scope: &str, bytes: &[u8]) -> &'static str {
    let trust = Trust { required: true, keys, scope: scope.to_owned(), ..Trust::default() };
    match trust.bundle(bytes, &Limits::default(), &Workload::default()) {
        Ok(bundle) => {
            assert_eq!(bundle.signed_by(), Some("net"));
            "taken"
        }
        Err(error) if error.code() == "bundle_version" => "taken",
        Err(error) => error.code(),
    }
}

#[test]
fn what_opa_signed_is_taken_by_the_key_alone() {
    for (algorithm, text, bytes) in SIGNED {
        let one = || vec![key("net", algorithm, text)];
        assert_eq!(code(one(), "", bytes), "taken", "{algorithm}");
        assert_eq!(code(one(), "prod", bytes), "bundle_scope", "{algorithm}");
        assert_eq!(code(vec![key("other", algorithm, text)], "", bytes), "key_unknown", "{algorithm}");
        // With others beside it, as while keys are rotated.
        let several = SIGNED.iter().map(|(other, text, _)| key(&format!("key-{other}"), other, text));
        assert_eq!(code(one().into_iter().chain(several).collect(), "", bytes), "taken", "{algorithm}");
        for (other, text, _) in SIGNED.iter().filter(|(other, ..)| *other != algorithm) {
            assert_eq!(code(vec![key("net", other, text)], "", bytes), "signature_algorithm", "{algorithm}");
        }
    }
    let bad = key("net", "HS256", &SECRET.to_uppercase());
    assert_eq!(code(vec![bad], "", SIGNED[5].2), "signature_bad");
}

/// They are of the format before today's, which every version reads, too.
#[test]
fn a_bundle_of_the_format_before_decides() {
    let (algorithm, text, bytes) = SIGNED[0];
    let trust = Trust { required: true, keys: vec![key("net", algorithm, text)], ..Trust::default() };
    let bundle = trust.bundle(bytes, &Limits::default(), &Workload::default()).unwrap();
    assert_eq!(bundle.image().format() + 1, sidegate_engine::plan::FORMAT);
    assert!(!bundle.image().entries().is_empty());
}

/// One bit anywhere in the packed bytes. What is still taken holds the same files: gzip has bits (times,
/// what fills the last byte of a block) that mean nothing.
#[test]
fn a_changed_bit_is_seen() {
    let (algorithm, text, bytes) = SIGNED[5];
    let files = |bytes: &[u8]| bundle::files(bytes, &Limits::default()).unwrap();
    let mut taken = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        if code(vec![key("net", algorithm, text)], "", &changed) == "taken" {
            assert_eq!(files(&changed), files(bytes), "byte {at}");
            taken += 1;
        }
    }
    assert!(taken < 16, "{taken} were taken");
}
