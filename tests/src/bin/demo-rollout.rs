//! `make demo-rollout`: policies are published, tried, promoted, refused and rolled back while clients never stop
//! asking. A real Envoy with four workers, the `sidegate` program, and a web server with what it publishes.
//! Exits 0 only if every request was answered by a policy that was right at its time.
#![allow(clippy::print_stdout, reason = "a program that shows what happens")]

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::json;
use sidegate_compiler::signing::KeySigner;
use sidegate_tests::bundle_server::{BundleServer, Reply};
use sidegate_tests::desk::{Desk, KEY_ID, Ran};
use sidegate_tests::places;
use sidegate_tests::rollout::{Load, Publisher, Site, SiteOptions};

const WORKERS: usize = 4;
const CLIENTS: usize = 16;

fn main() -> ExitCode {
    match demo() {
        Ok(passed) => {
            println!("\ndemo-rollout: {passed} passed; 0 failed");
            ExitCode::SUCCESS
        }
        Err(e) => {
            println!("\ndemo-rollout: {e}\ndemo-rollout: 0 passed; 1 failed");
            ExitCode::from(1)
        }
    }
}

/// Changes what the policy knows of the service.
fn edit(desk: &Desk, version: u32, open: &[&str]) -> Result<(), String> {
    let data = json!({"version": version.to_string(), "open": open});
    println!("\n$ echo '{data}' > policies/services/shop/cart/data.json");
    desk.write("policies/services/shop/cart/data.json", &data.to_string())
}

/// Runs the program as one would, and shows what it says.
fn sidegate(desk: &Desk, line: &str) -> Result<(), String> {
    println!("$ sidegate {line}");
    let Ran { is_success, text } = desk.sidegate(line)?;
    text.lines().for_each(|line| println!("  {line}"));
    if is_success { Ok(()) } else { Err(format!("`sidegate {line}` failed")) }
}

fn publish(desk: &Desk, options: &str) -> Result<(), String> {
    sidegate(desk, &format!("publish {options} --to tree --sign-key net.key.pem --key-id {KEY_ID} --by ada"))
}

