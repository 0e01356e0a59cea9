//! istiod.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::Version;
use super::child::Child;
use super::cluster::Cluster;
use super::space::HUB;

/// What sidecars and their certificates know istiod by.
pub(super) const HOST: &str = "istiod.istio-system.svc";
/// Where it serves configuration and certificates, with TLS.
pub(super) const PORT: u16 = 15012;

/// The running istiod.
pub struct Control {
    _child: Child,
}

impl Control {
    /// Starts it on the objects of `cluster`, its CRDs applied.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(version: &Version, cluster: &Cluster, dir: &Path) -> Result<Self, String> {
        fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        let crds = version.file("crds.yaml")?.display().to_string();
        cluster.kubectl(&["apply", "--server-side", "-f", &crds])?;
        cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &crds])?;
        cluster.kubectl(&["create", "namespace", "istio-system"])?;
        let mesh = json!({
            "trustDomain": "cluster.local",
            "rootNamespace": "istio-system",
            // A file of the folder that the sidecar runs in.
            "accessLogFile": "access.log",
            "accessLogEncoding": "JSON",
            "accessLogFormat": super::pod::ACCESS_LOG,
            // Plain HTTP between pods is what these tests want to see refused.
            "defaultConfig": {"discoveryAddress": format!("{HOST}:{PORT}")},
        });
        let file = dir.join("mesh.yaml");
        fs::write(&file, mesh.to_string()).map_err(|e| e.to_string())?;
        let mut command = Command::new(version.file("pilot-discovery")?);
        command
            .arg("discovery")
            .arg("--kubeconfig")
            .arg(cluster.config())
            .arg("--meshConfig")
            .arg(&file)
            .args(["--networksConfig", "/nonexistent", "--ctrlz_port", "0"])
            .current_dir(dir)
            .envs([("POD_NAMESPACE", "istio-system"), ("POD_NAME", "istiod"), ("CLUSTER_ID", "Kubernetes")])
            .envs([("REVISION", "default"), ("PILOT_CERT_PROVIDER", "istiod")])
            // Two filters that only Istio's own build of Envoy has.
            .envs([("PILOT_ENABLE_METADATA_EXCHANGE", "false"), ("PILOT_ENABLE_ALPN_FILTER", "false")]);
        let mut child = Child::start("istiod", command, dir)?;
        child.wait("a port", |_| TcpStream::connect((HUB, PORT)).is_ok())?;
        // The certificates of its authority, for every namespace.
        child.wait("its root certificate", |_| root_certificate(cluster, "istio-system").is_ok())?;
        Ok(Self { _child: child })
    }
}

/// What pods of a namespace trust istiod by.
pub(super) fn root_certificate(cluster: &Cluster, namespace: &str) -> Result<String, String> {
    const PATH: &str = r"jsonpath={.data.root-cert\.pem}";
    let text = cluster.kubectl(&["get", "configmap", "-n", namespace, "istio-ca-root-cert", "-o", PATH])?;
    if text.is_empty() { Err("expected a certificate, found none".to_owned()) } else { Ok(text) }
}
