use std::convert::Infallible;

use super::*;
use crate::crypto::Hash;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: &str = "a secret that is as long as it has to be";

fn workload() -> Workload {
    Workload { namespace: "shop".to_owned(), name: "cart".to_owned() }
}

fn trust() -> Trust {
    let key = |id: &str, secret: &str, namespaces: &[&str]| {
        TrustedKey::new(id, "HS256", secret, namespaces.iter().map(|&n| n.to_owned()).collect()).unwrap()
    };
    Trust {
        required: true,
        keys: vec![key("net", SECRET, &["*"]), key("bank", &SECRET.to_uppercase(), &["bank"])],
        mesh: "prod".to_owned(),
        ..Trust::default()
    }
}

fn pointer() -> Pointer {
    Pointer {
        mesh: "prod".to_owned(),
        namespace: "shop".to_owned(),
        workload: "cart".to_owned(),
        revision: "r1".to_owned(),
        epoch: 1,
        serial: 7,
        issued: 1_000,
        expires: 2_000,
        stable: Release { layers: vec![Layer::of(b"blob")] },
        candidate: None,
        lowering: None,
    }
}

fn hmac(secret: &str) -> impl FnOnce(&[u8]) -> Result<Vec<u8>, Infallible> {
    move |message| Ok(Hash::Sha256.hmac(secret.as_bytes(), message))
}

fn signed(pointer: &Pointer) -> Vec<u8> {
    pointer.sign("HS256", "net", hmac(SECRET)).unwrap()
}

fn code(bytes: &[u8]) -> &'static str {
    trust().pointer(bytes, &workload()).map_or_else(|error| error.code(), |_| "taken")
}

#[test]
fn a_pointer_is_read_as_it_was_signed() {
    let full = Pointer {
        candidate: Some(Candidate {
            revision: "r2".to_owned(),
            layers: vec![Layer::of(b"a"), Layer::of(b"b")],
            percent: 100,
            mode: PointerMode::Shadow,
        }),
        lowering: Some(Lowering { mode: PointerMode::Shadow, until: 1_500, reason: "x".to_owned() }),
        ..pointer()
    };
    for pointer in [pointer(), full] {
        assert_eq!(trust().pointer(&signed(&pointer), &workload()), Ok(pointer));
    }
}

#[test]
fn nothing_else_is_taken_for_a_pointer() {
    assert_eq!(code(b""), "pointer_syntax");
    assert_eq!(code(b"<html>404</html>"), "pointer_syntax");
    assert_eq!(code(&vec![b' '; POINTER_BYTES + 1]), "pointer_size");
    let good = String::from_utf8(signed(&pointer())).unwrap();
    assert_eq!(code(good.as_bytes()), "taken");
    assert_eq!(code(&good.as_bytes()[..good.len() / 2]), "pointer_syntax");
    assert_eq!(
        code(good.replace("\"payload\"", "\"payload\":\"\",\"payload\"").as_bytes()),
        "pointer_syntax"
    );
    assert_eq!(code(good.replacen('{', "{\"header\":{},", 1).as_bytes()), "pointer_syntax");
    assert_eq!(code(format!("{good}{{}}").as_bytes()), "pointer_syntax");
}

