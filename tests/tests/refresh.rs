//! Policies that are fetched, in real Envoys: the first one, changes under load, failures of the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sidegate_engine::trust::{Lowering, PointerMode};
use sidegate_tests::bundle_server::{BundleServer, Reply};
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::{Body, Connection, Request, Response};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, add_http2_front, bootstrap, cluster, wasm_filter};
use sidegate_tests::places;
use sidegate_tests::published::{
    POINTER, WORKLOAD, blob_path, bundle, candidate, denying, marked, pointer, publish, unsigned,
};
use sidegate_tests::upstream::{Echo, Upstream, checksum};

const PATIENCE: Duration = Duration::from_secs(30);

/// An Envoy whose filter fetches its policy from `server`.
struct Place {
    envoy: Envoy,
    server: BundleServer,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl Place {
    /// `config` is laid over the plugin's configuration.
    fn new(version: &str, workers: usize, server: BundleServer, http: Value, config: Value) -> Self {
        Self::changed(version, workers, server, http, config, |_, _| {})
    }

    /// The same with changes to Envoy's own configuration.
    fn changed(
        version: &str,
        workers: usize,
        server: BundleServer,
        http: Value,
        config: Value,
        change: impl FnOnce(&mut Value, &Path),
    ) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let upstream = Upstream::start();
        let wasm = places::filter_wasm().unwrap();
        let own = Authority::new(dir.path()).identity("service", &spiffe("shop", "cart"));
        let mut plugin =
            json!({"version": 1, "bundle": {"http": {"interval": "1s"}}, "verify": {"required": false}});
        plugin["bundle"]["http"].as_object_mut().unwrap().extend(http.as_object().unwrap().clone());
        plugin.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let listener = Listener {
            name: "sidegate",
            identity: &own,
            plaintext: true,
            filters: vec![wasm_filter("sidegate", &wasm, &plugin.to_string())],
            route_metadata: None,
            access_log: None,
            cluster: Some("upstream"),
        };
        let clusters =
            [cluster("upstream", upstream.address()), cluster("sidegate-bundles", server.address())];
        let mut bootstrap = bootstrap(&[listener.to_json()], &clusters);
        bootstrap["node"]["metadata"] = json!({"NAMESPACE": WORKLOAD.0, "WORKLOAD_NAME": WORKLOAD.1});
        change(&mut bootstrap, dir.path());
        let envoy = Envoy::start_with(version, &bootstrap, dir.path(), workers).unwrap();
        Self { envoy, server, upstream, _dir: dir }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.envoy.listener("sidegate").unwrap(), None).unwrap()
    }

    fn get(&self) -> Response {
        self.connect().send(&get("/")).unwrap_or_else(|e| panic!("{}", self.envoy.with_log(&e)))
    }

    fn count(&self, name: &str) -> u64 {
        self.envoy.stats(&format!("wasmcustom.sidegate.{name}")).unwrap().values().sum()
    }

    /// Asks until the answer is as wanted.
    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is_there(self) {
            assert!(began.elapsed() < PATIENCE, "{}", self.envoy.with_log(&format!("never: {what}")));
            std::thread::sleep(Duration::from_millis(5));
        }
        began.elapsed()
    }

    /// So many answers in a row bear the mark, on new connections: all workers have the policy.
    fn wait_for_mark(&self, wanted: &str) {
        self.wait_for(wanted, |place| (0..20).all(|_| mark(&place.get()) == wanted));
    }
}

fn mark(response: &Response) -> String {
    response
        .values("x-policy")
        .first()
        .map_or(String::new(), |mark| String::from_utf8_lossy(mark).into_owned())
}

fn get(path: &str) -> Request {
    let headers = vec![(b"host".to_vec(), b"cart".to_vec())];
    Request { method: "GET".to_owned(), target: path.as_bytes().to_vec(), headers, body: None }
}

fn post(bytes: &[u8]) -> Request {
    let headers = vec![
        (b"host".to_vec(), b"cart".to_vec()),
        (b"content-length".to_vec(), bytes.len().to_string().into_bytes()),
    ];
    let body = Some(Body { bytes: bytes.to_vec(), chunks: None, trailers: Vec::new() });
    Request { method: "POST".to_owned(), target: b"/".to_vec(), headers, body }
}

