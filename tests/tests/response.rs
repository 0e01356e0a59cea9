//! Decisions about responses: every kind of response that goes through the proxy, on real Envoys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::{Connection, Response};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use sidegate_tests::{canned, paths, places};

const FILE: &str = r#"
about: responses
entrypoint: t/request
config: {response_entrypoint: t/response}
policy:
  t.rego: |
    package t

    http := input.attributes.request.http

    request := false if http.path == "/request-denied"

    request := {"allowed": true, "response_headers_to_add": {"x-request": "seen"}} if http.path != "/request-denied"

    answer := input.response

    default denied := false

    denied if answer.headers["x-secret"]

    response := {"allowed": false, "http_status": 502, "headers": {"x-why": "secret"}, "body": "kept back"} if denied

    response := {"allowed": true, "headers": {"x-late": "1"}} if http.path == "/late"

    response := {"allowed": true, "response_headers_to_set": {"x-bad": "a\r\nx-injected: 1"}} if http.path == "/split"

    plain if not http.path in {"/late", "/split", "/undefined"}

    response := {
        "allowed": true,
        "response_headers_to_remove": ["server", "x-powered-by"],
        "response_header_prefixes_to_remove": ["x-debug-"],
        "response_headers_to_set": {
            "x-content-type-options": "nosniff",
            "x-seen": sprintf("%v|%v|%v", [answer.status, input.sidegate.phase, input.source_principal]),
            "x-names": concat(" ", sort([name | some name, _ in answer.headers; startswith(name, "x-")])),
        },
        "response_headers_to_add": {"set-cookie": "b=2"},
    } if {
        plain
        not denied
    }
requests: []
"#;

fn answer(path: &str) -> Option<&'static [u8]> {
    Some(match path {
        "/ok" => {
            b"HTTP/1.1 200 OK\r\nserver: nginx/1.2\r\nx-powered-by: PHP\r\nx-debug-a: 1\r\nx-debug-b: 2\r\n\
              set-cookie: a=1\r\ncontent-length: 2\r\n\r\nok"
        }
        "/secret" => b"HTTP/1.1 200 OK\r\nx-secret: 1\r\ncontent-length: 6\r\n\r\nsecret",
        "/error" => b"HTTP/1.1 500 no\r\nx-debug-a: 1\r\ncontent-length: 0\r\n\r\n",
        "/continue" => b"HTTP/1.1 100 Continue\r\nx-debug-a: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "/cached" => b"HTTP/1.1 304 Not Modified\r\nx-debug-a: 1\r\n\r\n",
        "/grpc" => {
            b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 7\r\nx-debug-a: 1\r\n\
              content-length: 0\r\n\r\n"
        }
        "/bytes" => b"HTTP/1.1 200 OK\r\nx-odd: \xff\xfe\r\ncontent-length: 2\r\n\r\nok",
        "/socket" => b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-debug-a: 1\r\n\r\n",
        "/socket-secret" => {
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-secret: 1\r\n\r\nsecret"
        }
        "/late" | "/split" | "/undefined" | "/request-denied" | "/rbac" => {
            b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"
        }
        _ => return None,
    })
}

/// What the filter sees first and answers itself, without asking us.
fn rbac() -> Json {
    json!({"name": "rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "DENY", "policies": {"all": {
            "permissions": [{"url_path": {"path": {"exact": "/rbac"}}}],
            "principals": [{"any": true}]
        }}}
    }})
}

struct Site {
    envoy: Envoy,
    caller: Identity,
    _dir: tempfile::TempDir,
}

impl Site {
    fn start(version: &str, mode: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let mut file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
        file.config.insert("mode".to_owned(), mode.into());
        let bundle = paths::build(&file).unwrap();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe("default", "service"));
        let caller = authority.identity("caller", &spiffe("default", "caller"));
        let wasm = places::filter_wasm().unwrap();
        let listener = Listener {
            name: "sidegate",
            identity: &own,
            plaintext: false,
            filters: vec![rbac(), wasm_filter("sidegate", &wasm, &file.configuration(&bundle))],
            route_metadata: None,
            access_log: None,
            cluster: Some("upstream"),
        };
        let mut listener = listener.to_json();
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager["server_header_transformation"] = "PASS_THROUGH".into();
        manager["proxy_100_continue"] = true.into();
        let config = bootstrap(&[listener], &[cluster("upstream", canned::start(answer))]);
        let envoy = Envoy::start(version, &config, dir.path()).unwrap();
        Self { envoy, caller, _dir: dir }
    }

    fn open(&self) -> Connection {
        Connection::open(self.envoy.listener("sidegate").unwrap(), Some(&self.caller)).unwrap()
    }

    fn get(&self, path: &str, headers: &str) -> Response {
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: service.test\r\n{headers}\r\n");
        let explain = |e: String| self.envoy.with_log(&format!("{path}: {e}"));
        self.open().send_bytes(bytes.as_bytes(), false).map_err(explain).unwrap()
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let stats = self.envoy.stats("wasmcustom.sidegate.").unwrap();
        stats.into_iter().map(|(name, value)| (name.replace("wasmcustom.sidegate.", ""), value)).collect()
    }
}

