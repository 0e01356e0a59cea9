//! A pod: its objects, its namespaces, Istio's agent with Envoy in them, and what the pod is there for.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Version;
use super::child::{Child, run};
use super::cluster::Cluster;
use super::control::{HOST, PORT, root_certificate};
use super::space::{HUB, Space};
use super::workload::{Answer, Client, Question};
use crate::places;

/// The user that sidecars run as, whose traffic Istio does not redirect.
const USER: &str = "1337";
/// What docs/observability.md tells people to have.
pub(super) const ACCESS_LOG: &str = r#"{"path":"%REQ(:PATH)%","status":"%RESPONSE_CODE%","details":"%RESPONSE_CODE_DETAILS%","peer":"%DOWNSTREAM_PEER_URI_SAN%","sidegate":"%FILTER_STATE(wasm.sidegate:PLAIN)%"}"#;
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15000);

/// What kind of proxy a pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A sidecar, which all traffic of the pod is redirected to.
    Sidecar,
    /// A gateway: the proxy is what the pod is for.
    Gateway,
}

/// What a pod is to be.
#[derive(Clone, Copy, Debug)]
pub struct PodSpec {
    /// Its namespace.
    pub namespace: &'static str,
    /// The deployment that it belongs to, and its label `app`.
    pub workload: &'static str,
    /// Its service account.
    pub account: &'static str,
    /// The last part of its address.
    pub number: u8,
    /// Its proxy.
    pub role: Role,
    /// Whether a service runs in it, on port 8080.
    pub serves: bool,
}

/// A running pod.
pub struct Pod {
    spec: PodSpec,
    dir: PathBuf,
    agent: Child,
    client: Client,
    _service: Option<Child>,
    space: Space,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Gateway => "router",
        }
    }
}

impl PodSpec {
    fn name(&self) -> String {
        format!("{}-1", self.workload)
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        let [a, b, c, _] = HUB.octets();
        Ipv4Addr::new(a, b, c, self.number)
    }

    /// The address of its service.
    pub fn service(&self) -> SocketAddr {
        SocketAddr::from(([10, 98, 0, self.number], 80))
    }

