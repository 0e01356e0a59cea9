//! OPA with its Envoy plugin as it runs beside a sidecar: gRPC on the loopback, the policy from a bundle.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sidegate_bench::policy::Policy;

const START: Duration = Duration::from_secs(60);

/// The running OPA; dropping it ends it.
pub(crate) struct Opa {
    child: Child,
    dir: PathBuf,
    address: SocketAddr,
}

impl Opa {
    pub(crate) fn start(binary: &Path, policy: &Policy, dir: &Path) -> Result<Self, String> {
        let at = |e: std::io::Error| format!("could not write in {}: {e}", dir.display());
        fs::create_dir_all(dir).map_err(at)?;
        let bundle = dir.join("bundle.tar.gz");
        fs::write(&bundle, &policy.bundle).map_err(at)?;
        let address = free_address()?;
        let config = dir.join("config.json");
        let plugin = json!({"addr": address.to_string(), "path": policy.entrypoint});
        let text = json!({"plugins": {"envoy_ext_authz_grpc": plugin}}).to_string();
        fs::write(&config, text).map_err(at)?;
        let log = File::create(dir.join("opa.log")).map_err(at)?;
        let child = Command::new(binary)
            .args(["run", "--server", "--disable-telemetry", "--log-level", "error", "--addr"])
            .arg(format!("unix://{}", dir.join("rest.sock").display()))
            .arg("--config-file")
            .arg(&config)
            .arg("--bundle")
            .arg(&bundle)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(at)?)
            .stderr(log)
            .spawn()
            .map_err(|e| format!("could not run {}: {e}", binary.display()))?;
        let mut opa = Self { child, dir: dir.to_owned(), address };
        let deadline = Instant::now() + START;
        while TcpStream::connect(opa.address).is_err() {
            if let Ok(Some(status)) = opa.child.try_wait() {
                return Err(format!("expected OPA to serve, it ended with {status}\n{}", opa.log()));
            }
            if Instant::now() > deadline {
                return Err(format!("expected OPA to serve within {START:?}\n{}", opa.log()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(opa)
    }

    /// Where its plugin listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("opa.log")).unwrap_or_default()
    }
}

impl Drop for Opa {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The plugin cannot be asked which port it got, so it is given one that was free a moment ago.
fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"))?;
    listener.local_addr().map_err(|e| e.to_string())
}
