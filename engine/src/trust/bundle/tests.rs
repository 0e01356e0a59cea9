use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::bundle::archive::tests::{gzip, tar};
use crate::crypto::{Hash, hex};
use crate::trust::{TrustedKey, unverified};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: &str = "a secret that is as long as it has to be";
const HEADER: &str = r#"{"alg":"HS256","kid":"net","typ":"JWT"}"#;
/// A bundle without a plan that can be decoded: `bundle_plan` says that everything before was right.
const FILES: [(&str, &[u8]); 4] =
    [(".manifest", b"{}"), ("a/b.rego", b"package a"), ("data.json", b"{}"), ("sidegate.bin", b"plan")];

fn key(id: &str, secret: &str, namespaces: &[&str]) -> TrustedKey {
    TrustedKey::new(id, "HS256", secret, namespaces.iter().map(|&n| n.to_owned()).collect()).unwrap()
}

fn trust() -> Trust {
    let keys = vec![key("net", SECRET, &["*"]), key("bank", &SECRET.to_uppercase(), &["bank"])];
    Trust { required: true, keys, ..Trust::default() }
}

fn workload() -> Workload {
    Workload { namespace: "shop".to_owned(), name: "cart".to_owned() }
}

fn listed(files: &[(&str, &[u8])]) -> serde_json::Value {
    let file = |(name, bytes): &(&str, &[u8])| {
        let hash = if is_structured(name) { "0".repeat(64) } else { hex(&Hash::Sha256.digest(bytes)) };
        json!({"name": name, "hash": hash, "algorithm": "SHA-256"})
    };
    files.iter().map(file).collect()
}

fn claims() -> String {
    json!({ "files": listed(&FILES) }).to_string()
}

fn token(header: &str, claims: &str, secret: &str) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let text = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    format!("{text}.{}", encode(&Hash::Sha256.hmac(secret.as_bytes(), text.as_bytes())))
}

fn signatures(token: &str) -> String {
    json!({ "signatures": [token] }).to_string()
}

fn bundle(files: &[(&str, &[u8])], signatures: &str) -> Vec<u8> {
    let mut files = files.to_vec();
    files.push((SIGNATURES_FILE, signatures.as_bytes()));
    gzip(&tar(&files))
}

fn code_by(trust: &Trust, bytes: &[u8], workload: &Workload) -> &'static str {
    trust.bundle(bytes, &Limits::default(), workload).map_or_else(|error| error.code(), |_| "taken")
}

fn code(bytes: &[u8]) -> &'static str {
    code_by(&trust(), bytes, &workload())
}

/// What becomes of the right files with these signatures.
fn with(signatures: &str) -> &'static str {
    code(&bundle(&FILES, signatures))
}

#[test]
fn a_signed_bundle_is_looked_into() {
    assert_eq!(with(&signatures(&token(HEADER, &claims(), SECRET))), "bundle_plan");
    // As OPA's own programs write it: no id where there is one key, other claims, names with a slash.
    let one = Trust { keys: vec![key("net", SECRET, &["*"])], ..trust() };
    for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","kid":"","typ":"JWT"}"#] {
        let bytes = bundle(&FILES, &signatures(&token(header, &claims(), SECRET)));
        assert_eq!(code_by(&one, &bytes, &workload()), "bundle_plan");
        assert_eq!(code(&bytes), "key_unknown");
    }
    let more =
        json!({"files": listed(&FILES), "keyid": "x", "iat": 1_700_000_000, "iss": "ci", "n": [1.5e300]});
    assert_eq!(with(&signatures(&token(HEADER, &more.to_string(), SECRET))), "bundle_plan");
    let slash = claims().replace("a/b.rego", "/a/b.rego");
    assert_eq!(with(&signatures(&token(HEADER, &slash, SECRET))), "bundle_plan");
    let plugin = json!({"plugin": "_default", "signatures": [token(HEADER, &claims(), SECRET)]});
    assert_eq!(with(&plugin.to_string()), "bundle_plan");
    let signed = unverified(signatures(&token(HEADER, &claims(), "any")).as_bytes()).unwrap();
    assert_eq!((signed.key_id.as_str(), signed.algorithm.as_str(), signed.files.len()), ("net", "HS256", 4));
}

