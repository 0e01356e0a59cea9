//! Signed bundles as they are built, and what becomes of them when somebody changes them.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use regorus::Value;
use sha2::{Digest, Sha256};
use sidegate_compiler::signing::{KeySigner, Signer, check_structured, sign_bundle, structural};
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle::{self, BundleError, SIGNATURES_FILE, VerifiedBundle};
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Trust, TrustedKey};

fn signer() -> KeySigner {
    KeySigner::new(include_bytes!("fixtures/keys/p256-sec1.pem"), "net", None).unwrap()
}

fn trust(keys: Vec<TrustedKey>) -> Trust {
    Trust { required: true, keys, ..Trust::default() }
}

fn unsigned() -> Vec<u8> {
    let rego = "package envoy.authz\n\nallow if input.attributes.request.http.method in data.methods\n";
    let modules = vec![("a/authz.rego".to_owned(), rego.to_owned())];
    let data =
        Value::from_json_str(r#"{"methods": ["GET", "HEAD"], "limit": 1.5, "text": "é\u2028<>&\u0001"}"#);
    build(&Sources::from_parts(modules, data.unwrap()), &BuildOptions::default()).unwrap().bundle
}

fn open(trust: &Trust, bytes: &[u8]) -> Result<VerifiedBundle, BundleError> {
    trust.bundle(bytes, &Limits::default(), &Workload::default())
}

/// What the host's tools check besides.
fn open_whole(trust: &Trust, bytes: &[u8]) -> Result<(), BundleError> {
    let limits = Limits::default();
    open(trust, bytes)?;
    let signed = trust.signed(bytes, &limits, &Workload::default())?.ok_or(BundleError::Unsigned)?;
    check_structured(bytes, &signed, &limits)
}

#[test]
fn what_is_built_and_signed_is_trusted_and_the_same_each_time() {
    let signed = sign_bundle(&unsigned(), &signer(), "").unwrap();
    let trust = trust(vec![signer().trusted().clone()]);
    open_whole(&trust, &signed).unwrap();
    assert_eq!(open(&trust, &signed).unwrap().signed_by(), Some("net"));
    assert_eq!(open(&trust, &unsigned()).unwrap_err().code(), "bundle_unsigned");
    assert_eq!(signed, sign_bundle(&unsigned(), &signer(), "").unwrap());
    // Signed anew, nothing of the first signature is left.
    let scoped = sign_bundle(&signed, &signer(), "prod").unwrap();
    assert_eq!(open(&trust, &scoped).unwrap_err().code(), "bundle_scope");
    open_whole(&Trust { scope: "prod".to_owned(), ..trust }, &scoped).unwrap();
    assert_eq!(sign_bundle(&scoped, &signer(), "").unwrap(), signed);
}

#[test]
fn keys_are_rotated_with_both_configured() {
    let next = KeySigner::new(include_bytes!("fixtures/keys/p384-sec1.pem"), "net-2", None).unwrap();
    let by_old = sign_bundle(&unsigned(), &signer(), "").unwrap();
    let by_next = sign_bundle(&unsigned(), &next, "").unwrap();
    let (old_key, next_key) = (signer().trusted().clone(), next.trusted().clone());
    let both = trust(vec![old_key.clone(), next_key.clone()]);
    open_whole(&both, &by_old).unwrap();
    open_whole(&both, &by_next).unwrap();
    assert_eq!(open(&trust(vec![old_key]), &by_next).unwrap_err().code(), "key_unknown");
    assert_eq!(open(&trust(vec![next_key]), &by_old).unwrap_err().code(), "key_unknown");
}

#[test]
fn data_and_manifest_are_checked_by_the_tools() {
    let signed = sign_bundle(&unsigned(), &signer(), "").unwrap();
    let trust = trust(vec![signer().trusted().clone()]);
    for (name, from, to) in
        [("data.json", "GET", "PUT"), ("data.json", "1.5", "1.50"), (".manifest", "revision", "reversion")]
    {
        let changed = change(&signed, |file, bytes| {
            let text = String::from_utf8(bytes.to_vec()).unwrap_or_default();
            (file == name).then(|| text.replace(from, to).into_bytes())
        });
        assert!(open(&trust, &changed).is_ok(), "the proxy reads neither");
        assert_eq!(open_whole(&trust, &changed).unwrap_err().code(), "bundle_file_hash", "{name}: {to}");
    }
    // The same said otherwise is the same.
    let spaced = change(&signed, |file, bytes| {
        (file == "data.json").then(|| [b" ".as_slice(), bytes, b"\n"].concat())
    });
    open_whole(&trust, &spaced).unwrap();
}

/// The bundle with some of its files changed.
fn change(packed: &[u8], with: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in bundle::files(packed, &Limits::default()).unwrap() {
        let bytes = with(&name, &bytes).unwrap_or(bytes);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// A few bytes changed, taken out, put in or moved.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(3) {
            if bytes.len() < 2 {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, b"{}[]\".,:0aA\0 "[self.below(13)]),
                4 => bytes.truncate(at.max(1)),
                _ => {
                    let to = self.below(bytes.len());
                    bytes.swap(at, to);
                }
            }
        }
    }
}

