//! Keys in the forms that `openssl` writes, and commands that sign.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sidegate_compiler::signing::{CommandSigner, KeySigner, Signer, sign_pointer};
use sidegate_engine::attributes::Workload;
use sidegate_engine::trust::{Layer, Pointer, Release, Trust, TrustedKey};

const SECRET: &[u8] = b"a secret that is as long as it has to be";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys").join(name)
}

fn key(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn pointer() -> Pointer {
    Pointer {
        mesh: "prod".to_owned(),
        namespace: "shop".to_owned(),
        workload: "cart".to_owned(),
        revision: "r1".to_owned(),
        epoch: 0,
        serial: 1,
        issued: 1_000,
        expires: 2_000,
        stable: Release { layers: vec![Layer::of(b"blob")] },
        candidate: None,
        lowering: None,
    }
}

/// Whether a pointer signed by it is what the key verifies.
fn verifies(signer: &dyn Signer, key: TrustedKey) -> bool {
    let trust = Trust { required: true, keys: vec![key], mesh: "prod".to_owned(), ..Trust::default() };
    let bytes = sign_pointer(&pointer(), signer).unwrap();
    trust.pointer(&bytes, &Workload { namespace: "shop".to_owned(), name: "cart".to_owned() })
        == Ok(pointer())
}

#[test]
fn every_form_of_key_signs_what_its_public_key_verifies() {
    for (private, public, algorithms) in [
        ("p256-sec1.pem", "p256.pub", ["ES256"].as_slice()),
        ("p256-pkcs8.pem", "p256.pub", &["ES256"]),
        ("p384-sec1.pem", "p384.pub", &["ES384"]),
        ("p521-sec1.pem", "p521.pub", &["ES512"]),
        ("rsa-pkcs1.pem", "rsa.pub", &["RS256"]),
        ("rsa-pkcs8.pem", "rsa.pub", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ] {
        let pem = String::from_utf8(key(public)).unwrap();
        let natural = KeySigner::new(&key(private), "k", None).unwrap();
        assert_eq!(natural.algorithm(), algorithms[0], "{private}");
        assert_eq!(natural.public_key(), Some(pem.as_str()), "{private}");
        for algorithm in algorithms {
            let signer = KeySigner::new(&key(private), "k", Some(algorithm)).unwrap();
            let public = TrustedKey::new("k", algorithm, &pem, vec!["*".to_owned()]).unwrap();
            assert!(verifies(&signer, public), "{private} {algorithm}");
            assert!(verifies(&signer, signer.trusted().clone()), "{private} {algorithm}");
            let again = signer.sign(b"x").unwrap() == signer.sign(b"x").unwrap();
            assert_eq!(again, !algorithm.starts_with("PS"), "{private} {algorithm}: reproducible");
        }
    }
    for algorithm in ["HS256", "HS384", "HS512"] {
        let signer = KeySigner::new(SECRET, "k", Some(algorithm)).unwrap();
        assert_eq!(signer.public_key(), None);
        let secret = std::str::from_utf8(SECRET).unwrap();
        assert!(verifies(&signer, TrustedKey::new("k", algorithm, secret, vec!["*".to_owned()]).unwrap()));
    }
}

/// RFC 6979, A.2.5: the signature of `sample` with SHA-256.
#[test]
fn a_curve_signs_without_chance() {
    let number = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect()
    };
    let der = [bytes("30250201010420"), bytes(number)].concat();
    let pem = format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----",
        BASE64_STANDARD.encode(der)
    );
    let signature = KeySigner::new(pem.as_bytes(), "k", None).unwrap().sign(b"sample").unwrap();
    let expected = "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                    F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
    assert_eq!(signature, bytes(expected));
}

