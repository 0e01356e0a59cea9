//! `make opa-bundles`: what is signed here is loaded by OPA with the same decisions, what OPA signs is
//! trusted here, and what somebody changed is refused by both.
//!
//! `opa-bundles [--fixtures DIR]`: with a folder, writes bundles that OPA signed there instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool of the tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use sidegate_compiler::signing::{KeySigner, check_structured, sign_bundle};
use sidegate_compiler::{BuildOptions, Sources, build, pack, recompile};
use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle::{self, BundleError, SIGNATURES_FILE};
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::{Trust, TrustedKey};
use sidegate_tests::opa_bundles::{Key, Opa};
use sidegate_tests::places;

const ENTRYPOINT: &str = "storefront/authz/decision";
const QUERY: &str = "data.storefront.authz.decision";
const SECRET: &str = "a secret of tests that is as long as it has to be";
/// Algorithm, private key, public key; secrets have no file.
const KEYS: [(&str, &str, &str); 11] = [
    ("ES256", "p256-pkcs8.pem", "p256.pub"),
    ("ES384", "p384-sec1.pem", "p384.pub"),
    ("ES512", "p521-sec1.pem", "p521.pub"),
    ("RS256", "rsa-pkcs8.pem", "rsa.pub"),
    ("RS384", "rsa-pkcs1.pem", "rsa.pub"),
    ("RS512", "rsa-pkcs8.pem", "rsa.pub"),
    ("PS256", "rsa-pkcs8.pem", "rsa.pub"),
    ("PS384", "rsa-pkcs8.pem", "rsa.pub"),
    ("PS512", "rsa-pkcs8.pem", "rsa.pub"),
    ("HS256", "", ""),
    ("HS512", "", ""),
];
/// Those that there are fixtures of.
const FIXTURES: [&str; 6] = ["ES256", "ES384", "RS256", "RS512", "PS256", "HS256"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => judge(),
        ["--fixtures", folder] => fixtures(Path::new(folder)),
        _ => Err("usage: opa-bundles [--fixtures DIR]".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Private and public key of an algorithm.
fn keys(algorithm: &str, scope: &str) -> (Key, Key) {
    let (_, private, public) = KEYS.into_iter().find(|(name, ..)| *name == algorithm).unwrap();
    let text = |file: &str| match file {
        "" => SECRET.to_owned(),
        file => {
            let path = places::root().join("compiler/tests/fixtures/keys").join(file);
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        }
    };
    let key = |file: &str| Key {
        text: text(file),
        algorithm: algorithm.to_owned(),
        id: "net".to_owned(),
        scope: scope.to_owned(),
    };
    (key(private), key(public))
}

fn unsigned() -> Vec<u8> {
    let sources = Sources::read_dir(&places::root().join("policies/examples/storefront")).unwrap();
    let options = BuildOptions { entrypoints: vec![ENTRYPOINT.to_owned()], ..BuildOptions::default() };
    build(&sources, &options).unwrap().bundle
}

fn trust(key: &Key) -> Trust {
    let trusted = TrustedKey::new(&key.id, &key.algorithm, &key.text, vec!["*".to_owned()]).unwrap();
    Trust { required: true, keys: vec![trusted], scope: key.scope.clone(), ..Trust::default() }
}

/// What the proxy says.
fn proxy(trust: &Trust, bytes: &[u8]) -> Result<Policy, BundleError> {
    let limits = Limits::default();
    Policy::load(trust.bundle(bytes, &limits, &Workload::default())?, ENTRYPOINT, limits)
}

/// What `sidegate verify` says.
fn tools(trust: &Trust, bytes: &[u8]) -> Result<(), String> {
    let (limits, workload) = (Limits::default(), Workload::default());
    let coded = |error: BundleError| error.code().to_owned();
    let opened = trust.bundle(bytes, &limits, &workload).map_err(coded)?;
    let signed = trust.signed(bytes, &limits, &workload).map_err(coded)?;
    check_structured(bytes, &signed.unwrap(), &limits).map_err(coded)?;
    recompile(bytes, opened.image(), &limits).map_err(|error| error.code().to_owned())
}

fn inputs() -> Vec<Value> {
    let request = |principal: &str, method: &str, path: &[&str]| {
        let headers = json!({"x-approved-by": "ada", "x-debug-a": "1"});
        let input = json!({
            "attributes": {"request": {"http": {"method": method, "headers": headers}}},
            "parsed_path": path,
        });
        let mut input = input;
        if !principal.is_empty() {
            input["source_principal"] = json!(principal);
        }
        input
    };
    let web = "spiffe://cluster.local/ns/web/sa/frontend";
    vec![
        json!({}),
        request("", "GET", &["healthz"]),
        request(web, "GET", &["orders", "7"]),
        request(web, "DELETE", &["orders", "7"]),
        request("spiffe://cluster.local/ns/x/sa/y", "GET", &["orders"]),
        request("spiffe://cluster.local/ns/support/sa/desk", "POST", &["refunds"]),
    ]
}

fn answers(policy: &Policy) -> Vec<Value> {
    let answer = |input: &Value| {
        let input = sidegate_engine::Value::from_json_str(&input.to_string()).unwrap();
        let value = policy.evaluate(&input, &Context::default()).unwrap();
        serde_json::from_str(&value.to_string()).unwrap_or(Value::Null)
    };
    inputs().iter().map(answer).collect()
}

struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn count(&mut self, good: bool, line: &str) {
        if good {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        println!("{} {line}", if good { "ok    " } else { "FAILED" });
    }
}

fn judge() -> Result<bool, String> {
    let mut opa = Opa::start()?;
    let mut tally = Tally { passed: 0, failed: 0 };
    let plain = unsigned();
    let here = answers(&proxy(&Trust::nothing_required(), &plain).unwrap());
    for (algorithm, ..) in KEYS {
        for scope in ["", "prod"] {
            let (private, public) = keys(algorithm, scope);
            let signer = KeySigner::new(private.text.as_bytes(), "net", Some(algorithm)).unwrap();
            let ours = sign_bundle(&plain, &signer, scope).unwrap();
            let there = opa.load(&ours, Some(&public), QUERY, &inputs())?;
            let same = there.as_ref().is_ok_and(|there| *there == here);
            tally.count(
                same,
                &format!("{algorithm} scope `{scope}`: signed here, OPA decides the same: {}", told(&there)),
            );
            let theirs = opa.sign(&plain, &private)?;
            let said = tools(&trust(&public), &theirs);
            let taken = proxy(&trust(&public), &theirs).is_ok_and(|policy| answers(&policy) == here);
            tally.count(
                taken && said.is_ok(),
                &format!("{algorithm} scope `{scope}`: signed by OPA, trusted here: {}", told(&said)),
            );
        }
    }
    tampered(&mut opa, &plain, &mut tally)?;
    println!("opa-bundles: {} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed == 0)
}

fn told<T>(result: &Result<T, String>) -> &str {
    result.as_ref().map_or_else(|error| error.as_str(), |_| "yes")
}

type Files = BTreeMap<String, Vec<u8>>;

/// Every way to change a bundle that somebody without the key has.
fn variants(files: &Files) -> Vec<(String, Files)> {
    let mut all = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Files)| {
        let mut changed = files.clone();
        change(&mut changed);
        all.push((what, changed));
    };
    for name in files.keys().filter(|name| *name != SIGNATURES_FILE) {
        add(format!("{name} changed"), &|files| {
            let bytes = files.get_mut(name).unwrap();
            let text = String::from_utf8_lossy(bytes).replacen("true", "false", 1).replacen("GET", "PUT", 1);
            let text = text.replacen("revision", "reversion", 1);
            *bytes = if text.as_bytes() == bytes.as_slice() || name == "sidegate.bin" {
                [bytes.as_slice(), b"\n"].concat()
            } else {
                text.into_bytes()
            };
        });
        add(format!("{name} removed"), &|files| drop(files.remove(name)));
        add(format!("{name} renamed"), &|files| {
            let bytes = files.remove(name).unwrap();
            files.insert(format!("x/{name}"), bytes);
        });
    }
    for (name, bytes) in
        [("x.rego", "package x"), ("x/data.json", "{}"), ("x.txt", ""), ("x/sidegate.bin", "x")]
    {
        add(format!("{name} added"), &|files| drop(files.insert(name.to_owned(), bytes.as_bytes().to_vec())));
    }
    add("signature removed".to_owned(), &|files| drop(files.remove(SIGNATURES_FILE)));
    let signatures = |change: &dyn Fn(&str) -> Value| {
        let change = change(&token(files));
        move |files: &mut Files| {
            drop(files.insert(SIGNATURES_FILE.to_owned(), change.to_string().into_bytes()))
        }
    };
    add("no signatures".to_owned(), &signatures(&|_| json!({"signatures": []})));
    add("two signatures".to_owned(), &signatures(&|token| json!({"signatures": [token, token]})));
    add(
        "a token cut off".to_owned(),
        &signatures(&|token| json!({"signatures": [token.trim_end_matches(|c| c != '.')]})),
    );
    add("a plugin's".to_owned(), &signatures(&|token| json!({"signatures": [token], "plugin": "none"})));
    all
}

fn token(files: &Files) -> String {
    let json: Value = serde_json::from_slice(&files[SIGNATURES_FILE]).unwrap();
    json["signatures"][0].as_str().unwrap().to_owned()
}

fn tampered(opa: &mut Opa, plain: &[u8], tally: &mut Tally) -> Result<(), String> {
    let (private, public) = keys("ES256", "prod");
    let signer = KeySigner::new(private.text.as_bytes(), "net", None).unwrap();
    let signed = sign_bundle(plain, &signer, "prod").unwrap();
    let files: Files = bundle::files(&signed, &Limits::default()).unwrap().into_iter().collect();
    let mut cases: Vec<(String, Vec<u8>, Key)> = variants(&files)
        .into_iter()
        .map(|(what, files)| (what, pack(files.into_iter().collect()).unwrap(), public.clone()))
        .collect();
    let other = |change: &dyn Fn(&mut Key)| {
        let mut key = public.clone();
        change(&mut key);
        key
    };
    let (_, p384) = keys("ES384", "prod");
    cases.push(("another scope".into(), signed.clone(), other(&|key| key.scope = "test".into())));
    cases.push(("no scope".into(), signed.clone(), other(&|key| key.scope.clear())));
    cases.push(("another key id".into(), signed.clone(), other(&|key| key.id = "old".into())));
    cases.push(("another key".into(), signed.clone(), p384));
    let hidden =
        sign_bundle(plain, &KeySigner::new(public.text.as_bytes(), "net", Some("HS256")).unwrap(), "prod");
    cases.push(("HS256 by the public key".into(), hidden.unwrap(), public.clone()));
    for (what, bytes, key) in cases {
        let trust = trust(&key);
        let there = opa.load(&bytes, Some(&key), "", &[])?;
        let said = tools(&trust, &bytes);
        let taken = proxy(&trust, &bytes);
        // The proxy reads neither of these two: see docs/signing.md.
        let unread = matches!(what.as_str(), "data.json changed" | ".manifest changed");
        let good = there.is_err() && said.is_err() && taken.is_ok() == unread;
        let proxy = taken.map_or_else(|error| error.code(), |_| "not looked at");
        tally.count(good, &format!("{what}: proxy {proxy}, verify {}, OPA {}", told(&said), told(&there)));
    }
    Ok(())
}

fn fixtures(folder: &Path) -> Result<bool, String> {
    let mut opa = Opa::start()?;
    let plain = unsigned();
    for algorithm in FIXTURES {
        let (private, _) = keys(algorithm, "");
        let file = folder.join(format!("opa-{}.tar.gz", algorithm.to_lowercase()));
        let signed = opa.sign(&plain, &private)?;
        std::fs::write(&file, signed).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(true)
}