/// A JWS of the two parts as they stand, signed with the trusted key.
fn jws(header: &str, payload: &str) -> Vec<u8> {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let (protected, payload) = (encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = Hash::Sha256.hmac(SECRET.as_bytes(), format!("{protected}.{payload}").as_bytes());
    let signature = encode(&signature);
    format!(r#"{{"payload":"{payload}","protected":"{protected}","signature":"{signature}"}}"#).into_bytes()
}

#[test]
fn what_is_signed_for_something_else_is_no_pointer() {
    let payload = serde_json::to_string(&pointer()).unwrap();
    let good = r#"{"alg":"HS256","kid":"net","typ":"sidegate-pointer"}"#;
    assert_eq!(code(&jws(good, &payload)), "taken");
    assert_eq!(code(&jws(r#"{"alg":"HS256","kid":"net","typ":"JWT"}"#, &payload)), "pointer_type");
    assert_eq!(code(&jws(r#"{"alg":"HS256","kid":"net"}"#, &payload)), "pointer_type");
    let crit = r#"{"alg":"HS256","kid":"net","typ":"sidegate-pointer","crit":["b64"],"b64":false}"#;
    assert_eq!(code(&jws(crit, &payload)), "pointer_syntax");
    let twice = r#"{"alg":"none","alg":"HS256","kid":"net","typ":"sidegate-pointer"}"#;
    assert_eq!(code(&jws(twice, &payload)), "pointer_syntax");
    assert_eq!(code(&jws(&good.replace("HS256", "none"), &payload)), "signature_algorithm");
    assert_eq!(code(&jws(&good.replace("HS256", "HS512"), &payload)), "signature_algorithm");
    assert_eq!(code(&jws(r#"{"alg":"HS256","typ":"sidegate-pointer"}"#, &payload)), "key_unknown");
    assert_eq!(code(&jws(&good.replace("net", "other"), &payload)), "key_unknown");
    let files = r#"{"files":[{"name":"data.json","hash":"00","algorithm":"SHA-256"}]}"#;
    assert_eq!(code(&jws(good, files)), "pointer_syntax");
    assert_eq!(code(&jws(good, &payload.replacen('{', "{\"more\":1,", 1))), "pointer_syntax");
    assert_eq!(code(&jws(good, &payload.replacen('{', "{\"serial\":9,", 1))), "pointer_syntax");
}

#[test]
fn a_pointer_for_others_is_refused() {
    let other = |change: fn(&mut Pointer)| {
        let mut pointer = pointer();
        change(&mut pointer);
        code(&signed(&pointer))
    };
    assert_eq!(other(|p| p.mesh = "test".to_owned()), "pointer_mesh");
    assert_eq!(other(|p| p.workload = "checkout".to_owned()), "pointer_workload");
    assert_eq!(other(|p| p.namespace = "bank".to_owned()), "pointer_workload");
    assert_eq!(other(|p| p.stable.layers.clear()), "pointer_syntax");
    assert_eq!(other(|p| p.stable.layers[0].digest = "sha256:../../x".to_owned()), "pointer_syntax");
    assert_eq!(other(|p| p.stable.layers[0].digest.make_ascii_uppercase()), "pointer_syntax");
}

#[test]
fn a_key_signs_for_its_namespaces_alone() {
    let bank = SECRET.to_uppercase();
    let bytes = pointer().sign("HS256", "bank", hmac(&bank)).unwrap();
    assert_eq!(code(&bytes), "key_namespace");
    let teller = Workload { namespace: "bank".to_owned(), name: "teller".to_owned() };
    let theirs = Pointer { namespace: "bank".to_owned(), workload: "teller".to_owned(), ..pointer() };
    let bytes = theirs.sign("HS256", "bank", hmac(&bank)).unwrap();
    assert_eq!(trust().pointer(&bytes, &teller), Ok(theirs));
    // The key of another name, or no key at all, under a name that is trusted.
    assert_eq!(code(&pointer().sign("HS256", "net", hmac(&bank)).unwrap()), "signature_bad");
    assert_eq!(
        code(&pointer().sign("HS256", "net", |_| Ok::<_, Infallible>(Vec::new())).unwrap()),
        "signature_bad"
    );
}

#[test]
fn every_bit_of_a_pointer_counts() {
    let bytes = signed(&pointer());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let result = trust().pointer(&changed, &workload());
            assert!(result.is_err() || result == Ok(pointer()), "bit {bit} of byte {at}");
            // White space between the members is all that may be another.
            assert!(result.is_err() || bytes[at].is_ascii_whitespace(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn time_and_order_are_checked_when_it_is_taken() {
    let pointer = pointer();
    let code = |now, floor, min| pointer.check(now, floor, min).map_or_else(|e| e.code(), |()| "taken");
    assert_eq!(code(1_999, None, 0), "taken");
    assert_eq!(code(2_000, None, 0), "pointer_expired");
    assert_eq!(code(i64::MAX, None, 0), "pointer_expired");
    assert_eq!(code(0, Some((1, 7)), 7), "taken");
    assert_eq!(code(0, Some((1, 8)), 0), "pointer_replay");
    assert_eq!(code(0, Some((2, 0)), 0), "pointer_replay");
    assert_eq!(code(0, Some((0, 9)), 0), "taken");
    assert_eq!(code(0, None, 8), "pointer_serial");
    assert_eq!(
        Pointer { expires: i64::MIN, ..pointer.clone() }.check(0, None, 0).unwrap_err().code(),
        "pointer_expired"
    );
}

#[test]
fn without_keys_nothing_is_checked_only_where_nothing_has_to_be() {
    let forged = pointer().sign("HS256", "nobody", |_| Ok::<_, Infallible>(vec![1])).unwrap();
    let open = Trust { required: false, keys: Vec::new(), ..trust() };
    assert!(open.pointer(&forged, &workload()).is_ok());
    let keyless = Trust { required: true, ..open };
    assert_eq!(keyless.pointer(&forged, &workload()).unwrap_err().code(), "key_unknown");
    let with_keys = Trust { required: false, ..trust() };
    assert_eq!(with_keys.pointer(&forged, &workload()).unwrap_err().code(), "key_unknown");
}

#[test]
fn keys_must_fit_their_algorithm() {
    let refused = |algorithm: &str, key: &str| TrustedKey::new("k", algorithm, key, Vec::new()).unwrap_err();
    const P256: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";
    assert!(TrustedKey::new("k", "ES256", P256, Vec::new()).is_ok());
    assert!(matches!(refused("ES384", P256), KeyError::Kind { .. }));
    assert!(matches!(refused("RS256", P256), KeyError::Kind { .. }));
    assert!(matches!(refused("none", P256), KeyError::Algorithm(_)));
    assert!(matches!(refused("EdDSA", P256), KeyError::Algorithm(_)));
    assert!(matches!(refused("HS256", "short"), KeyError::Strength { .. }));
    assert!(matches!(refused("ES256", "no key"), KeyError::Pem("no PEM")));
    assert!(matches!(refused("ES256", &format!("{P256}{P256}")), KeyError::Pem("more than one block")));
    assert!(matches!(
        refused("ES256", &P256.replace("PUBLIC", "EC PRIVATE")),
        KeyError::Pem("a private key")
    ));
}

/// Who serves the file needs no key to be quoted in the log.
#[test]
fn what_a_stranger_writes_is_one_line_of_a_message() {
    let payload = serde_json::to_string(&pointer()).unwrap();
    let odd = "a\\n[warning] all is well\\u001b[2K`";
    let text = format!(r#""{odd}{}""#, "x".repeat(10_000));
    for header in [
        format!(r#"{{"alg":"HS256","kid":{text},"typ":"sidegate-pointer"}}"#),
        format!(r#"{{"alg":{text},"kid":"net","typ":"sidegate-pointer"}}"#),
        format!(r#"{{"alg":"HS256","kid":"net","typ":{text}}}"#),
        format!(r#"{{"alg":"HS256",{text}:1}}"#),
    ] {
        let error = trust().pointer(&jws(&header, &payload), &workload()).unwrap_err().to_string();
        assert!(!error.chars().any(char::is_control) && error.len() < 400, "{error}");
    }
    let elsewhere = Pointer { mesh: "a\nb".to_owned(), ..pointer() };
    let error = trust().pointer(&signed(&elsewhere), &workload()).unwrap_err().to_string();
    assert!(error.contains("`a\\nb`"), "{error}");
}