#[test]
fn other_keys_are_refused_with_what_is_expected() {
    let refused = |key: &[u8], algorithm| KeySigner::new(key, "k", algorithm).unwrap_err().to_string();
    for (name, algorithm, part) in [
        ("k256-sec1.pem", None, "none of P-256"),
        ("ed25519.pem", None, "none of P-256"),
        ("encrypted.pem", None, "decrypt it"),
        ("rsa-1024.pem", None, "2048 to 4096 bits"),
        ("p256.pub", None, "got another block"),
        ("p256-sec1.pem", Some("ES384"), "a key of curve P-384"),
        ("p256-sec1.pem", Some("RS256"), "an RSA key for RS256"),
        ("rsa-pkcs8.pem", Some("ES256"), "a key of curve P-256"),
        ("rsa-pkcs8.pem", Some("none"), "expected one of ES256"),
        ("p256-sec1.pem", Some("EdDSA"), "expected one of ES256"),
    ] {
        let error = refused(&key(name), algorithm);
        assert!(error.contains(part), "{name}: {error}");
    }
    assert!(refused(b"no key", None).contains("got no PEM"));
    assert!(refused(b"short", Some("HS256")).contains("at least 32 bytes"));
    let two = [key("p256-sec1.pem"), key("p384-sec1.pem")].concat();
    assert!(refused(&two, None).contains("more than one key"));
    let shown = format!("{:?}", KeySigner::new(SECRET, "k", Some("HS256")).unwrap());
    assert!(!shown.contains("as long as"), "{shown}");
}

fn der(raw: &[u8]) -> Vec<u8> {
    let half = |bytes: &[u8]| {
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if digits[0] >= 0x80 { vec![0] } else { vec![] };
        [&[2, u8::try_from(digits.len() + sign.len()).unwrap()], sign.as_slice(), &digits].concat()
    };
    let (r, s) = raw.split_at(raw.len() / 2);
    let both = [half(r), half(s)].concat();
    let length = u8::try_from(both.len()).unwrap();
    let long: &[u8] = if length < 0x80 { &[] } else { &[0x81] };
    [&[0x30], long, &[length], &both].concat()
}

#[test]
fn a_command_may_print_every_usual_form() {
    for (private, public) in
        [("p256-sec1.pem", "p256.pub"), ("p521-sec1.pem", "p521.pub"), ("rsa-pkcs8.pem", "rsa.pub")]
    {
        let signer = KeySigner::new(&key(private), "k", None).unwrap();
        let algorithm = signer.algorithm();
        let mut message = Vec::new();
        pointer()
            .sign(algorithm, "k", |text| {
                message = text.to_vec();
                Ok::<_, std::convert::Infallible>(Vec::new())
            })
            .unwrap();
        let raw = signer.sign(&message).unwrap();
        let mut forms = vec![BASE64_STANDARD.encode(&raw), BASE64_URL_SAFE_NO_PAD.encode(&raw)];
        if algorithm.starts_with("ES") {
            let wrapped = BASE64_STANDARD.encode(der(&raw));
            let (one, two) = wrapped.split_at(40);
            forms.push(format!("{one}\\n{two}\\n"));
        }
        for form in forms {
            let command = CommandSigner::new(&format!("printf '{form}'"), algorithm, "k");
            let pem = String::from_utf8(key(public)).unwrap();
            let public = TrustedKey::new("k", algorithm, &pem, vec!["*".to_owned()]).unwrap();
            assert!(verifies(&command, public), "{private}: {form}");
        }
    }
}

#[test]
fn a_command_is_given_what_it_needs() {
    let signer = CommandSigner::new(
        "(cat; printf ' %s %s' $SIDEGATE_ALGORITHM $SIDEGATE_KEY_ID) | base64",
        "RS256",
        "k-1",
    );
    assert_eq!(signer.sign(b"to be signed").unwrap(), b"to be signed RS256 k-1");
    let long = vec![b'x'; 1 << 20];
    let unread = CommandSigner::new("printf c2ln", "RS256", "k");
    assert_eq!(unread.sign(&long).unwrap(), b"sig");
}

#[test]
fn a_command_that_fails_is_told_with_what_it_says() {
    let refused = |command: &str, patience| {
        let signer = CommandSigner::new(command, "ES256", "k");
        let signer =
            if patience == 0 { signer } else { signer.with_patience(Duration::from_millis(patience)) };
        let error = signer.sign(b"message").unwrap_err();
        assert_eq!(error.code(), "sign_command");
        error.to_string()
    };
    let error = refused("echo no such key >&2; exit 3", 0);
    assert!(error.contains("exit status: 3") && error.contains("no such key"), "{error}");
    assert!(refused("true", 0).contains("no base64"));
    assert!(refused("echo '<html>'", 0).contains("no base64"));
    assert!(refused("echo c2ln", 0).contains("got 3 bytes that are neither"));
    let begun = Instant::now();
    assert!(refused("sleep 30", 200).contains("within 0.2 s"));
    assert!(refused("yes", 200).contains("within 0.2 s"));
    assert!(begun.elapsed() < Duration::from_secs(20), "a command that hangs is not waited for");
}
