//! The list of what Envoy lets the filter do: with all of it the shipped configuration works, without any one of it our
//! check says so, and what Envoy does then is known: where it says nothing, requests may pass undecided.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Connection, Request};
use sidegate_tests::envoy::{Envoy, validate};
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, tcp_proxy, wasm_filter_in};
use sidegate_tests::upstream::Upstream;
use sidegate_tests::{capabilities, paths, places};

const DENIES: &str = r#"
about: nobody gets in
policy: {authz.rego: "package envoy.authz\n\nallow := false\n"}
requests: []
"#;

/// What becomes of a request that the policy denies where one of the capabilities is missing; 403 where none is named.
const WITHOUT: [(&str, &str); 3] = [
    ("proxy_on_configure", "503"),
    // Not decided about, and nobody is told.
    ("proxy_on_request_headers", "200"),
    ("proxy_send_local_response", "no answer"),
];

/// For a connection that nobody answers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which callbacks of connections are missing, and whether bytes of a connection in plaintext and of one over TLS
/// that are to be closed then get to the service.
const UNDECIDED: [(&str, &[&str], bool, bool); 7] = [
    ("none", &[], false, false),
    ("begin", &["proxy_on_new_connection"], false, false),
    ("down", &["proxy_on_downstream_data"], false, true),
    ("up", &["proxy_on_upstream_data"], false, false),
    ("begin-up", &["proxy_on_new_connection", "proxy_on_upstream_data"], false, false),
    ("begin-down", &["proxy_on_new_connection", "proxy_on_downstream_data"], true, true),
    ("all", &["proxy_on_new_connection", "proxy_on_downstream_data", "proxy_on_upstream_data"], true, true),
];

/// Without these Envoy does not take the configuration.
const NEEDED: [&str; 3] =
    ["proxy_get_buffer_bytes", "proxy_on_context_create", "proxy_set_tick_period_milliseconds"];

fn own(dir: &Path) -> Identity {
    Authority::new(dir).identity("service", &spiffe("default", "service"))
}

fn wanted() -> BTreeSet<String> {
    capabilities::of(&places::filter_wasm().unwrap()).unwrap()
}

/// A listener whose policy denies everything, and whose filter may do only this.
fn listener(name: &str, own: &Identity, allowed: &BTreeSet<String>) -> Value {
    let file: CaseFile = serde_yaml_ng::from_str(DENIES).unwrap();
    let configuration = file.configuration(&paths::build(&file).unwrap());
    let mut filter = wasm_filter_in(name, name, &places::filter_wasm().unwrap(), &configuration);
    filter["typed_config"]["config"][capabilities::RESTRICTION] = capabilities::restriction(allowed);
    let listener = Listener {
        name,
        identity: own,
        plaintext: true,
        filters: vec![filter],
        route_metadata: None,
        access_log: None,
        cluster: None,
    };
    listener.to_json()
}

fn status(envoy: &Envoy, name: &str) -> String {
    let headers = vec![(b"host".to_vec(), b"service.test".to_vec())];
    let request = Request { method: "GET".to_owned(), target: b"/".to_vec(), headers, body: None };
    let mut connection = Connection::open(envoy.listener(name).unwrap(), None).unwrap();
    connection.send(&request).map_or_else(|_| "no answer".to_owned(), |response| response.status.to_string())
}

#[test]
fn what_is_missing_is_noticed_and_what_envoy_does_then_is_known() {
    let dir = tempfile::TempDir::new().unwrap();
    let (all, version) = (wanted(), places::envoy_newest());
    let own = own(dir.path());
    let without = |name: &str| {
        let mut fewer = all.clone();
        assert!(fewer.remove(name), "{name}");
        listener(name, &own, &fewer)
    };
    for name in NEEDED {
        let validation = validate(&version, &bootstrap(&[without(name)], &[]), dir.path()).unwrap();
        assert!(!validation.accepted, "{name}");
    }
    let others: Vec<&String> = all.iter().filter(|name| !NEEDED.contains(&name.as_str())).collect();
    let listeners: Vec<Value> = others.iter().map(|name| without(name)).collect();
    let envoy = Envoy::start(&version, &bootstrap(&listeners, &[]), dir.path()).unwrap();
    for name in others {
        let known = WITHOUT.iter().find(|(known, _)| known == name).map_or("403", |(_, status)| *status);
        assert_eq!(status(&envoy, name), known, "{name}");
    }
}

