//! A real Envoy as a child process: started, asked, stopped; gone when it is dropped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Connection, Request};
use crate::{places, process};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(5);
const LOG_TAIL: usize = 40;

/// A running Envoy. Dropping it ends it.
pub struct Envoy {
    version: String,
    child: Child,
    watcher: Option<Child>,
    log: PathBuf,
    admin: SocketAddr,
    listeners: BTreeMap<String, SocketAddr>,
}

/// How an Envoy is to be run.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Version.
    pub version: String,
    /// Worker threads.
    pub workers: usize,
    /// Tells its files from those of others in the same folder.
    pub name: String,
    /// Arguments besides; those of a hot restart among them, which is off where they say nothing of it.
    pub arguments: Vec<String>,
    /// Variables of its environment besides.
    pub environment: Vec<(String, String)>,
    /// Bytes of address space that it may have, if that is limited.
    pub address_space: Option<u64>,
}

/// What `envoy --mode validate` said.
pub struct Validation {
    /// Whether it took the configuration.
    pub accepted: bool,
    /// Its log.
    pub log: String,
}

impl Launch {
    /// As it comes, with so many workers.
    pub fn new(version: &str, workers: usize) -> Self {
        Self {
            version: version.to_owned(),
            workers,
            name: "envoy".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            address_space: None,
        }
    }
}

impl Envoy {
    /// Starts `version` with one worker, its files in `dir`, and waits until all listeners serve.
    ///
    /// # Errors
    /// It is not installed, exits or is not ready within a minute; the message has the end of its log.
    pub fn start(version: &str, config: &Value, dir: &Path) -> Result<Self, String> {
        Self::start_with(version, config, dir, 1)
    }

