//! Bodies in real Envoys, where it matters when bytes come: held ones, stalled ones, HTTP/2, what becomes of
//! them where the plugin is not set up, and in shadow mode. What is decided about them is in `tests/cases`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;

use serde_json::{Value, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::{Body, Connection, Request, Response};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, add_http2_front, bootstrap, cluster, wasm_filter};
use sidegate_tests::upstream::{Echo, Upstream, checksum};
use sidegate_tests::{paths, places};

/// An Envoy with the policy of `tests/cases/bodies.yaml`, and behind it an upstream that counts.
struct Place {
    envoy: Envoy,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl Place {
    fn new(version: &str, config: Value, change: impl FnOnce(&mut Value, &Path)) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let files = CaseFile::read_dir(&places::root().join("tests/cases")).unwrap();
        let mut file = files.into_iter().find(|file| file.name == "bodies").expect("tests/cases/bodies.yaml");
        file.config.extend(config.as_object().unwrap().clone());
        let bundle = paths::build(&file).unwrap();
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
        let mut bootstrap = bootstrap(&[listener.to_json()], &[cluster("upstream", upstream.address())]);
        change(&mut bootstrap, dir.path());
        let envoy = Envoy::start(version, &bootstrap, dir.path()).unwrap();
        Self { envoy, upstream, _dir: dir }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.envoy.listener("sidegate").unwrap(), None).unwrap()
    }

    fn send(&self, path: &str, body: Body) -> Response {
        self.connect().send(&request(path, body)).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        let stats = self.envoy.stats(&format!("sidegate.decisions.{name}")).unwrap();
        stats.values().sum()
    }
}

fn header(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn plain(bytes: &[u8]) -> Body {
    Body { bytes: bytes.to_vec(), chunks: None, trailers: Vec::new() }
}

/// A POST of JSON.
fn request(path: &str, body: Body) -> Request {
    let length = match body.chunks {
        Some(_) => header("transfer-encoding", "chunked"),
        None => header("content-length", &body.bytes.len().to_string()),
    };
    Request {
        method: "POST".to_owned(),
        target: path.as_bytes().to_vec(),
        headers: vec![header("host", "service.test"), header("content-type", "application/json"), length],
        body: Some(body),
    }
}

fn echo(response: &Response) -> Echo {
    serde_json::from_slice(&response.body).unwrap()
}

fn connection_manager(bootstrap: &mut Value) -> impl Iterator<Item = &mut Value> {
    let chains = bootstrap["static_resources"]["listeners"][0]["filter_chains"].as_array_mut().unwrap();
    chains.iter_mut().map(|chain| &mut chain["filters"][0]["typed_config"])
}

#[test]
fn nothing_goes_upstream_before_the_decision() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({}), |_, _| {});
        for (rest, status) in [(&b"99}"[..], 200), (b"999}", 403)] {
            let whole = [&b"{\"amount\": "[..], rest].concat();
            let half = request("/pay", plain(&whole));
            let mut held = place.connect();
            let before = place.upstream.received();
            held.write(&half.to_bytes()).unwrap();
            held.write(&whole[..11]).unwrap();
            // By the time that this one is answered, Envoy's only worker has seen the bytes before it.
            assert_eq!(place.send("/deny", plain(b"[]")).status, 422, "envoy {version}");
            assert_eq!(place.upstream.received(), before, "envoy {version}");
            held.write(&whole[11..]).unwrap();
            let response = held.receive(false).unwrap();
            assert_eq!(response.status, status, "envoy {version}");
            if status == 200 {
                assert_eq!(echo(&response).body_sum, checksum(&whole), "envoy {version}");
            } else {
                assert_eq!(place.upstream.received(), before, "envoy {version}");
            }
        }
    }
}

#[test]
fn what_is_beyond_the_limit_is_not_waited_for() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({}), |_, _| {});
        let mut announced = request("/small", plain(b""));
        announced.headers[2] = header("content-length", "1000000");
        let mut stalled = place.connect();
        stalled.write(&announced.to_bytes()).unwrap();
        stalled.write(&[b' '; 2001]).unwrap();
        assert_eq!(stalled.receive(false).unwrap().status, 403, "envoy {version}");
        assert_eq!(place.upstream.received(), 0, "envoy {version}");
    }
}

#[test]
fn a_client_that_waits_is_asked_for_its_body() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({}), |_, _| {});
        for (body, status) in [(&b"{\"amount\": 1}"[..], 200), (b"{\"amount\": 1000}", 403)] {
            let mut waiting = request("/pay", plain(body));
            waiting.headers.push(header("expect", "100-continue"));
            let mut connection = place.connect();
            connection.write(&waiting.to_bytes()).unwrap();
            connection.receive_continue().unwrap();
            connection.write(body).unwrap();
            assert_eq!(connection.receive(false).unwrap().status, status, "envoy {version}");
        }
    }
}

