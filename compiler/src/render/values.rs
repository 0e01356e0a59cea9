//! The file of values, as it is written: keys, words and shapes. What does not go together is for `check`.

use sidegate_engine::names::{is_label, is_subdomain};

use super::tree::Tree;
use crate::declare::yaml::{Node, Yaml};
use crate::declare::{Checker, Fields, Place, Text};

/// What a file of values says.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) name: String,
    pub(super) namespace: Placed<String>,
    pub(super) select: Select,
    pub(super) proxies: Proxies,
    pub(super) module: Option<Module>,
    pub(super) delivery: Placed<Delivery>,
    pub(super) bodies: Placed<bool>,
    pub(super) failure: Failure,
    pub(super) guard: Placed<bool>,
    pub(super) bundles: Option<Placed<Bundles>>,
    pub(super) config: Placed<Tree>,
    pub(super) standalone: Option<Standalone>,
}

/// A value and where it stands; at the beginning of the file, if it is the default.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) place: Place,
    pub(super) value: T,
}

/// Which proxies of the namespace.
#[derive(Debug)]
pub(super) enum Select {
    All,
    Labels(Placed<Vec<(String, String)>>),
    Targets(Placed<Vec<Target>>),
}

/// One of `targetRefs`.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) name: String,
}

/// What kind of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxies {
    Sidecar,
    Gateway,
    Waypoint,
}

/// Where the filter comes from.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) url: Placed<String>,
    pub(super) sha256: Option<Placed<String>>,
}

/// How an EnvoyFilter brings the plugin to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// By the discovery service for extensions.
    Ecds,
    /// In the listener itself.
    Inline,
}

/// What becomes of a VM that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Reload,
    Close,
}

/// Who serves bundles.
#[derive(Clone, Debug)]
pub(super) enum Bundles {
    /// A service of the mesh.
    Service {
        name: String,
        namespace: String,
        host: String,
        port: u16,
        image: Option<String>,
        claim: Option<String>,
    },
    /// A host outside of it.
    Host { host: String, port: u16, tls: bool },
}

/// What a stand-alone Envoy needs besides.
#[derive(Debug)]
pub(super) struct Standalone {
    pub(super) cert: String,
    pub(super) key: String,
    pub(super) ca: String,
    pub(super) listen: (String, u16),
    pub(super) upstream: (String, u16),
    pub(super) namespace: String,
    pub(super) workload: String,
}

/// Kinds that a `targetRefs` may name, and their groups.
const TARGETS: [(&str, &str); 4] = [
    ("Gateway", "gateway.networking.k8s.io"),
    ("GatewayClass", "gateway.networking.k8s.io"),
    ("Service", ""),
    ("ServiceEntry", "networking.istio.io"),
];
const VALUE: &str = "values_value";

/// Reads the whole file; `None` where something is wrong, which is then among the findings.
pub(super) fn read(check: &mut Checker<'_>, node: Node) -> Option<Values> {
    let known = [
        "name",
        "namespace",
        "select",
        "proxies",
        "module",
        "delivery",
        "bodies",
        "failure",
        "guard",
        "bundles",
        "config",
        "standalone",
    ];
    let mut top = check.fields(node, &known, "the values")?;
    let name = optional(check, &mut top, "name", "a name of Kubernetes", is_subdomain);
    let namespace = optional(check, &mut top, "namespace", "a namespace", is_label);
    let select = top.take("select").map_or(Some(Select::All), |node| select(check, node));
    let proxies =
        [("sidecar", Proxies::Sidecar), ("gateway", Proxies::Gateway), ("waypoint", Proxies::Waypoint)];
    let proxies = word(check, &mut top, "proxies", &proxies);
    let module = top.take("module").map(|node| module(check, node));
    let delivery =
        word(check, &mut top, "delivery", &[("ecds", Delivery::Ecds), ("inline", Delivery::Inline)]);
    let bodies = word(check, &mut top, "bodies", &[("false", false), ("true", true)]);
    let failure = word(check, &mut top, "failure", &[("reload", Failure::Reload), ("close", Failure::Close)]);
    let guard = word(check, &mut top, "guard", &[("true", true), ("false", false)]);
    let bundles = top.take("bundles").map(|node| placed(node.place, bundles(check, node)));
    let standalone = top.take("standalone").map(|node| standalone(check, node));
    // Who makes a server of bundles alone needs none.
    let config = match top.take("config") {
        Some(node) => placed(node.place, Tree::read(check, node)),
        None => Some(Placed { place: top.place, value: Tree::Null }),
    };
    let namespace =
        namespace?.unwrap_or_else(|| Placed { place: top.place, value: "istio-system".to_owned() });
    Some(Values {
        name: name?.map_or_else(|| "sidegate".to_owned(), |name| name.value),
        namespace,
        select: select?,
        proxies: proxies?.value,
        module: module.map_or(Some(None), |module| module.map(Some))?,
        delivery: delivery?,
        bodies: bodies?,
        failure: failure?.value,
        guard: guard?,
        bundles: bundles.map_or(Some(None), |bundles| bundles.map(Some))?,
        config: config?,
        standalone: standalone.map_or(Some(None), |standalone| standalone.map(Some))?,
    })
}