fn post_in_chunks(bytes: &[u8]) -> Request {
    let headers =
        vec![(b"host".to_vec(), b"cart".to_vec()), (b"transfer-encoding".to_vec(), b"chunked".to_vec())];
    let trailers = vec![(b"x-after".to_vec(), b"1".to_vec())];
    let body = Some(Body { bytes: bytes.to_vec(), chunks: Some(5), trailers });
    Request { method: "POST".to_owned(), target: b"/".to_vec(), headers, body }
}

#[test]
fn requests_before_the_first_policy_wait_for_it() {
    for version in places::envoys() {
        wait_for_the_first_policy(&version, |_, _| {});
        wait_for_the_first_policy(&version, add_http2_front);
    }
}

fn wait_for_the_first_policy(version: &str, change: impl FnOnce(&mut Value, &Path)) {
    let http = json!({"first_wait": "30s"});
    let place = Place::changed(version, 2, BundleServer::start(), http, json!({}), change);
    let place = &place;
    let rules = "allow := {\"allowed\": true, \"headers\": {\"x-seen\": input.attributes.request.http.host}}";
    std::thread::scope(|scope| {
        let one = scope.spawn(|| place.get());
        let large: Vec<u8> = (0..3 << 20).map(|n: u32| n.to_le_bytes()[0]).collect();
        let other = scope.spawn(move || (checksum(&large), place_send(place, &post(&large))));
        let trailed = scope.spawn(move || place_send(place, &post_in_chunks(b"piece by piece")));
        // A client that does not wait.
        let mut gone = place.connect();
        gone.write(&get("/gone").to_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        drop(gone);
        // The one who went is gone for Envoy, too.
        std::thread::sleep(Duration::from_millis(300));
        publish(&place.server, 1, &bundle(rules));
        let got = one.join().unwrap();
        assert_eq!(got.status, 200, "{}", place.envoy.with_log("held"));
        let echo = |got: &Response| serde_json::from_slice::<Echo>(&got.body).unwrap();
        assert_eq!(echo(&got).values("x-seen"), ["cart"], "headers are changed then");
        let (sum, got) = other.join().unwrap();
        assert_eq!((echo(&got).body_bytes, echo(&got).body_sum), (3 << 20, sum), "the whole body");
        assert_eq!(echo(&got).values("x-seen"), ["cart"]);
        let got = trailed.join().unwrap();
        assert_eq!((got.status, echo(&got).body_sum), (200, checksum(b"piece by piece")));
    });
    assert_eq!(place.count("errors.no_policy"), 0);
    assert_eq!(place.count("decisions.allowed"), 3, "the one who went is not decided about");
}

fn place_send(place: &Place, request: &Request) -> Response {
    place.connect().send(request).unwrap_or_else(|e| panic!("{}", place.envoy.with_log(&e)))
}

#[test]
fn without_a_policy_for_too_long_503() {
    for version in places::envoys() {
        let place = Place::new(&version, 1, BundleServer::start(), json!({"first_wait": "500ms"}), json!({}));
        let began = Instant::now();
        assert_eq!(place.get().status, 503);
        assert!(began.elapsed() >= Duration::from_millis(450));
        let response = place_send(&place, &post(b"body"));
        assert_eq!(response.status, 503);
        assert_eq!(place.count("errors.no_policy"), 2);
        assert_eq!(place.upstream.received(), 0);
        place.wait_for("counts of what the server said", |place| place.count("refused.fetch_status") > 1);
    }
}

#[test]
fn a_change_reaches_every_worker_and_is_fetched_once() {
    for version in places::envoys() {
        let server = BundleServer::start();
        let first = marked("1");
        publish(&server, 1, &first);
        let place = Place::new(&version, 4, server, json!({}), json!({}));
        place.wait_for_mark("1");
        for serial in 2..6_u64 {
            let next = marked(&serial.to_string());
            place.server.take_asked();
            publish(&place.server, serial, &next);
            place.wait_for_mark(&serial.to_string());
            assert_eq!(place.server.count(&blob_path(&next)), 1, "one fetch for all workers");
        }
        assert_eq!(place.count("bundle.serial"), 5);
        assert_eq!(place.count("errors."), 0);
        // One poll a second, not one for each worker.
        place.server.take_asked();
        let began = Instant::now();
        place.wait_for("polls", |place| place.server.count(POINTER) >= 3);
        let asked = place.server.take_asked();
        let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
        assert!(asked.len() <= most, "{asked:?}");
        assert!(asked.iter().all(|asked| asked.status == 304), "{asked:?}");
    }
}

#[test]
fn what_is_refused_leaves_the_policy_as_it_is() {
    let server = BundleServer::start();
    let good = marked("good");
    publish(&server, 5, &good);
    let place = Place::new(&places::envoy_newest(), 2, server, json!({"timeout": "500ms"}), json!({}));
    place.wait_for_mark("good");
    let next = marked("next");
    let blob = blob_path(&next);
    let to_next = || Reply::ok(unsigned(&pointer(6, &next)));
    let other = |change: fn(&mut sidegate_engine::trust::Pointer)| {
        let mut pointer = pointer(6, &next);
        change(&mut pointer);
        Reply::ok(unsigned(&pointer))
    };
    let no_plan = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut gzip, &[0; 1024]).unwrap();
        gzip.finish().unwrap()
    };
    let slow = Reply { delay: Duration::from_secs(2), ..to_next() };
    let cut = Reply { cut_after: Some(40), ..to_next() };
    let pointers = [
        ("404", Reply::page(404), "fetch_status"),
        ("500", Reply::page(500), "fetch_status"),
        ("slow", slow, "fetch_failed"),
        ("cut off", cut, "fetch_failed"),
        ("HTML", Reply { status: 200, ..Reply::page(200) }, "pointer_syntax"),
        ("too large", Reply::ok(vec![b' '; 70_000]), "pointer_size"),
        ("a bundle", Reply::ok(good.clone()), "pointer_syntax"),
        ("another's", other(|pointer| pointer.workload = "other".to_owned()), "pointer_workload"),
        ("another mesh's", other(|pointer| pointer.mesh = "other".to_owned()), "pointer_mesh"),
        ("expired", other(|pointer| pointer.expires = 1_700_000_000), "pointer_expired"),
        ("replayed", other(|pointer| pointer.serial = 4), "pointer_replay"),
        ("same serial", other(|pointer| pointer.serial = 5), "pointer_replay"),
    ];
    for (name, reply, code) in pointers {
        let before = place.count(&format!("refused.{code}"));
        place.server.set(POINTER, reply);
        place.wait_for(name, |place| place.count(&format!("refused.{code}")) > before);
        assert_eq!(mark(&place.get()), "good", "{name}");
    }
    let blobs = [
        ("missing", Reply::page(404), "fetch_status"),
        ("another", Reply::ok(vec![0; next.len()]), "blob_digest"),
        ("longer", Reply::ok(vec![0; next.len() + 1]), "blob_size"),
        ("shorter", Reply::ok(vec![0; 3]), "blob_size"),
        ("cut off", Reply { cut_after: Some(40), ..Reply::ok(next.clone()) }, "fetch_failed"),
    ];
    place.server.set(POINTER, to_next());
    for (name, reply, code) in blobs {
        let before = place.count(&format!("refused.{code}"));
        place.server.set(&blob, reply);
        place.wait_for(name, |place| place.count(&format!("refused.{code}")) > before);
        assert_eq!(mark(&place.get()), "good", "{name}");
    }
    publish(&place.server, 7, &no_plan);
    place.wait_for("no plan", |place| place.count("refused.bundle_no_plan") > 2);
    assert_eq!(place.server.count(&blob_path(&no_plan)), 1, "a blob that is of no use is not fetched again");
    publish(&place.server, 8, &next);
    place.wait_for_mark("next");
}

