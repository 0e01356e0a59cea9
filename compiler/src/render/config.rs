//! The filter's configuration, completed and read as the filter reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use sidegate_engine::attributes::Workload;
use sidegate_engine::config::{Config, LogSink};
use sidegate_engine::needs::{Group, Needs};
use sidegate_engine::policy::{Policies, Policy};

use super::guard::Guard;
use super::tree::Tree;
use super::values::{Module, Placed, Proxies, Values};
use super::{Given, Kind, check};
use crate::declare::Checker;
use crate::diagnostics::Diagnostic;

const CONFLICT: &str = "values_conflict";
/// Bytes of annotations that Kubernetes takes; `kubectl apply` keeps the whole resource in one.
const ANNOTATIONS: usize = 262_144;
/// About what etcd takes of one resource, and an API server of one request (1.5 MiB, with what it adds).
const OBJECT: usize = 1_048_576;
/// How a WebAssembly module begins.
const MAGIC: &[u8] = b"\0asm";

/// The configuration, ready to be written.
pub(super) struct Ready {
    pub(super) config: Tree,
    /// The cluster that bundles are fetched from.
    pub(super) cluster: String,
    /// What stands behind the filter.
    pub(super) guard: Guard,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Fills in the hash of the module; compares it, where there is one.
pub(super) fn hash(
    check: &mut Checker<'_>,
    values: &mut Values,
    kind: Kind,
    wasm: Option<Given<'_>>,
) -> Option<()> {
    let Some(Module { url, sha256 }) = values.module.as_mut() else { return Some(()) };
    // An image is pinned by what its reference says already.
    let pinned = url.value.strip_prefix("oci://").and_then(|image| image.rsplit_once("@sha256:"));
    if let Some((_, digest)) = pinned {
        fill(check, url.place, sha256, digest, "`module.url`")?;
    }
    let Some(Given { name, bytes }) = wasm else { return Some(()) };
    if !bytes.starts_with(MAGIC) {
        return wrong_file(check, "values_wasm", name, "expected a WebAssembly module, got something else");
    }
    if url.value.starts_with("oci://") {
        let message = "`--wasm`: Istio compares `module.sha256` with the digest of the image's manifest, not of the module";
        let help = "`make oci`, `crane digest` or `oras resolve` prints it";
        return check.wrong_so(url.place, CONFLICT, message, help);
    }
    if kind == Kind::Envoy || url.value.starts_with("file://") {
        return Some(());
    }
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    fill(check, url.place, sha256, &digest, &format!("`{name}`"))
}

fn fill(
    check: &mut Checker<'_>,
    place: crate::declare::Place,
    sha256: &mut Option<Placed<String>>,
    digest: &str,
    whose: &str,
) -> Option<()> {
    match sha256 {
        Some(given) if given.value != digest => {
            let message =
                format!("`module.sha256`: expected `{digest}`, the hash of {whose}, got `{}`", given.value);
            check.wrong(given.place, CONFLICT, message)
        }
        Some(_) => Some(()),
        None => {
            *sha256 = Some(Placed { place, value: digest.to_owned() });
            Some(())
        }
    }
}

fn wrong_file<T>(check: &mut Checker<'_>, code: &'static str, name: &str, message: &str) -> Option<T> {
    check.findings.push(Diagnostic::file(name, code, message));
    None
}

/// Completes the configuration and has it read.
pub(super) fn prepare(
    check: &mut Checker<'_>,
    values: &Values,
    kind: Kind,
    bundle: Option<Given<'_>>,
) -> Option<Ready> {
    let place = values.config.place;
    let mut config = values.config.value.clone();
    if config == Tree::Null {
        let message = "expected `config`, the plugin's configuration, got no such key";
        return check.wrong(place, "values_missing_key", message);
    }
    if !matches!(config, Tree::Map(_)) {
        return check.wrong(place, "values_kind", "expected `config` as a map");
    }
    if let Some(given) = bundle {
        let inline = section(&mut config, &["bundle"])?;
        if inline.get("inline").is_some() {
            return check.wrong(place, CONFLICT, "`config.bundle.inline`: expected none beside `--bundle`");
        }
        inline.set("inline", STANDARD.encode(given.bytes).into());
    }
    if values.bundles.is_some() {
        fetch(check, values, kind, &mut config)?;
    }
    let read = match Config::parse(config.json().as_bytes()) {
        Ok(read) => read,
        Err(error) => return check.wrong(place, error.code(), format!("`config`: {error}")),
    };
    let cluster = read.bundle.http.as_ref().map(|http| http.cluster.clone()).unwrap_or_default();
    let mut warnings = Vec::new();
    let mut warn = |message: &str, help: &str| {
        let finding =
            Diagnostic { help: Some(help.to_owned()), ..check.source.at(place, "values_doubtful", message) };
        warnings.push(finding);
    };
    let is_istio = kind != Kind::Envoy;
    let asked = [
        ("bundle.http.cluster", read.bundle.http.as_ref().map(|http| &http.cluster)),
        (
            "decision_log.cluster",
            match &read.decision_log.sink {
                LogSink::Http { cluster, .. } => Some(cluster),
                LogSink::Log => None,
            },
        ),
    ];
    for (key, cluster) in asked.into_iter().filter_map(|(key, cluster)| Some((key, cluster?))) {
        let is_made = if is_istio {
            cluster.starts_with("outbound|")
        } else {
            key.starts_with("bundle.") && values.bundles.is_some()
        };
        if !is_made {
            let help = match (is_istio, key.starts_with("bundle.")) {
                (_, true) => "write `bundles: {service: NAME.NAMESPACE, port: 8080}` beside `config`",
                (true, false) => "Istio's are `outbound|PORT||NAME.NAMESPACE.svc.cluster.local`",
                (false, false) => "add it to `static_resources.clusters`",
            };
            warn(&format!("`config.{key}`: nothing here makes a cluster `{cluster}`"), help);
        }
    }
    if is_istio && values.proxies == Proxies::Sidecar && read.entrypoints.connection.is_none() {
        warn(
            "connections that are not HTTP are not decided about",
            "ports that are TCP, or that Istio is told nothing of, let bytes pass that are not quite HTTP: set \
             `config.network_entrypoint` with an EnvoyFilter, or close them by an AuthorizationPolicy (docs/network.md)",
        );
    }
    if let Some(inline) = &read.bundle.inline {
        let name = bundle.map_or("`config.bundle.inline`".to_owned(), |given| format!("`{}`", given.name));
        bodies(check, values, kind, &name, inline, &read)?;
    }
    let guard = guarded(check, values, &mut config, &read)?;
    Some(Ready { config, cluster, guard, warnings })
}

/// A guard lets nothing pass that has no mark: the filter has to make it.
fn guarded(check: &mut Checker<'_>, values: &Values, config: &mut Tree, read: &Config) -> Option<Guard> {
    let Placed { place, value: is_wanted } = values.guard;
    if is_wanted && !read.is_guarded && config.get("guard").is_some() {
        let message = "`config.guard`: expected `true`, for the guard lets nothing pass that is not marked";
        let help = "write `guard: false` beside `config` for none";
        return check.wrong_so(place, CONFLICT, message, help);
    }
    let guard = Guard::of(is_wanted, read.mode);
    if guard != Guard::Absent {
        config.set("guard", true.into());
    }
    Some(guard)
}

/// Hosts of the clusters that the filter asks, as far as they are Istio's: `outbound|PORT|SUBSET|HOST`.
pub(super) fn hosts(config: &Tree) -> Vec<&str> {
    let at = |path: [&str; 2]| path.iter().try_fold(config, |tree, key| tree.get(key));
    let bundles = at(["bundle", "http"]).and_then(|http| http.get("cluster"));
    let mut hosts = Vec::new();
    for cluster in [bundles, at(["decision_log", "cluster"])].into_iter().flatten().filter_map(Tree::text) {
        let host = cluster.strip_prefix("outbound|").and_then(|rest| rest.rsplit_once('|'));
        hosts.extend(host.map(|(_, host)| host).filter(|host| !hosts.contains(host)));
    }
    hosts
}

/// The map at a path, made where it is not there.
fn section<'t>(tree: &'t mut Tree, path: &[&str]) -> Option<&'t mut Tree> {
    let Some((first, rest)) = path.split_first() else { return Some(tree) };
    if tree.get(first).is_none() {
        tree.set(first, Tree::Map(Vec::new()));
    }
    section(tree.at(&[first])?, rest)
}

