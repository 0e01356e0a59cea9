//! The decision log on real Envoys: what is logged, what is masked, where it goes, and what the client is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Connection, Response};
use sidegate_tests::collector::Collector;
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use sidegate_tests::upstream::Upstream;
use sidegate_tests::{logged, paths, places};

const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing that a log may show has this in it.
const SECRET: &str = "s3cr3t";

const FILE: &str = r#"
about: decisions that are logged
entrypoint: t/allow
policy:
  t.rego: |
    package t

    import rego.v1

    http := input.attributes.request.http

    default allow := false

    allow if http.path == "/open"

    allow := {"allowed": true, "headers": {"authorization": "Bearer s3cr3t-own"}} if {
        http.path == "/mine"
        input.source_principal == "spiffe://cluster.local/ns/default/sa/caller"
    }

    allow := {"allowed": false, "http_status": 401, "body": "who are you"} if http.path == "/who"

    allow := true if http.path == "/conflict"
    allow := {"allowed": true} if http.path == "/conflict"

    allow := input.parsed_body.ok if http.path == "/body"
  log.rego: |
    package system.log

    import rego.v1

    drop if input.input.parsed_path == ["quiet"]

    mask contains "/input/attributes/request/http/headers/x-session"

    mask contains {"op": "upsert", "path": "/input/attributes/source/address", "value": "elsewhere"}

    mask contains {"op": "remove", "path": "/result/body"} if input.result.body
requests: []
"#;

struct Site {
    envoy: Envoy,
    caller: Identity,
    access_log: PathBuf,
    _upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl Site {
    fn start(version: &str, decision_log: Json, more: &[(&str, Json)], collector: &Collector) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let mut file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
        file.config.insert("decision_log".to_owned(), decision_log);
        file.config.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let bundle = paths::build(&file).unwrap();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe("default", "service"));
        let caller = authority.identity("caller", &spiffe("default", "caller"));
        let upstream = Upstream::start();
        let access_log = dir.path().join("access.log");
        let wasm = places::filter_wasm().unwrap();
        let listener = Listener {
            name: "sidegate",
            identity: &own,
            plaintext: false,
            filters: vec![wasm_filter("sidegate", &wasm, &file.configuration(&bundle))],
            route_metadata: None,
            access_log: Some((&access_log, logged::LINE)),
            cluster: Some("upstream"),
        };
        let clusters = [cluster("upstream", upstream.address()), cluster("logs", collector.address())];
        let config = bootstrap(&[listener.to_json()], &clusters);
        let envoy = Envoy::start(version, &config, dir.path()).unwrap();
        Self { envoy, caller, access_log, _upstream: upstream, _dir: dir }
    }

    fn send(&self, head: &str, body: &str) -> Response {
        let mut open =
            Connection::open(self.envoy.listener("sidegate").unwrap(), Some(&self.caller)).unwrap();
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let bytes = format!("{head}\r\nhost: service.test\r\n{length}\r\n{body}");
        let explain = |e: String| self.envoy.with_log(&format!("{head}: {e}"));
        open.send_bytes(bytes.as_bytes(), false).map_err(explain).unwrap()
    }

    fn get(&self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1"), "")
    }

    fn stat(&self, name: &str) -> u64 {
        self.envoy.stats(name).unwrap().get(&format!("wasmcustom.sidegate.{name}")).copied().unwrap_or(0)
    }

    /// The events in Envoy's own log.
    fn logged(&self) -> Vec<Json> {
        logged::events(&self.envoy.log())
    }

    /// The filter state of each request, by its path.
    fn states(&self, count: usize) -> BTreeMap<String, Json> {
        logged::states(&self.access_log, count).map_err(|e| self.envoy.with_log(&e)).unwrap()
    }
}

fn by_path(events: &[Json]) -> BTreeMap<String, Json> {
    let path = |event: &Json| {
        event["input"]["attributes"]["request"]["http"]["path"].as_str().unwrap_or("-").to_owned()
    };
    events.iter().map(|event| (path(event), event.clone())).collect()
}