#[test]
fn http2_with_and_without_trailers() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({}), add_http2_front);
        for (amount, status) in [("1", 200), ("1000", 403)] {
            for trailers in [vec![], vec![header("x-after", "1")]] {
                let bytes = format!("{{\"amount\": {amount}}}").into_bytes();
                let before = place.upstream.received();
                let response = place.send("/pay", Body { bytes: bytes.clone(), chunks: Some(5), trailers });
                assert_eq!(response.status, status, "envoy {version}");
                if status == 200 {
                    assert_eq!(echo(&response).body_sum, checksum(&bytes), "envoy {version}");
                } else {
                    assert_eq!(place.upstream.received(), before, "envoy {version}");
                }
            }
        }
        let large = Body { bytes: vec![b'x'; 900_000], chunks: Some(70_000), trailers: Vec::new() };
        assert_eq!(place.send("/see", large).status, 413, "envoy {version}");
    }
}

#[test]
fn envoys_own_buffer_is_the_last_bound() {
    for version in places::envoys() {
        let config = json!({"limits": {"body_bytes": 1_048_576}});
        let place = Place::new(&version, config, |_, _| {});
        let of = |length: usize| plain(&[b"\"", vec![b'a'; length - 2].as_slice(), b"\""].concat());
        assert_eq!(place.send("/small", of(1_000_000)).status, 200, "envoy {version}");
        let before = place.upstream.received();
        assert_eq!(place.send("/small", of(3_000_000)).status, 413, "envoy {version}");
        assert_eq!(place.upstream.received(), before, "envoy {version}");
    }
}

#[test]
fn a_websocket_is_decided_about_without_a_body() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({}), |_, _| {});
        for (path, reached) in [("/see", 1), ("/pay", 0)] {
            let before = place.upstream.served();
            let upgrade = Request {
                method: "GET".to_owned(),
                target: path.as_bytes().to_vec(),
                headers: vec![
                    header("host", "service.test"),
                    header("connection", "Upgrade"),
                    header("upgrade", "websocket"),
                ],
                body: None,
            };
            place.connect().send(&upgrade).unwrap();
            assert_eq!(place.upstream.served() - before, reached, "envoy {version} {path}");
        }
    }
}

#[test]
fn shadow_mode_holds_nothing_and_counts() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({"mode": "shadow"}), |bootstrap, _| {
            for manager in connection_manager(bootstrap) {
                let config = &mut manager["http_filters"][0]["typed_config"]["config"];
                // Nothing is held, so nothing has to be set up for it.
                config["allow_on_headers_stop_iteration"] = json!(false);
            }
        });
        for (amount, chunks) in [("1", None), ("1000", None), ("1", Some(3)), ("1000", Some(3))] {
            let bytes = format!("{{\"amount\": {amount}}}").into_bytes();
            let response = place.send("/pay", Body { bytes: bytes.clone(), chunks, trailers: Vec::new() });
            assert_eq!(response.status, 200, "envoy {version}");
            assert_eq!(echo(&response).body_sum, checksum(&bytes), "envoy {version}");
        }
        let large = plain(&[b'x'; 500_000]);
        assert_eq!(echo(&place.send("/small", large)).body_bytes, 500_000, "envoy {version}");
        assert_eq!([place.count("allowed"), place.count("denied")], [2, 3], "envoy {version}");
    }
}

#[test]
fn a_plugin_that_is_not_set_up_says_so() {
    for version in places::envoys() {
        let place = Place::new(&version, json!({}), |bootstrap, _| {
            for manager in connection_manager(bootstrap) {
                let config = &mut manager["http_filters"][0]["typed_config"]["config"];
                config["allow_on_headers_stop_iteration"] = json!(false);
                manager["request_timeout"] = json!("1s");
                manager["stream_idle_timeout"] = json!("1s");
            }
        });
        // Envoy's timeout, which of them depends on its version.
        let status = place.send("/pay", plain(b"{\"amount\": 1}")).status;
        assert!(matches!(status, 408 | 504), "envoy {version}: {status}");
        assert_eq!(place.upstream.received(), 0, "envoy {version}");
        let said = "is `allow_on_headers_stop_iteration: true` set for the plugin?";
        let log = place.envoy.log();
        assert!(log.contains(said), "envoy {version}: expected its log to say `{said}`:\n{log}");
    }
}