    /// The same with so many workers.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub fn start_with(version: &str, config: &Value, dir: &Path, workers: usize) -> Result<Self, String> {
        Self::launch(&Launch::new(version, workers), config, dir)
    }

    /// The same as it is told.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub fn launch(launch: &Launch, config: &Value, dir: &Path) -> Result<Self, String> {
        let Launch { version, workers, name, arguments, environment, address_space } = launch;
        let binary = places::envoy_binary(version)?;
        fs::create_dir_all(dir).map_err(|e| format!("could not make {}: {e}", dir.display()))?;
        let config_path = write_config(config, dir)?;
        let admin_path = dir.join(format!("{name}.admin.txt"));
        let _ = fs::remove_file(&admin_path);
        let log = dir.join(format!("{name}.log"));
        let mut command = command(&binary, *address_space, &config_path, &log)?;
        if !arguments.iter().any(|argument| argument == "--restart-epoch") {
            command.arg("--disable-hot-restart");
        }
        let child = command
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .arg("--admin-address-path")
            .arg(&admin_path)
            .args(["--concurrency", &workers.to_string(), "--file-flush-interval-msec", "10"])
            .spawn()
            .map_err(|e| format!("could not run {}: {e}", binary.display()))?;
        let watcher = watch(&child);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self {
            version: version.to_owned(),
            child,
            watcher,
            log,
            admin: nowhere,
            listeners: BTreeMap::new(),
        };
        envoy.wait_until_ready(&admin_path)?;
        Ok(envoy)
    }

    fn wait_until_ready(&mut self, admin_path: &Path) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|e| e.to_string())? {
                return Err(self
                    .with_log(&format!("expected envoy {} to serve, it ended with {status}", self.version)));
            }
            if let Some(admin) = fs::read_to_string(admin_path).ok().and_then(|text| text.trim().parse().ok())
            {
                self.admin = admin;
                if self.admin("GET", "/ready").is_ok_and(|(status, _)| status == 200) {
                    break;
                }
            }
            if Instant::now() > deadline {
                return Err(
                    self.with_log(&format!("expected envoy {} to serve within {START:?}", self.version))
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let (_, body) = self.admin("GET", "/listeners?format=json")?;
        let listed: Value =
            serde_json::from_str(&body).map_err(|e| format!("expected listeners as JSON: {e}"))?;
        for status in listed["listener_statuses"].as_array().into_iter().flatten() {
            let at = &status["local_address"]["socket_address"];
            let port = at["port_value"].as_u64().and_then(|p| u16::try_from(p).ok());
            if let (Some(name), Some(port)) = (status["name"].as_str(), port) {
                self.listeners.insert(name.to_owned(), SocketAddr::from(([127, 0, 0, 1], port)));
            }
        }
        Ok(())
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its admin page is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Where the listener of this name got its port.
    ///
    /// # Errors
    /// There is no such listener.
    pub fn listener(&self, name: &str) -> Result<SocketAddr, String> {
        self.listeners
            .get(name)
            .copied()
            .ok_or_else(|| self.with_log(&format!("expected a listener `{name}`, found none")))
    }

    /// Asks the admin page.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn admin(&self, method: &str, path: &str) -> Result<(u16, String), String> {
        let request = Request {
            method: method.to_owned(),
            target: path.as_bytes().to_vec(),
            headers: vec![(b"host".to_vec(), b"admin".to_vec()), (b"connection".to_vec(), b"close".to_vec())],
            body: None,
        };
        let response = Connection::open(self.admin, None)?.send(&request)?;
        Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
    }

    /// The counters and gauges whose names hold `part`.
    ///
    /// # Errors
    /// The admin page cannot be reached.
    pub fn stats(&self, part: &str) -> Result<BTreeMap<String, u64>, String> {
        let (_, body) = self.admin("GET", "/stats")?;
        Ok(body
            .lines()
            .filter_map(|line| line.rsplit_once(": "))
            .filter(|(name, _)| name.contains(part))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// CPU that the process has used so far, in nanoseconds.
    ///
    /// # Errors
    /// As [`process::cpu_nanoseconds`].
    pub fn cpu_nanoseconds(&self) -> Result<u64, String> {
        process::cpu_nanoseconds(self.pid())
    }

    /// Memory that the process has resident, in KiB.
    ///
    /// # Errors
    /// As [`process::resident_kib`].
    pub fn resident_kib(&self) -> Result<u64, String> {
        process::resident_kib(self.pid())
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// `message` with the end of the log below it.
    pub fn with_log(&self, message: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
        format!("{message}\n--- the end of the log of envoy {} ---\n{}\n---", self.version, tail.join("\n"))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Asked first, so that it may write what it has; then ended, whatever it does.
        if self.admin.port() != 0 && self.runs() && self.admin("POST", "/quitquitquit").is_ok() {
            let deadline = Instant::now() + STOP;
            while Instant::now() < deadline && self.runs() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
    }
}

/// A process that ends `child` when ours dies without running its destructors (an abort, a `kill -9`): its
/// standard input then ends.
pub(crate) fn watch(child: &Child) -> Option<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"$0\"", &child.id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

/// Runs `envoy --mode validate`, which runs the filter's own check of its configuration.
///
/// # Errors
/// It is not installed or does not end within a minute.
pub fn validate(version: &str, config: &Value, dir: &Path) -> Result<Validation, String> {
    let binary = places::envoy_binary(version)?;
    let config_path = write_config(config, dir)?;
    let log = dir.join("envoy.log");
    let mut child = command(&binary, None, &config_path, &log)?
        .args(["--disable-hot-restart", "--mode", "validate"])
        .spawn()
        .map_err(|e| format!("could not run {}: {e}", binary.display()))?;
    let deadline = Instant::now() + START;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(Validation { accepted: status.success(), log: read_log(&log) });
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!(
                "expected envoy {version} --mode validate to end within {START:?}\n{}",
                read_log(&log)
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn write_config(config: &Value, dir: &Path) -> Result<PathBuf, String> {
    let path = dir.join("envoy.json");
    let text = serde_json::to_vec_pretty(config).map_err(|e| e.to_string())?;
    fs::write(&path, text).map_err(|e| format!("could not write {}: {e}", path.display()))?;
    Ok(path)
}

fn command(binary: &Path, address_space: Option<u64>, config: &Path, log: &Path) -> Result<Command, String> {
    let to = File::create(log).map_err(|e| format!("could not write {}: {e}", log.display()))?;
    let mut command = match address_space {
        None => Command::new(binary),
        Some(bytes) => {
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--as={bytes}")).arg(binary);
            limited
        }
    };
    command
        .arg("-c")
        .arg(config)
        .args(["-l", "warning", "--component-log-level", "wasm:info"])
        .args(["--log-format", "[%l][%n] %v"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(to);
    Ok(command)
}

fn read_log(log: &Path) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
