//! A sidecar that is looked at: HTTP and TCP, a policy that is fetched, and labels for Prometheus or not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sidegate_compiler::{BuildOptions, Sources, build};

use super::Scraped;
use crate::bundle_server::BundleServer;
use crate::certs::{Authority, spiffe};
use crate::client::{Connection, Request, Response};
use crate::envoy::Envoy;
use crate::envoy_config::{Listener, address, bootstrap, cluster, network_filter, tcp_proxy, wasm_filter};
use crate::places;
use crate::rollout::WORKLOAD;

/// What a sidecar is to be like.
pub struct SidecarOptions<'a> {
    /// Version of Envoy.
    pub envoy: String,
    /// Its node id.
    pub id: &'a str,
    /// The keys that it trusts, as `verify.keys` has them.
    pub keys: Value,
    /// Its `mode`.
    pub mode: &'a str,
    /// Whether Envoy itself makes the labels, by `envoy-config/observability/stats-tags.yaml`.
    pub has_tags: bool,
}

/// The running sidecar.
pub struct Sidecar {
    envoy: Envoy,
}

const HTTP: &str = "inbound";
const TCP: &str = "tcp";
const RULES: &str = r#"package envoy.authz

import rego.v1

default allow := false

allow if input.parsed_path[0] in {"ok", "ONE"}

allow := "odd" if input.parsed_path[0] == "odd"

default response := true

response := false if input.parsed_path == ["ok", "secret"]

default connection := true
"#;

/// A bundle that allows `/ok…` and `/old…`, denies other paths, and has no decision about `/odd`.
pub(super) fn bundle() -> Vec<u8> {
    built("old")
}

/// One that allows `/new…` instead of `/old…`.
pub(super) fn candidate_bundle() -> Vec<u8> {
    built("new")
}

/// The policy that allows `/ok…` and this one, denies other paths, and has no decision about `/odd`.
pub fn rules(one: &str) -> String {
    RULES.replace("ONE", one)
}

fn built(one: &str) -> Vec<u8> {
    let module = rules(one);
    let sources =
        Sources::from_parts(vec![("authz.rego".to_owned(), module)], sidegate_engine::Value::new_object());
    let entrypoints = ["allow", "response", "connection"].map(|rule| format!("envoy/authz/{rule}")).to_vec();
    let options = BuildOptions { entrypoints, revision: Some("test".to_owned()), ..BuildOptions::default() };
    build(&sources, &options).expect("a policy that compiles").bundle
}

impl Sidecar {
    /// Starts it, its files in `dir`.
    ///
    /// # Errors
    /// Envoy does not start, or the filter refuses its configuration.
    pub fn start(server: &BundleServer, options: &SidecarOptions<'_>, dir: &Path) -> Result<Self, String> {
        let SidecarOptions { envoy, id, keys, mode, has_tags } = options;
        let wasm = places::filter_wasm()?;
        let own = Authority::new(&dir.join("certs")).identity("service", &spiffe(WORKLOAD.0, WORKLOAD.1));
        let plugin = json!({
            "version": 1,
            "bundle": {"http": {"cluster": "bundles", "interval": "1s"}},
            "response_entrypoint": "envoy/authz/response",
            "network_entrypoint": "envoy/authz/connection",
            "mode": mode,
            "decision_log": {"rate": 100_000},
            "verify": {"keys": keys},
        })
        .to_string();
        let http = Listener {
            name: HTTP,
            identity: &own,
            plaintext: true,
            filters: vec![wasm_filter("sidegate", &wasm, &plugin)],
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let filters = [network_filter("sidegate-tcp", &wasm, &plugin), tcp_proxy("bundles")];
        let tcp = json!({"name": TCP, "address": address("127.0.0.1", 0), "traffic_direction": "INBOUND",
            "filter_chains": [{"filters": filters}]});
        let mut config = bootstrap(&[http.to_json(), tcp], &[cluster("bundles", server.address())]);
        config["node"]["id"] = json!(id);
        config["node"]["metadata"] = json!({"NAMESPACE": WORKLOAD.0, "WORKLOAD_NAME": WORKLOAD.1});
        if *has_tags {
            config["stats_config"] = stats_config()?;
        }
        Ok(Self { envoy: Envoy::start(envoy, &config, dir)? })
    }

    /// The process.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// As Prometheus is to scrape it.
    pub fn scraped(&self) -> Scraped {
        Scraped {
            admin: self.envoy.admin_address(),
            workload: (WORKLOAD.0.to_owned(), WORKLOAD.1.to_owned()),
        }
    }

    /// One request on a new connection.
    ///
    /// # Errors
    /// The connection breaks.
    pub fn ask(&self, path: &str) -> Result<Response, String> {
        let headers = vec![(b"host".to_vec(), b"cart.shop".to_vec())];
        let request =
            Request { method: "GET".to_owned(), target: path.as_bytes().to_vec(), headers, body: None };
        Connection::open(self.envoy.listener(HTTP)?, None)?.send(&request)
    }

    /// One TCP connection, on which the server behind is asked for something.
    ///
    /// # Errors
    /// The connection breaks.
    pub fn connect(&self) -> Result<(), String> {
        let mut stream = TcpStream::connect(self.envoy.listener(TCP)?).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(|e| e.to_string())?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").map_err(|e| e.to_string())?;
        // The server behind may be away: the connection has been decided about all the same.
        let _ = stream.read(&mut [0; 16]);
        Ok(())
    }
}

/// The shipped `stats_config`.
///
/// # Errors
/// It cannot be read.
fn stats_config() -> Result<Value, String> {
    let file = places::root().join("envoy-config/observability/stats-tags.yaml");
    let text = fs::read_to_string(file).map_err(|e| e.to_string())?;
    let yaml: Value = serde_yaml_ng::from_str(&text).map_err(|e| e.to_string())?;
    Ok(yaml["stats_config"].clone())
}
