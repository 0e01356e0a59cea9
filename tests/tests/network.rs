//! Decisions about connections: the module as a network filter in real Envoys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sidegate_tests::bundle_server::BundleServer;
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::Connection;
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, network_filter, tcp_proxy, wasm_filter};
use sidegate_tests::published::{WORKLOAD, bundle, publish};
use sidegate_tests::{paths, places};

/// Enough for listener filters to know that it is not TLS.
const LONG: &[u8] = b"a protocol of its own";
const PATIENCE: Duration = Duration::from_secs(20);

const FILE: &str = r#"
about: connections
entrypoint: t/request
config: {network_entrypoint: t/connection}
policy:
  t.rego: |
    package t

    default request := false

    request if input.attributes.request.http.path == "/ok"

    connection if {
        input.source_principal == "spiffe://cluster.local/ns/default/sa/caller"
        input.sidegate.phase == "connection"
        input.sidegate.tls.mtls
        input.sidegate.tls.sni == "localhost"
        input.attributes.destination.address.socketAddress.address == "127.0.0.1"
        input.attributes.source.address.socketAddress.portValue > 0
        not input.attributes.request.http.method
    }

    connection := {"allowed": false, "http_status": 403, "headers": {"x": "y"}} if {
        input.source_principal == "spiffe://cluster.local/ns/default/sa/other"
    }
requests: []
"#;

/// A service that says `hello` to whoever connects, then sends back what it gets; what it has seen is counted.
struct Greeter {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Greeter {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (opened, got) = (Arc::clone(&connections), Arc::clone(&bytes));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                opened.fetch_add(1, Ordering::SeqCst);
                let got = Arc::clone(&got);
                std::thread::spawn(move || greet(stream, &got));
            }
        });
        Self { address, connections, bytes }
    }

    /// Connections and bytes so far.
    fn seen(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst))
    }
}

fn greet(mut stream: TcpStream, got: &AtomicUsize) {
    let _ = stream.write_all(b"hello ");
    let mut chunk = [0; 4096];
    while let Ok(size) = stream.read(&mut chunk) {
        got.fetch_add(size, Ordering::SeqCst);
        if size == 0 || stream.write_all(&chunk[..size]).is_err() {
            return;
        }
    }
}

/// What is said of requests allows no connection, and denies one.
const DECLARED: &str = r#"
about: declarations and connections
entrypoint: sidegate/authz/decision
config: {network_entrypoint: sidegate/authz/network_decision}
declarations:
  workload: shop/cart
  files:
    services/shop/cart.yaml: |
      apiVersion: sidegate.io/v1alpha1
      kind: ServicePolicy
      metadata: {name: cart, namespace: shop}
      spec:
        owner: team-cart
        allow:
        - from: [{serviceAccount: default/caller}, {serviceAccount: default/other}]
        - from: [{serviceAccount: default/reader}]
          to: [{methods: [GET], paths: ["/ok"]}]
        deny:
        - from: [{serviceAccount: default/other}]
          to: [{paths: ["/admin"]}]
requests: []
"#;

struct Site {
    envoy: Envoy,
    upstream: Greeter,
    authority: Authority,
    dir: tempfile::TempDir,
}

impl Site {
    fn start(version: &str, config: Json) -> Self {
        Self::of(FILE, version, config)
    }

    fn of(file: &str, version: &str, config: Json) -> Self {
        let mut file: CaseFile = serde_yaml_ng::from_str(file).unwrap();
        file.config.extend(config.as_object().unwrap().clone());
        let bundle = paths::build(&file).unwrap();
        Self::with(version, &file.configuration(&bundle), &[])
    }