    /// The host of its service.
    pub fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.workload, self.namespace)
    }

    fn labels(&self) -> Value {
        let Self { workload, role, .. } = *self;
        match role {
            Role::Sidecar => json!({"app": workload, "security.istio.io/tlsMode": "istio"}),
            Role::Gateway => json!({"app": workload, "istio": "ingressgateway"}),
        }
    }

    /// What a controller and a node would have written of it.
    fn objects(&self) -> Vec<Value> {
        let Self { namespace, workload, account, serves, .. } = *self;
        let labels = self.labels();
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": account, "namespace": namespace}}),
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": self.name(), "namespace": namespace, "labels": labels},
                "spec": {"serviceAccountName": account, "nodeName": "node",
                    "containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]}}),
        ];
        if serves {
            let metadata = json!({"name": workload, "namespace": namespace});
            objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {
                "clusterIP": self.service().ip(), "selector": {"app": workload},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}));
            objects.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": self.name(), "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": workload}},
                "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                "endpoints": [{"addresses": [self.address()], "conditions": {"ready": true},
                    "targetRef": {"kind": "Pod", "name": self.name(), "namespace": namespace}}]}));
        }
        objects
    }

    /// What the agent's environment says, as the injector writes it.
    fn environment(&self, version: &Version) -> Vec<(String, String)> {
        let Self { namespace, workload, account, .. } = *self;
        let config = json!({
            "discoveryAddress": format!("{HOST}:{PORT}"),
            "binaryPath": "/var/lib/istio/bin/envoy",
            "configPath": "/var/lib/istio/pod/proxy",
            "proxyBootstrapTemplatePath": "/var/lib/istio/bin/envoy_bootstrap.json",
            "concurrency": 2,
            "terminationDrainDuration": "1s",
            // How long connections are served as before when a listener changes: 45 s by default.
            "drainDuration": "5s",
            // As docs/observability.md has it, and what the test itself wants to know.
            "proxyStatsMatcher": {"inclusionPrefixes": [
                "wasmcustom.sidegate", "wasm.sidegate", "extension_config_discovery", "listener_manager"]},
        });
        let labels = self.labels();
        let owner = format!("kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{workload}");
        [
            ("POD_NAME", self.name()),
            ("POD_NAMESPACE", namespace.to_owned()),
            ("INSTANCE_IP", self.address().to_string()),
            ("SERVICE_ACCOUNT", account.to_owned()),
            ("TRUST_DOMAIN", "cluster.local".to_owned()),
            ("CA_ADDR", format!("{HOST}:{PORT}")),
            ("PILOT_CERT_PROVIDER", "istiod".to_owned()),
            ("JWT_POLICY", "third-party-jwt".to_owned()),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes".to_owned()),
            ("ISTIO_META_INTERCEPTION_MODE", "REDIRECT".to_owned()),
            ("ISTIO_META_WORKLOAD_NAME", workload.to_owned()),
            ("ISTIO_META_OWNER", owner),
            ("ISTIO_META_ISTIO_VERSION", format!("{}.0", version.istio)),
            ("ISTIO_METAJSON_LABELS", labels.to_string()),
            ("PROXY_CONFIG", config.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Pod {
    /// Starts it and waits until its sidecar has its configuration.
    ///
    /// # Errors
    /// Something of it does not come up.
    pub fn start(
        spec: PodSpec,
        version: &Version,
        cluster: &Cluster,
        module: &Path,
        dir: &Path,
    ) -> Result<Self, String> {
        let name = spec.name();
        let dir = dir.join(&name);
        fs::create_dir_all(dir.join("pod/var/run/secrets/tokens")).map_err(|e| e.to_string())?;
        fs::create_dir_all(dir.join("pod/var/run/secrets/istio")).map_err(|e| e.to_string())?;
        cluster.apply_all(&spec.objects())?;
        let address = spec.address();
        let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}]}});
        let patch = status.to_string();
        cluster.kubectl(&[
            "patch",
            "pod",
            "-n",
            spec.namespace,
            &name,
            "--subresource=status",
            "-p",
            &patch,
        ])?;
        let token = cluster.kubectl(&[
            "create",
            "token",
            spec.account,
            "-n",
            spec.namespace,
            "--audience",
            "istio-ca",
            "--bound-object-kind",
            "Pod",
            "--bound-object-name",
            &name,
        ])?;
        let write = |path: &str, text: &str| {
            fs::write(dir.join(path), text).map_err(|e| format!("could not write {path}: {e}"))
        };
        write("pod/var/run/secrets/tokens/istio-token", token.trim())?;
        let mut root = root_certificate(cluster, spec.namespace);
        // istiod writes it into a new namespace when it sees that.
        for _ in 0..100 {
            if root.is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            root = root_certificate(cluster, spec.namespace);
        }
        write("pod/var/run/secrets/istio/root-cert.pem", &root?)?;
        write("hosts", &format!("127.0.0.1 localhost\n{HUB} {HOST}\n"))?;

        let space = Space::new(&name, address, &dir)?;
        let envoy = places::envoy_binary(&version.envoy)?;
        let (agent, bootstrap) = (version.file("pilot-agent")?, version.file("envoy_bootstrap.json")?);
        // The folders that a container has; the programs where the sidecar's user may run them.
        let script = "set -e; mount -t tmpfs tmpfs /var/lib; cd /var/lib; mkdir -p istio/data istio/bin istio/pod istio/wasm
            bind() { [ -d \"$1\" ] || touch \"$2\"; mount --bind \"$1\" \"$2\"; }
            bind \"$1\" istio/bin/envoy; bind \"$2\" istio/bin/pilot-agent; bind \"$3\" istio/bin/envoy_bootstrap.json
            bind \"$4\" istio/pod; bind \"$5\" /etc/hosts; bind \"$6\" istio/wasm/sidegate.wasm
            chown -R \"$7:$7\" istio/data istio/pod";
        let pod = dir.join("pod");
        let paths = [&envoy, &agent, &bootstrap, &pod, &dir.join("hosts"), &module.to_owned()];
        run(space.command("sh").args(["-c", script, "sh"]).args(paths).arg(USER))?;
        if spec.role == Role::Sidecar {
            run(space.command("/var/lib/istio/bin/pilot-agent").args([
                "istio-iptables",
                "-p",
                "15001",
                "-z",
                "15006",
                "-u",
                USER,
                "-m",
                "REDIRECT",
                "-i",
                "*",
                "-x",
                "",
                "-b",
                "*",
                "-d",
                "15090,15021,15020",
            ]))?;
        }

        let this = std::env::current_exe().map_err(|e| e.to_string())?;
        let this = this.to_str().ok_or("expected a path that is text")?;
        let service = spec
            .serves
            .then(|| {
                let mut command = space.command(this);
                command.args(["serve", "8080"]);
                Child::start("service", command, &dir)
            })
            .transpose()?;
        let mut client = space.command(this);
        client.arg("obey");
        let client = Client::start(client)?;

        let mut command: Command = space.command("env");
        command
            .args(["--ignore-environment", "--chdir=/var/lib/istio/pod"])
            .args(spec.environment(version).iter().map(|(name, value)| format!("{name}={value}")))
            .args(["PATH=/usr/bin:/bin", "setpriv"])
            .args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"])
            .args(["/var/lib/istio/bin/pilot-agent", "proxy", spec.role.word()])
            .args(["--domain", &format!("{}.svc.cluster.local", spec.namespace)])
            .args(["--proxyLogLevel=warning", "--proxyComponentLogLevel=wasm:info"]);
        let agent = Child::start("istio-proxy", command, &dir)?;
        let mut pod = Self { spec, dir, agent, client, _service: service, space };
        pod.wait_until_ready()?;
        Ok(pod)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let Self { agent, client, .. } = self;
        agent.wait("a ready sidecar", |_| {
            client.ask(&Question::get(ADMIN, "admin", "/ready")).is_ok_and(|answer| answer.status == 200)
        })
    }

    /// The process, as this one's namespace counts, whose network and mounts are the pod's.
    pub fn holder(&self) -> u32 {
        self.space.holder()
    }

    /// What it is.
    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// Who asks from inside of it.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Asks its sidecar's admin page.
    ///
    /// # Errors
    /// There is no answer.
    pub fn admin(&mut self, path: &str) -> Result<String, String> {
        let Answer { status, body, .. } = self.client.ask(&Question::get(ADMIN, "admin", path))?;
        if status == 200 { Ok(body) } else { Err(format!("expected 200 for {path}, got {status}: {body}")) }
    }

    /// One of its sidecar's counters or gauges; 0 where there is none yet.
    ///
    /// # Errors
    /// There is no answer.
    pub fn stat(&mut self, name: &str) -> Result<u64, String> {
        let text = self.admin(&format!("/stats?filter=^{name}$"))?;
        Ok(text.lines().find_map(|line| line.split_once(": ")?.1.trim().parse().ok()).unwrap_or(0))
    }

    /// `message` with the end of what agent and Envoy have printed below it.
    pub fn with_log(&self, message: &str) -> String {
        self.agent.with_log(message)
    }

    /// What agent and Envoy have printed.
    pub fn log(&self) -> String {
        self.agent.log()
    }

    /// The lines of the access log.
    ///
    /// # Errors
    /// One of them is no JSON.
    pub fn access_log(&self) -> Result<Vec<Value>, String> {
        let text = fs::read_to_string(self.dir.join("pod/access.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("`{line}`: {e}"))).collect()
    }
}
