//! What a policy knows of a connection is that of the request's own connection, whoever came before on whichever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Connection, Request};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter_in};
use sidegate_tests::upstream::{Echo, Upstream};
use sidegate_tests::{paths, places};

/// Who calls and how.
const ONE: &str = r#"
about: the connection, in part
policy:
  authz.rego: |
    package envoy.authz

    caller := input.source_principal
    default version := "none"
    version := input.sidegate.tls.version
    default named := "nobody"
    named := caller
    allow := {"allowed": true, "headers": {"x-one": sprintf("%s|%s", [named, version])}}
requests: []
"#;

/// Other parts of the same, in the same VM.
const OTHER: &str = r#"
about: the connection, in other parts
policy:
  authz.rego: |
    package envoy.authz

    sans := concat(" ", input.sidegate.source.uri_sans)
    default own := "nobody"
    own := input.attributes.destination.principal
    allow := {"allowed": true, "headers": {"x-other": sprintf("%s|%s", [sans, own])}}
requests: []
"#;

/// What the upstream got: of both policies.
fn ask(connection: &mut Connection) -> [String; 2] {
    let headers = vec![(b"host".to_vec(), b"service.test".to_vec())];
    let request = Request { method: "GET".to_owned(), target: b"/".to_vec(), headers, body: None };
    let response = connection.send(&request).unwrap();
    assert_eq!(response.status, 200);
    let echo: Echo = serde_json::from_slice(&response.body).unwrap();
    ["x-one", "x-other"].map(|name| echo.values(name).join("&"))
}

#[test]
fn every_connection_has_its_own_callers() {
    let files = [ONE, OTHER].map(|text| serde_yaml_ng::from_str::<CaseFile>(text).unwrap());
    for version in places::envoys() {
        let dir = tempfile::TempDir::new().unwrap();
        let upstream = Upstream::start();
        let wasm = places::filter_wasm().unwrap();
        let authority = Authority::new(dir.path());
        let own = spiffe("default", "service");
        let identity = authority.identity("service", &own);
        let filter = |name: &str, file: &CaseFile| {
            wasm_filter_in("shared", name, &wasm, &file.configuration(&paths::build(file).unwrap()))
        };
        let listener = Listener {
            name: "sidegate",
            identity: &identity,
            plaintext: true,
            filters: vec![filter("one", &files[0]), filter("other", &files[1])],
            route_metadata: None,
            access_log: None,
            cluster: Some("upstream"),
        };
        let config = bootstrap(&[listener.to_json()], &[cluster("upstream", upstream.address())]);
        // One worker, so that all of them are asked in one VM.
        let envoy = Envoy::start_with(&version, &config, dir.path(), 1).unwrap();
        let to = envoy.listener("sidegate").unwrap();
        let open = |identity: Option<&Identity>| Connection::open(to, identity).unwrap();
        let callers =
            ["a", "b"].map(|name| (spiffe("shop", name), authority.identity(name, &spiffe("shop", name))));
        let expected = |name: &str| [format!("{name}|TLSv1.3"), format!("{name}|{own}")];
        let nobody = ["nobody|none".to_owned(), "|nobody".to_owned()];
        let mut kept: Vec<_> = callers.iter().map(|(name, identity)| (name, open(Some(identity)))).collect();
        let mut plain = open(None);
        for round in 0..3 {
            for (name, connection) in &mut kept {
                assert_eq!(ask(connection), expected(name), "envoy {version}, round {round}");
            }
            assert_eq!(ask(&mut plain), nobody, "envoy {version}, round {round}");
            for (name, identity) in callers.iter().rev() {
                let got = ask(&mut open(Some(identity)));
                assert_eq!(got, expected(name), "envoy {version}, round {round}, a new connection");
            }
        }
    }
}
