//! All that operators see of the same requests, together: events at a collector, metrics in a real Prometheus, and what
//! a stricter policy would have said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use sidegate_compiler::replay::{Change, Log, Options, Replay, State, replay};
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_tests::case::plugin_configuration;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::Connection;
use sidegate_tests::collector::Collector;
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use sidegate_tests::observe::{Prometheus, Scraped};
use sidegate_tests::places;

const PATIENCE: Duration = Duration::from_secs(30);

/// What clients send and nobody may read anywhere, each in another place.
const SECRETS: [&str; 4] = ["s3cr3t-token", "s3cr3t-cookie", "s3cr3t-session", "s3cr3t-pin"];

/// Who asks what how often.
const ASKED: [(&str, &str, &str, usize); 6] = [
    ("shop", "GET", "/v1/orders", 12),
    ("shop", "POST", "/v1/orders", 7),
    ("shop", "GET", "/admin", 3),
    ("back", "GET", "/v1/orders", 5),
    ("back", "DELETE", "/v1/orders", 4),
    ("back", "POST", "/v1/orders", 2),
];

fn bundle(writers: &str) -> Vec<u8> {
    let policy = format!(
        r#"package envoy.authz

import rego.v1

default allow := false

http := input.attributes.request.http

allow if {{
	http.method == "GET"
	input.parsed_path[0] == "v1"
}}

allow if {{
	http.method != "GET"
	input.parsed_path[0] == "v1"
	input.source_principal in {writers}
}}
"#
    );
    let log = r#"package system.log

mask contains "/input/attributes/request/http/headers/x-session"
"#;
    let modules = vec![("authz.rego".to_owned(), policy), ("log.rego".to_owned(), log.to_owned())];
    let sources = Sources::from_parts(modules, sidegate_engine::Value::new_object());
    build(&sources, &BuildOptions::default()).expect("a policy that compiles").bundle
}

