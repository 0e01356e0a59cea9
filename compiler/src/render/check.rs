//! What does not go together, found before anything is written: what Istio would pass over in silence leaves a door open.

use super::Kind;
use super::config::hosts;
use super::values::{Bundles, Delivery, Module, Placed, Proxies, Select, Target, Values};
use crate::declare::Checker;

const CONFLICT: &str = "values_conflict";
const MISSING: &str = "values_missing_key";

/// Looks at what a kind of resource needs and cannot do.
pub(super) fn check(check: &mut Checker<'_>, kind: Kind, values: &Values) {
    if kind == Kind::Bundles {
        return;
    }
    let Some(Module { url, sha256 }) = &values.module else {
        let help = "write `module: {url: oci://…, sha256: …}`";
        return missing(
            check,
            values,
            "expected `module`, where the filter comes from, got no such key",
            help,
        );
    };
    let is_file = url.value.starts_with("file://");
    if kind == Kind::Envoy {
        if !is_file {
            let message =
                format!("`module.url`: expected `file:///…` for a stand-alone Envoy, got `{}`", url.value);
            check.wrong::<()>(url.place, CONFLICT, message);
        }
        if values.standalone.is_none() {
            missing(check, values, "expected `standalone`, got no such key", "README has an example");
        }
        return;
    }
    match sha256 {
        Some(Placed { place, .. }) if is_file => {
            let message = "`module.sha256`: nobody compares the hash of a file that is in the proxy's image";
            check.wrong_so::<()>(*place, CONFLICT, message, "leave the key out");
        }
        None if !is_file => hash_missing(check, url),
        _ => {}
    }
    select(check, kind, values);
    if kind == Kind::EnvoyFilter {
        inline(check, values, url, is_file);
        return;
    }
    if values.bodies.value {
        let message =
            format!("`bodies: true`: a {} cannot set `allow_on_headers_stop_iteration`", kind.name());
        check.wrong_so::<()>(
            values.bodies.place,
            CONFLICT,
            message,
            "make an EnvoyFilter: `sidegate render envoyfilter`",
        );
    }
    if values.delivery.value == Delivery::Inline {
        let message = format!("`delivery: inline`: a {} is delivered by Istio, always by ECDS", kind.name());
        check.wrong_so::<()>(values.delivery.place, CONFLICT, message, "leave the key out");
    }
    if values.config.value.get("network_entrypoint").is_some_and(|entry| entry.text().is_some()) {
        let message =
            format!("`network_entrypoint`: a {} of type NETWORK would decide about HTTP, too", kind.name());
        let help =
            "make an EnvoyFilter, which puts it before what is not HTTP alone: `sidegate render envoyfilter`";
        check.wrong_so::<()>(values.config.place, CONFLICT, message, help);
    }
}

fn missing(check: &mut Checker<'_>, values: &Values, message: &str, help: &str) {
    check.wrong_so::<()>(values.config.place, MISSING, message, help);
}

fn hash_missing(check: &mut Checker<'_>, url: &Placed<String>) {
    let message = "expected `module.sha256`: without it whoever can write there decides in every proxy";
    let help = if url.value.starts_with("oci://") {
        "it is the digest of the image's manifest, which `make oci`, `crane digest` or `oras resolve` prints; or write `…@sha256:…`"
    } else {
        "run `sha256sum sidegate.wasm`, or give the file by `--wasm sidegate.wasm`"
    };
    check.wrong_so::<()>(url.place, MISSING, message, help);
}

fn inline(check: &mut Checker<'_>, values: &Values, url: &Placed<String>, is_file: bool) {
    if values.delivery.value == Delivery::Inline && !is_file {
        let message = format!(
            "`delivery: inline`: expected a module at `file:///…`, got `{}`: Istio's agent downloads for ECDS alone, and \
             Envoy's own fetcher is not to be relied on",
            url.value
        );
        let help = "leave `delivery` out, or put the module into the proxy's image";
        check.wrong_so::<()>(values.delivery.place, CONFLICT, message, help);
    }
}

/// Istio attaches by labels or by references, as the proxy is, and passes over the other in silence.
fn select(check: &mut Checker<'_>, kind: Kind, values: &Values) {
    let waypoint = "write `select: {targetRefs: [{kind: Gateway, name: …}]}`";
    match (values.proxies, &values.select) {
        (Proxies::Sidecar, Select::Targets(Placed { place, .. })) => {
            let message = "`select.targetRefs`: Istio attaches nothing to sidecars by references";
            check.wrong_so::<()>(*place, CONFLICT, message, "write `select: {labels: {app: …}}`");
        }
        (Proxies::Waypoint, Select::All) => {
            let message = "`proxies: waypoint`: expected `select.targetRefs`; Istio attaches nothing to waypoints without";
            check.wrong_so::<()>(values.config.place, MISSING, message, waypoint);
        }
        (Proxies::Waypoint, Select::Labels(Placed { place, .. })) => {
            let message = "`select.labels`: Istio attaches nothing to waypoints by labels";
            check.wrong_so::<()>(*place, CONFLICT, message, waypoint);
        }
        (proxies, Select::Targets(Placed { place, value })) => {
            for target in value {
                reference(check, kind, values, proxies, target, *place);
            }
        }
        _ => {}
    }
}

fn reference(
    check: &mut Checker<'_>,
    kind: Kind,
    values: &Values,
    proxies: Proxies,
    target: &Target,
    place: crate::declare::Place,
) {
    let is_service = matches!(target.kind, "Service" | "ServiceEntry");
    let how = if proxies == Proxies::Gateway && target.kind != "Gateway" {
        "Istio attaches to gateways by `Gateway` alone"
    } else if kind == Kind::EnvoyFilter && is_service {
        "Istio attaches an EnvoyFilter to waypoints by `Gateway` or `GatewayClass` alone"
    } else if is_service && (values.bundles.is_some() || !hosts(&values.config.value).is_empty()) {
        "a waypoint has no cluster to fetch bundles from unless it is told, which takes `Gateway` or `GatewayClass`"
    } else if is_service && values.guard.value {
        "the guard is an EnvoyFilter, which Istio attaches to waypoints by `Gateway` or `GatewayClass` alone (or write `guard: false`)"
    } else if target.kind == "GatewayClass" && target.name != "istio-waypoint" {
        "of classes Istio attaches by `istio-waypoint` alone, in its root namespace"
    } else {
        return;
    };
    let message = format!("`select.targetRefs`: {how}, got `{} {}`", target.kind, target.name);
    check.wrong::<()>(place, CONFLICT, message);
}

/// The name of the cluster that Istio makes of it.
pub(super) fn cluster(bundles: &Bundles) -> String {
    let (Bundles::Service { host, port, .. } | Bundles::Host { host, port, .. }) = bundles;
    format!("outbound|{port}||{host}")
}

/// The host in requests; the port, where it is not what the scheme says.
pub(super) fn authority(bundles: &Bundles) -> String {
    match bundles {
        Bundles::Host { host, port: 443, tls: true }
        | Bundles::Host { host, port: 80, tls: false }
        | Bundles::Service { host, port: 80, .. } => host.clone(),
        Bundles::Service { host, port, .. } | Bundles::Host { host, port, .. } => format!("{host}:{port}"),
    }
}