/// `bundles` says who serves them; the configuration may say the same, and nothing else.
fn fetch(check: &mut Checker<'_>, values: &Values, kind: Kind, config: &mut Tree) -> Option<()> {
    let Placed { place, value: bundles } = values.bundles.as_ref()?;
    let cluster = match kind {
        Kind::Envoy => "sidegate-bundles".to_owned(),
        _ => check::cluster(bundles),
    };
    let http = section(config, &["bundle", "http"]);
    let Some(http @ Tree::Map(_)) = http else {
        return check.wrong(values.config.place, "values_kind", "expected `config.bundle.http` as a map");
    };
    for (key, wanted) in [("cluster", cluster), ("authority", check::authority(bundles))] {
        match http.get(key) {
            Some(given) if given.text() != Some(&wanted) => {
                let message =
                    format!("`bundles`: it is `{wanted}`, `config.bundle.http.{key}` is something else");
                return check.wrong_so(*place, CONFLICT, message, "leave one of them out");
            }
            _ => http.set(key, wanted.into()),
        }
    }
    Some(())
}

/// Has the bundle opened as the filter opens it; a policy that reads bodies needs to get them.
fn bodies(
    check: &mut Checker<'_>,
    values: &Values,
    kind: Kind,
    name: &str,
    bytes: &[u8],
    config: &Config,
) -> Option<()> {
    let workload = Workload { namespace: values.namespace.value.clone(), name: String::new() };
    let opened = config.trust.bundle(bytes, &config.limits, &workload);
    let policies = match opened.and_then(|bundle| Policies::load(bundle, &config.entrypoints, config.limits))
    {
        Ok(policies) => policies,
        Err(error) => return check.wrong(values.config.place, error.code(), format!("{name}: {error}")),
    };
    let Policies { request, response, .. } = &policies;
    let reads = [Some(request), response.as_ref()].into_iter().flatten().flat_map(Policy::reads);
    let reads_bodies = Needs::from_paths(reads.map(Vec::as_slice)).contains(Group::Body);
    if !reads_bodies || values.bodies.value || kind == Kind::Envoy {
        return Some(());
    }
    let message = format!("{name}: its policy reads bodies, which needs `bodies: true`");
    let help = match kind {
        Kind::EnvoyFilter => "set it, or requests that it reads end with Envoy's timeout",
        _ => "set it and make an EnvoyFilter: `sidegate render envoyfilter`; this cannot set it",
    };
    check.wrong_so(values.config.place, CONFLICT, message, help)
}

/// A resource that is too large for someone on its way.
pub(super) fn size(check: &Checker<'_>, values: &Values, object: &Tree) -> Option<Diagnostic> {
    let bytes = object.json_line().len();
    let (message, help) = if bytes > OBJECT {
        ("etcd does not take more than about 1 MiB", "publish the bundle and have it fetched: `bundles`")
    } else if bytes > ANNOTATIONS {
        (
            "`kubectl apply` keeps it in an annotation, too, which is too large",
            "use `kubectl apply --server-side`",
        )
    } else {
        return None;
    };
    let message = format!("the resource has {bytes} bytes: {message}");
    let finding = check.source.at(values.config.place, "values_large", message);
    Some(Diagnostic { help: Some(help.to_owned()), ..finding })
}
