//! A Kubernetes API server with etcd behind it, and kubectl before it: no node, no controller, nothing but objects.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::child::{Child, run};
use super::space::HUB;
use crate::places;

const TOKEN: &str = "operator";
/// Addresses of services.
const SERVICES: &str = "10.98.0.0/16";

/// The running server.
pub struct Cluster {
    kubectl: PathBuf,
    config: PathBuf,
    cache: PathBuf,
    _server: Child,
    _etcd: Child,
}

impl Cluster {
    /// Starts one, its files in `dir`.
    ///
    /// # Errors
    /// A program is missing or does not come up.
    pub fn start(dir: &Path) -> Result<Self, String> {
        fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        let at = |name: &str| dir.join(name).display().to_string();
        let mut command = Command::new(places::etcd_binary()?);
        command
            .args(["--data-dir", &at("etcd"), "--listen-client-urls", "http://127.0.0.1:2379"])
            .args(["--advertise-client-urls", "http://127.0.0.1:2379"])
            .args(["--listen-peer-urls", "http://127.0.0.1:2380"]);
        let mut etcd = Child::start("etcd-log", command, dir)?;
        etcd.wait("a port", |_| std::net::TcpStream::connect("127.0.0.1:2379").is_ok())?;

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| e.to_string())?;
        write(&dir.join("accounts.key"), &key.serialize_pem())?;
        write(&dir.join("accounts.pub"), &key.public_key_pem())?;
        write(&dir.join("tokens.csv"), &format!("{TOKEN},operator,operator,\"system:masters\"\n"))?;
        let mut command = Command::new(places::kubernetes_binary("kube-apiserver")?);
        command
            .args(["--etcd-servers", "http://127.0.0.1:2379", "--cert-dir", &at("certs")])
            .args(["--service-account-key-file", &at("accounts.pub")])
            .args(["--service-account-signing-key-file", &at("accounts.key")])
            .args(["--service-account-issuer", "https://kubernetes.default.svc"])
            .args(["--api-audiences", "https://kubernetes.default.svc,istio-ca"])
            .args(["--service-cluster-ip-range", SERVICES, "--authorization-mode", "AlwaysAllow"])
            .args(["--token-auth-file", &at("tokens.csv")])
            .args(["--bind-address", &HUB.to_string(), "--secure-port", "6443"])
            // There is no controller that makes each namespace its account.
            .args(["--disable-admission-plugins", "ServiceAccount"]);
        let mut server = Child::start("kube-apiserver", command, dir)?;
        let config = dir.join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
            "clusters": [{"name": "e2e", "cluster": {
                "server": format!("https://{HUB}:6443"), "insecure-skip-tls-verify": true}}],
            "users": [{"name": "operator", "user": {"token": TOKEN}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "operator"}}],
        });
        write(&config, &text.to_string())?;
        let kubectl = places::kubernetes_binary("kubectl")?;
        let cache = dir.join("kubectl");
        let ask = |path: &str| {
            run(Command::new(&kubectl).args([
                "--kubeconfig",
                &config.display().to_string(),
                "get",
                "--raw",
                path,
            ]))
        };
        server.wait("readiness", |_| ask("/readyz").is_ok())?;
        Ok(Self { kubectl, config, cache, _server: server, _etcd: etcd })
    }

    /// How others reach it.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Runs kubectl.
    ///
    /// # Errors
    /// It fails; the message has what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        run(self.command().args(arguments))
    }

    /// Runs kubectl in a folder.
    ///
    /// # Errors
    /// It fails; the message has what it said.
    pub fn kubectl_in(&self, dir: &Path, arguments: &[&str]) -> Result<String, String> {
        run(self.command().current_dir(dir).args(arguments))
    }

    /// Applies an object, or what a text has of them.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn apply(&self, objects: &str) -> Result<String, String> {
        self.feed(&["apply", "-f", "-"], objects)
    }

    /// Runs kubectl with `text` on its standard input.
    ///
    /// # Errors
    /// It fails; the message has what it said.
    pub fn feed(&self, arguments: &[&str], text: &str) -> Result<String, String> {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("could not run kubectl: {e}"))?;
        child
            .stdin
            .take()
            .ok_or("expected a pipe")?
            .write_all(text.as_bytes())
            .map_err(|e| format!("could not write to kubectl: {e}"))?;
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("`kubectl {}`: {said}{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
    }

    /// Applies objects that are JSON already.
    ///
    /// # Errors
    /// The server refuses one.
    pub fn apply_all(&self, objects: &[Value]) -> Result<(), String> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.apply(&list.to_string()).map(|_| ())
    }

    /// kubectl, to be told what to do.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.config).arg("--cache-dir").arg(&self.cache);
        command
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("could not write {}: {e}", path.display()))
}
