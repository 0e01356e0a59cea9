//! The access log that docs/suggest.md tells people to configure, written by a real Envoy and read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::declare::suggest::{Options, Suggester};
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::{Connection, Request};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster};
use sidegate_tests::places;
use sidegate_tests::upstream::Upstream;

const CLUSTER: &str = "inbound|8080||";

/// The format, as the page has it.
fn documented() -> Value {
    let page = std::fs::read_to_string(places::root().join("docs/suggest.md")).unwrap();
    let (_, rest) = page.split_once("accessLogFormat: |\n").expect("the page has the format");
    let (format, _) = rest.split_once("```").unwrap();
    serde_json::from_str(format).unwrap()
}

fn ask(method: &str, target: &str, kind: Option<&str>) -> Request {
    let mut headers = vec![(b"host".to_vec(), b"charges.pay:8080".to_vec())];
    // What a caller may write to be logged as something else.
    headers.push((b"x-envoy-original-path".to_vec(), b"/forged".to_vec()));
    headers.extend(kind.map(|kind| (b"content-type".to_vec(), kind.as_bytes().to_vec())));
    Request { method: method.to_owned(), target: target.as_bytes().to_vec(), headers, body: None }
}

#[test]
fn what_envoy_logs_becomes_declarations() {
    for version in places::envoys() {
        let dir = tempfile::TempDir::new().unwrap();
        let upstream = Upstream::start();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe("pay", "charges"));
        let web = authority.identity("web", &spiffe("shop", "web"));
        let log = dir.path().join("access.json");
        let listener = Listener {
            name: "inbound",
            identity: &own,
            plaintext: true,
            filters: Vec::new(),
            route_metadata: None,
            access_log: Some((&log, "")),
            cluster: Some(CLUSTER),
        };
        let mut config = bootstrap(&[listener.to_json()], &[cluster(CLUSTER, upstream.address())]);
        for chain in config["static_resources"]["listeners"][0]["filter_chains"].as_array_mut().unwrap() {
            let manager = &mut chain["filters"][0]["typed_config"];
            // The upstream knows nothing of gRPC; Envoy reads the status of gRPC from the response.
            manager["route_config"]["virtual_hosts"][0]["response_headers_to_add"] =
                json!([{"header": {"key": "grpc-status", "value": "0"}}]);
            manager["access_log"][0]["typed_config"]["log_format"] = json!({"json_format": documented()});
        }
        let envoy = Envoy::start(&version, &config, dir.path()).unwrap();
        let address = envoy.listener("inbound").unwrap();
        let mut requests = 0;
        let mut send = |identity, request: Request| {
            let response = Connection::open(address, identity).unwrap().send(&request).unwrap();
            requests += 1;
            response.status
        };
        for id in 0..6 {
            let path = format!("/v1/charges/{id}?x=%22");
            assert_eq!(send(Some(&web), ask("GET", &path, None)), 200);
        }
        send(Some(&web), ask("POST", "/pay.v1.Charges/Create", Some("application/grpc+proto; x=\"y\"")));
        send(None, ask("GET", "/healthz", None));
        send(Some(&web), ask("GET", "/a;b", None));
        let deadline = Instant::now() + Duration::from_secs(30);
        let text = loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.lines().count() >= requests || Instant::now() > deadline {
                break text;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(text.lines().count(), requests, "{}", envoy.with_log(&text));
        let mesh = Mesh::default();
        let options = Options { to: Some(("pay".to_owned(), "charges".to_owned())), ..Options::default() };
        let mut suggester = Suggester::new(options, &mesh);
        suggester.read("access.json", text.as_bytes(), |_| {}).unwrap();
        let suggestions = suggester.finish(|_, _| None).unwrap();
        let report = json!(suggestions);
        let context = format!("envoy {version}\n{text}\n{report:#}");
        assert_eq!(report["left_out"]["ambiguous_path"]["count"], 1, "{context}");
        assert_eq!(report["left_out"].as_object().unwrap().len(), 1, "{context}");
        let rules: Vec<(Value, Value, Value)> = report["services"][0]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| {
                rule["to"].as_array().unwrap().iter().map(|to| (rule["from"].clone(), to.clone()))
            })
            .flat_map(|(from, to)| {
                let items = to["items"].as_array().unwrap().clone();
                items
                    .into_iter()
                    .map(move |item| (from.clone(), to["methods"].clone(), item["template"].clone()))
            })
            .collect();
        let web = json!(["{serviceAccount: shop/web}"]);
        let wanted = [
            (web.clone(), Value::Null, json!("pay.v1.Charges/Create")),
            (web, json!(["GET"]), json!("/v1/charges/{id}")),
            (json!(["{anonymous: true}"]), json!(["GET"]), json!("/healthz")),
        ];
        assert_eq!(rules, wanted, "{context}");
        assert!(
            report["services"][0]["rules"][0]["first"].as_str().is_some_and(|time| time.starts_with("20")),
            "{context}"
        );
    }
}
