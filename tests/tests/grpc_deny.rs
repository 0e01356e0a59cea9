//! Denied gRPC calls: what a gRPC client sees of them, which calls a declaration means, and that nothing of a denied
//! one gets to the service.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Body, Connection, Request};
use sidegate_tests::client2::{Call, Connection2, Reply, grpc_message};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, address, bootstrap, grpc_cluster, wasm_filter};
use sidegate_tests::grpc_upstream::GrpcUpstream;
use sidegate_tests::vms::Vms;
use sidegate_tests::{paths, places};

const POLICIES: &str = r#"
declared:
  about: methods of gRPC, declared
  declarations:
    workload: pay/payments
    files:
      services/pay/payments.yaml: |
        apiVersion: sidegate.io/v1alpha1
        kind: ServicePolicy
        metadata: {name: payments, namespace: pay}
        spec:
          owner: team
          allow:
          - from: [{serviceAccount: checkout/api}]
            to: [{grpc: ["payments.v1.Charges/Create", "payments.v1.Refunds/*"]}]
  entrypoint: sidegate/authz/decision
  requests: []
rego:
  about: methods of gRPC, in Rego, and denies of every kind
  policy:
    policy.rego: |
      package envoy.authz

      http := input.attributes.request.http

      default allow := false

      allow if {
          input.source_principal == "spiffe://cluster.local/ns/checkout/sa/api"
          http.path == "/payments.v1.Charges/Create"
      }

      allow := {
          "allowed": false,
          "http_status": to_number(input.parsed_path[1]),
          "headers": {"x-why": "status", "x-two": "2"},
          "response_headers_to_set": {"x-set": "3"},
          "body": "not so: é",
      } if input.parsed_path[0] == "status.v1.Status"

      allow := {"allowed": false, "headers": {"grpc-status": "5", "grpc-message": "gone"}} if http.path == "/own.v1.Own/Status"
  requests: []
"#;

struct Place {
    envoy: Envoy,
    vms: Vms,
    service: GrpcUpstream,
    friend: Identity,
    other: Identity,
    _dir: tempfile::TempDir,
}

impl Place {
    fn new(version: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let service = GrpcUpstream::start();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe("pay", "payments"));
        let wasm = places::filter_wasm().unwrap();
        let files: BTreeMap<String, CaseFile> = serde_yaml_ng::from_str(POLICIES).unwrap();
        let mut plugins: Vec<(String, Value)> = files
            .into_iter()
            .map(|(name, file)| {
                let text = file.configuration(&paths::build(&file).unwrap());
                (name, serde_json::from_str(&text).unwrap())
            })
            .collect();
        // A policy that never comes.
        let nowhere = json!({"version": 1, "verify": {"required": false},
            "bundle": {"http": {"cluster": "grpc", "path": "/bundle.tar.gz", "first_wait": "100ms"}}});
        plugins.push(("nothing".to_owned(), nowhere));
        let listeners: Vec<Value> = plugins
            .iter()
            .map(|(name, plugin)| {
                Listener {
                    name,
                    identity: &own,
                    plaintext: true,
                    filters: vec![wasm_filter(name, &wasm, &plugin.to_string())],
                    route_metadata: None,
                    access_log: None,
                    cluster: Some("service"),
                }
                .to_json()
            })
            .collect();
        let to = |name: &str, port| grpc_cluster(name, address("127.0.0.1", port));
        // Nobody listens at the cluster of policies.
        let clusters = [to("service", service.address().port()), to("grpc", 1)];
        let envoy = Envoy::start(version, &bootstrap(&listeners, &clusters), dir.path()).unwrap();
        let vms = Vms::of(&envoy).unwrap();
        let friend = authority.identity("friend", &spiffe("checkout", "api"));
        let other = authority.identity("other", &spiffe("checkout", "api2"));
        Self { envoy, vms, service, friend, other, _dir: dir }
    }

    fn open(&self, listener: &str, identity: Option<&Identity>) -> Connection2 {
        Connection2::open(self.envoy.listener(listener).unwrap(), identity).unwrap()
    }

    fn call(&self, listener: &str, identity: Option<&Identity>, call: &Call) -> Reply {
        self.open(listener, identity).call(call).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.vms.check(&self.envoy).unwrap();
        }
    }
}

/// A deny as gRPC clients understand it: headers alone, and in them the status.
fn assert_denied(reply: &Reply, code: &str, what: &str) {
    assert_eq!((reply.status, reply.reset), (200, None), "{what}: {reply:?}");
    assert_eq!(reply.values("grpc-status"), [code], "{what}: {reply:?}");
    assert!(reply.body.is_empty() && reply.trailers.is_none() && reply.is_headers_only, "{what}: {reply:?}");
    assert_eq!(reply.values("content-type"), ["application/grpc"], "{what}");
}

const CREATE: &str = "/payments.v1.Charges/Create";

