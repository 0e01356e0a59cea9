//! `sidegate status`, of saved files and of a real Envoy's admin page.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::{Value, json};
use sidegate_tests::bundle_server::BundleServer;
use sidegate_tests::manifests::guards;
use sidegate_tests::observe::{Sidecar, SidecarOptions, rules};
use sidegate_tests::places;
use tempfile::TempDir;

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(dir: &Path, args: &[&str]) -> Run {
    let mut command = Command::cargo_bin("sidegate").unwrap();
    let output = command.current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// The codes of what is found, by sidecar.
fn findings(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings.map(|finding| (text(&finding["sidecar"]), text(&finding["code"]))).collect()
}

fn stats(figures: &[(&str, u64)]) -> String {
    figures.iter().map(|(name, value)| format!("wasmcustom.sidegate.{name}: {value}\n")).collect()
}

/// A listener with one connection manager of these filters.
fn listener(name: &str, filters: &Value) -> Value {
    json!({"name": name, "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "http_filters": filters
    }}]}]})
}

fn wasm(config: Value) -> Value {
    json!({"name": "guard", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config
    }})
}

/// A dump of the sidecar of `bank/pay`.
fn dump(listeners: &[Value], more: &Value) -> String {
    let listeners: Vec<Value> =
        listeners.iter().map(|it| json!({"name": it["name"], "active_state": {"listener": it}})).collect();
    json!({"configs": [
        {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {
            "id": "sidecar~10.0.0.7~pay-1.bank~bank.svc.cluster.local",
            "metadata": {"NAMESPACE": "bank", "WORKLOAD_NAME": "pay-v1", "LABELS": {"service.istio.io/canonical-name": "pay"}}
        }}},
        {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": listeners},
        more
    ]})
    .to_string()
}

