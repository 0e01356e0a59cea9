//! The very filter in Node's V8, without Envoy: what its callbacks take for a request, what loading a bundle takes,
//! and evaluation alone beside regorus's virtual machine. The host is `bench/node/micro.mjs`.

use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};
use sidegate_bench::paths::input_of;
use sidegate_bench::policy::Kind;
use sidegate_bench::request::{HEADERS, principal, seen};
use sidegate_tests::certs::shown;
use sidegate_tests::places;
use sidegate_tests::table::Table;

use super::bench::Bench;
use super::subject::configuration;

/// Envoy's V8 compiles a module once, all of it, and at once as well as it can; Node's does so function by function
/// once they have run for a while.
const AS_IN_ENVOY: [&str; 2] = ["--no-liftoff", "--no-wasm-lazy-compilation"];

pub(crate) fn measure(bench: &Bench) -> Result<Value, String> {
    let root = places::root();
    let rvm = places::existing(root.join("dist/rvm.wasm"), "evaluators for V8", "make noop")?;
    let script = root.join("bench/node/micro.mjs");
    let mut filters = vec![
        json!({"name": "no-op wasm filter, SDK", "wasm": bench.noop, "configuration": ""}),
        json!({"name": "no-op wasm filter, raw ABI", "wasm": bench.bare, "configuration": ""}),
    ];
    let kinds = [
        Kind::Callers(10),
        Kind::Callers(10_000),
        Kind::Rules(1000),
        Kind::Rbac,
        Kind::CallersByData,
        Kind::AllowRules(1000),
        Kind::Members(10_000),
        Kind::Storefront,
    ];
    for kind in kinds {
        let configuration = configuration(&kind.build()?, bench, false);
        let name = format!("Sidegate, {}", kind.name());
        filters.push(json!({"name": name, "wasm": bench.sidegate, "configuration": configuration}));
    }
    let mut evaluations = Vec::new();
    for kind in [Kind::Rbac, Kind::CallersByData, Kind::Headers, Kind::AllowRules(100), Kind::Storefront] {
        let policy = kind.build()?;
        let bundle = base64::engine::general_purpose::STANDARD.encode(&policy.bundle);
        evaluations.push(json!({
            "name": kind.name(), "entrypoint": policy.entrypoint, "rego": policy.rego, "bundle": bundle,
            "data": policy.data.to_string(), "input": input_of(&policy)?,
        }));
    }
    let asked = json!({
        "filters": filters,
        "rvm": rvm, "evaluations": evaluations,
        "headers": seen(HEADERS),
        "properties": properties(),
        "rounds": bench.settings.rounds, "requests": bench.settings.requests,
    });
    let path = bench.path().join("micro.json");
    std::fs::write(&path, asked.to_string()).map_err(|e| e.to_string())?;
    let output = Command::new("node")
        .args(AS_IN_ENVOY)
        .arg(script)
        .arg(&path)
        .output()
        .map_err(|e| format!("could not run node: {e}; run: make setup"))?;
    if !output.status.success() {
        return Err(format!(
            "expected figures of node, it failed\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let told: Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("expected JSON of node: {e}"))?;
    print(&told);
    Ok(told)
}

/// What Envoy answers for a caller over mTLS, by path with dots; numbers as they are encoded there.
fn properties() -> Value {
    let text = |text: &str| json!(text.as_bytes());
    let (certificate, digest) = shown(&[principal()]);
    json!({
        "connection.uri_san_peer_certificate": text(&principal()),
        "connection.uri_san_local_certificate": text("spiffe://cluster.local/ns/shop/sa/orders"),
        "connection.sha256_peer_certificate_digest": text(&digest),
        "connection.peer_certificate": text(&certificate),
        "connection.tls_version": text("TLSv1.3"),
        "connection.id": 7_i64.to_le_bytes(),
        "connection.mtls": [1],
        "request.protocol": text("HTTP/1.1"),
        "request.time": 1_767_323_045_678_901_000_i64.to_le_bytes(),
        "source.address": text("127.0.0.1:50000"),
        "destination.address": text("127.0.0.1:8080"),
        "xds.listener_direction": 1_i64.to_le_bytes(),
        "xds.node.id": text("sidecar~127.0.0.1~bench"),
    })
}

fn print(told: &Value) {
    let cell = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"));
    let mut table = Table::new(&["filter in Node's V8", "µs/request", "first load ms", "load ms"]);
    for row in told["filters"].as_array().into_iter().flatten() {
        let name = row["name"].as_str().unwrap_or_default();
        let load = [cell(&row["first_load_ms"]), cell(&row["load_ms"]["median"])];
        table.row(&[name, &cell(&row["request_us"]["median"]), &load[0], &load[1]]);
    }
    print!("{}", table.text());
    let mut table = Table::new(&["evaluation alone", "plan µs", "regorus's VM µs", "times"]);
    for row in told["evaluations"].as_array().into_iter().flatten() {
        let name = row["name"].as_str().unwrap_or_default();
        let (plan, rvm) = (&row["plan_us"]["median"], &row["rvm_us"]["median"]);
        let times = row["times"]["median"].as_f64().map_or_else(
            || row["rvm_refuses"].as_str().unwrap_or("-").to_owned(),
            |times| format!("{times:.1}"),
        );
        table.row(&[name, &cell(plan), &cell(rvm), &times]);
    }
    print!("{}", table.text());
}