    fn with(version: &str, configuration: &str, clusters: &[Json]) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let upstream = Greeter::start();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe(WORKLOAD.0, WORKLOAD.1));
        let mut all = vec![cluster("upstream", upstream.address)];
        all.extend(clusters.iter().cloned());
        let mut listeners = listeners(&own, &places::filter_wasm().unwrap(), configuration);
        if version == places::envoy_newest() {
            let mut waits = listeners[0].clone();
            waits["name"] = "waits".into();
            for chain in waits["filter_chains"].as_array_mut().unwrap() {
                let proxy = &mut chain["filters"][1]["typed_config"];
                proxy["upstream_connect_mode"] = "ON_DOWNSTREAM_DATA".into();
                proxy["max_early_data_bytes"] = 1024.into();
            }
            listeners.push(waits);
        }
        let mut config = bootstrap(&listeners, &all);
        config["node"]["metadata"] = json!({"NAMESPACE": WORKLOAD.0, "WORKLOAD_NAME": WORKLOAD.1});
        let envoy = Envoy::start(version, &config, dir.path()).unwrap();
        Self { envoy, upstream, authority, dir }
    }

    fn identity(&self, account: &str) -> Identity {
        self.authority.identity(account, &spiffe("default", account))
    }

    fn open(&self, listener: &str, account: Option<&str>) -> Connection {
        let identity = account.map(|account| self.identity(account));
        Connection::open(self.envoy.listener(listener).unwrap(), identity.as_ref()).unwrap()
    }

    /// What comes for what is sent, until so many bytes are there or the connection ends; and whether it ended.
    fn talk(&self, listener: &str, account: Option<&str>, sent: &[u8], wanted: usize) -> (String, bool) {
        let mut connection = self.open(listener, account);
        let _ = connection.write(sent);
        let (got, ended) =
            connection.read_some(wanted).unwrap_or_else(|e| panic!("{}", self.envoy.with_log(&e)));
        (String::from_utf8_lossy(&got).into_owned(), ended)
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let stats = self.envoy.stats("wasmcustom.sidegate.").unwrap();
        stats.into_iter().map(|(name, value)| (name.replace("wasmcustom.sidegate.", ""), value)).collect()
    }
}

/// `tcp`: connections alone. `plain`: the same without TLS, and without a listener filter that waits for bytes. `both`: as Istio's inbound listener finds out by the first bytes what a connection is, HTTP
/// or anything else.
fn listeners(own: &Identity, wasm: &Path, configuration: &str) -> Vec<Json> {
    let tcp = [network_filter("sidegate-tcp", wasm, configuration), tcp_proxy("upstream")];
    let listener = |name: &str| {
        Listener {
            name,
            identity: own,
            plaintext: true,
            filters: vec![wasm_filter("sidegate", wasm, configuration)],
            route_metadata: None,
            access_log: None,
            cluster: None,
        }
        .to_json()
    };
    let mut only = listener("tcp");
    for chain in only["filter_chains"].as_array_mut().unwrap() {
        chain["filters"] = json!(tcp);
    }
    let mut plain = listener("plain");
    plain["listener_filters"] = json!([]);
    let chains = plain["filter_chains"].as_array_mut().unwrap();
    chains.retain(|chain| chain["filter_chain_match"]["transport_protocol"] == "raw_buffer");
    chains[0]["filter_chain_match"] = json!({});
    chains[0]["filters"] = json!(tcp);
    let mut both = listener("both");
    both["listener_filters"].as_array_mut().unwrap().push(json!({"name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"
    }}));
    both["listener_filters_timeout"] = "0.5s".into();
    both["continue_on_listener_filters_timeout"] = true.into();
    let chains = both["filter_chains"].as_array_mut().unwrap();
    // Plaintext alone: what is inside TLS only the proxy's end of it sees.
    chains.retain(|chain| chain["filter_chain_match"]["transport_protocol"] == "raw_buffer");
    let mut other = chains[0].clone();
    chains[0]["filter_chain_match"]["application_protocols"] = json!(["http/1.0", "http/1.1", "h2c"]);
    other["filters"] = json!(tcp);
    chains.push(other);
    vec![only, plain, both]
}

