//! The sidecar: listeners and the filter's configuration from files that may change (LDS and ECDS), a gRPC service
//! behind it, a server of bundles, and a filter that traps when it is asked to.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use serde_json::{Value, json};

use crate::bundle_server::BundleServer;
use crate::certs::{Authority, Identity, spiffe};
use crate::client::{Body, Connection, Request};
use crate::envoy::{Envoy, Launch};
use crate::envoy_config::{Listener, address, bootstrap, cluster, grpc_cluster, wasm_filter};
use crate::grpc_upstream::GrpcUpstream;
use crate::mix::FRIEND;
use crate::places;
use crate::rollout::{WORKLOAD, trapping_if};

const LISTENER: &str = "inbound";
/// The filter's name, and so that of its configuration in ECDS.
const FILTER: &str = "sidegate";
/// A body of this length ends the VM that gets it.
pub const TRAP_BYTES: usize = 7777;

/// What a sidecar is to be like.
pub struct SidecarOptions {
    /// Version of Envoy.
    pub envoy: String,
    /// The keys that are trusted, as `verify.keys` has them.
    pub keys: Value,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Whether a hot restart is to be possible.
    pub is_hot: bool,
    /// The filter; one that traps on a body of [`TRAP_BYTES`] where none is named.
    pub wasm: Option<PathBuf>,
    /// How long requests are held for the first policy.
    pub first_wait: &'static str,
}

/// The running sidecar.
pub struct Sidecar {
    /// Where it fetches from.
    pub server: BundleServer,
    grpc: GrpcUpstream,
    options: SidecarOptions,
    dir: PathBuf,
    wasm: PathBuf,
    own: Identity,
    friend: Identity,
    port: u16,
    envoy: Option<Envoy>,
    epoch: u32,
    version: u32,
    _reserved: OwnedFd,
}

/// Threads that decide.
pub const WORKERS: usize = 4;

impl Sidecar {
    /// Starts it with its files in `dir`. The server may have something to serve already.
    ///
    /// # Errors
    /// Envoy does not start.
    pub fn start(server: BundleServer, options: SidecarOptions, dir: &Path) -> Result<Self, String> {
        let authority = Authority::new(&dir.join("certs"));
        let wasm = match &options.wasm {
            Some(wasm) => wasm.clone(),
            None => {
                let to = dir.join("trapping.wasm");
                let value = i32::try_from(TRAP_BYTES).map_err(|e| e.to_string())?;
                trapping_if(&places::filter_wasm()?, &to, "proxy_on_request_body", 1, value)?;
                to
            }
        };
        let (port, reserved) = reserve()?;
        let mut sidecar = Self {
            server,
            grpc: GrpcUpstream::start(),
            options,
            dir: dir.to_owned(),
            wasm,
            own: authority.identity("service", &spiffe(WORKLOAD.0, WORKLOAD.1)),
            friend: authority.identity("friend", FRIEND),
            port,
            envoy: None,
            epoch: 0,
            version: 0,
            _reserved: reserved,
        };
        let (listener, filter) = (sidecar.listener(), sidecar.filter(4096));
        sidecar.put_listener(&listener)?;
        sidecar.put_filter(&filter)?;
        sidecar.envoy = Some(sidecar.launch()?);
        Ok(sidecar)
    }

    /// The process.
    ///
    /// # Errors
    /// It is just being started anew.
    pub fn envoy(&self) -> Result<&Envoy, String> {
        self.envoy.as_ref().ok_or_else(|| "expected a running envoy".to_owned())
    }

    /// Where it listens, whichever process it is.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The certificate of the friend.
    pub fn friend(&self) -> &Identity {
        &self.friend
    }

    /// The filter's own stats of this name, over all plugins.
    ///
    /// # Errors
    /// The admin page cannot be reached.
    pub fn stat(&self, part: &str) -> Result<u64, String> {
        Ok(self.envoy()?.stats(part)?.values().sum())
    }