fn placed<T>(place: Place, value: Option<T>) -> Option<Placed<T>> {
    value.map(|value| Placed { place, value })
}

/// Text that has to be of some kind, if it is there.
fn optional(
    check: &mut Checker<'_>,
    fields: &mut Fields,
    key: &str,
    expected: &str,
    is_right: fn(&str) -> bool,
) -> Option<Option<Placed<String>>> {
    let Some(node) = fields.take(key) else { return Some(None) };
    let Text { place, text } = check.text(node, &format!("`{key}`"))?;
    if !is_right(&text) {
        return check.wrong(place, VALUE, format!("`{key}`: expected {expected}, got `{text}`"));
    }
    Some(Some(Placed { place, value: text }))
}

/// The same, which has to be there.
fn required(
    check: &mut Checker<'_>,
    fields: &mut Fields,
    key: &str,
    expected: &str,
    is_right: fn(&str) -> bool,
) -> Option<Placed<String>> {
    let place = fields.place;
    let found = optional(check, fields, key, expected, is_right)?;
    found.or_else(|| {
        check.wrong(place, "values_missing_key", format!("expected `{key}`, {expected}, got no such key"))
    })
}

/// One of some words, the first of which is the default.
fn word<T: Copy>(
    check: &mut Checker<'_>,
    fields: &mut Fields,
    key: &str,
    words: &[(&str, T)],
) -> Option<Placed<T>> {
    let Some(node) = fields.take(key) else {
        return placed(fields.place, words.first().map(|(_, value)| *value));
    };
    let is_flag = words.iter().any(|(word, _)| *word == "true");
    let found = match &node.value {
        Yaml::Scalar { text, is_plain } if *is_plain || !is_flag => {
            words.iter().find(|(word, _)| word == text)
        }
        _ => None,
    };
    let wrong = || {
        let words = sidegate_engine::words::alternatives(words.iter().map(|(word, _)| *word));
        check.wrong(node.place, VALUE, format!("`{key}`: expected {words}"))
    };
    found.map(|(_, value)| Placed { place: node.place, value: *value }).or_else(wrong)
}

fn select(check: &mut Checker<'_>, node: Node) -> Option<Select> {
    let place = node.place;
    let mut fields = check.fields(node, &["labels", "targetRefs"], "`select`")?;
    match (fields.take("labels"), fields.take("targetRefs")) {
        (Some(node), None) => {
            let place = node.place;
            let entries = check.entries(node, "`select.labels`");
            let count = entries.len();
            let read = |check: &mut Checker<'_>, (key, node): (Text, Node)| {
                Some((key.text, check.text(node, "a label's value")?.text))
            };
            let labels: Vec<_> = entries.into_iter().filter_map(|entry| read(check, entry)).collect();
            // Istio takes no labels for every proxy.
            if labels.is_empty() && count == 0 {
                return check.wrong(place, VALUE, "`select.labels`: expected at least one label, got none");
            }
            (labels.len() == count).then_some(Select::Labels(Placed { place, value: labels }))
        }
        (None, Some(node)) => {
            let place = node.place;
            let items = check.list(node, "`select.targetRefs`")?;
            let count = items.len();
            let targets = check.each(items, target);
            (targets.len() == count).then_some(Select::Targets(Placed { place, value: targets }))
        }
        _ => check.wrong_so(
            place,
            VALUE,
            "`select`: expected `labels` or `targetRefs`, one of them",
            "leave `select` out for all proxies of the namespace",
        ),
    }
}

fn target(check: &mut Checker<'_>, node: Node) -> Option<Target> {
    let mut fields = check.fields(node, &["group", "kind", "name"], "one of `select.targetRefs`")?;
    let is_any = |_: &str| true;
    let group = optional(check, &mut fields, "group", "a group", is_any)?;
    let kind = required(check, &mut fields, "kind", "`Gateway` for example", is_any)?;
    let name = required(check, &mut fields, "name", "a name of Kubernetes", is_subdomain)?.value;
    let Some((kind, wanted)) = TARGETS.into_iter().find(|(known, _)| *known == kind.value) else {
        let kinds = sidegate_engine::words::alternatives(TARGETS.iter().map(|(kind, _)| *kind));
        let message = format!("`kind`: expected {kinds}, got `{}`; Istio attaches nothing else", kind.value);
        return check.wrong(kind.place, VALUE, message);
    };
    if let Some(Placed { place, value }) = group.filter(|group| group.value != wanted) {
        let message = format!("`group`: expected `{wanted}`, which `{kind}` is of, got `{value}`");
        return check.wrong_so(place, VALUE, message, "leave the key out");
    }
    Some(Target { group: wanted, kind, name })
}

