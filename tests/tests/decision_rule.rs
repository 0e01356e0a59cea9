//! Which rule of a declaration decided: in the access log and in the event, on real Envoys, and as it is explained.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use sidegate_compiler::declare;
use sidegate_compiler::replay::{Log, Options, State, find};
use sidegate_compiler::{BuildOptions, Sources, Workload, build};
use sidegate_tests::case::plugin_configuration;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::Connection;
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, wasm_filter};
use sidegate_tests::{logged, places};

const MESH: &str = r#"apiVersion: sidegate.io/v1alpha1
kind: MeshPolicy
spec:
  owner: team-platform
  deny:
  - to: [{paths: ["/never"]}]
  - to: [{paths: ["/debug/{**}"]}]
"#;

const SERVICE: &str = r#"apiVersion: sidegate.io/v1alpha1
kind: ServicePolicy
metadata: {name: payments, namespace: pay}
spec:
  owner: team-payments
  MODE
  allow:
  - from: [{namespace: backoffice}]
  - from: [{serviceAccount: shop/web}]
    to: [{methods: [GET], paths: ["/v1/charges/{id}", "/v1/admin", "/debug/x"]}]
  deny:
  - to: [{paths: ["/v1/admin"]}]
"#;

/// Paths, and which rule decides about them; the line of the file where it stands, if it does.
const RULES: [(&str, bool, &str, Option<u32>); 5] = [
    ("/v1/charges/7", true, "pay/payments allow[1]", Some(9)),
    ("/v1/admin", false, "pay/payments deny[0]", Some(12)),
    ("/debug/x", false, "mesh deny[1]", Some(7)),
    ("/v1/refunds", false, "pay/payments no rule", None),
    ("/v1//charges", false, "pay/payments odd path", None),
];

struct Site {
    envoy: Envoy,
    caller: Identity,
    access_log: PathBuf,
    bundle: Vec<u8>,
    dir: tempfile::TempDir,
}

fn bundle(dir: &Path, files: &[(&str, &str)], workload: &str) -> Vec<u8> {
    for (path, text) in files {
        let path = dir.join("policies").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let sources = Sources::read_dir(&dir.join("policies")).unwrap_or_else(|error| panic!("{error}"));
    let workload = Some(Workload::new("pay", workload).unwrap());
    build(&sources, &BuildOptions { workload, ..BuildOptions::default() }).unwrap().bundle
}

impl Site {
    fn start(version: &str, level: &str, mode: &str, workload: &str, more: &[(&str, &str)]) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let service = SERVICE.replace("MODE", mode);
        let mut files = vec![("mesh.yaml", MESH), ("services/pay/payments.yaml", &service)];
        files.extend(more);
        let bundle = bundle(dir.path(), &files, workload);
        let mut configuration = plugin_configuration(&bundle, "sidegate/authz/decision");
        configuration["allow_lowering"] = json!(true);
        configuration["decision_log"] = json!({"level": level, "rate": 1000});
        let authority = Authority::new(dir.path());
        let own = authority.identity("payments", &spiffe("pay", "payments"));
        let caller = authority.identity("web", &spiffe("shop", "web"));
        let access_log = dir.path().join("access.log");
        let wasm = places::filter_wasm().unwrap();
        let listener = Listener {
            name: "sidegate",
            identity: &own,
            plaintext: false,
            filters: vec![wasm_filter("sidegate", &wasm, &configuration.to_string())],
            route_metadata: None,
            access_log: Some((&access_log, logged::LINE)),
            cluster: None,
        };
        let envoy = Envoy::start(version, &bootstrap(&[listener.to_json()], &[]), dir.path()).unwrap();
        Self { envoy, caller, access_log, bundle, dir }
    }

    fn get(&self, path: &str) -> u16 {
        let to = self.envoy.listener("sidegate").unwrap();
        let mut open = Connection::open(to, Some(&self.caller)).unwrap();
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: payments.test\r\n\r\n");
        let explain = |e: String| self.envoy.with_log(&format!("{path}: {e}"));
        open.send_bytes(bytes.as_bytes(), false).map_err(explain).unwrap().status
    }

    /// The filter state of each request, by its path.
    fn states(&self, count: usize) -> BTreeMap<String, Json> {
        logged::states(&self.access_log, count).map_err(|e| self.envoy.with_log(&e)).unwrap()
    }

    /// The events in Envoy's own log, by path.
    fn events(&self) -> BTreeMap<String, Json> {
        logged::events(&self.envoy.log())
            .into_iter()
            .map(|event| {
                let path = &event["input"]["attributes"]["request"]["http"]["path"];
                (path.as_str().unwrap_or_default().to_owned(), event)
            })
            .collect()
    }

    /// What is said of an event when it is explained: the rule now, and the line where it stands.
    fn explained(&self, event: &Json) -> (Option<String>, Option<u32>) {
        let file = self.dir.path().join("events.json");
        std::fs::write(&file, event.to_string()).unwrap();
        let log =
            Log { name: "events.json".to_owned(), reader: Box::new(std::fs::File::open(&file).unwrap()) };
        let found = find(event["decision_id"].as_str().unwrap(), std::iter::once(log)).unwrap().unwrap();
        let state = State::of_bundle(&self.bundle, "bundle.tar.gz").unwrap();
        let options =
            Options { workload: Some(Workload::new("pay", "payments").unwrap()), ..Options::default() };
        let asked = found.ask(&state, &options).unwrap();
        assert_eq!(asked.recorded_rule.as_deref(), event["custom"]["sidegate"]["rule"].as_str());
        assert_eq!(asked.change, None);
        let mesh = state.mesh().unwrap();
        let service = mesh.find("pay", "payments").unwrap();
        let reasons = declare::explain(mesh, service, &asked.request).decided;
        (asked.rule, reasons.first().map(|reason| reason.line))
    }
}

