//! Who serves bundles: in the mesh a web server over a volume with the published tree, else what makes a host outside known.

use super::metadata;
use super::tree::{Tree, map};
use super::values::{Bundles, Values};

/// A web server that needs no root, listens on 8080 and serves a folder.
const IMAGE: &str = "nginxinc/nginx-unprivileged:1.28-alpine";
/// The folder that it serves.
const ROOT: &str = "/usr/share/nginx/html";
/// The port that it listens on.
const LISTENS: u16 = 8080;
/// Its user (`nginx`).
const USER: u16 = 101;

/// The resources, in the order in which they are applied.
pub(super) fn render(values: &Values, bundles: &Bundles) -> Vec<Tree> {
    match bundles {
        Bundles::Service { name, namespace, port, image, claim, .. } => {
            let claim = claim.as_deref().unwrap_or(name);
            let image = image.as_deref().unwrap_or(IMAGE);
            vec![
                deployment(name, namespace, image, claim),
                service(name, namespace, *port),
                budget(name, namespace),
            ]
        }
        Bundles::Host { host, port, tls } => {
            let mut all = vec![entry(values, host, *port, *tls)];
            all.extend(tls.then(|| rule(values, host)));
            all
        }
    }
}

fn object(version: &str, kind: &str, metadata: Tree, spec: Tree) -> Tree {
    map([("apiVersion", version.into()), ("kind", kind.into()), ("metadata", metadata), ("spec", spec)])
}

fn labels(name: &str) -> Tree {
    map([("app.kubernetes.io/name", name.into())])
}

fn selector(name: &str) -> Tree {
    map([("matchLabels", labels(name))])
}

fn named(name: &str, namespace: &str) -> Tree {
    let mut metadata = metadata(name, namespace);
    metadata.set("labels", labels(name));
    metadata
}

fn none() -> Tree {
    Tree::Map(Vec::new())
}

fn deployment(name: &str, namespace: &str, image: &str, claim: &str) -> Tree {
    let probe = |seconds: u16| {
        map([("tcpSocket", map([("port", "http".into())])), ("periodSeconds", seconds.into())])
    };
    let mount = |name: &str, path: &str, is_fixed: bool| {
        let mut mount = map([("name", name.into()), ("mountPath", path.into())]);
        if is_fixed {
            mount.set("readOnly", true.into());
        }
        mount
    };
    let container = map([
        ("name", "web".into()),
        ("image", image.into()),
        ("ports", Tree::List(vec![map([("name", "http".into()), ("containerPort", LISTENS.into())])])),
        ("readinessProbe", probe(5)),
        ("livenessProbe", probe(10)),
        (
            "resources",
            map([
                ("requests", map([("cpu", "20m".into()), ("memory", "32Mi".into())])),
                ("limits", map([("memory", "128Mi".into())])),
            ]),
        ),
        (
            "securityContext",
            map([
                ("allowPrivilegeEscalation", false.into()),
                ("readOnlyRootFilesystem", true.into()),
                ("capabilities", map([("drop", Tree::List(vec!["ALL".into()]))])),
            ]),
        ),
        ("volumeMounts", Tree::List(vec![mount("tree", ROOT, true), mount("tmp", "/tmp", false)])),
    ]);
    let spread = map([
        ("maxSkew", 1_u16.into()),
        ("topologyKey", "kubernetes.io/hostname".into()),
        ("whenUnsatisfiable", "ScheduleAnyway".into()),
        ("labelSelector", selector(name)),
    ]);
    let volumes = Tree::List(vec![
        map([
            ("name", "tree".into()),
            ("persistentVolumeClaim", map([("claimName", claim.into()), ("readOnly", true.into())])),
        ]),
        map([("name", "tmp".into()), ("emptyDir", none())]),
    ]);
    let mut pod_labels = labels(name);
    // Out of the mesh: it has to be there before any policy is, and what it serves is signed.
    pod_labels.set("sidecar.istio.io/inject", "false".into());
    pod_labels.set("istio.io/dataplane-mode", "none".into());
    let pod = map([
        ("metadata", map([("labels", pod_labels)])),
        (
            "spec",
            map([
                ("automountServiceAccountToken", false.into()),
                (
                    "securityContext",
                    map([
                        ("runAsNonRoot", true.into()),
                        ("runAsUser", USER.into()),
                        ("runAsGroup", USER.into()),
                        ("fsGroup", USER.into()),
                        ("seccompProfile", map([("type", "RuntimeDefault".into())])),
                    ]),
                ),
                ("topologySpreadConstraints", Tree::List(vec![spread])),
                ("containers", Tree::List(vec![container])),
                ("volumes", volumes),
            ]),
        ),
    ]);
    let spec = map([("replicas", 2_u16.into()), ("selector", selector(name)), ("template", pod)]);
    object("apps/v1", "Deployment", named(name, namespace), spec)
}

fn service(name: &str, namespace: &str, port: u16) -> Tree {
    let port = map([("name", "http".into()), ("port", port.into()), ("targetPort", "http".into())]);
    let spec = map([("selector", labels(name)), ("ports", Tree::List(vec![port]))]);
    object("v1", "Service", named(name, namespace), spec)
}

fn budget(name: &str, namespace: &str) -> Tree {
    let spec = map([("minAvailable", 1_u16.into()), ("selector", selector(name))]);
    object("policy/v1", "PodDisruptionBudget", named(name, namespace), spec)
}

fn entry(values: &Values, host: &str, port: u16, tls: bool) -> Tree {
    let (name, protocol) = if tls { ("https", "HTTPS") } else { ("http", "HTTP") };
    let port = map([("number", port.into()), ("name", name.into()), ("protocol", protocol.into())]);
    let spec = map([
        ("hosts", Tree::List(vec![host.into()])),
        ("location", "MESH_EXTERNAL".into()),
        ("resolution", "DNS".into()),
        ("ports", Tree::List(vec![port])),
    ]);
    let metadata = metadata(&bundles_name(values), &values.namespace.value);
    object("networking.istio.io/v1", "ServiceEntry", metadata, spec)
}

/// The proxies begin TLS themselves, and know whom they talk to.
fn rule(values: &Values, host: &str) -> Tree {
    let tls = map([
        ("mode", "SIMPLE".into()),
        ("sni", host.into()),
        ("subjectAltNames", Tree::List(vec![host.into()])),
    ]);
    let spec = map([("host", host.into()), ("trafficPolicy", map([("tls", tls)]))]);
    let metadata = metadata(&bundles_name(values), &values.namespace.value);
    object("networking.istio.io/v1", "DestinationRule", metadata, spec)
}

fn bundles_name(values: &Values) -> String {
    format!("{}-bundles", values.name)
}
