//! A sidecar under test: Envoy with the filter, which fetches its policy from a server of the test's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::publisher::{Publisher, WORKLOAD};
use crate::bundle_server::BundleServer;
use crate::certs::{Authority, spiffe};
use crate::client::{Body, Connection, Request, Response};
use crate::envoy::Envoy;
use crate::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use crate::places;

const LISTENER: &str = "inbound";
const CLUSTER: &str = "bundles";
const PATIENCE: Duration = Duration::from_secs(30);

/// What a site is to be like.
pub struct SiteOptions<'a> {
    /// Version of Envoy.
    pub envoy: String,
    /// The filter; the built one where none is named.
    pub wasm: Option<PathBuf>,
    /// Worker threads.
    pub workers: usize,
    /// `bundle.http.interval`.
    pub interval: &'a str,
    /// `bundle.http.timeout`.
    pub timeout: &'a str,
    /// What else the plugin's configuration has; `verify` is filled in where it is missing.
    pub config: Value,
    /// What else `bundle` has, or has in another way.
    pub bundle: Value,
}

/// The running sidecar and its server.
pub struct Site {
    /// Where it fetches from.
    pub server: BundleServer,
    envoy: Envoy,
    _dir: Option<tempfile::TempDir>,
}

impl Default for SiteOptions<'_> {
    fn default() -> Self {
        Self {
            envoy: places::envoy_newest(),
            wasm: None,
            workers: 1,
            interval: "1s",
            timeout: "2s",
            config: json!({}),
            bundle: json!({}),
        }
    }
}

impl Site {
    /// Starts a sidecar that trusts `keys` (as `verify.keys` has them). The server may have something to serve
    /// already.
    ///
    /// # Errors
    /// Envoy does not start, or the filter refuses its configuration.
    pub fn start(server: BundleServer, keys: Value, options: &SiteOptions<'_>) -> Result<Self, String> {
        let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
        let mut site = Self::start_in(server, keys, options, dir.path())?;
        site._dir = Some(dir);
        Ok(site)
    }

    /// The same, with its files in a folder that stays.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub fn start_in(
        server: BundleServer,
        keys: Value,
        options: &SiteOptions<'_>,
        dir: &Path,
    ) -> Result<Self, String> {
        let SiteOptions { envoy, wasm, workers, interval, timeout, config, bundle } = options;
        let wasm = wasm.clone().map_or_else(places::filter_wasm, Ok)?;
        let own = Authority::new(&dir.join("certs")).identity("service", &spiffe(WORKLOAD.0, WORKLOAD.1));
        let mut plugin = json!({
            "version": 1,
            "bundle": {"http": {"cluster": CLUSTER, "authority": "bundles.test", "interval": interval, "timeout": timeout}},
            "verify": {"keys": keys},
        });
        merge(&mut plugin, config);
        merge(&mut plugin["bundle"], bundle);
        let listener = Listener {
            name: LISTENER,
            identity: &own,
            plaintext: true,
            filters: vec![wasm_filter("sidegate", &wasm, &plugin.to_string())],
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let mut envoy_config = bootstrap(&[listener.to_json()], &[cluster(CLUSTER, server.address())]);
        envoy_config["node"]["metadata"] = json!({
            "NAMESPACE": WORKLOAD.0,
            "LABELS": {"service.istio.io/canonical-name": WORKLOAD.1},
        });
        let envoy = Envoy::start_with(envoy, &envoy_config, dir, *workers)?;
        Ok(Self { server, envoy, _dir: None })
    }

    /// The process.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Where requests go.
    ///
    /// # Errors
    /// There is no listener.
    pub fn address(&self) -> Result<std::net::SocketAddr, String> {
        self.envoy.listener(LISTENER)
    }

    /// One request on a new connection, in plaintext.
    ///
    /// # Errors
    /// The connection breaks.
    pub fn ask(&self, path: &str) -> Result<Response, String> {
        let headers = vec![(b"host".to_vec(), b"cart.shop".to_vec())];
        let request =
            Request { method: "GET".to_owned(), target: path.as_bytes().to_vec(), headers, body: None };
        Connection::open(self.address()?, None)?.send(&request).map_err(|e| self.envoy.with_log(&e))
    }

    /// A request with a body, on a new connection.
    ///
    /// # Errors
    /// The connection breaks.
    pub fn ask_with_body(&self) -> Result<Response, String> {
        let headers = vec![
            (b"host".to_vec(), b"cart.shop".to_vec()),
            (b"content-type".to_vec(), b"application/json".to_vec()),
            (b"content-length".to_vec(), b"2".to_vec()),
        ];
        let body = Some(Body { bytes: b"{}".to_vec(), chunks: None, trailers: Vec::new() });
        let request = Request { method: "POST".to_owned(), target: b"/".to_vec(), headers, body };
        Connection::open(self.address()?, None)?.send(&request)
    }

    /// The version that answers: what [`super::versioned`] sends along.
    ///
    /// # Errors
    /// Another status than 200, or no version.
    pub fn version(&self) -> Result<u32, String> {
        version_of(&self.ask("/")?)
    }

    /// Waits until this version answers.
    ///
    /// # Errors
    /// It does not within half a minute.
    pub fn wait_for_version(&self, version: u32) -> Result<(), String> {
        self.wait(&format!("version {version} to answer"), || Ok(self.version() == Ok(version)))
    }

    /// The filter's own stats, without what stands before their names.
    ///
    /// # Errors
    /// The admin page cannot be reached.
    pub fn stats(&self) -> Result<BTreeMap<String, u64>, String> {
        const BEFORE: &str = "wasmcustom.sidegate.";
        let stats = self.envoy.stats(BEFORE)?;
        Ok(stats
            .into_iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(BEFORE)?.to_owned(), value)))
            .collect())
    }

    /// One of them; 0 where it has not been defined yet.
    ///
    /// # Errors
    /// The admin page cannot be reached.
    pub fn stat(&self, name: &str) -> Result<u64, String> {
        Ok(self.stats()?.get(name).copied().unwrap_or(0))
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// It is not within half a minute, or cannot be told; the message has the end of Envoy's log.
    pub fn wait(&self, what: &str, is_so: impl Fn() -> Result<bool, String>) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while !is_so()? {
            if Instant::now() > until {
                return Err(self.envoy.with_log(&format!("expected {what} within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// How often the pointer was polled.
    pub fn polls(&self) -> usize {
        self.server.count(&Publisher::path())
    }
}

/// The version in a response.
pub(super) fn version_of(response: &Response) -> Result<u32, String> {
    let values = response.values(super::VERSION_HEADER);
    let version = match values.as_slice() {
        [only] => std::str::from_utf8(only).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    match (response.status, version) {
        (200, Some(version)) => Ok(version),
        (status, version) => Err(format!("expected 200 and a version, got {status} and {version:?}")),
    }
}

/// Puts the members of `more` over those of `onto`, objects one in the other.
fn merge(onto: &mut Value, more: &Value) {
    let Value::Object(members) = more else { return };
    for (key, value) in members {
        if onto[key].is_object() && value.is_object() {
            merge(&mut onto[key], value);
        } else {
            onto[key] = value.clone();
        }
    }
}
