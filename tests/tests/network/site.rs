//! A real Envoy with the module as a network filter, and a service behind it that speaks first.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};
use sidegate_tests::bundle_server::BundleServer;
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::Connection;
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, network_filter, tcp_proxy, wasm_filter};
use sidegate_tests::published::WORKLOAD;
use sidegate_tests::{features, paths, places};

pub(crate) const FILE: &str = r#"
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
pub(crate) struct Greeter {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Greeter {
    pub(crate) fn start() -> Self {
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
    pub(crate) fn seen(&self) -> (usize, usize) {
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
pub(crate) const DECLARED: &str = r#"
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

pub(crate) struct Site {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Greeter,
    authority: Authority,
    pub(crate) dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn start(version: &str, config: Json) -> Self {
        Self::of(FILE, version, config)
    }

    pub(crate) fn of(file: &str, version: &str, config: Json) -> Self {
        let mut file: CaseFile = serde_yaml_ng::from_str(file).unwrap();
        file.config.extend(config.as_object().unwrap().clone());
        let bundle = paths::build(&file).unwrap();
        Self::with(version, &file.configuration(&bundle), &[])
    }

    pub(crate) fn with(version: &str, configuration: &str, clusters: &[Json]) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let upstream = Greeter::start();
        let authority = Authority::new(dir.path());
        let own = authority.identity("service", &spiffe(WORKLOAD.0, WORKLOAD.1));
        let mut all = vec![cluster("upstream", upstream.address)];
        all.extend(clusters.iter().cloned());
        let mut listeners = listeners(&own, &places::filter_wasm().unwrap(), configuration);
        if features::WAITING.is_in(version) {
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

    pub(crate) fn identity(&self, account: &str) -> Identity {
        self.authority.identity(account, &spiffe("default", account))
    }

    pub(crate) fn open(&self, listener: &str, account: Option<&str>) -> Connection {
        let identity = account.map(|account| self.identity(account));
        Connection::open(self.envoy.listener(listener).unwrap(), identity.as_ref()).unwrap()
    }

    /// What comes for what is sent, until so many bytes are there or the connection ends; and whether it ended.
    pub(crate) fn talk(
        &self,
        listener: &str,
        account: Option<&str>,
        sent: &[u8],
        wanted: usize,
    ) -> (String, bool) {
        let mut connection = self.open(listener, account);
        let _ = connection.write(sent);
        let (got, ended) =
            connection.read_some(wanted).unwrap_or_else(|e| panic!("{}", self.envoy.with_log(&e)));
        (String::from_utf8_lossy(&got).into_owned(), ended)
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
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

/// A plugin that fetches its policy, asked at the same entry point about connections.
pub(crate) fn fetching(server: &BundleServer, first_wait: &str) -> Site {
    let configuration = json!({
        "version": 1,
        "bundle": {"http": {"interval": "1s", "first_wait": first_wait}},
        "verify": {"required": false},
        "network_entrypoint": "envoy/authz/allow"
    });
    let clusters = [cluster("sidegate-bundles", server.address())];
    Site::with(&places::envoy_newest(), &configuration.to_string(), &clusters)
}