#[test]
fn saved_files_show_who_lags_refuses_errs_and_lacks_the_filter() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let router = json!({"name": "router"});
    let guard =
        json!({"name": "sidegate.guard", "typed_config": guards("enforce").unwrap().0["typed_config"]});
    let whole = json!([wasm(json!({"name": "sidegate", "root_id": "sidegate"})), guard, router]);
    let good = [listener("virtualInbound", &whole), listener("virtualOutbound", &json!([router]))];
    let figures = [
        ("bundle.epoch", 0),
        ("bundle.serial", 8),
        ("bundle.digest_prefix", 0xabc),
        ("bundle.expires_in_s", 90_000),
        ("bundle.last_success_s", 1_000),
        ("mode", 2),
    ];
    write("a.stats.txt", &stats(&figures));
    write("a.config_dump.json", &dump(&good, &json!({})));
    let one = run(dir.path(), &["status", ".", "--now", "1012"]);
    assert_eq!(
        one.out,
        "sidecar  workload  mode     serial  digest        revision  expires in  last answer
a        bank/pay  enforce  8       000000000abc  -         1d 1h       12s ago
the filter is in 1 chain of inbound listeners
1 sidecar, nothing amiss
"
    );
    assert_eq!((one.code, one.err.as_str()), (0, ""));

    // Behind, with refusals, errors and what clients cause; in Prometheus' form.
    write(
        "b.stats",
        "sidegate_bundle_epoch{} 0\nsidegate_bundle_serial{} 7\nsidegate_bundle_expires_in_s{} 0\n\
         sidegate_refused{sidegate_code=\"signature_bad\"} 3\nsidegate_errors_eval_steps{} 1\n\
         sidegate_errors{sidegate_code=\"request_query_separator\"} 5\nsidegate_mode{} 1\n\
         sidegate_candidate{sidegate_difference=\"looser\"} 4\n",
    );
    write("b.config_dump.json", &dump(&good, &json!({})));
    // Without the filter in one chain, disabled in the next, never called in a third.
    let disabled = json!([{"name": "sidegate", "disabled": true, "typed_config": wasm(json!({"name": "x"}))["typed_config"]}]);
    let uncalled = json!({"name": "sidegate", "capability_restriction_config": {"allowed_capabilities": {"proxy_log": {}}}});
    let bad = [
        listener("one", &json!([guard, router])),
        listener("two", &disabled),
        listener("three", &json!([wasm(uncalled), router])),
        listener("four", &json!([{"name": "sidegate", "config_discovery": {}}, router])),
        listener("five", &json!([{"name": "sidegate-late", "config_discovery": {}}, router])),
    ];
    let delivered = json!({"@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump", "ecds_filters": [
        {"ecds_filter": {"name": "sidegate", "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "value": {"config": {"root_id": "sidegate"}}}}}
    ]});
    write(
        "c.stats.json",
        &json!({"stats": [{"name": "wasmcustom.sidegate.decisions.denied", "value": 1}]}).to_string(),
    );
    write("c.config_dump.json", &dump(&bad, &delivered));
    write("d.stats.json", "{\"stats\": []}");
    let all = run(dir.path(), &["status", ".", "--now", "1012", "--format", "json"]);
    assert_eq!((all.code, all.err.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&all.out).unwrap();
    let expected = [
        ("b", "expired"),
        ("b", "refused"),
        ("b", "errors"),
        ("c", "no_filter"),
        ("c", "no_filter"),
        ("c", "no_filter"),
        ("c", "no_filter"),
        ("d", "no_stats"),
        ("b", "lags"),
    ];
    assert_eq!(findings(&report), expected.map(|(sidecar, code)| (sidecar.to_owned(), code.to_owned())));
    assert_eq!(report["sidecars"][2]["chains"]["with"], 1, "delivered on its own");
    let text = run(dir.path(), &["status", ".", "--now", "1012"]).out;
    for line in [
        "b: lags: bank/pay has (epoch, serial) (0, 8), and this sidecar (0, 7) [lags]",
        "b: `signature_bad`, 3 times: the signature does not verify;",
        "note: b: `request_query_separator`, 5 times",
        "b: candidate: looser 4",
        "c: a listener without the filter: two, chain 1: the filter is disabled [no_filter]",
        "c: a listener without the filter: one, chain 1 [no_filter]",
        "c: a listener without the filter: three, chain 1: the filter is never called",
        "note: 1 chain without the guard behind the filter",
        "c: a listener without the filter: five, chain 1: the filter's configuration has not arrived",
        "4 sidecars, 9 findings",
    ] {
        assert!(text.contains(line), "{line}\n---\n{text}");
    }
}

#[test]
fn what_is_no_source_is_said() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("list"), "# nobody\n\n").unwrap();
    fs::write(dir.path().join("loop"), "@loop\n").unwrap();
    for (argument, message) in [
        ("nowhere", "expected `HOST:PORT` of an admin page"),
        ("@list", "expected sidecars, got an empty list"),
        ("@loop", "expected no list in the list"),
        ("@nothing", "expected a readable file"),
    ] {
        let run = run(dir.path(), &["status", argument]);
        assert_eq!(run.code, 2, "{argument}");
        assert!(run.err.contains(message), "{argument}: {}", run.err);
    }
}

/// A published tree with revision r1 of the policy, a server of it, and the keys to trust.
fn published(dir: &Path) -> (BundleServer, Value) {
    fs::create_dir(dir.join("p")).unwrap();
    fs::write(dir.join("p/authz.rego"), rules("old")).unwrap();
    publish(dir, "r1");
    let server = BundleServer::start();
    server.serve_tree(&dir.join("t"));
    let public = fs::read_to_string(keys().join("p256.pub")).unwrap();
    (server, json!([{"id": "k", "algorithm": "ES256", "key": public, "namespaces": ["*"]}]))
}

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/fixtures/keys")
}