#[test]
fn a_server_that_is_down_changes_nothing() {
    let server = BundleServer::start();
    publish(&server, 1, &marked("1"));
    let place = Place::new(&places::envoy_newest(), 2, server, json!({}), json!({}));
    place.wait_for_mark("1");
    place.server.set_down(true);
    place.wait_for("failures", |place| place.count("fetch.failed") > 1);
    assert_eq!(mark(&place.get()), "1");
    publish(&place.server, 2, &marked("2"));
    place.server.set_down(false);
    place.wait_for_mark("2");
}

#[test]
fn a_cluster_that_is_missing_has_a_code() {
    let place = Place::new(
        &places::envoy_newest(),
        1,
        BundleServer::start(),
        json!({"cluster": "nowhere", "first_wait": "100ms"}),
        json!({}),
    );
    place.wait_for("the code", |place| place.count("refused.fetch_cluster") > 0);
    assert_eq!(place.get().status, 503);
}

#[test]
fn an_inline_bundle_serves_until_the_first_fetch() {
    use base64::Engine as _;
    let server = BundleServer::start();
    let inline = base64::engine::general_purpose::STANDARD.encode(marked("inline"));
    let config = json!({"bundle": {"inline": inline, "http": {"interval": "1s"}}});
    let place = Place::new(&places::envoy_newest(), 2, server, json!({}), config);
    place.wait_for_mark("inline");
    publish(&place.server, 1, &marked("fetched"));
    place.wait_for_mark("fetched");
}

