//! Whose request it is, where the connection's own certificates do not say it alone: waypoints, and other names of the
//! trust domain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::{Value as Json, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Connection, Request};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use sidegate_tests::upstream::{Echo, Upstream};
use sidegate_tests::{paths, places};

const FILE: &str = r#"
about: whose request it is
policy:
  authz.rego: |
    package envoy.authz

    allow := {"allowed": true, "headers": {"x-seen": seen}}

    seen := concat("|", [
        object.get(input.attributes.source, "principal", "-"),
        object.get(input.attributes.destination, "principal", "-"),
        concat(",", input.sidegate.source.uri_sans),
        object.get(input.sidegate.source, "trust_domain", "-"),
    ])
requests: []
"#;

/// What Istio's waypoints put where the filter finds it; from a header, so that the test can choose.
fn relay() -> Json {
    let state = |key: &str, header: &str| {
        json!({
            "object_key": key,
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": format!("%REQ({header})%")}}
        })
    };
    json!({"name": "relay", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [
            state("io.istio.peer_principal", "x-test-peer"),
            state("io.istio.local_principal", "x-test-local"),
        ]
    }})
}

struct Site {
    envoy: Envoy,
    authority: Authority,
    _upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl Site {
    fn start(version: &str, filters: Vec<Json>, config: Json) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let mut file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
        file.config.extend(config.as_object().unwrap().clone());
        let bundle = paths::build(&file).unwrap();
        let upstream = Upstream::start();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe("default", "service"));
        let wasm = places::filter_wasm().unwrap();
        let mut all = filters;
        all.push(wasm_filter("sidegate", &wasm, &file.configuration(&bundle)));
        let listener = Listener {
            name: "sidegate",
            identity: &own,
            plaintext: true,
            filters: all,
            route_metadata: None,
            access_log: None,
            cluster: Some("upstream"),
        };
        let config = bootstrap(&[listener.to_json()], &[cluster("upstream", upstream.address())]);
        let envoy = Envoy::start(version, &config, dir.path()).unwrap();
        Self { envoy, authority, _upstream: upstream, _dir: dir }
    }

    fn open(&self, identity: Option<&Identity>) -> Connection {
        Connection::open(self.envoy.listener("sidegate").unwrap(), identity).unwrap()
    }
}

/// What the policy saw, or the status of the refusal.
fn seen(connection: &mut Connection, peer: Option<&str>, local: Option<&str>) -> String {
    let mut headers = vec![(b"host".to_vec(), b"service.test".to_vec())];
    for (name, value) in [("x-test-peer", peer), ("x-test-local", local)] {
        headers.extend(value.map(|value| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
    }
    let request = Request { method: "GET".to_owned(), target: b"/".to_vec(), headers, body: None };
    let response = connection.send(&request).unwrap();
    if response.status != 200 {
        return response.status.to_string();
    }
    let echo: Echo = serde_json::from_slice(&response.body).unwrap();
    echo.values("x-seen").join("+")
}

fn relayed(version: &str) {
    let site = Site::start(version, vec![relay()], json!({}));
    let (web, own) = (spiffe("shop", "web"), spiffe("shop", "waypoint"));
    // All of this on one connection: what one request says is not the next one's.
    let mut plain = site.open(None);
    assert_eq!(seen(&mut plain, None, None), "-|-||-");
    assert_eq!(seen(&mut plain, Some(&web), Some(&own)), format!("{web}|{own}|{web}|cluster.local"));
    assert_eq!(seen(&mut plain, None, None), "-|-||-");
    let two = format!("{web},{}", spiffe("shop", "other"));
    assert_eq!(seen(&mut plain, Some(&two), None), format!("{web}|-|{two}|-"));
    for odd in ["web", "spiffe:/shop/web", "https://shop/web", &format!("{web},web"), &format!("{web},"), ","]
    {
        assert_eq!(seen(&mut plain, Some(odd), Some(&own)), "403", "{odd}");
    }
    assert_eq!(seen(&mut plain, None, Some(&own)), "-|-||-");
    // Whoever has a certificate is who that says.
    let caller = spiffe("default", "caller");
    let identity = site.authority.identity("caller", &caller);
    let mut tls = site.open(Some(&identity));
    let service = spiffe("default", "service");
    let expected = format!("{caller}|{service}|{caller}|cluster.local");
    assert_eq!(seen(&mut tls, Some(&web), Some(&own)), expected);
    assert_eq!(seen(&mut tls, Some("nonsense"), None), expected);
}

#[test]
fn a_waypoint_says_who_is_calling() {
    for version in places::envoys() {
        relayed(&version);
    }
}

/// Nobody but the proxy's own filters writes filter state: a client's headers are headers.
#[test]
fn a_client_cannot_say_it() {
    let site = Site::start(&places::envoy_newest(), Vec::new(), json!({}));
    let mut plain = site.open(None);
    let web = spiffe("shop", "web");
    assert_eq!(seen(&mut plain, Some(&web), Some(&web)), "-|-||-");
}

#[test]
fn an_alias_is_another_name_of_the_own_trust_domain() {
    let aliases = json!({"trust_domain_aliases": ["old.example", "older.example"]});
    let site = Site::start(&places::envoy_newest(), Vec::new(), aliases);
    let service = spiffe("default", "service");
    for (uri, trust_domain) in [
        ("spiffe://old.example/ns/shop/sa/web", "cluster.local"),
        ("spiffe://older.example/ns/shop/sa/web", "cluster.local"),
        ("spiffe://cluster.local/ns/shop/sa/web", "cluster.local"),
        ("spiffe://other.example/ns/shop/sa/web", "other.example"),
        ("spiffe://old.example.evil/ns/shop/sa/web", "old.example.evil"),
        ("spiffe://oldXexample/ns/shop/sa/web", "oldXexample"),
        ("spiffe://old.example/web", "-"),
    ] {
        let identity = site.authority.identity("caller", uri);
        let mut connection = site.open(Some(&identity));
        let expected = format!("{uri}|{service}|{uri}|{trust_domain}");
        assert_eq!(seen(&mut connection, None, None), expected, "{uri}");
        // And again, when the connection is known.
        assert_eq!(seen(&mut connection, None, None), expected, "{uri}");
    }
}