fn text(response: &Response, name: &str) -> String {
    let values: Vec<_> = response.values(name).into_iter().map(String::from_utf8_lossy).collect();
    values.join(", ")
}

/// Status, what the policy saw, what is left of what it removes, the body.
fn seen(response: &Response) -> (u16, String, String, String) {
    let left = ["server", "x-powered-by", "x-debug-a", "x-debug-b"];
    let left: Vec<_> = left.into_iter().filter(|name| !response.values(name).is_empty()).collect();
    let body = String::from_utf8_lossy(&response.body).into_owned();
    (response.status, text(response, "x-seen"), left.join(" "), body)
}

fn whole(version: &str) {
    let site = Site::start(version, "enforce");
    let principal = spiffe("default", "caller");
    let asked = |status: u16| format!("{status}|response|{principal}");
    let none = String::new;

    let ok = site.get("/ok", "");
    assert_eq!(seen(&ok), (200, asked(200), none(), "ok".to_owned()));
    assert_eq!(text(&ok, "x-content-type-options"), "nosniff");
    assert_eq!(text(&ok, "set-cookie"), "a=1, b=2");
    let names = text(&ok, "x-names");
    assert!(names.contains("x-debug-a x-debug-b") && names.contains("x-request"), "{names}");

    // Errors of the upstream, and answers without a body.
    assert_eq!(seen(&site.get("/error", "")), (500, asked(500), none(), none()));
    assert_eq!(seen(&site.get("/cached", "")), (304, asked(304), none(), none()));
    let grpc = site.get("/grpc", "content-type: application/grpc\r\n");
    assert_eq!(seen(&grpc), (200, asked(200), none(), none()));
    assert_eq!(text(&grpc, "grpc-status"), "7");
    // Bytes that are not UTF-8.
    assert_eq!(seen(&site.get("/bytes", "")), (200, asked(200), none(), "ok".to_owned()));

    // What the proxy answers itself, after the decision.
    let gone = site.get("/gone", "");
    assert_eq!((gone.status, text(&gone, "x-seen")), (503, asked(503)));

    // Kept back: nothing of it comes through.
    let secret = site.get("/secret", "");
    assert_eq!(seen(&secret), (502, none(), none(), "kept back".to_owned()));
    assert_eq!((text(&secret, "x-why"), text(&secret, "x-secret")), ("secret".to_owned(), none()));

    // No decision is no response.
    for path in ["/undefined", "/late", "/split"] {
        let refused = site.get(path, "");
        assert_eq!(seen(&refused), (403, none(), none(), none()), "{path}");
        assert_eq!(text(&refused, "x-injected"), "", "{path}");
    }

    // Answers that are not of requests that were allowed: our own, and another filter's.
    let denied = site.get("/request-denied", "");
    assert_eq!(seen(&denied).0, 403);
    assert_eq!((text(&denied, "x-seen"), text(&denied, "x-request")), (none(), none()));
    let other = site.get("/rbac", "");
    assert_eq!((other.status, text(&other, "x-seen")), (403, none()));

    // An interim response is passed on as it is, and the final one decided about.
    let mut connection = site.open();
    connection
        .write(b"GET /continue HTTP/1.1\r\nhost: service.test\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .unwrap();
    connection.receive_continue().unwrap();
    let last = connection.send_bytes(b"hi", false).unwrap();
    assert_eq!(seen(&last), (200, asked(200), none(), "ok".to_owned()));

    // An upgrade is decided about by the response that agrees to it.
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let mut connection = site.open();
    let request = format!("GET /socket HTTP/1.1\r\nhost: service.test\r\n{upgrade}\r\nhello");
    let socket = connection.send_bytes(request.as_bytes(), false);
    // The connection is another protocol's by then: it ends without being HTTP's.
    drop(connection);
    if let Ok(socket) = socket {
        assert_eq!((socket.status, text(&socket, "x-seen")), (101, asked(101)));
    }
    let closed = site.get("/socket-secret", upgrade);
    assert_eq!((closed.status, String::from_utf8_lossy(&closed.body).as_ref()), (502, "kept back"));

    let counts = site.counts();
    assert_eq!(counts.get("responses.denied"), Some(&2), "{counts:?}");
    assert_eq!(counts.get("responses.error"), Some(&3), "{counts:?}");
    assert_eq!(counts.get("errors.decision_undefined"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("errors.decision_phase"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("errors.decision_header_value"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("decisions.denied"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("decisions.error"), Some(&0), "{counts:?}");
}

#[test]
fn every_kind_of_response() {
    for version in places::envoys() {
        whole(&version);
    }
}

#[test]
fn in_shadow_responses_pass_as_they_came() {
    let site = Site::start(&places::envoy_newest(), "shadow");
    let ok = site.get("/ok", "");
    assert_eq!(
        (ok.status, text(&ok, "x-seen"), text(&ok, "server")),
        (200, String::new(), "nginx/1.2".to_owned())
    );
    for path in ["/secret", "/undefined", "/late"] {
        assert_eq!((site.get(path, "").status, path), (200, path));
    }
    let counts = site.counts();
    assert_eq!(counts.get("responses.allowed"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("responses.denied"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("responses.error"), Some(&2), "{counts:?}");
}
