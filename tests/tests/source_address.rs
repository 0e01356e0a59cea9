//! The source address that a policy sees is the connection's, or the request is refused: never what a client
//! says in `x-forwarded-for`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::{Connection, Request};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use sidegate_tests::upstream::{Echo, Upstream};
use sidegate_tests::{paths, places};

const FILE: &str = r#"
about: the address of the connection
policy:
  authz.rego: |
    package envoy.authz

    source := input.attributes.source.address.socketAddress

    allow := {"allowed": true, "headers": {"x-source": sprintf("%s|%v", [source.address, source.portValue > 0])}}
requests: []
"#;

/// What a client may write into the header.
const FORWARDED: [&str; 8] = [
    "10.0.0.1",
    "10.0.0.1:5678",
    "[2001:db8::1]:5678",
    "2001:db8::1",
    "203.0.113.7, 10.0.0.1:99",
    "10.0.0.1:0",
    "127.0.0.1",
    "not an address",
];

fn answer(envoy: &Envoy, forwarded: Option<&str>) -> String {
    let mut headers = vec![(b"host".to_vec(), b"service.test".to_vec())];
    headers.extend(forwarded.map(|value| (b"x-forwarded-for".to_vec(), value.as_bytes().to_vec())));
    let request = Request { method: "GET".to_owned(), target: b"/".to_vec(), headers, body: None };
    let mut connection = Connection::open(envoy.listener("sidegate").unwrap(), None).unwrap();
    let response = connection.send(&request).unwrap();
    if response.status != 200 {
        return format!("{}", response.status);
    }
    let echo: Echo = serde_json::from_slice(&response.body).unwrap();
    echo.headers.into_iter().find(|(name, _)| name == "x-source").expect("the policy sets it").1
}

#[test]
fn a_client_cannot_choose_its_address() {
    let file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
    let bundle = paths::build(&file).unwrap();
    for version in places::envoys() {
        for use_remote_address in [false, true] {
            let dir = tempfile::TempDir::new().unwrap();
            let upstream = Upstream::start();
            let wasm = places::filter_wasm().unwrap();
            let own = Authority::new(dir.path()).identity("service", &spiffe("default", "service"));
            let listener = Listener {
                name: "sidegate",
                identity: &own,
                plaintext: true,
                filters: vec![wasm_filter("sidegate", &wasm, &file.configuration(&bundle))],
                route_metadata: None,
                access_log: None,
                cluster: Some("upstream"),
            };
            let mut config = bootstrap(&[listener.to_json()], &[cluster("upstream", upstream.address())]);
            let chains = config["static_resources"]["listeners"][0]["filter_chains"].as_array_mut().unwrap();
            for chain in chains {
                chain["filters"][0]["typed_config"]["use_remote_address"] = use_remote_address.into();
            }
            let envoy = Envoy::start(&version, &config, dir.path()).unwrap();
            let own_address = "127.0.0.1|true";
            assert_eq!(answer(&envoy, None), own_address, "envoy {version}");
            for forwarded in FORWARDED {
                let got = answer(&envoy, Some(forwarded));
                let is_safe = got == own_address || (got == "403" && !use_remote_address);
                assert!(
                    is_safe,
                    "envoy {version}, use_remote_address {use_remote_address}, {forwarded}: {got}"
                );
            }
        }
    }
}