fn module(check: &mut Checker<'_>, node: Node) -> Option<Module> {
    const SCHEMES: [&str; 4] = ["oci://", "https://", "http://", "file:///"];
    let is_url = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_graphic())
            && SCHEMES.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    };
    let is_hash = |text: &str| {
        text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut fields = check.fields(node, &["url", "sha256"], "`module`")?;
    let url = required(
        check,
        &mut fields,
        "url",
        "a URL with `oci://`, `https://`, `http://` or `file:///`",
        is_url,
    );
    let sha256 = optional(check, &mut fields, "sha256", "64 digits in hex, in lower case", is_hash);
    Some(Module { url: url?, sha256: sha256? })
}

fn bundles(check: &mut Checker<'_>, node: Node) -> Option<Bundles> {
    const KEYS: [&str; 6] = ["service", "port", "image", "claim", "host", "tls"];
    let place = node.place;
    let mut fields = check.fields(node, &KEYS, "`bundles`")?;
    let port = match fields.take("port") {
        Some(node) => check.port(node),
        None => check.wrong(place, "values_missing_key", "expected `bundles.port`, got no such key"),
    };
    let tls = word(check, &mut fields, "tls", &[("false", false), ("true", true)])?;
    let host = optional(check, &mut fields, "host", "a host", is_subdomain)?;
    let service = optional(check, &mut fields, "service", "`NAME.NAMESPACE`", |text| {
        let mut labels = text.split('.');
        is_subdomain(text)
            && labels.by_ref().take(2).filter(|label| is_label(label)).count() == 2
            && labels.next().is_none_or(|third| third == "svc" && labels.next().is_some())
    })?;
    let image = optional(check, &mut fields, "image", "an image", |text| !text.is_empty())?;
    let claim = optional(check, &mut fields, "claim", "the name of a PersistentVolumeClaim", is_subdomain)?;
    match (service, host) {
        (Some(service), None) if !tls.value => {
            let text = service.value;
            let mut labels = text.split('.').map(str::to_owned);
            let (name, namespace) = (labels.next()?, labels.next()?);
            let host = if labels.next().is_some() { text } else { format!("{text}.svc.cluster.local") };
            let (image, claim) = (image.map(|image| image.value), claim.map(|claim| claim.value));
            Some(Bundles::Service { name, namespace, host, port: port?, image, claim })
        }
        (None, Some(host)) if image.is_none() && claim.is_none() => {
            Some(Bundles::Host { host: host.value, port: port?, tls: tls.value })
        }
        _ => check.wrong_so(
            place,
            VALUE,
            "`bundles`: expected `service` and `port`, or `host`, `port` and `tls`",
            "a service of the mesh may have `image` and `claim` besides; what it serves is signed",
        ),
    }
}

fn standalone(check: &mut Checker<'_>, node: Node) -> Option<Standalone> {
    const KEYS: [&str; 7] = ["cert", "key", "ca", "listen", "upstream", "namespace", "workload"];
    let mut fields = check.fields(node, &KEYS, "`standalone`")?;
    let is_path = |text: &str| text.starts_with('/');
    let is_address = |text: &str| address(text).is_some();
    let mut path =
        |check: &mut Checker<'_>, key| required(check, &mut fields, key, "an absolute path", is_path);
    let (cert, key, ca) = (path(check, "cert"), path(check, "key"), path(check, "ca"));
    let listen = required(check, &mut fields, "listen", "an address such as `127.0.0.1:15006`", is_address);
    let upstream =
        required(check, &mut fields, "upstream", "an address such as `127.0.0.1:8080`", is_address);
    let namespace = required(check, &mut fields, "namespace", "a namespace", is_label);
    let workload = required(check, &mut fields, "workload", "a workload's name", is_subdomain);
    Some(Standalone {
        cert: cert?.value,
        key: key?.value,
        ca: ca?.value,
        listen: address(&listen?.value)?,
        upstream: address(&upstream?.value)?,
        namespace: namespace?.value,
        workload: workload?.value,
    })
}

/// A host or address and a port.
fn address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = bare.parse::<std::net::IpAddr>().is_ok() || is_subdomain(bare);
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    is_host.then(|| (bare.to_owned(), port))
}