#[test]
fn an_unsigned_bundle_is_taken_only_where_that_is_said() {
    let unsigned = gzip(&tar(&FILES));
    assert_eq!(code(&unsigned), "bundle_unsigned");
    let optional = Trust { required: false, ..trust() };
    assert_eq!(code_by(&optional, &unsigned, &workload()), "bundle_plan");
    // A signature that is there counts.
    let forged = bundle(&FILES, &signatures(&token(HEADER, &claims(), "another secret")));
    assert_eq!(code_by(&optional, &forged, &workload()), "signature_bad");
    let open = Trust::nothing_required();
    assert_eq!(code_by(&open, &forged, &workload()), "bundle_plan");
    let keyless = Trust { required: true, ..Trust::default() };
    assert_eq!(code_by(&keyless, &forged, &workload()), "key_unknown");
    assert_eq!(code_by(&keyless, &unsigned, &workload()), "bundle_unsigned");
}

#[test]
fn a_key_is_the_one_that_is_named_and_for_its_namespaces() {
    let named = |header: &str, secret: &str| with(&signatures(&token(header, &claims(), secret)));
    let bank = SECRET.to_uppercase();
    assert_eq!(named(HEADER, &bank), "signature_bad");
    assert_eq!(named(&HEADER.replace("net", "bank"), SECRET), "signature_bad");
    assert_eq!(named(&HEADER.replace("net", "bank"), &bank), "key_namespace");
    let theirs = bundle(&FILES, &signatures(&token(&HEADER.replace("net", "bank"), &claims(), &bank)));
    let teller = Workload { namespace: "bank".to_owned(), name: "teller".to_owned() };
    assert_eq!(code_by(&trust(), &theirs, &teller), "bundle_plan");
    assert_eq!(code_by(&trust(), &theirs, &Workload::default()), "key_namespace");
    assert_eq!(named(&HEADER.replace("net", "other"), SECRET), "key_unknown");
    for algorithm in ["none", "HS512", "ES256", "hs256", ""] {
        assert_eq!(named(&HEADER.replace("HS256", algorithm), SECRET), "signature_algorithm", "{algorithm}");
    }
}