#[test]
fn unary_and_streaming_calls_are_denied_before_a_byte_gets_through() {
    for version in places::envoys() {
        let place = Place::new(&version);
        for listener in ["declared", "rego"] {
            let reply = place.call(listener, Some(&place.friend), &Call::grpc(CREATE, b"hello"));
            assert_eq!(reply.grpc_status().as_deref(), Some("0"), "envoy {version}, {listener}: {reply:?}");
            assert_eq!(reply.body, grpc_message(b"hello"), "envoy {version}, {listener}");
            let mut connection = place.open(listener, Some(&place.friend));
            let mut stream = connection.start(&Call::grpc(CREATE, b"")).unwrap();
            for message in [b"one".as_slice(), b"two"] {
                stream.send(&grpc_message(message)).unwrap();
            }
            assert_eq!(
                stream.finish(&[]).unwrap().body,
                [grpc_message(b"one"), grpc_message(b"two")].concat()
            );

            let (begun, received) = (place.service.begun(), place.service.received());
            for identity in [None, Some(&place.other)] {
                let what = format!("envoy {version}, {listener}");
                assert_denied(&place.call(listener, identity, &Call::grpc(CREATE, b"hello")), "7", &what);
                // A stream of messages: the answer comes while it is open, whether or not any was sent.
                let mut connection = place.open(listener, identity);
                let stream = connection.start(&Call::grpc(CREATE, b"")).unwrap();
                assert_denied(&stream.receive().unwrap(), "7", &what);
                let mut stream = connection.start(&Call::grpc(CREATE, b"")).unwrap();
                for message in [b"one".as_slice(), b"two"] {
                    // It may be closed already.
                    let _ = stream.send(&grpc_message(message));
                }
                assert_denied(&stream.finish(&[]).unwrap(), "7", &what);
            }
            assert_eq!(
                (place.service.begun(), place.service.received()),
                (begun, received),
                "envoy {version}"
            );
        }
    }
}

#[test]
fn the_status_is_the_one_that_envoy_gives_to_its_own_answers() {
    let codes = [
        (400, "13"),
        (401, "16"),
        (402, "2"),
        (403, "7"),
        (404, "12"),
        (405, "2"),
        (409, "2"),
        (429, "14"),
        (500, "2"),
        (501, "2"),
        (502, "14"),
        (503, "14"),
        (504, "14"),
        (511, "2"),
    ];
    for version in places::envoys() {
        let place = Place::new(&version);
        let mut connection = place.open("rego", None);
        for (status, code) in codes {
            let path = format!("/status.v1.Status/{status}");
            let reply = connection.call(&Call::grpc(&path, b"")).unwrap();
            assert_denied(&reply, code, &format!("envoy {version}, {status}"));
            assert_eq!(reply.values("x-why"), ["status"], "envoy {version}, {status}");
            assert_eq!(reply.values("x-two"), ["2"]);
            assert_eq!(reply.values("grpc-message"), ["not so: %C3%A9"], "envoy {version}, {status}");
            let plain = connection.call(&Call::new("POST", &path, &[])).unwrap();
            assert_eq!((plain.status, plain.grpc_status()), (status, None), "envoy {version}");
            assert_eq!(plain.body, "not so: é".as_bytes());
            assert_eq!(plain.values("x-why"), ["status"]);
        }
        // A policy may say more exactly what it means.
        let reply = connection.call(&Call::grpc("/own.v1.Own/Status", b"")).unwrap();
        assert_eq!(reply.values("grpc-status"), ["5"], "envoy {version}: {reply:?}");
        assert_eq!(reply.values("grpc-message"), ["gone"], "envoy {version}: {reply:?}");
        assert_eq!(place.service.begun(), 0);
    }
}

#[test]
fn who_does_not_speak_grpc_is_denied_by_http() {
    let kinds = [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc+json", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpc-web-text", false),
        ("application/grpc;charset=utf-8", false),
        ("APPLICATION/GRPC", false),
        ("application/grpcx", false),
        ("application/json", false),
    ];
    for version in places::envoys() {
        let place = Place::new(&version);
        for listener in ["declared", "rego"] {
            let mut connection = place.open(listener, Some(&place.other));
            for (kind, is_grpc) in kinds {
                let headers = [("content-type", kind), ("te", "trailers")];
                let call = Call { data: vec![grpc_message(b"x")], ..Call::new("POST", CREATE, &headers) };
                let reply = connection.call(&call).unwrap();
                let what = format!("envoy {version}, {listener}, {kind}");
                if is_grpc {
                    assert_denied(&reply, "7", &what);
                } else {
                    assert_eq!((reply.status, reply.grpc_status()), (403, None), "{what}: {reply:?}");
                }
            }
            // gRPC has no GET, and HTTP/1.1 has no gRPC: denied all the same, in gRPC's words.
            let get = Call::new("GET", CREATE, &[("content-type", "application/grpc")]);
            assert_denied(&connection.call(&get).unwrap(), "7", &format!("envoy {version}, {listener}, GET"));
            let text = |text: &str| text.as_bytes().to_vec();
            let request = Request {
                method: "POST".to_owned(),
                target: text(CREATE),
                headers: vec![
                    (text("host"), text("pay")),
                    (text("content-type"), text("application/grpc")),
                    (text("content-length"), text("5")),
                ],
                body: Some(Body { bytes: grpc_message(b""), chunks: None, trailers: Vec::new() }),
            };
            let to = place.envoy.listener(listener).unwrap();
            let response = Connection::open(to, Some(&place.other)).unwrap().send(&request).unwrap();
            assert_eq!(response.status, 200, "envoy {version}, {listener}: {response:?}");
            assert_eq!(response.values("grpc-status"), [b"7"], "envoy {version}, {listener}");
        }
        assert_eq!(place.service.begun(), 0, "envoy {version}");
    }
}

