//! A real Envoy: one process for all files of cases, one listener for each, one VM for all of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Observed;
use crate::bytes::escape;
use crate::case::{CaseFile, RequestCase, SERVICE};
use crate::certs::{Authority, Identity, spiffe};
use crate::client::Connection;
use crate::envoy::Envoy;
use crate::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use crate::upstream::{Echo, Upstream};
use crate::vms::Vms;

/// An Envoy with a listener for each file of cases, and what they need.
pub struct Fleet {
    envoy: Envoy,
    upstreams: BTreeMap<String, Upstream>,
    /// The access logs of files whose requests are to leave filter state, with the lines they have.
    logs: BTreeMap<String, Log>,
    /// By the URI SANs of their certificates.
    callers: BTreeMap<Vec<String>, Identity>,
    vms: Vms,
}

/// One line for each request: its filter state.
struct Log {
    path: PathBuf,
    lines: AtomicUsize,
}

/// What the access log shows of a request.
const LINE: &str = "%FILTER_STATE(wasm.sidegate.dynamic_metadata:PLAIN)%";
const LOG_DEADLINE: Duration = Duration::from_secs(20);

impl Log {
    /// The line of the request that has just been answered.
    fn next(&self) -> Result<String, String> {
        let deadline = Instant::now() + LOG_DEADLINE;
        let wanted = self.lines.load(Ordering::SeqCst) + 1;
        loop {
            let text = std::fs::read_to_string(&self.path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            if text.ends_with('\n') && lines.len() >= wanted {
                self.lines.store(lines.len(), Ordering::SeqCst);
                return Ok(escape(lines[lines.len() - 1].as_bytes()));
            }
            if Instant::now() > deadline {
                return Err(format!("expected line {wanted} in the access log, got {}", lines.len()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Fleet {
    /// Starts Envoy `version` with the built filter and these files' bundles.
    ///
    /// # Errors
    /// Envoy does not start, or the filter refuses a configuration; the message has the end of its log.
    pub fn start(
        version: &str,
        wasm: &Path,
        files: &[(&CaseFile, &[u8])],
        dir: &Path,
    ) -> Result<Self, String> {
        let authority = Authority::new(&dir.join("certs"));
        let own = authority.identity("service", &spiffe(SERVICE.0, SERVICE.1));
        let mut callers = BTreeMap::new();
        let mut upstreams = BTreeMap::new();
        let (mut listeners, mut clusters, mut logs) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (file, bundle) in files {
            for request in file.all() {
                let uris = request.uri_sans();
                if request.from.is_some() && !callers.contains_key(&uris) {
                    let identity = authority.identity_of(&format!("caller-{}", callers.len()), &uris);
                    callers.insert(uris, identity);
                }
            }
            let upstream = Upstream::start();
            clusters.push(cluster(&file.name, upstream.address()));
            upstreams.insert(file.name.clone(), upstream);
            let path = dir.join(format!("{}.log", file.name));
            let is_logged = file.all().any(|request| request.want.dynamic_metadata.is_some());
            let mut filters = file.filters_before.clone();
            filters.push(wasm_filter(&file.name, wasm, &file.configuration(bundle)));
            let listener = Listener {
                name: &file.name,
                identity: &own,
                plaintext: true,
                filters,
                route_metadata: file.route_metadata.clone(),
                access_log: is_logged.then_some((path.as_path(), LINE)),
                cluster: Some(&file.name),
            };
            listeners.push(listener.to_json());
            if is_logged {
                logs.insert(file.name.clone(), Log { path, lines: AtomicUsize::new(0) });
            }
        }
        let envoy = Envoy::start(version, &bootstrap(&listeners, &clusters), dir)?;
        let vms = Vms::of(&envoy)?;
        Ok(Self { envoy, upstreams, logs, callers, vms })
    }

    /// Asks it one request of one file, on a new connection.
    ///
    /// # Errors
    /// The connection breaks, or the upstream's answer does not get through.
    pub fn ask(&self, file: &CaseFile, request: &RequestCase) -> Result<Observed, String> {
        let explain = |e: String| self.envoy.with_log(&e);
        let upstream = self.upstreams.get(&file.name).ok_or("the file is not served")?;
        let identity = match &request.from {
            Some(_) => Some(self.callers.get(&request.uri_sans()).ok_or("the caller has no certificate")?),
            None => None,
        };
        let (before, bytes_before) = (upstream.served(), upstream.received());
        let mut connection = Connection::open(self.envoy.listener(&file.name)?, identity).map_err(explain)?;
        let response = connection.send(&request.to_wire()?).map_err(explain)?;
        let upstream = match upstream.served() - before {
            0 => match upstream.received() - bytes_before {
                0 => None,
                n => return Err(format!("expected not a byte of a denied request upstream, got {n}")),
            },
            1 => Some(serde_json::from_slice::<Echo>(&response.body).map_err(|e| {
                format!("expected the upstream's answer, got `{}`: {e}", escape(&response.body))
            })?),
            n => return Err(format!("expected at most one request at the upstream, got {n}")),
        };
        let dynamic_metadata = self.logs.get(&file.name).map(Log::next).transpose().map_err(explain)?;
        Ok(Observed {
            dynamic_metadata,
            status: response.status,
            upstream,
            response_headers: response.headers.iter().map(|(n, v)| (n.clone(), escape(v))).collect(),
            body: escape(&response.body),
        })
    }

    /// Where the listener of a file is.
    ///
    /// # Errors
    /// The file is not served.
    pub fn address(&self, file: &str) -> Result<SocketAddr, String> {
        self.envoy.listener(file)
    }

    /// Where Envoy's admin page is.
    pub fn admin_address(&self) -> SocketAddr {
        self.envoy.admin_address()
    }

    /// Whether Envoy still runs.
    pub fn runs(&mut self) -> bool {
        self.envoy.runs()
    }

    /// Whether all VMs are still those of the start: none was reloaded, made anew or failed.
    ///
    /// # Errors
    /// One was; the message has the stats that moved.
    pub fn check_vms(&self) -> Result<(), String> {
        self.vms.check(&self.envoy)
    }

    /// The wasm stats, for reports.
    ///
    /// # Errors
    /// The admin page cannot be reached.
    pub fn wasm_stats(&self) -> Result<BTreeMap<String, u64>, String> {
        self.envoy.stats("wasm.")
    }
}