#[test]
fn other_tokens_are_refused() {
    let header = |header: &str| with(&signatures(&token(header, &claims(), SECRET)));
    assert_eq!(header(r#"{"alg":"HS256","kid":"net","typ":"sidegate-pointer"}"#), "bundle_signatures");
    assert_eq!(header(r#"{"alg":"HS256","kid":"net","crit":["exp"],"exp":1}"#), "bundle_signatures");
    assert_eq!(header(r#"{"alg":"HS256","kid":"net","b64":false}"#), "bundle_signatures");
    assert_eq!(header(r#"{"alg":"none","alg":"HS256","kid":"net"}"#), "bundle_signatures");
    assert_eq!(header(r#"{"kid":"net"}"#), "bundle_signatures");
    assert_eq!(header("[]"), "bundle_signatures");
    let good = token(HEADER, &claims(), SECRET);
    for file in [
        String::new(),
        "{}".to_owned(),
        json!({"signatures": []}).to_string(),
        json!({"signatures": [good, good]}).to_string(),
        json!({"signatures": good}).to_string(),
        json!({"signatures": [good], "plugin": "mine"}).to_string(),
        json!({"signatures": [good], "more": 1}).to_string(),
        signatures(&good).replacen('{', "{\"signatures\":[],", 1),
        format!("{}{{}}", signatures(&good)),
        signatures(&good.replace('.', "")),
        signatures(&good.replacen('.', "..", 1)),
        signatures(&format!("{good}.{good}")),
        signatures(&format!("{good}=")),
        signatures(&format!("{good} ")),
        format!("{}{}", signatures(&good), " ".repeat(SIGNATURES_BYTES)),
    ] {
        assert_eq!(with(&file), "bundle_signatures", "{}", file.get(..200).unwrap_or(&file));
    }
    let claims = |claims: &str| with(&signatures(&token(HEADER, claims, SECRET)));
    let file = json!({"name": "a", "hash": "0".repeat(64), "algorithm": "SHA-256"});
    for listed in [
        json!({}),
        json!([]),
        json!({"files": [], "iat": "now"}),
        json!({"files": [], "scope": 1}),
        json!({"files": [file, file]}),
        json!({"files": [{"name": "a", "hash": "0".repeat(64), "algorithm": "SHA-256", "size": 1}]}),
        json!({"files": [{"name": "a", "hash": "0".repeat(32), "algorithm": "MD5"}]}),
        json!({"files": [{"name": "a", "hash": "0".repeat(40), "algorithm": "SHA-1"}]}),
        json!({"files": [{"name": "a", "hash": "0".repeat(63), "algorithm": "SHA-256"}]}),
        json!({"files": [{"name": "a", "hash": "g".repeat(64), "algorithm": "SHA-256"}]}),
        json!({"files": [{"name": "a", "hash": "0".repeat(64)}]}),
    ] {
        assert_eq!(claims(&listed.to_string()), "bundle_signatures", "{listed}");
    }
    assert_eq!(claims(r#"{"files":[],"files":[]}"#), "bundle_signatures");
    assert_eq!(
        claims(
            &json!({"files": [{"name": "../a", "hash": "0".repeat(64), "algorithm": "SHA-256"}]}).to_string()
        ),
        "bundle_name"
    );
    // A payload that is a pointer's.
    assert_eq!(claims(r#"{"mesh":"","namespace":"shop","workload":"cart"}"#), "bundle_signatures");
}

#[test]
fn the_scope_is_the_configured_one_exactly() {
    let scoped = |scope: &str| {
        let claims = json!({"files": listed(&FILES), "scope": scope}).to_string();
        bundle(&FILES, &signatures(&token(HEADER, &claims, SECRET)))
    };
    assert_eq!(code(&scoped("")), "bundle_plan");
    assert_eq!(code(&scoped("prod")), "bundle_scope");
    let trust = Trust { scope: "prod".to_owned(), ..trust() };
    let by = |bytes: &[u8]| code_by(&trust, bytes, &workload());
    assert_eq!(by(&scoped("prod")), "bundle_plan");
    for scope in ["", "Prod", "prod ", "production"] {
        assert_eq!(by(&scoped(scope)), "bundle_scope");
    }
    assert_eq!(by(&bundle(&FILES, &signatures(&token(HEADER, &claims(), SECRET)))), "bundle_scope");
}

#[test]
fn the_files_are_those_that_were_signed() {
    let good = signatures(&token(HEADER, &claims(), SECRET));
    for (at, (name, content)) in FILES.into_iter().enumerate() {
        let changed = |to: Option<(&'static str, &'static [u8])>| {
            let mut files = FILES.to_vec();
            files.splice(at..=at, to);
            code(&bundle(&files, &good))
        };
        let content_counts = if is_structured(name) { "bundle_plan" } else { "bundle_file_hash" };
        assert_eq!(changed(Some((name, b"other"))), content_counts, "{name} changed");
        assert_eq!(changed(Some((name, b""))), content_counts, "{name} emptied");
        assert_eq!(changed(None), "bundle_file_missing", "{name} removed");
        assert_eq!(changed(Some(("z", content))), "bundle_file_unlisted", "{name} renamed");
    }
    for (name, content) in
        [("x.rego", b"package x".as_slice()), ("a/data.json", b"{}"), ("a/sidegate.bin", b"plan")]
    {
        let mut files = FILES.to_vec();
        files.push((name, content));
        assert_eq!(code(&bundle(&files, &good)), "bundle_file_unlisted", "{name} added");
    }
    let twice = [FILES.as_slice(), &FILES[3..]].concat();
    assert_eq!(code(&bundle(&twice, &good)), "bundle_file_twice");
    let two = [FILES.as_slice(), &[(SIGNATURES_FILE, good.as_bytes())]].concat();
    assert_eq!(code(&bundle(&two, &good)), "bundle_file_twice");
    // Without a plan, though all is as it was signed.
    let list = json!({"files": listed(&FILES[..3])}).to_string();
    let without = bundle(&FILES[..3], &signatures(&token(HEADER, &list, SECRET)));
    assert_eq!(code(&without), "bundle_no_plan");
}
