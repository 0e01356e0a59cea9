//! Which Envoys have what not all of them have: what `features.rs` of the library says, asked of each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::envoy::validate;
use sidegate_tests::envoy_config::bootstrap;
use sidegate_tests::paths::{self, Fleet};
use sidegate_tests::{features, places};

const NAMES: &str = r#"
about: How many names of a caller a filter is told.
policy:
  policy.rego: |
    package envoy.authz

    import rego.v1

    allow := {"allowed": true, "headers": {"x-names": sprintf("%d", [count(input.sidegate.source.uri_sans)])}}
requests:
- name: two names
  from: shop/web
  more_uri_sans: [spiffe://cluster.local/ns/shop/sa/admin]
  want: {decision: allow}
"#;

#[test]
fn a_filter_is_told_all_names() {
    let mut file: CaseFile = serde_yaml_ng::from_str(NAMES).unwrap();
    file.name = "names".to_owned();
    let bundle = paths::build(&file).unwrap();
    for version in places::envoys() {
        let dir = tempfile::TempDir::new().unwrap();
        let fleet = Fleet::start(
            &version,
            &places::filter_wasm().unwrap(),
            &[(&file, bundle.as_slice())],
            dir.path(),
        )
        .unwrap();
        let request = file.all().next().unwrap();
        let upstream = fleet.ask(&file, request).unwrap().upstream.unwrap();
        let told = upstream.headers.iter().find(|(name, _)| name == "x-names").unwrap();
        let all = if features::ALL_NAMES.is_in(&version) { "2" } else { "1" };
        assert_eq!(told.1, all, "envoy {version}");
    }
}

#[test]
fn a_tcp_proxy_can_wait() {
    let dir = tempfile::TempDir::new().unwrap();
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "waits",
        "cluster": "upstream",
        "upstream_connect_mode": "ON_DOWNSTREAM_DATA",
        "max_early_data_bytes": 1024,
    });
    let of = |proxy: &Value| {
        let listener = json!({
            "name": "waits",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
        });
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        bootstrap(&[listener], &[sidegate_tests::envoy_config::cluster("upstream", nowhere)])
    };
    let mut plain = proxy.clone();
    for key in ["upstream_connect_mode", "max_early_data_bytes"] {
        plain.as_object_mut().unwrap().remove(key);
    }
    for version in places::envoys() {
        let said = validate(&version, &of(&plain), dir.path()).unwrap();
        assert!(said.accepted, "envoy {version}: {}", said.log);
        let said = validate(&version, &of(&proxy), dir.path()).unwrap();
        assert_eq!(said.accepted, features::WAITING.is_in(&version), "envoy {version}: {}", said.log);
    }
}