#[test]
fn a_candidate_is_counted_or_decides_and_the_glass_can_be_broken() {
    let server = BundleServer::start();
    let (stable, next) = (marked("stable"), denying());
    publish(&server, 1, &stable);
    server.set(&blob_path(&next), Reply::ok(next.clone()));
    let place = Place::new(&places::envoy_newest(), 2, server, json!({}), json!({"allow_lowering": true}));
    place.wait_for_mark("stable");
    let mut to = pointer(2, &stable);
    to.candidate = Some(candidate("next", &next, PointerMode::Shadow));
    place.server.set(POINTER, Reply::ok(unsigned(&to)));
    place.wait_for("counts", |place| {
        assert_eq!(mark(&place.get()), "stable");
        place.count("candidate.stricter") > 3
    });
    assert!(place.envoy.log().contains("candidate: stricter: denied with 403, now allowed: GET / from"));
    to.serial = 3;
    to.candidate = Some(candidate("next", &next, PointerMode::Enforce));
    place.server.set(POINTER, Reply::ok(unsigned(&to)));
    place.wait_for("the candidate", |place| (0..20).all(|_| place.get().status == 403));
    to.serial = 4;
    to.candidate = None;
    to.stable = pointer(4, &next).stable;
    place.server.set(POINTER, Reply::ok(unsigned(&to)));
    place.wait_for("promotion", |place| place.count("bundle.serial") == 4);
    assert_eq!(place.get().status, 403);
    assert_eq!(place.server.count(&blob_path(&next)), 1, "fetched once for all of it");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    to.serial = 5;
    to.lowering = Some(Lowering {
        mode: PointerMode::Shadow,
        until: i64::try_from(now).unwrap() + 10,
        reason: "test".to_owned(),
    });
    place.server.set(POINTER, Reply::ok(unsigned(&to)));
    place.wait_for("the glass is broken", |place| place.get().status == 200);
    place.wait_for("it is over", |place| (0..20).all(|_| place.get().status == 403));
}

#[test]
fn plain_bundle_servers_serve_too() {
    let server = BundleServer::start();
    let path = "/bundles/cart.tar.gz";
    server.set(path, Reply::ok(marked("1")));
    let http = json!({"path": "/bundles/{workload}.tar.gz", "timeout": "2s"});
    let place = Place::new(&places::envoy_newest(), 2, server, http, json!({}));
    place.wait_for_mark("1");
    place.server.set(path, Reply::ok(marked("2")));
    place.wait_for_mark("2");
    // A server that knows long polling answers when there is something new.
    let long = |mark: &str| Reply {
        long_poll: true,
        content_type: "application/vnd.openpolicyagent.bundles",
        ..Reply::ok(marked(mark))
    };
    place.server.set(path, long("3"));
    place.wait_for_mark("3");
    std::thread::sleep(Duration::from_millis(1500));
    place.server.take_asked();
    place.server.set(path, long("4"));
    place.wait_for_mark("4");
    let asked = place.server.take_asked();
    assert_eq!(asked[0].prefer.as_deref(), Some("modes=snapshot;wait=2"), "{asked:?}");
}