fn decides(version: &str) {
    let site = Site::start(version, json!({}));

    // Allowed: what the server says first comes with the first bytes of the client.
    assert_eq!(site.talk("tcp", Some("caller"), b"abc", 9), ("hello abc".to_owned(), false));
    let mut connection = site.open("tcp", Some("caller"));
    connection.write(b"1").unwrap();
    assert_eq!(connection.read_some(7).unwrap(), (b"hello 1".to_vec(), false));
    connection.write(b"23").unwrap();
    assert_eq!(connection.read_some(2).unwrap(), (b"23".to_vec(), false));
    drop(connection);
    assert_eq!(site.upstream.seen(), (2, 6));

    // Denied, without a decision, without identity: closed, and not a byte in either direction.
    for account in [Some("other"), Some("stranger"), None] {
        assert_eq!(site.talk("tcp", account, LONG, 1), (String::new(), true), "{account:?}");
    }
    // A client that never sends anything has no decision: what the server says does not get to it.
    let mut silent = site.open("tcp", Some("caller"));
    silent.wire().set_read_timeout(Duration::from_millis(500));
    let nothing = silent.read_some(1);
    assert!(nothing.is_err(), "{nothing:?}");
    drop(silent);
    let (opened, bytes) = site.upstream.seen();
    // The connections of those with certificates, and none of who has none.
    assert!(opened <= 5, "{opened}");
    assert_eq!(bytes, 6);

    let counts = site.counts();
    // The silent one's end is the first that it says; it may still be on its way.
    assert!(matches!(counts.get("connections.allowed"), Some(2 | 3)), "{counts:?}");
    assert_eq!(counts.get("connections.denied"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("connections.error"), Some(&2), "{counts:?}");
    assert_eq!(counts.get("errors.decision_undefined"), Some(&2), "{counts:?}");
}

#[test]
fn connections_are_decided_by_the_first_bytes() {
    decides(&places::envoy_newest());
}

#[test]
fn the_oldest_envoy_does_the_same() {
    decides(&places::envoy_oldest());
}

#[test]
fn declarations_decide_about_connections() {
    let site = Site::of(DECLARED, &places::envoy_newest(), json!({}));
    assert_eq!(site.talk("tcp", Some("caller"), b"abc", 9), ("hello abc".to_owned(), false));
    let get = b"GET /ok HTTP/1.1\r\nhost: a\r\n\r\n";
    for account in [Some("other"), Some("reader"), Some("stranger"), None] {
        assert_eq!(site.talk("tcp", account, get, 1), (String::new(), true), "{account:?}");
    }
    assert_eq!(site.upstream.seen().1, 3);
    let counts = site.counts();
    assert_eq!(counts.get("connections.denied"), Some(&4), "{counts:?}");
    assert_eq!(counts.get("connections.error"), None, "{counts:?}");
}

/// Whoever makes HTTP look like something else gets to the other chain, and that has its own decision.
#[test]
fn sniffing_is_no_way_round() {
    let site = Site::start(&places::envoy_newest(), json!({}));
    let ok = site.talk("both", None, b"GET /ok HTTP/1.1\r\nhost: a\r\n\r\n", 12);
    assert_eq!(ok, ("HTTP/1.1 200".to_owned(), false));
    let denied = site.talk("both", None, b"GET /admin HTTP/1.1\r\nhost: a\r\n\r\n", 12);
    assert_eq!(denied, ("HTTP/1.1 403".to_owned(), false));
    for odd in [
        &b"\x00GET /admin HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        b"\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /admin HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET /admin\r\n",
        b"get /admin HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"G",
        b"\x16\x03\x01",
        b"hello, this is my protocol",
    ] {
        let (got, _) = site.talk("both", None, odd, 1);
        assert!(got.is_empty() || got.starts_with('H'), "{:?}: {got}", odd.escape_ascii().to_string());
    }
    assert_eq!(site.upstream.seen(), (0, 0));
}

#[test]
fn without_an_entry_point_nothing_passes() {
    let site = Site::start(&places::envoy_newest(), json!({"network_entrypoint": null}));
    for account in [Some("caller"), None] {
        assert_eq!(site.talk("tcp", account, LONG, 1), (String::new(), true), "{account:?}");
    }
    assert_eq!(site.upstream.seen().1, 0);
    assert_eq!(site.counts().get("errors.no_network_entrypoint"), Some(&2));
}

#[test]
fn in_shadow_and_off_connections_pass() {
    for (mode, denied) in [("shadow", Some(&1)), ("off", None)] {
        let site = Site::start(&places::envoy_newest(), json!({"mode": mode}));
        assert_eq!(site.talk("tcp", Some("other"), b"abc", 9), ("hello abc".to_owned(), false), "{mode}");
        // The server may speak first.
        let mut connection = site.open("tcp", Some("other"));
        assert_eq!(connection.read_some(6).unwrap(), (b"hello ".to_vec(), false), "{mode}");
        assert_eq!(site.counts().get("connections.denied"), denied, "{mode}");
    }
}

/// Without TLS there is nothing to wait for, so the server may speak first.
#[test]
fn a_server_may_speak_first_without_tls() {
    let rules = "allow := true";
    let server = BundleServer::start();
    publish(&server, 1, &bundle(rules));
    let site = fetching(&server, "10s");
    let mut connection = site.open("plain", None);
    assert_eq!(connection.read_some(6).unwrap(), (b"hello ".to_vec(), false));
    publish(&server, 2, &bundle("allow := false"));
    let until = Instant::now() + PATIENCE;
    loop {
        let before = site.upstream.seen();
        let (got, ended) = site.open("plain", None).read_some(6).unwrap();
        if ended {
            assert_eq!((got, site.upstream.seen()), (Vec::new(), before));
            break;
        }
        assert!(Instant::now() < until, "expected the second policy to come");
    }
}

/// A plugin that fetches its policy, asked at the same entry point about connections.
fn fetching(server: &BundleServer, first_wait: &str) -> Site {
    let configuration = json!({
        "version": 1,
        "bundle": {"http": {"interval": "1s", "first_wait": first_wait}},
        "verify": {"required": false},
        "network_entrypoint": "envoy/authz/allow"
    });
    let clusters = [cluster("sidegate-bundles", server.address())];
    Site::with(&places::envoy_newest(), &configuration.to_string(), &clusters)
}

#[test]
fn a_connection_is_held_for_the_first_policy() {
    let server = BundleServer::start();
    let site = fetching(&server, "30s");
    let mut first = site.open("tcp", Some("caller"));
    first.write(b"abc").unwrap();
    let mut plain = site.open("tcp", None);
    plain.write(LONG).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(site.upstream.seen().1, 0);
    publish(&server, 1, &bundle("allow if input.source_principal"));
    assert_eq!(first.read_some(9).unwrap(), (b"hello abc".to_vec(), false));
    assert_eq!(plain.read_some(1).unwrap(), (Vec::new(), true));
    assert_eq!(site.upstream.seen().1, 3);
    drop(site.dir);
}

#[test]
fn without_a_policy_it_is_closed() {
    let server = BundleServer::start();
    let site = fetching(&server, "1s");
    let begin = Instant::now();
    for account in [Some("caller"), None] {
        assert_eq!(site.talk("tcp", account, LONG, 1), (String::new(), true), "{account:?}");
    }
    assert!(begin.elapsed() < PATIENCE, "expected the end of the wait, got {:?}", begin.elapsed());
    assert_eq!(site.upstream.seen().1, 0);
    assert_eq!(site.counts().get("errors.no_policy"), Some(&2));
}

/// A TCP proxy that waits for bytes opens nothing for callers that are denied.
#[test]
fn where_the_proxy_waits_nothing_is_opened_upstream() {
    let site = Site::start(&places::envoy_newest(), json!({}));
    assert_eq!(site.talk("waits", Some("other"), b"abc", 1), (String::new(), true));
    assert_eq!(site.upstream.seen(), (0, 0));
    assert_eq!(site.talk("waits", Some("caller"), b"abc", 9), ("hello abc".to_owned(), false));
    assert_eq!(site.upstream.seen(), (1, 3));
}
