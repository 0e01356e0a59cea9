//! An EnvoyFilter: all that the plugin can be set to, at the cost of depending on how Istio builds listeners.

use super::config::{Ready, hosts};
use super::guard::Guard;
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
pub(super) fn render(values: &Values, ready: &Ready) -> Result<Vec<Tree>, Diagnostic> {
    let Ready { config, guard, .. } = ready;
    let mut patches = patches(values, config, *guard, Layer::Http)?;
    patches.extend(guard_patch(values, *guard, Layer::Http)?);
    if config.get("network_entrypoint").is_some_and(|entry| *entry != Tree::Null) {
        patches.extend(self::patches(values, config, *guard, Layer::Network)?);
        patches.extend(guard_patch(values, *guard, Layer::Network)?);
    }
    Ok(vec![object(values, config, &values.name, patches)])
}

/// What goes with a plugin that Istio sets up by a resource of its own: the guard behind it, which has to be put there, and
/// the clusters that the filter asks, which the proxies have to have.
pub(super) fn companion(values: &Values, ready: &Ready) -> Result<Option<Tree>, Diagnostic> {
    let Ready { config, guard, .. } = ready;
    Ok(match guard_patch(values, *guard, Layer::Http)? {
        Some(patch) => Some(object(values, config, &format!("{}-guard", values.name), vec![patch])),
        None => reference(values, config),
    })
}

/// One that changes nothing, and makes the proxies have the clusters that the filter asks: for plugins that are set up by
/// something which cannot say so.
fn reference(values: &Values, config: &Tree) -> Option<Tree> {
    let is_needed = values.proxies != Proxies::Sidecar && !hosts(config).is_empty();
    is_needed.then(|| object(values, config, &format!("{}-clusters", values.name), Vec::new()))
}

fn object(values: &Values, config: &Tree, name: &str, patches: Vec<Tree>) -> Tree {
    let mut spec = selection(values);
    if !patches.is_empty() {
        spec.push(("configPatches".to_owned(), Tree::List(patches)));
    }
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

fn context(values: &Values) -> &'static str {
    match values.proxies {
        Proxies::Gateway => "GATEWAY",
        // The context WAYPOINT is in Istio's API, and istiod (1.30, 1.31) applies nothing by it: an open door. What is for
        // the inbound listeners of sidecars it applies to those of waypoints.
        Proxies::Sidecar | Proxies::Waypoint => "SIDECAR_INBOUND",
    }
}

fn patch(to: &str, at: Tree, operation: &str, value: Tree) -> Tree {
    let patch = map([("operation", operation.into()), ("value", value)]);
    map([("applyTo", to.into()), ("match", at), ("patch", patch)])
}

/// Its own: of two resources of one name, from two EnvoyFilters, a proxy would have one.
fn own_name(values: &Values, layer: Layer) -> String {
    let layer = match layer {
        Layer::Http => "",
        Layer::Network => ".network",
    };
    format!("{}.{}{layer}", values.namespace.value, values.name)
}

/// Behind the filter: what is put before the same anchor later stands nearer to it.
fn guard_patch(values: &Values, guard: Guard, layer: Layer) -> Result<Option<Tree>, Diagnostic> {
    let Some(body) = guard.filter(layer)? else { return Ok(None) };
    let name = format!("{}.guard", own_name(values, layer));
    let (to, at) = place(values, context(values), layer);
    Ok(Some(patch(to, at, "INSERT_BEFORE", map([("name", name.into()), ("typed_config", body)]))))
}

fn patches(values: &Values, config: &Tree, guard: Guard, layer: Layer) -> Result<Vec<Tree>, Diagnostic> {
    let context = context(values);
    let plugin = filter(values, config, layer)?;
    let mut name = own_name(values, layer);
    // A guard comes by the listener, the plugin by ECDS: under another name it is another resource, which the listener
    // waits for, so that no request meets the guard that was not marked.
    if guard != Guard::Absent {
        name.push_str(".guarded");
    }
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
