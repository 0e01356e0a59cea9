//! A real OPA with its Envoy plugin, one entry point and one socket for each policy.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, json};

use super::policy::Policy;

const START: Duration = Duration::from_secs(60);

/// The running OPA; dropping it ends it.
pub struct Opa {
    child: Child,
    dir: PathBuf,
}

impl Opa {
    /// Starts `binary` with these policies, its files in `dir`, and waits until it answers for all of them.
    ///
    /// # Errors
    /// It does not start or refuses a policy; the message has its log.
    pub fn start(binary: &Path, policies: &[Policy], dir: &Path) -> Result<Self, String> {
        let at = |e: std::io::Error| format!("could not write in {}: {e}", dir.display());
        fs::create_dir_all(dir).map_err(at)?;
        let mut files = Vec::new();
        let mut plugins = Map::new();
        for policy in policies {
            let file = dir.join(format!("{}.rego", policy.name));
            fs::write(&file, &policy.rego).map_err(at)?;
            files.push(file);
            if policy.data.as_object().is_some_and(|data| !data.is_empty()) {
                let file = dir.join(format!("{}.json", policy.name));
                fs::write(&file, policy.data.to_string()).map_err(at)?;
                files.push(file);
            }
            let addr = format!("unix://{}", socket(dir, &policy.name).display());
            plugins.insert(plugin(policy), json!({"addr": addr, "path": policy.entrypoint()}));
        }
        let config = dir.join("config.json");
        fs::write(&config, json!({"plugins": plugins}).to_string()).map_err(at)?;
        let names: Vec<String> = policies.iter().map(plugin).collect();
        let log = File::create(dir.join("opa.log")).map_err(at)?;
        let child = Command::new(binary)
            .args(["run", "--server", "--disable-telemetry", "--log-level", "error", "--addr"])
            .arg(format!("unix://{}", socket(dir, "rest").display()))
            .arg("--config-file")
            .arg(&config)
            .args(&files)
            .env("SIDEGATE_PLUGINS", names.join(","))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(at)?)
            .stderr(log)
            .spawn()
            .map_err(|e| format!("could not run {}: {e}", binary.display()))?;
        let mut opa = Self { child, dir: dir.to_owned() };
        let deadline = Instant::now() + START;
        for policy in policies {
            while UnixStream::connect(opa.socket(&policy.name)).is_err() {
                if let Ok(Some(status)) = opa.child.try_wait() {
                    return Err(format!("expected OPA to serve, it ended with {status}\n{}", opa.log()));
                }
                if Instant::now() > deadline {
                    return Err(format!("expected OPA to serve within {START:?}\n{}", opa.log()));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(opa)
    }

    /// Where the plugin of a policy listens.
    pub fn socket(&self, policy: &str) -> PathBuf {
        socket(&self.dir, policy)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("opa.log")).unwrap_or_default()
    }
}

impl Drop for Opa {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn plugin(policy: &Policy) -> String {
    format!("sidegate_{}", policy.name)
}

fn socket(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.sock"))
}
