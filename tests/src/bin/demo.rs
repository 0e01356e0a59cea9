//! `make demo`: a real Envoy with mTLS, callers with certificates of their own, an upstream that shows the
//! headers it got, and a bundle built from `policies/`. Prints what was asked, expected and got; exits 0
//! only if all is as expected, and leaves nothing running. `--keep` keeps it up and prints what to try.
#![allow(clippy::print_stdout, reason = "a program that shows what happens")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sidegate_compiler::signing::{KeySigner, Signer, sign_bundle};
use sidegate_tests::case::{CaseFile, Reach, RequestCase, WantValues};
use sidegate_tests::paths::{Fleet, Observed};
use sidegate_tests::places;
use sidegate_tests::table::Table;

const KEEP: Duration = Duration::from_secs(30 * 60);
const ENTRYPOINT: &str = "storefront/authz/decision";

fn main() -> ExitCode {
    let keep = std::env::args().any(|argument| argument == "--keep");
    match demo(keep) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn demo(keep: bool) -> Result<bool, String> {
    let root = places::root();
    let bundle = places::existing(root.join("dist/demo-bundle.tar.gz"), "the demo's bundle", "make bundle")?;
    let (bundle, verify) = signed(&fs::read(bundle).map_err(|e| e.to_string())?)?;
    let wasm = places::filter_wasm()?;
    let dir = root.join("dist/demo");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|e| format!("could not remove {}: {e}", dir.display()))?;
    }
    let calls = fs::read_to_string(root.join("tests/demo.yaml")).map_err(|e| e.to_string())?;
    let mut file = CaseFile::of_requests("demo", ENTRYPOINT, &calls)?;
    file.config.insert("verify".to_owned(), verify);

    let version = places::envoy_newest();
    let mut fleet = Fleet::start(&version, &wasm, &[(&file, &bundle)], &dir)?;
    println!(
        "demo: envoy {version} with mTLS, dist/sidegate.wasm and a signed bundle of {} bytes from policies/examples/storefront\n",
        bundle.len()
    );

    let mut table = Table::new(&["caller", "request", "expected", "got", "why"]);
    let mut failed = Vec::new();
    let mut wrong = 0;
    for call in &file.requests {
        let observed = fleet.ask(&file, call);
        let (got, differences) = match &observed {
            Ok(observed) => (summary_of(call, observed), observed.differences(call)),
            Err(e) => ("no answer".to_owned(), vec![e.clone()]),
        };
        let mark = if differences.is_empty() { "" } else { "  <-- not as expected" };
        table.row(&[caller(call), &request(call), &wanted(call), &format!("{got}{mark}"), &call.name]);
        wrong += usize::from(!differences.is_empty());
        failed.extend(differences.into_iter().map(|line| format!("`{}`: {line}", call.name)));
    }
    print!("{}", table.text());
    // Counted as one more: all of this was one VM that never failed.
    if let Err(e) = fleet.check_vms() {
        wrong += 1;
        failed.push(e);
    }
    println!(
        "\nThe policy: policies/examples/storefront/authz.rego. Envoy's configuration and log: dist/demo/."
    );
    for line in &failed {
        println!("demo: {line}");
    }
    println!("demo: {} passed; {wrong} failed", file.requests.len() + 1 - wrong);
    if keep {
        stay(&mut fleet, &dir)?;
    }
    Ok(failed.is_empty())
}

/// The bundle signed with a key that is made on the spot, and the configuration that trusts that key alone.
fn signed(bundle: &[u8]) -> Result<(Vec<u8>, Value), String> {
    let key = rcgen::KeyPair::generate().map_err(|e| format!("expected a new key, got {e}"))?.serialize_pem();
    let signer = KeySigner::new(key.as_bytes(), "demo", None).map_err(|e| e.to_string())?;
    let signed = sign_bundle(bundle, &signer, "demo").map_err(|e| e.to_string())?;
    let trusted = json!({"id": "demo", "algorithm": signer.algorithm(), "key": signer.public_key()});
    Ok((signed, json!({"required": true, "keys": [trusted], "scope": "demo"})))
}

fn caller(call: &RequestCase) -> &str {
    call.from.as_deref().unwrap_or("(plaintext)")
}

fn request(call: &RequestCase) -> String {
    format!("{} {}", call.method, call.path)
}

fn wanted(call: &RequestCase) -> String {
    let mut text = format!("{} {}", word(call.want.decision), call.want.status());
    for (name, values) in &call.want.upstream_headers {
        match values {
            WantValues::All(all) if name != "x-caller" => {
                text.push_str(&format!(", {name}={}", all.join(",")))
            }
            WantValues::All(_) => {}
            WantValues::Word(_) => text.push_str(&format!(", no {name}")),
        }
    }
    text
}

fn summary_of(call: &RequestCase, observed: &Observed) -> String {
    let reach = if observed.upstream.is_some() { Reach::Allow } else { Reach::Deny };
    let mut text = format!("{} {}", word(reach), observed.status);
    let Some(echo) = &observed.upstream else { return text };
    for name in call.want.upstream_headers.keys().filter(|name| *name != "x-caller") {
        let values = echo.values(name);
        let shown =
            if values.is_empty() { format!(", no {name}") } else { format!(", {name}={}", values.join(",")) };
        text.push_str(&shown);
    }
    text
}

fn word(reach: Reach) -> &'static str {
    match reach {
        Reach::Allow => "allow",
        Reach::Deny => "deny",
    }
}

/// Keeps Envoy up until Ctrl-C, which ends it too, or for half an hour.
fn stay(fleet: &mut Fleet, dir: &Path) -> Result<(), String> {
    let listener = fleet.address("demo")?;
    let admin = fleet.admin_address();
    let certs = dir.join("certs");
    let shown = certs.strip_prefix(places::root()).unwrap_or(&certs).display().to_string();
    println!(
        "\nEnvoy stays up for {} minutes or until Ctrl-C. From the repository's folder, try:\n",
        KEEP.as_secs() / 60
    );
    let as_caller = |name: &str| {
        format!("curl -s --cacert {shown}/ca.pem --cert {shown}/{name}.cert.pem --key {shown}/{name}.key.pem")
    };
    let port = listener.port();
    println!("  {} https://localhost:{port}/orders/17", as_caller("web.frontend"));
    println!("  {} -X POST https://localhost:{port}/orders", as_caller("jobs.report"));
    println!(
        "  {} -X POST -H 'x-approved-by: ada' https://localhost:{port}/refunds/17",
        as_caller("backoffice.support")
    );
    println!("  curl -si http://localhost:{port}/orders");
    println!("  curl -s 'http://{admin}/stats?filter=sidegate'");
    let until = Instant::now() + KEEP;
    while Instant::now() < until && fleet.runs() {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
