//! An EnvoyFilter: all that the plugin can be set to, at the cost of depending on how Istio builds listeners.

use super::config::hosts;
use super::plugin::{Layer, filter};
use super::tree::{Tree, map};
use super::values::{Delivery, Proxies, Values};
use super::{metadata, selection};
use crate::diagnostics::Diagnostic;

/// Services that a proxy has clusters of although no route leads there (Istio, `pilot/pkg/model/envoyfilter.go`). Waypoints
/// have no others, and gateways may be set up so.
const REFERENCED: &str = "envoyfilter.istio.io/referenced-services";
/// Where waypoints look at requests; that of the tunnel around them is a listener of its own.
const WAYPOINT_LISTENER: &str = "main_internal";

/// The EnvoyFilter.
pub(super) fn render(values: &Values, config: &Tree) -> Result<Vec<Tree>, Diagnostic> {
    let mut patches = patches(values, config, Layer::Http)?;
    if config.get("network_entrypoint").is_some_and(|entry| *entry != Tree::Null) {
        patches.extend(self::patches(values, config, Layer::Network)?);
    }
    let mut spec = selection(values);
    spec.push(("configPatches".to_owned(), Tree::List(patches)));
    Ok(vec![object(values, config, &values.name, spec)])
}

/// One that changes nothing, and makes the proxies have the clusters that the filter asks: for plugins that are set up by
/// something which cannot say so.
pub(super) fn reference(values: &Values, config: &Tree) -> Option<Tree> {
    let is_needed = values.proxies != Proxies::Sidecar && !hosts(config).is_empty();
    is_needed.then(|| object(values, config, &format!("{}-clusters", values.name), selection(values)))
}

fn object(values: &Values, config: &Tree, name: &str, spec: Vec<(String, Tree)>) -> Tree {
    let mut metadata = metadata(name, &values.namespace.value);
    let hosts = hosts(config);
    if values.proxies != Proxies::Sidecar && !hosts.is_empty() {
        metadata.set("annotations", map([(REFERENCED, hosts.join(",").into())]));
    }
    map([
        ("apiVersion", "networking.istio.io/v1alpha3".into()),
        ("kind", "EnvoyFilter".into()),
        ("metadata", metadata),
        ("spec", Tree::Map(spec)),
    ])
}

fn patches(values: &Values, config: &Tree, layer: Layer) -> Result<Vec<Tree>, Diagnostic> {
    let context = match values.proxies {
        Proxies::Gateway => "GATEWAY",
        // The context WAYPOINT is in Istio's API, and istiod (1.30, 1.31) applies nothing by it: an open door. What is for
        // the inbound listeners of sidecars it applies to those of waypoints.
        Proxies::Sidecar | Proxies::Waypoint => "SIDECAR_INBOUND",
    };
    let plugin = filter(values, config, layer)?;
    // Its own: of two resources of one name, from two EnvoyFilters, a proxy would have one.
    let name = match layer {
        Layer::Http => format!("{}.{}", values.namespace.value, values.name),
        Layer::Network => format!("{}.{}.network", values.namespace.value, values.name),
    };
    let patch = |to: &str, at: Tree, operation: &str, value: Tree| {
        let patch = map([("operation", operation.into()), ("value", value)]);
        map([("applyTo", to.into()), ("match", at), ("patch", patch)])
    };
    let (to, at) = place(values, context, layer);
    let body = ("typed_config", plugin);
    Ok(match values.delivery.value {
        Delivery::Inline => vec![patch(to, at, "INSERT_BEFORE", map([("name", name.into()), body]))],
        Delivery::Ecds => vec![
            patch(
                "EXTENSION_CONFIG",
                map([("context", context.into())]),
                "ADD",
                map([("name", name.as_str().into()), body]),
            ),
            patch(
                to,
                at,
                "INSERT_BEFORE",
                map([("name", name.into()), ("config_discovery", discovery(layer))]),
            ),
        ],
    })
}

/// Where the filter goes. Of an anchor that is not there nothing would be said, and nothing be decided: the router is
/// always there, and so is the proxy of what is not HTTP.
fn place(values: &Values, context: &str, layer: Layer) -> (&'static str, Tree) {
    let (to, anchor) = match layer {
        Layer::Http => {
            let router = map([("name", "envoy.filters.http.router".into())]);
            let manager = "envoy.filters.network.http_connection_manager";
            ("HTTP_FILTER", map([("name", manager.into()), ("subFilter", router)]))
        }
        Layer::Network => ("NETWORK_FILTER", map([("name", "envoy.filters.network.tcp_proxy".into())])),
    };
    let mut listener = map([("filterChain", map([("filter", anchor)]))]);
    if values.proxies == Proxies::Waypoint {
        listener.set("name", WAYPOINT_LISTENER.into());
    }
    (to, map([("context", context.into()), ("listener", listener)]))
}

/// As Istio has it for a WasmPlugin: a listener is not opened before its filters are there, however long it takes.
fn discovery(layer: Layer) -> Tree {
    let source = map([
        ("ads", Tree::Map(Vec::new())),
        ("resource_api_version", "V3".into()),
        ("initial_fetch_timeout", "0s".into()),
    ]);
    let types = Tree::List(vec![layer.wasm().into(), layer.rbac().into()]);
    map([("config_source", source), ("type_urls", types)])
}
