//! A real Prometheus as a child process, with the shipped configuration.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Connection, Request};
use crate::envoy::watch;
use crate::places;

const START: Duration = Duration::from_secs(30);

/// A sidecar that is scraped.
#[derive(Clone, Debug)]
pub struct Scraped {
    /// Its admin page.
    pub admin: SocketAddr,
    /// Namespace and name of its workload.
    pub workload: (String, String),
}

/// A running Prometheus. Dropping it ends it.
pub struct Prometheus {
    child: Child,
    watcher: Option<Child>,
    address: SocketAddr,
    log: PathBuf,
}

/// What a query has found for one set of labels.
#[derive(Clone, Debug)]
pub struct Series {
    /// The labels.
    pub labels: serde_json::Map<String, Value>,
    /// Seconds since 1970 and values, in order; one of an instant query.
    pub points: Vec<(f64, f64)>,
}

impl Prometheus {
    /// Starts one that scrapes every second, by the rules of `envoy-config/observability/prometheus.yaml`.
    ///
    /// # Errors
    /// It is not installed, or does not serve within half a minute.
    pub fn start(targets: &[Scraped], dir: &Path) -> Result<Self, String> {
        let binary = places::prometheus_binary("prometheus")?;
        fs::create_dir_all(dir).map_err(|e| format!("could not make {}: {e}", dir.display()))?;
        let config = dir.join("prometheus.json");
        fs::write(&config, config_of(targets)?.to_string()).map_err(|e| e.to_string())?;
        promtool(&["check", "config", &config.display().to_string()])?;
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?;
        let log = dir.join("prometheus.log");
        let to = fs::File::create(&log).map_err(|e| e.to_string())?;
        let child = Command::new(&binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(to)
            .spawn()
            .map_err(|e| format!("could not run {}: {e}", binary.display()))?;
        let watcher = watch(&child);
        let mut prometheus = Self { child, watcher, address, log };
        let deadline = Instant::now() + START;
        while !prometheus.get("/-/ready").is_ok_and(|(status, _)| status == 200) {
            let is_over = !matches!(prometheus.child.try_wait(), Ok(None));
            if is_over || Instant::now() > deadline {
                let log = fs::read_to_string(&prometheus.log).unwrap_or_default();
                return Err(format!("expected Prometheus to serve within {START:?}\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(prometheus)
    }

    /// What a query finds now.
    ///
    /// # Errors
    /// It cannot be parsed, or not be answered.
    pub fn query(&self, expr: &str) -> Result<Vec<Series>, String> {
        self.ask(expr, &format!("/api/v1/query?query={}", encoded(expr)))
    }

    /// What a query finds from one time to another (seconds since 1970).
    ///
    /// # Errors
    /// As [`Prometheus::query`].
    pub fn query_range(
        &self,
        expr: &str,
        (start, end): (u64, u64),
        step_s: u64,
    ) -> Result<Vec<Series>, String> {
        let query = encoded(expr);
        self.ask(expr, &format!("/api/v1/query_range?query={query}&start={start}&end={end}&step={step_s}"))
    }

    fn ask(&self, expr: &str, target: &str) -> Result<Vec<Series>, String> {
        let (_, body) = self.get(target)?;
        let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
        if answer["status"] != "success" {
            return Err(format!("expected an answer to `{expr}`, got {}", answer["error"]));
        }
        let point = |pair: &Value| -> Option<(f64, f64)> {
            Some((pair[0].as_f64()?, pair[1].as_str()?.parse().ok()?))
        };
        let series = |found: &Value| Series {
            labels: found["metric"].as_object().cloned().unwrap_or_default(),
            points: match found["values"].as_array() {
                Some(values) => values.iter().filter_map(point).collect(),
                None => point(&found["value"]).into_iter().collect(),
            },
        };
        Ok(answer["data"]["result"].as_array().into_iter().flatten().map(series).collect())
    }

    /// Waits until a query finds something.
    ///
    /// # Errors
    /// It does not within a minute.
    pub fn wait_for(&self, expr: &str) -> Result<Vec<Series>, String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.query(expr)?;
            if !found.is_empty() {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let (_, targets) = self.get("/api/v1/targets")?;
                return Err(format!("expected data for `{expr}` within a minute, got none: {targets}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn get(&self, target: &str) -> Result<(u16, String), String> {
        let headers =
            vec![(b"host".to_vec(), b"prometheus".to_vec()), (b"connection".to_vec(), b"close".to_vec())];
        let request =
            Request { method: "GET".to_owned(), target: target.as_bytes().to_vec(), headers, body: None };
        let response = Connection::open(self.address, None)?.send(&request)?;
        Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        for child in std::iter::once(&mut self.child).chain(self.watcher.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs `promtool`.
///
/// # Errors
/// It is not installed, or says no; the message has what it says.
pub fn promtool(arguments: &[&str]) -> Result<String, String> {
    let binary = places::prometheus_binary("promtool")?;
    let output = Command::new(&binary).args(arguments).output().map_err(|e| e.to_string())?;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if output.status.success() { Ok(text) } else { Err(format!("promtool {arguments:?}: {text}")) }
}

/// The shipped configuration with these sidecars instead of those that Kubernetes knows: Debian's Prometheus is built
/// without Kubernetes.
fn config_of(targets: &[Scraped]) -> Result<Value, String> {
    let folder = places::root().join("envoy-config/observability");
    let text = fs::read_to_string(folder.join("prometheus.yaml")).map_err(|e| e.to_string())?;
    let mut config: Value = serde_yaml_ng::from_str(&text).map_err(|e| e.to_string())?;
    config["rule_files"] = json!([folder.join("alerts.yaml")]);
    config["global"] = json!({"evaluation_interval": "1s"});
    let job = config["scrape_configs"][0].as_object_mut().ok_or("expected a job in prometheus.yaml")?;
    for dropped in ["kubernetes_sd_configs", "relabel_configs"] {
        job.remove(dropped).ok_or_else(|| format!("expected `{dropped}` in prometheus.yaml"))?;
    }
    job.insert("scrape_interval".to_owned(), json!("1s"));
    job.insert("scrape_timeout".to_owned(), json!("1s"));
    let targets: Vec<Value> = targets
        .iter()
        .map(|Scraped { admin, workload: (namespace, name) }| {
            json!({"targets": [admin.to_string()], "labels": {"namespace": namespace, "workload": name}})
        })
        .collect();
    job.insert("static_configs".to_owned(), json!(targets));
    Ok(config)
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