    /// Ends the process and starts another one.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<(), String> {
        self.envoy = None;
        self.epoch = 0;
        self.envoy = Some(self.launch()?);
        Ok(())
    }

    /// Starts another process that takes over from the one that runs, which then ends.
    ///
    /// # Errors
    /// It does not start, or the old one does not end.
    pub fn hot_restart(&mut self) -> Result<(), String> {
        self.epoch += 1;
        let next = self.launch()?;
        let mut old = self.envoy.replace(next);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while old.as_mut().is_some_and(Envoy::runs) {
            if std::time::Instant::now() > until {
                return Err("expected the old envoy to end after a hot restart, it did not".to_owned());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(())
    }

    /// Sends what makes the VM trap that gets it, and says whether one did.
    ///
    /// # Errors
    /// No connection.
    pub fn trap(&self) -> Result<bool, String> {
        let text = |text: &str| text.as_bytes().to_vec();
        let headers = vec![
            (text("host"), text("cart.shop")),
            (text("content-type"), text("application/json")),
            (text("content-length"), text(&TRAP_BYTES.to_string())),
        ];
        let body = Some(Body { bytes: vec![b' '; TRAP_BYTES], chunks: None, trailers: Vec::new() });
        let request = Request { method: "POST".to_owned(), target: text("/body"), headers, body };
        let answer = Connection::open(self.address(), None)?.send(&request);
        Ok(answer.is_ok_and(|response| response.status == 503))
    }

    /// The listener as it should be.
    pub fn listener(&self) -> Value {
        let listener = Listener {
            name: LISTENER,
            identity: &self.own,
            plaintext: true,
            filters: vec![json!({
                "name": FILTER,
                "config_discovery": {
                    "config_source": {
                        "path_config_source": {"path": self.dir.join("ecds.json")},
                        "resource_api_version": "V3"
                    },
                    "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"]
                }
            })],
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let mut listener = listener.to_json();
        listener["address"] = address("127.0.0.1", self.port);
        for chain in listener["filter_chains"].as_array_mut().into_iter().flatten() {
            let routes =
                &mut chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"];
            let grpc =
                json!({"match": {"prefix": "/", "grpc": {}}, "route": {"cluster": "grpc", "timeout": "15s"}});
            routes.as_array_mut().into_iter().for_each(|routes| routes.insert(0, grpc.clone()));
        }
        listener
    }

    /// The filter's configuration as it should be.
    pub fn filter(&self, cache_entries: u32) -> Value {
        let plugin = json!({
            "version": 1,
            "bundle": {"http": {
                "cluster": "bundles",
                "authority": "bundles.test",
                "interval": "1s",
                "timeout": "2s",
                "first_wait": self.options.first_wait,
            }},
            "verify": {"keys": self.options.keys},
            "limits": {"cache_entries": cache_entries},
        });
        wasm_filter(FILTER, &self.wasm, &plugin.to_string())["typed_config"].clone()
    }

    /// Gives the proxy a listener.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_listener(&mut self, listener: &Value) -> Result<(), String> {
        self.put("lds.json", "type.googleapis.com/envoy.config.listener.v3.Listener", listener.clone())
    }

    /// Gives the filter a configuration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_filter(&mut self, filter: &Value) -> Result<(), String> {
        let resource = json!({"name": FILTER, "typed_config": filter});
        self.put("ecds.json", "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", resource)
    }

    /// Writes a resource; Envoy looks when the file is moved to its place.
    fn put(&mut self, name: &str, kind: &str, mut resource: Value) -> Result<(), String> {
        self.version += 1;
        resource["@type"] = json!(kind);
        let text = json!({"version_info": self.version.to_string(), "resources": [resource]}).to_string();
        let (new, path) = (self.dir.join(format!("{name}.new")), self.dir.join(name));
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|e| format!("could not write {}: {e}", path.display()))
    }

    fn launch(&self) -> Result<Envoy, String> {
        let grpc = address("127.0.0.1", self.grpc.address().port());
        let clusters = [cluster("bundles", self.server.address()), grpc_cluster("grpc", grpc)];
        let mut config = bootstrap(&[], &clusters);
        config["node"]["metadata"] = json!({
            "NAMESPACE": WORKLOAD.0,
            "LABELS": {"service.istio.io/canonical-name": WORKLOAD.1},
        });
        config["dynamic_resources"] = json!({"lds_config": {
            "path_config_source": {"path": self.dir.join("lds.json")},
            "resource_api_version": "V3"
        }});
        let mut arguments = Vec::new();
        if self.options.is_hot {
            let base = self.dir.join("base-id");
            let text = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
            arguments.extend(text(&["--restart-epoch", &self.epoch.to_string()]));
            arguments.extend(match self.epoch {
                0 => text(&["--use-dynamic-base-id", "--base-id-path", &base.display().to_string()]),
                _ => {
                    let id = std::fs::read_to_string(&base).map_err(|e| format!("no base id: {e}"))?;
                    text(&["--base-id", id.trim()])
                }
            });
            arguments.extend(text(&["--drain-time-s", "2", "--parent-shutdown-time-s", "4"]));
        }
        let launch = Launch {
            name: format!("envoy-{}", self.epoch),
            arguments,
            environment: self.options.environment.clone(),
            ..Launch::new(&self.options.envoy, WORKERS)
        };
        Envoy::launch(&launch, &config, &self.dir)
    }
}

/// A port for Envoy that nobody else gets while the socket lives.
fn reserve() -> Result<(u16, OwnedFd), String> {
    let reserve = || {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        Ok::<_, rustix::io::Errno>((SocketAddr::try_from(getsockname(&socket)?)?.port(), socket))
    };
    reserve().map_err(|e| format!("could not reserve a port: {e}"))
}