fn demo() -> Result<usize, String> {
    let desk = Desk::new(
        places::root().join("dist/demo-rollout"),
        &places::root().join("policies/examples/rollout"),
    )?;
    println!("The network team publishes version 1 of the policies of two services.");
    publish(&desk, "policies --revision v1")?;

    let server = BundleServer::start();
    server.serve_tree(&desk.dir().join("tree"));
    let envoy = places::envoy_newest();
    let options = SiteOptions { envoy: envoy.clone(), workers: WORKERS, ..SiteOptions::default() };
    let site = Site::start_in(server, desk.key()?, &options, &desk.dir().join("envoy"))?;
    site.wait_for_version(1)?;
    println!(
        "\nEnvoy {envoy} with {WORKERS} workers decides by it; {CLIENTS} clients never stop asking. \
         It looks for changes every second."
    );
    let load = Load::start(site.address()?, CLIENTS, 1, Duration::from_millis(2));
    load.settle()?;
    let mut passed = 1;

    println!("\n--- A change");
    edit(&desk, 2, &["", "items"])?;
    load.expect(2);
    publish(&desk, "policies --revision v2")?;
    println!("  all workers decide by it {:?} after that", rounded(load.settle()?));
    let old_pointer = desk.file(&Publisher::path())?;
    passed += 1;

    println!("\n--- A candidate, tried in shadow by all sidecars: it closes /items and opens /admin");
    edit(&desk, 3, &["", "admin"])?;
    publish(&desk, "policies --revision v3 --candidate --percent 100 --mode shadow")?;
    let counts = ["same", "changed", "stricter", "looser"].map(|word| format!("candidate.{word}"));
    site.wait("the candidate to be asked", || {
        for (path, status) in [("/items", 200), ("/admin", 403), ("/pay", 403)] {
            let got = site.ask(path)?.status;
            if got != status {
                return Err(format!("expected {status} for {path}, got {got}: a shadow must change nothing"));
            }
        }
        let stats = site.stats()?;
        Ok(counts.iter().all(|name| stats.get(name).is_some_and(|count| *count > 0)))
    })?;
    let stats = site.stats()?;
    for name in &counts {
        println!("  sidegate.{name}: {}", stats.get(name).copied().unwrap_or(0));
    }
    println!(
        "  (changed: other headers, here the version) and nothing is different yet: /items is open, /admin is not"
    );
    passed += 1;

    println!("\n--- It is what we want");
    load.expect(3);
    publish(&desk, "--promote")?;
    println!("  all workers decide by it {:?} after that", rounded(load.settle()?));
    check(&site, &[("/items", 403), ("/admin", 200)])?;
    passed += 1;

    println!("\n--- Somebody else's pointers, and one of yesterday's");
    let stranger = Publisher { signer: stranger()?, serial: 90, epoch: 0 };
    let forged = forged(&desk, stranger)?;
    passed += refused(&site, "signed by a stranger under our key's name", "signature_bad", &forged)?;
    passed += refused(&site, "version 2, sent again", "pointer_replay", &old_pointer)?;

    println!("\n--- A blob that was damaged on its way");
    let before = blobs(&desk)?;
    edit(&desk, 4, &["", "items", "admin"])?;
    site.server.set(&Publisher::path(), Reply::ok(desk.file(&Publisher::path())?));
    publish(&desk, "policies --revision v4")?;
    let new = blobs(&desk)?.into_iter().find(|name| !before.contains(name)).ok_or("expected a new blob")?;
    let path = format!("/blobs/sha256/{new}");
    let mut bytes = desk.file(&path)?;
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    site.server.set(&path, Reply::ok(bytes));
    let so_far = site.stat("refused.blob_digest")?;
    site.server.unset(&Publisher::path());
    site.wait("the blob to be refused", || Ok(site.stat("refused.blob_digest")? > so_far))?;
    println!("  refused [blob_digest]; version {} decides", site.version()?);
    load.expect(4);
    site.server.unset(&path);
    println!("  once it is whole, all workers decide by it after {:?}", rounded(load.settle()?));
    passed += 1;

    println!("\n--- Back to version 2");
    load.expect(2);
    publish(&desk, "--rollback v2")?;
    println!("  all workers decide by it {:?} after that", rounded(load.settle()?));
    check(&site, &[("/items", 200), ("/admin", 403)])?;
    passed += 1;

    println!("\n--- What the books say");
    sidegate(&desk, "publish --history --to tree")?;
    sidegate(&desk, "publish --list --to tree")?;
    let asked = load.finish()?;
    println!(
        "\n{asked} requests meanwhile, every one decided by the policy that was published last or the one before."
    );
    println!("The policies: policies/examples/rollout. What was published: dist/demo-rollout/tree.");
    Ok(passed)
}

/// Serves these bytes as the pointer until they are refused, then the tree's again.
fn refused(site: &Site, what: &str, code: &str, bytes: &[u8]) -> Result<usize, String> {
    let name = format!("refused.{code}");
    let so_far = site.stat(&name)?;
    let decided = site.version()?;
    site.server.set(&Publisher::path(), Reply::ok(bytes));
    site.wait(&format!("{what} to be refused"), || Ok(site.stat(&name)? > so_far))?;
    if site.version()? != decided {
        return Err(format!("{what}: expected version {decided} to decide on"));
    }
    println!("  {what}: refused [{code}]; version {decided} decides");
    site.server.unset(&Publisher::path());
    Ok(1)
}

fn check(site: &Site, wanted: &[(&str, u16)]) -> Result<(), String> {
    for (path, status) in wanted {
        let got = site.ask(path)?.status;
        if got != *status {
            return Err(format!("expected {status} for {path}, got {got}"));
        }
        println!("  {path}: {got}");
    }
    Ok(())
}

fn stranger() -> Result<KeySigner, String> {
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    KeySigner::new(key.serialize_pem().as_bytes(), KEY_ID, None).map_err(|e| e.to_string())
}

/// A pointer to what is published, by another key.
fn forged(desk: &Desk, mut by: Publisher) -> Result<Vec<u8>, String> {
    let blob = blobs(desk)?.into_iter().next().ok_or("expected a blob")?;
    let layer = sidegate_engine::trust::Layer::of(&desk.file(&format!("/blobs/sha256/{blob}"))?);
    let pointer = by.next(layer);
    Ok(by.sign(&pointer))
}

fn blobs(desk: &Desk) -> Result<Vec<String>, String> {
    let dir = desk.dir().join("tree/blobs/sha256");
    let listed = fs::read_dir(&dir).map_err(|e| format!("could not read {}: {e}", dir.display()))?;
    Ok(listed.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect())
}

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