#[test]
fn a_method_is_its_path_and_no_other_spelling_of_it() {
    let refunds = [
        ("/payments.v1.Refunds/List", true),
        ("/payments.v1.Refunds/", false),
        ("/payments.v1.Refunds", false),
    ];
    let tricks = [
        (CREATE, true),
        ("//payments.v1.Charges/Create", false),
        ("/payments.v1.Charges//Create", false),
        ("/payments.v1.Charges/Create/", false),
        ("/payments.v1.Charges/Create/x", false),
        ("/payments.v1.Charges%2FCreate", false),
        ("/payments.v1.Charges%2fCreate", false),
        ("/Payments.v1.Charges/Create", false),
        ("/payments.v1.Charges/create", false),
        ("/payments.v1.Charges/CREATE", false),
        ("/payments.v1.Charges/Creat", false),
        ("/payments.v1.Charges/Create2", false),
        ("/payments-v1-Charges/Create", false),
        ("/payments.v1.Charges/Create;x", false),
        ("/payments.v1.Charges/Create%00", false),
        ("/payments.v1.Charges/Create%3Fx", false),
        ("/payments.v1.Charges", false),
        ("/Create", false),
        ("/", false),
    ];
    for version in places::envoys() {
        let place = Place::new(&version);
        for listener in ["declared", "rego"] {
            let mut connection = place.open(listener, Some(&place.friend));
            for (path, is_method) in tricks {
                let begun = place.service.begun();
                let reply = connection.call(&Call::grpc(path, b"x")).unwrap();
                let what = format!("envoy {version}, {listener}, {path}");
                let is_allowed = reply.grpc_status().as_deref() == Some("0");
                assert_eq!(is_allowed, is_method, "{what}: {reply:?}");
                assert_eq!(place.service.begun() - begun, usize::from(is_method), "{what}");
                if !is_method && reply.status == 200 {
                    // Envoy takes no NUL itself: 400, and so INTERNAL.
                    assert_denied(&reply, if path.contains("%00") { "13" } else { "7" }, &what);
                }
            }
        }
        let mut connection = place.open("declared", Some(&place.friend));
        for (path, is_method) in refunds {
            let reply = connection.call(&Call::grpc(path, b"x")).unwrap();
            assert_eq!(
                reply.grpc_status().as_deref() == Some("0"),
                is_method,
                "envoy {version}, {path}: {reply:?}"
            );
        }
        // What follows a `?` is no part of a declared path, and Rego's equation of the whole path has it.
        let with_query = Call::grpc("/payments.v1.Charges/Create?x=1", b"x");
        assert_eq!(
            connection.call(&with_query).unwrap().grpc_status().as_deref(),
            Some("0"),
            "envoy {version}"
        );
        assert_eq!(place.service.paths().last().map(String::as_str), Some("/payments.v1.Charges/Create?x=1"));
        assert_denied(&place.call("rego", Some(&place.friend), &with_query), "7", "a query in Rego");
        // The declaration means calls of gRPC: another method, and another content type, are none.
        for call in [
            Call::new("GET", CREATE, &[("content-type", "application/grpc")]),
            Call::new("POST", CREATE, &[("content-type", "application/json")]),
            Call::new("POST", CREATE, &[]),
        ] {
            let reply = connection.call(&call).unwrap();
            assert_ne!(reply.grpc_status().as_deref(), Some("0"), "envoy {version}: {call:?}");
            assert!(
                reply.status == 403 || reply.values("grpc-status") == ["7"],
                "envoy {version}: {reply:?}"
            );
        }
    }
}

#[test]
fn where_there_is_no_policy_calls_are_told_to_come_again() {
    for version in places::envoys() {
        let place = Place::new(&version);
        let mut connection = place.open("nothing", Some(&place.friend));
        let reply = connection.call(&Call::grpc(CREATE, b"hello")).unwrap();
        assert_denied(&reply, "14", &format!("envoy {version}"));
        let plain = connection.call(&Call::new("POST", CREATE, &[])).unwrap();
        assert_eq!((plain.status, plain.grpc_status()), (503, None), "envoy {version}");
        assert_eq!(place.service.begun(), 0, "envoy {version}");
    }
}
