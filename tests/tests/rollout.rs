//! A policy that is changed while requests run: every answer is the old policy's or the new one's, and what a
//! server sends that is not to be trusted changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use serde_json::json;
use sidegate_tests::bundle_server::{BundleServer, Reply};
use sidegate_tests::places;
use sidegate_tests::rollout::{
    Load, Publisher, Site, SiteOptions, live_refusals, reading_bodies, trapping, versioned,
};
use sidegate_tests::table::Table;

const WORKERS: usize = 4;
const CLIENTS: usize = 16;
const SWAPS: u32 = 5;
/// Requests between two changes.
const REQUESTS: u64 = 2_000;

#[test]
fn every_answer_is_the_old_policys_or_the_new_ones() {
    for envoy in places::envoys() {
        let mut net = Publisher::new("net");
        let server = BundleServer::start();
        net.publish(&server, &versioned(0));
        let options = SiteOptions { envoy, workers: WORKERS, ..SiteOptions::default() };
        let site = Site::start(server, json!([net.key(&["*"])]), &options).unwrap();
        site.wait_for_version(0).unwrap();
        let load = Load::start(site.address().unwrap(), CLIENTS, 0, Duration::from_millis(1));
        load.settle().unwrap();
        site.server.take_asked();
        for version in 1..=SWAPS {
            load.wait_for(load.asked() + REQUESTS / 2);
            load.expect(version);
            let pointer = net.publish(&site.server, &versioned(version));
            load.settle().unwrap();
            load.wait_for(load.asked() + REQUESTS / 2);
            let blob = Publisher::blob_path(&pointer.stable.layers[0]);
            assert_eq!(site.server.count(&blob), 1, "one fetch for all workers");
        }
        assert_eq!(site.stat("decisions.error").unwrap(), 0);
        let asked = load.finish().unwrap();
        assert!(asked >= REQUESTS * u64::from(SWAPS), "{asked}");
    }
}

#[test]
fn what_is_not_to_be_trusted_is_refused_by_its_code() {
    let rows = live_refusals(&places::envoy_newest()).unwrap();
    let mut table = Table::new(&["the server sends", "expected", "seen", "requests decided meanwhile"]);
    for row in &rows {
        table.row(&[row.what, row.expected, &row.seen.join(", "), &row.asked.to_string()]);
    }
    println!("{}", table.text());
    for row in &rows {
        assert_eq!(row.seen, [row.expected], "{}", row.what);
        assert!(row.asked > 0, "{}", row.what);
    }
}

#[test]
fn before_the_first_bundle_there_is_no_answer_but_the_inline_bundles() {
    use base64::Engine as _;
    let mut net = Publisher::new("net");
    let keys = json!([net.key(&["*"])]);
    let inline = base64::prelude::BASE64_STANDARD.encode(versioned(7));
    let start = |server: BundleServer, bundle, verify| {
        let options = SiteOptions { bundle, config: json!({"verify": verify}), ..SiteOptions::default() };
        Site::start(server, keys.clone(), &options).unwrap()
    };

    // A pointer below what the configuration takes.
    let server = BundleServer::start();
    net.publish(&server, &versioned(1));
    let site = start(server, json!({"http": {"first_wait": "300ms"}}), json!({"min_serial": 2}));
    assert_eq!(site.ask("/").unwrap().status, 503);
    site.wait("it to be refused", || Ok(site.stat("refused.pointer_serial")? > 0)).unwrap();
    net.publish(&site.server, &versioned(2));
    site.wait_for_version(2).unwrap();

    // A cluster that the proxy does not have, and a server that has nothing.
    for (cluster, code) in [("nowhere", "fetch_cluster"), ("bundles", "fetch_status")] {
        let http = json!({"http": {"first_wait": "300ms", "cluster": cluster}});
        let site = start(BundleServer::start(), http, json!({}));
        assert_eq!(site.ask("/").unwrap().status, 503);
        site.wait("a refusal", || Ok(site.stat(&format!("refused.{code}"))? > 0)).unwrap();
        let with_inline = json!({"inline": inline, "http": {"first_wait": "300ms", "cluster": cluster}});
        let site = start(BundleServer::start(), with_inline, json!({"required": false}));
        assert_eq!(site.version(), Ok(7));
    }

    // A server that has something only later: requests are held, and go on once it is there.
    let server = BundleServer::start();
    server.set(&Publisher::path(), Reply::page(404));
    let site = start(server, json!({"http": {"first_wait": "20s"}}), json!({}));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| site.version());
        std::thread::sleep(Duration::from_millis(300));
        net.publish(&site.server, &versioned(3));
        assert_eq!(held.join().unwrap(), Ok(3));
    });
}

#[test]
fn a_worker_that_traps_comes_back_with_the_policy_and_without_the_network() {
    let dir = tempfile::TempDir::new().unwrap();
    let wasm = dir.path().join("trapping.wasm");
    trapping(&places::filter_wasm().unwrap(), &wasm, "proxy_on_request_body").unwrap();
    let mut net = Publisher::new("net");
    let server = BundleServer::start();
    net.publish(&server, &reading_bodies(1));
    let options = SiteOptions {
        wasm: Some(wasm),
        workers: WORKERS,
        bundle: json!({"http": {"first_wait": "10s"}}),
        ..SiteOptions::default()
    };
    let site = Site::start(server, json!([net.key(&["*"])]), &options).unwrap();
    site.wait_for_version(1).unwrap();
    site.server.set_down(true);
    let reloads = || site.envoy().stats("vm_reload_success").map(|stats| stats.values().sum::<u64>());
    // Enough that every worker's VM is hit: which one gets a connection is the kernel's choice.
    for _ in 0..WORKERS * 8 {
        let _ = site.ask_with_body();
    }
    // A trap makes the VM anew at the next request, not before a second has passed.
    site.wait("VMs to be made anew", || {
        let _ = site.ask("/");
        Ok(reloads()? > 0)
    })
    .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    for _ in 0..WORKERS * 8 {
        site.wait_for_version(1).unwrap();
    }
    // Whoever held the lease may be gone: another one asks.
    site.server.set_down(false);
    net.publish(&site.server, &reading_bodies(2));
    let load = Load::start(site.address().unwrap(), CLIENTS, 1, Duration::from_millis(1));
    load.expect(2);
    load.settle().unwrap();
    load.finish().unwrap();
}