/// Everybody may write, and then the shop alone.
fn bundles() -> [Vec<u8>; 2] {
    let (shop, back) = (spiffe("default", "shop"), spiffe("default", "back"));
    [bundle(&format!(r#"{{"{shop}", "{back}"}}"#)), bundle(&format!(r#"{{"{shop}"}}"#))]
}

fn ask(envoy: &Envoy, authority: &Authority) {
    let to = envoy.listener("sidegate").unwrap();
    let [token, cookie, session, pin] = SECRETS;
    for (caller, method, path, times) in ASKED {
        let identity = authority.identity(caller, &spiffe("default", caller));
        let body = format!(r#"{{"pin": "{pin}"}}"#);
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: orders.test\r\nauthorization: Bearer {token}\r\n\
             cookie: id={cookie}\r\nx-session: {session}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        for _ in 0..times {
            // Envoy closes a connection on which it answers before a body has come.
            let mut open = Connection::open(to, Some(&identity)).unwrap();
            let answer = open.send_bytes(head.as_bytes(), false).unwrap();
            assert_eq!(answer.status, if path == "/admin" { 403 } else { 200 }, "{caller} {method} {path}");
        }
    }
}

fn replayed(events: &Path, new: &[u8]) -> Replay {
    let state = State::of_bundle(new, "new.tar.gz").unwrap();
    let log = Log { name: "events.json".to_owned(), reader: Box::new(fs::File::open(events).unwrap()) };
    replay(&state, None, &Options::default(), std::iter::once(log), &mut |_| {}).unwrap()
}

/// How many decisions by caller, method and path.
fn counted(
    found: impl Iterator<Item = (String, String, String)>,
) -> BTreeMap<(String, String, String), usize> {
    found.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_insert(0) += 1;
        counts
    })
}

#[test]
fn what_happened_is_seen_by_collector_and_prometheus_and_by_a_stricter_policy() {
    let dir = tempfile::TempDir::new().unwrap();
    let [now, stricter] = bundles();
    let mut collector = Collector::start();
    let authority = Authority::new(&dir.path().join("certs"));
    let own = authority.identity("orders", &spiffe("default", "orders"));
    let mut configuration = plugin_configuration(&now, "envoy/authz/allow");
    configuration["decision_log"] =
        json!({"level": "all", "sink": "http", "cluster": "logs", "rate": 10_000});
    let access_log = dir.path().join("access.log");
    let listener = Listener {
        name: "sidegate",
        identity: &own,
        plaintext: false,
        filters: vec![wasm_filter("sidegate", &places::filter_wasm().unwrap(), &configuration.to_string())],
        route_metadata: None,
        access_log: Some((&access_log, "%REQ(:PATH)% %FILTER_STATE(wasm.sidegate:PLAIN)%")),
        cluster: None,
    };
    let config = bootstrap(&[listener.to_json()], &[cluster("logs", collector.address())]);
    let envoy = Envoy::start_with(&places::envoy_newest(), &config, dir.path(), 2).unwrap();
    let scraped =
        Scraped { admin: envoy.admin_address(), workload: ("default".to_owned(), "orders".to_owned()) };
    let prometheus = Prometheus::start(&[scraped], &dir.path().join("prometheus")).unwrap();
    ask(&envoy, &authority);
    let total: usize = ASKED.iter().map(|(.., times)| times).sum();

    // The collector has every request, once.
    let explain = |e: String| envoy.with_log(&e);
    let events = collector.wait(total, PATIENCE).map_err(explain).unwrap().to_vec();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let of = |event: &Json| {
        let http = &event["input"]["attributes"]["request"]["http"];
        (text(&event["input"]["source_principal"]), text(&http["method"]), text(&http["path"]))
    };
    let expected = ASKED.iter().map(|(caller, method, path, times)| {
        ((spiffe("default", caller), (*method).to_owned(), (*path).to_owned()), *times)
    });
    assert_eq!(counted(events.iter().map(of)), expected.collect());
    let ids: BTreeSet<String> = events.iter().map(|event| text(&event["decision_id"])).collect();
    assert_eq!(ids.len(), total);

    // Prometheus has as many.
    for (outcome, count) in [("allowed", total - 3), ("denied", 3)] {
        let query = format!("sum(sidegate_decisions{{sidegate_outcome=\"{outcome}\"}}) == {count}");
        prometheus.wait_for(&query).unwrap();
    }
    prometheus.wait_for(&format!("sum(sidegate_log{{sidegate_result=\"logged\"}}) == {total}")).unwrap();

    // No secret is anywhere.
    let (_, stats) = envoy.admin("GET", "/stats/prometheus").unwrap();
    let saved = serde_json::to_string(&events).unwrap();
    let accesses = fs::read_to_string(&access_log).unwrap();
    let file = dir.path().join("events.json");
    fs::write(&file, &saved).unwrap();
    let report = replayed(&file, &stricter);
    let printed = serde_json::to_string(&report).unwrap();
    for (place, text) in [
        ("events", &saved),
        ("stats", &stats),
        ("access log", &accesses),
        ("Envoy's log", &envoy.log()),
        ("report", &printed),
    ] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "`{secret}` in the {place}");
        }
    }

    // A stricter policy changes what it says it does, and the same policy nothing.
    let changes = |report: &Replay| -> BTreeMap<(String, String, String), usize> {
        let groups = report.groups.iter();
        groups
            .map(|group| {
                assert_eq!(group.key.change, Change::Denied);
                assert!(ids.contains(&group.example.decision_id), "{group:?}");
                let key = &group.key;
                (
                    (key.caller.clone(), key.method.clone(), key.path.clone()),
                    usize::try_from(group.count).unwrap(),
                )
            })
            .collect()
    };
    let back = |method: &str| (spiffe("default", "back"), method.to_owned(), "/v1/orders".to_owned());
    assert_eq!(changes(&report), BTreeMap::from([(back("DELETE"), 4), (back("POST"), 2)]));
    assert_eq!((report.counts.denied, report.counts.same), (6, total as u64 - 6));
    assert_eq!((report.counts.unknown, report.counts.allowed, report.counts.error), (0, 0, 0));
    let same = replayed(&file, &now);
    assert_eq!((same.counts.same, same.counts.differ()), (total as u64, 0));
}
