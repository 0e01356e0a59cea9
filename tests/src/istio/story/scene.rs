//! The mesh that the story plays in: a control plane, three pods, a server of modules and one of bundles.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{CRAWLER, PAYMENTS, WEB};
use crate::bundle_server::{BundleServer, Reply};
use crate::desk::Desk;
use crate::istio::{Cluster, Control, HUB, Pod, PodSpec, Version};
use crate::places;

/// Where the module is served; the registry of this mesh.
const MODULES: u16 = 8000;
/// Where the server of bundles listens, behind its service.
const BUNDLES: u16 = 8081;
/// The port of that service.
const SERVICE: u16 = 8080;

/// Who and what is there.
pub(super) struct Scene {
    pub(super) version: Version,
    pub(super) desk: Desk,
    pub(super) web: Pod,
    pub(super) crawler: Pod,
    pub(super) payments: Pod,
    dir: PathBuf,
    cluster: Cluster,
    _control: Control,
    bundles: BundleServer,
    modules: BundleServer,
}

impl Scene {
    /// Starts it all.
    ///
    /// # Errors
    /// Something does not come up.
    pub(super) fn set(version: &Version, dir: &Path) -> Result<Self, String> {
        let module = places::filter_wasm()?;
        let desk = Desk::new(dir.join("desk"), &places::root().join("tests/istio/policies"))?;
        for name in ["strict.yaml", "istio.yaml", "gateway.yaml"] {
            let text = std::fs::read_to_string(places::root().join("tests/istio").join(name));
            desk.write(name, &text.map_err(|e| e.to_string())?)?;
        }
        let cluster = Cluster::start(&dir.join("cluster"))?;
        let control = Control::start(version, &cluster, &dir.join("istiod"))?;
        let modules = BundleServer::start_on(SocketAddr::from((HUB, MODULES)));
        let bytes = std::fs::read(&module).map_err(|e| e.to_string())?;
        modules.set("/sidegate.wasm", Reply::ok(bytes));
        let bundles = BundleServer::start_on(SocketAddr::from((HUB, BUNDLES)));
        bundles.serve_tree(&desk.dir().join("tree"));
        cluster.apply_all(&service_of_bundles())?;
        let pods = dir.join("pods");
        let start = |spec| Pod::start(spec, version, &cluster, &module, &pods);
        let (payments, web, crawler) = (start(PAYMENTS)?, start(WEB)?, start(CRAWLER)?);
        Ok(Self {
            version: version.clone(),
            desk,
            web,
            crawler,
            payments,
            dir: dir.to_owned(),
            cluster,
            _control: control,
            bundles,
            modules,
        })
    }

    /// Runs kubectl in the network team's folder.
    ///
    /// # Errors
    /// It fails.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.cluster.kubectl_in(self.desk.dir(), arguments)
    }

    /// Says how to look around.
    pub(super) fn invite(&self) {
        let holder = |pod: &Pod| pod.holder();
        #[allow(clippy::print_stdout, reason = "what somebody asked for who wants to look around")]
        {
            println!(
                "As root, in another terminal, with this process's id as P (pgrep -f 'e2e-istio stay' | tail -n 1):"
            );
            println!("  nsenter -t $P -n -m -p bash");
            println!("  export KUBECONFIG={}", self.cluster.config().display());
            println!("  cd {}   # net.key.pem, policies, tree", self.desk.dir().display());
            for (name, pod) in [("web", &self.web), ("crawler", &self.crawler), ("payments", &self.payments)]
            {
                println!("  nsenter -t {} -n -m bash   # in the pod {name}", holder(pod));
            }
            println!(
                "  curl -si -H 'host: {}' http://{}/v1/charges/7   # in web or crawler",
                PAYMENTS.host(),
                PAYMENTS.service()
            );
            println!("The module: {}. An empty line ends it all.", self.module());
        }
    }

    /// Where files of the story go.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The API server.
    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The address of the module.
    pub(super) fn module(&self) -> String {
        format!("http://{HUB}:{MODULES}/sidegate.wasm")
    }

    /// Starts another pod.
    ///
    /// # Errors
    /// It does not come up.
    pub(super) fn start(&self, spec: PodSpec) -> Result<Pod, String> {
        Pod::start(spec, &self.version, &self.cluster, &places::filter_wasm()?, &self.dir.join("pods"))
    }

    /// Serves another module; gives its address.
    pub(super) fn serve_module(&self, name: &str, bytes: Vec<u8>) -> String {
        self.modules.set(&format!("/{name}"), Reply::ok(bytes));
        format!("http://{HUB}:{MODULES}/{name}")
    }

    /// Takes the server of bundles away, or brings it back.
    pub(super) fn set_bundles_down(&self, is_down: bool) {
        self.bundles.set_down(is_down);
    }
}

/// As `sidegate render bundles` has it, with this process in the place of its pods.
fn service_of_bundles() -> [Value; 3] {
    let metadata = json!({"name": "sidegate-bundles", "namespace": "sidegate-system"});
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sidegate-system"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"clusterIP": "10.98.0.5", "ports": [{"name": "http", "port": SERVICE, "targetPort": BUNDLES}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "sidegate-bundles-1", "namespace": "sidegate-system",
                "labels": {"kubernetes.io/service-name": "sidegate-bundles"}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": BUNDLES, "protocol": "TCP"}],
            "endpoints": [{"addresses": [HUB], "conditions": {"ready": true}}]}),
    ]
}