fn publish(dir: &Path, revision: &str) {
    let key = keys().join("p256-pkcs8.pem");
    let mut args = vec!["publish", "p", "--to", "t", "--workload", "shop/cart", "--revision", revision];
    args.extend(["--sign-key", key.to_str().unwrap(), "--key-id", "k", "--by", "ann"]);
    for entrypoint in ["envoy/authz/allow", "envoy/authz/response", "envoy/authz/connection"] {
        args.extend(["--entrypoint", entrypoint]);
    }
    let run = run(dir, &args);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
}

#[test]
fn a_real_sidecar_is_asked_by_its_admin_page() {
    let dir = TempDir::new().unwrap();
    let (server, keys) = published(dir.path());
    for envoy in places::envoys() {
        let options =
            SidecarOptions { envoy, id: "cart-1", keys: keys.clone(), mode: "enforce", has_tags: true };
        let sidecar = Sidecar::start(&server, &options, &dir.path().join("envoy")).unwrap();
        assert_eq!(sidecar.ask("/ok").unwrap().status, 200);
        let admin = sidecar.envoy().admin_address().to_string();
        let status = |more: &[&str]| {
            let run =
                run(dir.path(), &[&["status", &admin, "--tree", "t", "--format", "json"], more].concat());
            assert_eq!(run.err, "");
            (run.code, serde_json::from_str::<Value>(&run.out).unwrap())
        };
        let until = Instant::now() + Duration::from_secs(30);
        let is_counted = |report: &Value| report["sidecars"][0]["serial"].is_u64();
        let (mut code, mut report) = status(&[]);
        while !is_counted(&report) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
            (code, report) = status(&[]);
        }
        let seen = &report["sidecars"][0];
        assert_eq!((code, &report["findings"]), (0, &json!([])), "{report}");
        assert_eq!((&seen["id"], &seen["workload"]), (&json!("cart-1"), &json!("shop/cart")));
        assert_eq!(seen["revision"], seen_revision(&dir.path().join("t")), "{report}");
        // One connection manager for mTLS, one for plaintext; the TCP listener has the filter, too.
        assert_eq!(seen["chains"], json!({"with": 2, "without": [], "unguarded": 2, "tcp_without": 0}));
        assert_eq!(status(&["--filter", "other"]).0, 1, "another filter is nowhere");

        // What has happened since the proxy began, or in the last second.
        sidecar.ask("/odd").unwrap();
        assert_eq!(findings(&status(&[]).1), [(admin.clone(), "errors".to_owned())]);
        assert_eq!(status(&["--during", "1"]).0, 0);

        // One that does not answer is said, and the others are looked at all the same.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (code, report) = status(&[&nobody, "--during", "1"]);
        assert_eq!((code, findings(&report)), (1, vec![(nobody, "unreachable".to_owned())]));
        assert_eq!(report["sidecars"].as_array().unwrap().len(), 1);

        // What the tree has and the sidecar does not get.
        server.set("/v1/shop/cart.json", sidegate_tests::bundle_server::Reply::page(500));
        let policy = dir.path().join("p/authz.rego");
        let text = fs::read_to_string(&policy).unwrap();
        fs::write(&policy, text.replace("\"ok\"", "\"ok\", \"more\"")).unwrap();
        publish(dir.path(), &format!("r{}", text.len()));
        sidecar.ask("/odd").unwrap();
        let codes = || {
            let (code, report) = status(&[]);
            assert_eq!(code, 1);
            findings(&report).into_iter().map(|(_, code)| code).collect::<Vec<_>>()
        };
        while codes() != ["refused", "errors", "lags"] {
            assert!(Instant::now() < until, "{:?}", codes());
            std::thread::sleep(Duration::from_millis(100));
        }
        server.unset("/v1/shop/cart.json");
    }
}

/// The revision that the last line of the tree's history has.
fn seen_revision(tree: &Path) -> String {
    let list = run(tree, &["publish", "--to", ".", "--list", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.out).unwrap();
    list["workloads"][0]["revision"].as_str().unwrap().to_owned()
}
