//! AuthorizationPolicies as a real Envoy decides by them, with the filters that istiod makes: against the model of
//! the importer's tests, and against the declarations that they become.
//!
//! `make istio-rbac` writes `tests/istio/rbac.jsonl` anew, with istiod's own code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    dead_code,
    reason = "tests"
)]

#[path = "../../compiler/tests/declare/mod.rs"]
mod declare;
#[path = "../../compiler/tests/import/mod.rs"]
mod import;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use serde_json::{Value as Json, json};
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Connection, Request as Wire};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap};
use sidegate_tests::{features, places, proto};

use declare::generate::Random;
use import::model::{self, Mesh, Reading, Request};
use import::{generate, requests, sides};

/// Requests for each set of policies.
const REQUESTS: usize = 60;
/// The port that policies speak of; here it is the listener's.
const PORT: &str = "8080";

/// A set of policies with a listener of its own.
struct Case {
    mesh: Mesh,
    random: Random,
    filters: Vec<Json>,
    port: u16,
    _reserved: OwnedFd,
}

/// A port for Envoy that nobody else gets while the socket lives: the tests of this file run side by side, and two
/// Envoys may well listen on one port (`SO_REUSEPORT`), each of them getting some of the connections.
fn reserve() -> (u16, OwnedFd) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    (SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap().port(), socket)
}

fn cases() -> Vec<Case> {
    let path = places::root().join("tests/istio/rbac.jsonl");
    let text = std::fs::read_to_string(path).expect("`make istio-rbac` writes it");
    let case = |line: &str| {
        let (port, reserved) = reserve();
        let translated: Json = serde_json::from_str(line).unwrap();
        assert_eq!(translated["refused"], json!([]), "istiod takes all of them");
        let mut random = Random(translated["name"].as_str().unwrap().parse().unwrap());
        let mut mesh = generate::mesh(&mut random);
        for policy in &mut mesh.policies {
            let text = policy.to_string().replace(&format!("\"{PORT}\""), &format!("\"{port}\""));
            *policy = serde_json::from_str(&text).unwrap();
        }
        let filters = translated["filters"].to_string();
        let filters =
            filters.replace(&format!("\"destinationPort\":{PORT}"), &format!("\"destinationPort\":{port}"));
        Case { mesh, random, filters: serde_json::from_str(&filters).unwrap(), port, _reserved: reserved }
    };
    text.lines().map(case).collect()
}

/// What puts a header's claims where `jwt_authn` has those of a token that it has verified.
fn claims_filter() -> Json {
    json!({"name": "claims", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
        "request_rules": [{
            "header": "x-claims",
            "on_header_present": {
                "metadata_namespace": "envoy.filters.http.jwt_authn",
                "key": "payload",
                "type": "PROTOBUF_VALUE",
                "encode": "BASE64",
            },
            "remove": true,
        }],
    }})
}

fn start(version: &str, cases: &[Case], own: &Identity, dir: &std::path::Path) -> Envoy {
    let listener = |(at, case): (usize, &Case)| {
        let mut filters = vec![claims_filter()];
        filters.extend(case.filters.iter().cloned());
        let name = format!("case-{at}");
        let listener = Listener {
            name: &name,
            identity: own,
            plaintext: true,
            filters,
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let mut listener = listener.to_json();
        listener["address"]["socket_address"]["port_value"] = case.port.into();
        for chain in listener["filter_chains"].as_array_mut().unwrap() {
            // The model is of what the filter sees.
            chain["filters"][0]["typed_config"]["normalize_path"] = false.into();
        }
        listener
    };
    let listeners: Vec<Json> = cases.iter().enumerate().map(listener).collect();
    Envoy::start(version, &bootstrap(&listeners, &[]), dir).unwrap()
}

fn wire(request: &Request) -> Wire {
    let Request { names: _, method, path, host, headers, claims, address: _, port: _ } = request;
    let mut sent = vec![(b"host".to_vec(), host.as_bytes().to_vec())];
    sent.extend(headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
    if let Some(claims) = claims {
        sent.push((b"x-claims".to_vec(), STANDARD.encode(proto::content(claims)).into_bytes()));
    }
    if method != "GET" {
        sent.push((b"content-length".to_vec(), b"0".to_vec()));
    }
    Wire { method: method.clone(), target: path.as_bytes().to_vec(), headers: sent, body: None }
}

#[derive(Debug, Default)]
struct Counts {
    allowed: u64,
    denied: u64,
    /// Envoy refused the request before it asked anybody.
    unasked: u64,
    declared: u64,
}

#[test]
fn envoy_decides_as_the_model_and_lets_in_whom_declarations_do() {
    for version in places::envoys() {
        let is_each = features::EACH_VALUE.is_in(&version);
        compare(&version, if is_each { Reading::Each } else { Reading::Joined });
    }
}

fn compare(version: &str, reading: Reading) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let own = authority.identity("own", &spiffe("foo", "httpbin"));
    let mut cases = cases();
    let envoy = start(version, &cases, &own, dir.path());
    let mut identities: BTreeMap<Vec<String>, Identity> = BTreeMap::new();
    let (mut counts, mut failures) = (Counts::default(), Vec::new());
    for (at, case) in cases.iter_mut().enumerate() {
        let to = envoy.listener(&format!("case-{at}")).unwrap();
        let sides::Side { imported, policy } = sides::side(&case.mesh);
        let carried = case.mesh.without_refused(&imported);
        let mut connections: BTreeMap<Vec<String>, Connection> = BTreeMap::new();
        for _ in 0..REQUESTS {
            let mut request = requests::request(&mut case.random, &case.mesh);
            request.address = "127.0.0.1".to_owned();
            request.port = case.port;
            let count = identities.len();
            let names = request.names.clone();
            let identity = (!names.is_empty()).then(|| {
                let make = || authority.identity_of(&format!("caller-{count}"), &names);
                &*identities.entry(names.clone()).or_insert_with(make)
            });
            let mut connection = match connections.remove(&names) {
                Some(connection) => connection,
                None => Connection::open(to, identity).unwrap(),
            };
            let response = connection.send(&wire(&request)).unwrap();
            let is_closed =
                response.values("connection").iter().any(|value| value.eq_ignore_ascii_case(b"close"));
            if !is_closed {
                connections.insert(names, connection);
            }
            let istio = model::is_allowed(&case.mesh, &request, reading);
            let envoys = match response.status {
                200 => true,
                403 => false,
                _ => {
                    counts.unasked += 1;
                    continue;
                }
            };
            if envoys {
                counts.allowed += 1
            } else {
                counts.denied += 1
            }
            let mut wrong = istio != envoys;
            let mut told = String::new();
            if let Some((text, policy)) = &policy {
                let got = sides::is_allowed(policy, &case.mesh, &request);
                counts.declared += 1;
                wrong |= got && !envoys || got != model::is_allowed(&carried, &request, Reading::Declared);
                told = format!("declaration {got}\n{text}");
            }
            if wrong {
                let policies = case.mesh.yaml();
                failures.push(format!("--- envoy {envoys}, model {istio}, {told}\n{policies}{request:?}"));
            }
        }
    }
    println!("{counts:?}");
    let shown: Vec<&str> = failures.iter().take(5).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), shown.join("\n"));
    assert!(counts.allowed > 300 && counts.denied > 300 && counts.declared > 500, "{counts:?}");
}
