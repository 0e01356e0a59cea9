//! Signed bundles in the built filter: taken by the key that the configuration names, and else refused
//! when the plugin is configured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use sidegate_compiler::signing::{KeySigner, Signer, sign_bundle};
use sidegate_tests::case::{CaseFile, plugin_configuration};
use sidegate_tests::wasm_host::{Filter, Vm};
use sidegate_tests::{paths, places};

fn signer(file: &str, algorithm: Option<&str>) -> KeySigner {
    let path = places::root().join("compiler/tests/fixtures/keys").join(file);
    KeySigner::new(&std::fs::read(path).unwrap(), "net", algorithm).unwrap()
}

fn key(signer: &KeySigner, namespaces: &[&str]) -> Value {
    json!({
        "id": signer.key_id(),
        "algorithm": signer.algorithm(),
        "key": signer.public_key(),
        "namespaces": namespaces,
    })
}

#[test]
fn the_filter_trusts_the_configured_key_alone() {
    let files = CaseFile::read_dir(&places::root().join("tests/cases")).unwrap();
    let file = files.iter().find(|file| file.name == "booleans").expect("tests/cases/booleans.yaml");
    let unsigned = paths::build(file).unwrap();
    let filter = Filter::load(&places::filter_wasm().unwrap()).unwrap();
    // The last line that the filter logs: what it was configured with, or why not.
    let said = |bundle: &[u8], verify: Value| {
        let mut configuration = plugin_configuration(bundle, &file.entrypoint);
        configuration["verify"] = verify;
        let mut vm = Vm::new(&filter).unwrap();
        match vm.configure(configuration.to_string().as_bytes()) {
            Ok(_) => "configured".to_owned(),
            Err(said) => said,
        }
    };
    for signer in
        [signer("p256-sec1.pem", None), signer("rsa-pkcs8.pem", None), signer("rsa-pkcs8.pem", Some("PS256"))]
    {
        let signed = sign_bundle(&unsigned, &signer, "prod").unwrap();
        let verify = |key: Value, scope: &str| json!({"keys": [key], "scope": scope});
        assert_eq!(
            said(&signed, verify(key(&signer, &["*"]), "prod")),
            "configured",
            "{}",
            signer.algorithm()
        );
        let other = another(&signer);
        for (what, bundle, verify, code) in [
            ("unsigned", &unsigned, verify(key(&signer, &["*"]), "prod"), "bundle_unsigned"),
            ("another scope", &signed, verify(key(&signer, &["*"]), "test"), "bundle_scope"),
            ("another namespace", &signed, verify(key(&signer, &["bank"]), "prod"), "key_namespace"),
            ("another key", &signed, verify(other, "prod"), "signature_algorithm"),
        ] {
            let said = said(bundle, verify);
            assert!(said.ends_with(&format!("[{code}]")), "{} {what}: {said}", signer.algorithm());
        }
    }
}

/// A key of the same id and another kind.
fn another(signer: &KeySigner) -> Value {
    let other = if signer.algorithm() == "RS256" { ("p256-sec1.pem", None) } else { ("rsa-pkcs8.pem", None) };
    key(&self::signer(other.0, other.1), &["*"])
}