#[test]
fn what_is_logged_names_the_rule_as_it_is_explained() {
    for version in [places::envoy_oldest(), places::envoy_newest()] {
        for (mode, is_shadow) in [("", false), ("mode: shadow", true)] {
            let site = Site::start(&version, "all", mode, "payments", &[]);
            for (path, is_allowed, rule, _) in RULES {
                // What the mesh denies is not waived, and neither is a path that it might deny.
                let passes = is_allowed || is_shadow && (rule.starts_with("pay/") && !rule.ends_with("path"));
                assert_eq!(site.get(path), if passes { 200 } else { 403 }, "{version} {mode} {path}");
            }
            let (states, events) = (site.states(RULES.len()), site.events());
            for (path, is_allowed, rule, line) in RULES {
                let (state, event) = (&states[path], &events[path]);
                let shown = format!("{version} {mode} {path}: {state}\n{event}");
                assert_eq!(state["rule"], rule, "{shown}");
                assert_eq!(event["custom"]["sidegate"]["rule"], rule, "{shown}");
                assert_eq!(event["decision_id"], state["decision_id"], "{shown}");
                assert_eq!(state["outcome"], if is_allowed { "allowed" } else { "denied" }, "{shown}");
                assert_eq!(site.explained(event), (Some(rule.to_owned()), line), "{shown}");
            }
            assert_eq!(site.envoy.stats("log.no_rule").unwrap().get("wasmcustom.sidegate.log.no_rule"), None);
        }
    }
}

#[test]
fn what_is_not_logged_is_not_asked_about() {
    let site = Site::start(&places::envoy_newest(), "denied", "", "payments", &[]);
    assert_eq!((site.get("/v1/charges/7"), site.get("/v1/admin")), (200, 403));
    let states = site.states(2);
    assert_eq!(states["/v1/charges/7"], Json::Null);
    assert_eq!(states["/v1/admin"]["rule"], "pay/payments deny[0]");
    let site = Site::start(&places::envoy_newest(), "off", "", "payments", &[]);
    assert_eq!(site.get("/v1/admin"), 403);
    let states = site.states(1);
    assert_eq!(
        (&states["/v1/admin"]["outcome"], &states["/v1/admin"]["rule"]),
        (&json!("denied"), &Json::Null)
    );
}

#[test]
fn nobodys_workload_and_rego_beside_a_declaration() {
    let site = Site::start(&places::envoy_newest(), "all", "", "nobodys", &[]);
    assert_eq!((site.get("/v1/charges/7"), site.get("/debug/x")), (403, 403));
    let states = site.states(2);
    assert_eq!(states["/v1/charges/7"]["rule"], "pay/nobodys undeclared");
    assert_eq!(states["/debug/x"]["rule"], "mesh deny[1]");

    let rego = r#"package services.pay.payments

deny contains "thirteen" if endswith(input.attributes.request.http.path, "/13")
"#;
    let beside = [("services/pay/payments/beside.rego", rego)];
    let site = Site::start(&places::envoy_newest(), "all", "", "payments", &beside);
    assert_eq!((site.get("/v1/charges/7"), site.get("/v1/charges/13")), (200, 403));
    let states = site.states(2);
    assert_eq!(states["/v1/charges/7"]["rule"], "pay/payments allow[1]");
    assert_eq!(states["/v1/charges/13"]["rule"], "data.services.pay.payments.deny");
    for (path, event) in site.events() {
        assert_eq!(event["custom"]["sidegate"]["rule"], states[&path]["rule"]);
    }
}

/// A rule that cannot be told is none, and the event is written all the same.
#[test]
fn a_rule_that_cannot_be_told_changes_no_decision() {
    // It takes longer than the decision, which does not get to it.
    let rego = r#"package services.pay.payments

deny contains "slow" if {
	input.attributes.request.http.path == "/v1/admin"
	count([x | some x in numbers.range(1, 1000000)]) > 0
}
"#;
    let beside = [("services/pay/payments/beside.rego", rego)];
    let site = Site::start(&places::envoy_newest(), "all", "", "payments", &beside);
    assert_eq!((site.get("/v1/charges/7"), site.get("/v1/admin")), (200, 403));
    let states = site.states(2);
    assert_eq!(states["/v1/charges/7"]["rule"], "pay/payments allow[1]");
    assert_eq!(
        (&states["/v1/admin"]["reason"], &states["/v1/admin"]["rule"]),
        (&json!("policy"), &Json::Null)
    );
    assert_eq!(site.events()["/v1/admin"]["custom"]["sidegate"]["outcome"], "denied");
    let failures = site.envoy.stats("log.no_rule").unwrap();
    assert_eq!(failures["wasmcustom.sidegate.log.no_rule"], 1);
}