/// What a bundle that is taken must be: its files as they were, but for what the proxy does not look at.
fn same_files(original: &[u8], changed: &[u8]) -> bool {
    let files = |bytes: &[u8]| -> BTreeSet<(String, Vec<u8>)> {
        let files = bundle::files(bytes, &Limits::default()).unwrap();
        files.into_iter().filter(|(name, _)| !sidegate_engine::trust::is_structured(name)).collect()
    };
    let only = |bytes: &[u8], signatures: bool| -> BTreeSet<(String, Vec<u8>)> {
        files(bytes).into_iter().filter(|(name, _)| (name == SIGNATURES_FILE) == signatures).collect()
    };
    only(original, false) == only(changed, false)
}

/// Mutations of each level: the packed bytes, the archive, and each part of the token.
#[test]
fn nothing_but_what_was_signed_is_taken() {
    let signed = sign_bundle(&unsigned(), &signer(), "").unwrap();
    let trust = trust(vec![signer().trusted().clone()]);
    let mut unpacked = Vec::new();
    GzDecoder::new(signed.as_slice()).read_to_end(&mut unpacked).unwrap();
    let files = bundle::files(&signed, &Limits::default()).unwrap();
    let signatures = files.iter().find(|(name, _)| name == SIGNATURES_FILE).unwrap().1.clone();
    let mut random = Random(7);
    let (mut taken, mut codes) = (0, BTreeSet::new());
    for round in 0..6_000 {
        let changed = match round % 4 {
            0 => {
                let mut bytes = signed.clone();
                random.mutate(&mut bytes);
                bytes
            }
            1 => {
                let mut bytes = unpacked.clone();
                random.mutate(&mut bytes);
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(&bytes).unwrap();
                gzip.finish().unwrap()
            }
            2 => {
                let mut bytes = signatures.clone();
                random.mutate(&mut bytes);
                change(&signed, |name, _| (name == SIGNATURES_FILE).then(|| bytes.clone()))
            }
            _ => {
                let token = mutated_token(&signatures, &mut random);
                change(&signed, |name, _| (name == SIGNATURES_FILE).then(|| token.clone()))
            }
        };
        match open(&trust, &changed) {
            Ok(_) => {
                assert!(same_files(&signed, &changed), "round {round}");
                taken += 1;
            }
            Err(error) => {
                codes.insert(error.code());
            }
        }
    }
    assert!(taken < 1_500, "{taken} were taken");
    for code in ["bundle_archive", "bundle_signatures", "signature_bad", "bundle_file_hash", "key_unknown"] {
        assert!(codes.contains(code), "{code} is none of {codes:?}");
    }
}

/// The token with one of its parts decoded, changed and encoded again.
fn mutated_token(signatures: &[u8], random: &mut Random) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_slice(signatures).unwrap();
    let mut parts: Vec<String> =
        json["signatures"][0].as_str().unwrap().split('.').map(str::to_owned).collect();
    let at = random.below(3);
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&parts[at]).unwrap();
    random.mutate(&mut bytes);
    parts[at] = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    serde_json::to_vec(&serde_json::json!({ "signatures": [parts.join(".")] })).unwrap()
}

/// A signature that somebody without the key makes of a header that they choose.
#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    let public = signer().public_key().unwrap().to_owned();
    let forger = KeySigner::new(public.as_bytes(), "net", Some("HS256")).unwrap();
    let forged = sign_bundle(&unsigned(), &forger, "").unwrap();
    let trust = trust(vec![signer().trusted().clone()]);
    assert_eq!(open(&trust, &forged).unwrap_err().code(), "signature_algorithm");
    assert_eq!(forger.algorithm(), "HS256");
}

#[test]
fn names_that_the_proxy_would_not_take_are_not_built() {
    for name in ["a\\b.rego", "a`b.rego", &format!("{}.rego", "x".repeat(100))] {
        let sources = Sources::from_parts(
            vec![(name.to_owned(), "package envoy.authz\nallow := true".to_owned())],
            Value::new_object(),
        );
        let found = build(&sources, &BuildOptions::default()).unwrap_err();
        assert!(found.iter().all(|finding| finding.code == "source_name"), "{name}: {found}");
    }
    let long = format!("{}/{}.rego", "folder/".repeat(20), "x".repeat(90)).replace("//", "/");
    let modules = vec![(long.clone(), "package envoy.authz\nallow := true".to_owned())];
    let built = build(&Sources::from_parts(modules, Value::new_object()), &BuildOptions::default()).unwrap();
    let names = sidegate_compiler::files(&built.bundle).unwrap();
    assert!(names.iter().any(|(name, _)| *name == long), "{names:?}");
}

#[derive(serde::Deserialize)]
struct Hashed {
    json: String,
    hash: String,
}

/// `make fixtures` asks OPA for the hashes.
#[test]
fn structured_files_have_the_hash_that_opa_gives_them() {
    let documents: Vec<Hashed> = serde_json::from_str(include_str!("fixtures/structural.json")).unwrap();
    assert!(documents.len() > 400);
    for Hashed { json, hash } in documents {
        let said = structural(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        let got: String = Sha256::digest(&said).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(got, hash, "{json} as {}", String::from_utf8_lossy(&said));
    }
    // What OPA takes too and no build makes.
    for other in ["\u{feff}{}", "a: 1", "", "{} {}", r#""\ud800""#, r#"{"\ud800": 1}"#] {
        assert!(structural(other.as_bytes()).is_err(), "{other}");
    }
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(structural(deep(128).as_bytes()).is_ok());
    assert!(structural(deep(129).as_bytes()).is_err());
    assert!(structural(deep(1_000_000).as_bytes()).is_err());
}