/// As a network filter that is to close every connection: which callbacks it takes for one in plaintext and one over TLS.
#[test]
fn connections_pass_undecided_where_a_callback_is_missing() {
    let dir = tempfile::TempDir::new().unwrap();
    let (all, version) = (wanted(), places::envoy_newest());
    let own = own(dir.path());
    let upstream = Upstream::start();
    let of = |name: &str, missing: &[&str]| {
        let mut fewer = all.clone();
        assert!(missing.iter().all(|name| fewer.remove(*name)), "{missing:?}");
        let mut listener = listener(name, &own, &fewer);
        for chain in listener["filter_chains"].as_array_mut().unwrap() {
            let mut filter = chain["filters"][0]["typed_config"]["http_filters"][0].clone();
            filter["typed_config"]["@type"] =
                "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm".into();
            chain["filters"] = serde_json::json!([filter, tcp_proxy("upstream")]);
        }
        listener
    };
    let listeners: Vec<Value> = UNDECIDED.iter().map(|(name, missing, ..)| of(name, missing)).collect();
    let clusters = [cluster("upstream", upstream.address())];
    let envoy = Envoy::start(&version, &bootstrap(&listeners, &clusters), dir.path()).unwrap();
    let passes = |name: &str, identity: Option<&Identity>| {
        let before = upstream.received();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut connection = Connection::open(envoy.listener(name).unwrap(), identity).unwrap();
        connection.wire().set_read_timeout(PATIENCE);
        // What matters is what reached the service, whether or not its answer comes back.
        let _ = connection.send_bytes(request, false);
        upstream.received() != before
    };
    let got =
        UNDECIDED.map(|(name, missing, ..)| (name, missing, passes(name, None), passes(name, Some(&own))));
    assert_eq!(got, UNDECIDED);
}

#[test]
fn a_list_that_lacks_one_or_has_too_many_is_found() {
    let all = wanted();
    let dir = tempfile::TempDir::new().unwrap();
    let every = capabilities::shipped(&places::root().join("envoy-config")).unwrap();
    for shipped in &every {
        assert_eq!(
            capabilities::differences(shipped, &all).unwrap(),
            Vec::<String>::new(),
            "{}",
            shipped.display()
        );
    }
    // The one that the others are made of.
    let shipped = places::root().join("envoy-config/envoy.yaml");
    assert!(every.len() > 5 && every.contains(&shipped), "{every:?}");
    let text = fs::read_to_string(&shipped).unwrap();
    let changed = dir.path().join("envoy.yaml");
    for name in &all {
        fs::write(&changed, text.replace(&format!("{name}: {{}}\n"), "\n")).unwrap();
        let found = capabilities::differences(&changed, &all).unwrap();
        assert_eq!(found, [format!("expected `{name}`, found none")]);
    }
    fs::write(&changed, text.replace("proxy_log: {}", "proxy_log: {}\n                    proxy_done: {}"))
        .unwrap();
    assert_eq!(capabilities::differences(&changed, &all).unwrap().len(), 1);
    fs::write(&changed, text.replace(capabilities::RESTRICTION, "something_else")).unwrap();
    assert_eq!(capabilities::differences(&changed, &all).unwrap().len(), 1);
}

/// The shipped configuration, its places filled, is one that Envoy and the filter take.
#[test]
fn the_shipped_configuration_is_taken() {
    let dir = tempfile::TempDir::new().unwrap();
    let own = own(dir.path());
    let file: CaseFile = serde_yaml_ng::from_str(DENIES).unwrap();
    let bundle = base64::engine::general_purpose::STANDARD.encode(paths::build(&file).unwrap());
    let mut text = fs::read_to_string(places::root().join("envoy-config/envoy.yaml")).unwrap();
    for (place, value) in [
        ("@WASM@", places::filter_wasm().unwrap().display().to_string()),
        ("@CERT@", own.cert.display().to_string()),
        ("@KEY@", own.key.display().to_string()),
        ("@CA@", own.ca.display().to_string()),
        ("@BUNDLE@", bundle),
    ] {
        // The comments at its beginning name the places, too.
        assert!(text.contains(place), "{place}");
        text = text.replace(place, &value);
    }
    let config: Value = serde_yaml_ng::from_str(&text).unwrap();
    for version in places::envoys() {
        let validation = validate(&version, &config, dir.path()).unwrap();
        assert!(validation.accepted, "envoy {version}: {}", validation.log);
    }
}