#[test]
fn every_decision_comes_to_the_collector_and_no_secret_does() {
    for version in places::envoys() {
        let mut collector = Collector::start();
        let log = json!({"level": "all", "sink": "http", "cluster": "logs", "path": "/v1/logs", "rate": 1000,
            "id_header": "x-decision"});
        let site = Site::start(&version, log, &[], &collector);
        let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let secrets = format!(
            "authorization: Bearer {SECRET}\r\ncookie: a={SECRET}\r\nx-api-key: {SECRET}\r\n\
             proxy-authorization: {SECRET}\r\nx-session: {SECRET}\r\n{trace}"
        );
        assert_eq!(site.send(&format!("GET /open HTTP/1.1\r\n{secrets}"), "").status, 200);
        assert_eq!(site.get("/mine").status, 200);
        let denied = site.get("/who");
        assert_eq!(denied.status, 401);
        let conflict = site.get("/conflict");
        assert_eq!(conflict.status, 403);
        assert_eq!(site.get("/quiet").status, 403);
        let body = format!(r#"{{"ok": true, "pin": "{SECRET}"}}"#);
        assert_eq!(site.send("POST /body HTTP/1.1\r\ncontent-type: application/json", &body).status, 200);
        assert_eq!(site.get("/bad?a=%zz").status, 400);

        let explain = |e: String| site.envoy.with_log(&e);
        let events = collector.wait(6, PATIENCE).map_err(explain).unwrap().to_vec();
        let text = serde_json::to_string(&events).unwrap();
        assert!(!text.contains(SECRET) && !text.contains("/quiet"), "{version}: {text}");
        assert!(!site.envoy.log().contains(SECRET), "{version}");
        assert_eq!(events.len(), 6, "{text}");

        let by = by_path(&events);
        let open = &by["/open"];
        assert_eq!(open["result"], json!(true));
        assert_eq!(open["path"], "t/allow");
        assert_eq!(open["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(open["span_id"], "00f067aa0ba902b7");
        assert_eq!(open["input"]["source_principal"], "spiffe://cluster.local/ns/default/sa/caller");
        assert_eq!(open["input"]["attributes"]["source"]["address"], "elsewhere");
        assert_eq!(open["custom"]["sidegate"]["outcome"], "allowed");
        assert_eq!(open["labels"]["id"], "sidecar~127.0.0.1~test");
        assert_eq!(open["bundles"]["sidegate"]["revision"], open["revision"]);
        assert!(open["metrics"]["timer_rego_query_eval_ns"].as_i64().is_some_and(|ns| ns > 0), "{open}");
        for header in ["authorization", "cookie", "x-api-key", "proxy-authorization", "x-session"] {
            let path = json!(format!("/input/attributes/request/http/headers/{header}"));
            assert!(open["erased"].as_array().unwrap().contains(&path), "{header}: {open}");
        }
        assert_eq!(open["masked"], json!(["/input/attributes/source/address"]));
        assert_eq!(by["/mine"]["erased"], json!(["/result/headers/authorization"]));
        assert_eq!(by["/who"]["result"], json!({"allowed": false, "http_status": 401}));
        assert_eq!(
            by["/who"]["custom"]["sidegate"],
            json!({"outcome": "denied", "phase": "request", "mode": "enforce", "status": 401})
        );
        assert_eq!(by["/conflict"]["error"]["code"], "eval_conflict");
        assert!(by["/conflict"]["result"].is_null());
        assert!(
            by["/body"]["erased"].as_array().unwrap().contains(&json!("/input/parsed_body")),
            "{}",
            by["/body"]
        );
        // Of what OPA cannot parse there is no input either.
        assert_eq!(by["-"]["custom"]["sidegate"]["status"], 400);

        let id = |response: &Response| String::from_utf8_lossy(response.values("x-decision")[0]).into_owned();
        assert_eq!(by["/who"]["decision_id"], id(&denied));
        assert_eq!(by["/conflict"]["decision_id"], id(&conflict));
        let states = site.states(7);
        assert_eq!(states["/open"]["outcome"], "allowed");
        assert_eq!(states["/open"]["decision_id"], open["decision_id"]);
        assert_eq!(states["/who"]["reason"], "policy");
        assert_eq!(states["/who"]["revision"], open["revision"]);
        assert_eq!(states["/conflict"]["reason"], "eval_conflict");
        assert_eq!(site.stat("log.logged"), 6);
        assert_eq!(site.stat("log.dropped_policy"), 1);
        let (_, histogram) = site.envoy.admin("GET", "/stats?filter=evaluation_us").unwrap();
        assert!(histogram.contains("wasmcustom.sidegate.evaluation_us: "), "{histogram}");
    }
}

#[test]
fn by_default_what_is_denied_goes_to_envoys_log_and_nobody_is_told() {
    for version in places::envoys() {
        let collector = Collector::start();
        let site = Site::start(&version, json!({}), &[], &collector);
        assert_eq!(site.get("/open").status, 200);
        let denied = site.send(&format!("GET /who HTTP/1.1\r\nauthorization: {SECRET}"), "");
        assert_eq!(denied.status, 401);
        assert!(denied.headers.iter().all(|(name, _)| !name.starts_with("x-")), "{denied:?}");
        let events = site.logged();
        assert_eq!(events.len(), 1, "{}", site.envoy.log());
        // All of the input, though the policy reads a part of it.
        let http = &events[0]["input"]["attributes"]["request"]["http"];
        assert_eq!((&http["method"], &http["protocol"]), (&json!("GET"), &json!("HTTP/1.1")));
        assert!(events[0]["requested_by"].as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(!site.envoy.log().contains(SECRET));
        let states = site.states(2);
        assert_eq!(states["/open"], Json::Null, "that it was allowed is not worth a word");
        assert_eq!(states["/who"]["decision_id"], events[0]["decision_id"]);
    }
}

#[test]
fn levels_and_rates() {
    let newest = places::envoy_newest();
    for (level, expected) in [("off", 0), ("errors", 1), ("denied", 2), ("all", 3)] {
        let site = Site::start(&newest, json!({"level": level}), &[], &Collector::start());
        for path in ["/open", "/who", "/conflict"] {
            site.get(path);
        }
        assert_eq!(site.logged().len(), expected, "{level}: {}", site.envoy.log());
    }
    let site = Site::start(&newest, json!({"level": "sampled", "rate": 100_000}), &[], &Collector::start());
    let mut open = Connection::open(site.envoy.listener("sidegate").unwrap(), Some(&site.caller)).unwrap();
    for _ in 0..300 {
        open.send_bytes(b"GET /open HTTP/1.1\r\nhost: service.test\r\n\r\n", false).unwrap();
    }
    assert_eq!(site.logged().len(), 3, "one in a hundred of those that are allowed");
    site.get("/who");
    assert_eq!(site.logged().len(), 4);

    let site = Site::start(&newest, json!({"rate": 1}), &[], &Collector::start());
    let mut open = Connection::open(site.envoy.listener("sidegate").unwrap(), Some(&site.caller)).unwrap();
    for _ in 0..50 {
        open.send_bytes(b"GET /who HTTP/1.1\r\nhost: service.test\r\n\r\n", false).unwrap();
    }
    let (logged, dropped) = (site.stat("log.logged"), site.stat("log.dropped_rate"));
    assert_eq!(logged + dropped, 50);
    assert!(dropped >= 40 && logged >= 1, "{logged} logged, {dropped} dropped");
}

#[test]
fn a_shadow_decision_is_logged_as_what_it_is() {
    let site =
        Site::start(&places::envoy_newest(), json!({}), &[("mode", json!("shadow"))], &Collector::start());
    assert_eq!(site.get("/who").status, 200);
    let events = site.logged();
    assert_eq!(events[0]["custom"]["sidegate"]["mode"], "shadow");
    assert_eq!(events[0]["custom"]["sidegate"]["outcome"], "denied");
    let states = site.states(1);
    assert_eq!((&states["/who"]["mode"], &states["/who"]["outcome"]), (&json!("shadow"), &json!("denied")));
    assert_eq!((site.stat("shadow.denied"), site.stat("decisions.denied"), site.stat("mode")), (1, 1, 1));
}

#[test]
fn a_collector_that_is_down_costs_no_request_and_no_event() {
    let mut collector = Collector::start();
    let log = json!({"level": "all", "sink": "http", "cluster": "logs", "rate": 100_000});
    let site = Site::start(&places::envoy_newest(), log, &[], &collector);
    collector.set_status(503);
    let mut open = Connection::open(site.envoy.listener("sidegate").unwrap(), Some(&site.caller)).unwrap();
    let mut ask = |count: usize| {
        for _ in 0..count {
            let answer = open.send_bytes(b"GET /open HTTP/1.1\r\nhost: service.test\r\n\r\n", false).unwrap();
            assert_eq!(answer.status, 200);
        }
    };
    ask(100);
    for _ in 0..200 {
        if site.stat("log.retried") > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(site.stat("log.retried") > 0, "{}", site.envoy.log());
    ask(100);
    collector.set_status(200);
    let explain = |e: String| site.envoy.with_log(&e);
    assert_eq!(collector.wait(200, PATIENCE).map_err(explain).unwrap().len(), 200);
    assert!(collector.posts() < 20, "{} posts", collector.posts());
    assert_eq!((site.stat("log.dropped_buffer"), site.stat("log.failed")), (0, 0));

    // What cannot be kept any longer is dropped and counted, and still every request is answered.
    collector.set_status(503);
    ask(3000);
    assert!(
        site.stat("log.dropped_buffer") > 0,
        "two buffers of a megabyte and a quarter hold no 3000 events"
    );
    collector.set_status(200);
    let total = 200 + 3000 - usize::try_from(site.stat("log.dropped_buffer")).unwrap();
    assert_eq!(collector.wait(total, PATIENCE).map_err(explain).unwrap().len(), total);
}

#[test]
fn one_worker_posts_for_all() {
    let mut collector = Collector::start();
    let dir = tempfile::TempDir::new().unwrap();
    let mut file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
    let log = json!({"level": "all", "sink": "http", "cluster": "logs", "rate": 100_000});
    file.config.insert("decision_log".to_owned(), log);
    let bundle = paths::build(&file).unwrap();
    let authority = Authority::new(dir.path());
    let own = authority.identity("service", &spiffe("default", "service"));
    let caller = authority.identity("caller", &spiffe("default", "caller"));
    let listener = Listener {
        name: "sidegate",
        identity: &own,
        plaintext: false,
        filters: vec![wasm_filter("sidegate", &places::filter_wasm().unwrap(), &file.configuration(&bundle))],
        route_metadata: None,
        access_log: None,
        cluster: None,
    };
    let config = bootstrap(&[listener.to_json()], &[cluster("logs", collector.address())]);
    let envoy = Envoy::start_with(&places::envoy_newest(), &config, dir.path(), 4).unwrap();
    let to = envoy.listener("sidegate").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let mut open = Connection::open(to, Some(&caller)).unwrap();
                    let get = b"GET /open HTTP/1.1\r\nhost: service.test\r\n\r\n";
                    assert_eq!(open.send_bytes(get, false).unwrap().status, 200);
                }
            });
        }
    });
    let explain = |e: String| envoy.with_log(&e);
    assert_eq!(collector.wait(200, PATIENCE).map_err(explain).unwrap().len(), 200);
    let posted = envoy.stats("log.posted").unwrap()["wasmcustom.sidegate.log.posted"];
    assert!(posted < 20, "{posted} posts of four workers");
}
