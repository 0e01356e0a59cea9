//! A whole configuration for an Envoy that no control plane looks after: the shipped one, its places filled.

use super::config::Ready;
use super::plugin::{GUARD, Layer, MANAGER, PLUGIN, fill, lacking, shipped};
use super::tree::{Tree, map};
use super::values::{Bundles, Module, Standalone, Values};
use crate::diagnostics::Diagnostic;

/// Where the only listener is.
const LISTENER: [&str; 3] = ["static_resources", "listeners", "0"];

/// The configuration.
pub(super) fn render(
    values: &Values,
    standalone: &Standalone,
    module: &Module,
    ready: &Ready,
) -> Result<Tree, Diagnostic> {
    let Standalone { cert, key, ca, listen, upstream, namespace, workload } = standalone;
    let mut envoy = shipped()?;
    let file = |path: &str| map([("filename", path.into())]);
    let path = module.url.value.strip_prefix("file://").unwrap_or(&module.url.value);

    let node = envoy.at(&["node"]).ok_or_else(lacking)?;
    node.set("id", format!("{workload}-1").into());
    node.set("cluster", workload.as_str().into());
    node.set(
        "metadata",
        map([("NAMESPACE", namespace.as_str().into()), ("WORKLOAD_NAME", workload.as_str().into())]),
    );
    let listener = envoy.at(&LISTENER).ok_or_else(lacking)?;
    listener.set("address", address(listen));
    let common =
        listener.at(&["filter_chains", "0", "transport_socket", "typed_config", "common_tls_context"]);
    let common = common.ok_or_else(lacking)?;
    let pair = map([("certificate_chain", file(cert)), ("private_key", file(key))]);
    common.set("tls_certificates", Tree::List(vec![pair]));
    common.set("validation_context", map([("trusted_ca", file(ca))]));

    let manager = envoy.at(&MANAGER).ok_or_else(lacking)?;
    let host = manager.at(&["route_config", "virtual_hosts", "0"]).ok_or_else(lacking)?;
    host.set("name", workload.as_str().into());
    let route = host.at(&["routes", "0", "route"]).ok_or_else(lacking)?;
    route.set("cluster", workload.as_str().into());
    let plugin = manager.at(&PLUGIN).and_then(|filter| filter.at(&["config"])).ok_or_else(lacking)?;
    plugin.at(&["vm_config", "code"]).ok_or_else(lacking)?.set("local", file(path));
    fill(plugin, values.failure, &ready.config)?;
    match ready.guard.filter(Layer::Http)? {
        Some(guard) => *manager.at(&GUARD).ok_or_else(lacking)? = guard,
        None => manager.at(&["http_filters"]).ok_or_else(lacking)?.remove(GUARD[1]),
    }

    let mut clusters = vec![upstream_cluster(workload, upstream)];
    if let Some(bundles) = &values.bundles {
        let (Bundles::Service { host, port, .. } | Bundles::Host { host, port, .. }) = &bundles.value;
        let mut served = upstream_cluster(&ready.cluster, &(host.clone(), *port));
        if matches!(bundles.value, Bundles::Host { tls: true, .. }) {
            served.set("transport_socket", tls(host));
        }
        clusters.push(served);
    }
    envoy.at(&["static_resources"]).ok_or_else(lacking)?.set("clusters", Tree::List(clusters));
    Ok(envoy)
}

fn address((host, port): &(String, u16)) -> Tree {
    map([("socket_address", map([("address", host.as_str().into()), ("port_value", (*port).into())]))])
}

fn upstream_cluster(name: &str, to: &(String, u16)) -> Tree {
    let is_address = to.0.parse::<std::net::IpAddr>().is_ok();
    let endpoint = map([("endpoint", map([("address", address(to))]))]);
    let endpoints = map([("lb_endpoints", Tree::List(vec![endpoint]))]);
    map([
        ("name", name.into()),
        ("type", if is_address { "STATIC" } else { "STRICT_DNS" }.into()),
        ("connect_timeout", "1s".into()),
        ("load_assignment", map([("cluster_name", name.into()), ("endpoints", Tree::List(vec![endpoints]))])),
    ])
}

/// With the certificate authorities of the machine, as Debian has them.
fn tls(host: &str) -> Tree {
    const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
    let name = map([("san_type", "DNS".into()), ("matcher", map([("exact", host.into())]))]);
    let context = map([
        ("trusted_ca", map([("filename", SYSTEM.into())])),
        ("match_typed_subject_alt_names", Tree::List(vec![name])),
    ]);
    let config = map([
        ("@type", "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext".into()),
        ("sni", host.into()),
        ("common_tls_context", map([("validation_context", context)])),
    ]);
    map([("name", "envoy.transport_sockets.tls".into()), ("typed_config", config)])
}
