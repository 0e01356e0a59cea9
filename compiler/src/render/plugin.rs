//! The plugin as Envoy has it, taken from the configuration that is shipped and tested: `envoy-config/envoy.yaml`.

use super::tree::{Tree, map};
use super::values::{Delivery, Failure, Module, Placed, Values};
use crate::declare::{Checker, Source, yaml};
use crate::diagnostics::Diagnostic;

/// A whole configuration for a stand-alone Envoy, with places in capitals between @ signs.
const ENVOY: &str = include_str!("../../../envoy-config/envoy.yaml");
/// Its name, for messages.
const FILE: &str = "envoy-config/envoy.yaml";
/// Where the HTTP connection manager's own part is.
pub(super) const MANAGER: [&str; 8] =
    ["static_resources", "listeners", "0", "filter_chains", "0", "filters", "0", "typed_config"];
/// Where the plugin's part is in that.
pub(super) const PLUGIN: [&str; 3] = ["http_filters", "0", "typed_config"];
/// Where the guard's part is.
pub(super) const GUARD: [&str; 3] = ["http_filters", "1", "typed_config"];

/// What the plugin is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// The HTTP connection manager.
    Http,
    /// The filters of a connection.
    Network,
}

impl Layer {
    /// The type of the filter.
    pub(super) fn wasm(self) -> &'static str {
        match self {
            Self::Http => "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            Self::Network => "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
        }
    }

    /// The type of the filter that denies everything, which Istio's agent puts in the place of a module that it could not
    /// download.
    pub(super) fn rbac(self) -> &'static str {
        match self {
            Self::Http => "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            Self::Network => "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
        }
    }
}

/// The shipped configuration.
pub(super) fn shipped() -> Result<Tree, Diagnostic> {
    let source = Source::new(FILE, ENVOY);
    let mut check = Checker::new(&source);
    let read = Tree::read(&mut check, yaml::read(&source)?);
    match read {
        Some(tree) => Ok(tree),
        None => Err(check.findings.into_iter().next().unwrap_or_else(lacking)),
    }
}

/// It is not as it is expected to be.
pub(super) fn lacking() -> Diagnostic {
    Diagnostic::file(
        FILE,
        "render_source",
        "expected a listener with an HTTP connection manager and the plugin in it",
    )
}

/// The filter's configuration.
pub(super) fn filter(values: &Values, config: &Tree, layer: Layer) -> Result<Tree, Diagnostic> {
    let Values { module, delivery, bodies, failure, .. } = values;
    let mut envoy = shipped()?;
    let filter = envoy.at(&MANAGER).and_then(|manager| manager.at(&PLUGIN)).ok_or_else(lacking)?;
    filter.set("@type", layer.wasm().into());
    let plugin = filter.at(&["config"]).ok_or_else(lacking)?;
    if let Some(module) = module {
        plugin.at(&["vm_config"]).ok_or_else(lacking)?.set("code", code(module, delivery.value));
    }
    fill(plugin, *failure, config)?;
    if !bodies.value || layer == Layer::Network {
        plugin.remove("allow_on_headers_stop_iteration");
    }
    Ok(filter.clone())
}

/// Sets what does not depend on where the module comes from.
pub(super) fn fill(plugin: &mut Tree, failure: Failure, config: &Tree) -> Result<(), Diagnostic> {
    if failure == Failure::Close {
        plugin.set("failure_policy", "FAIL_CLOSED".into());
        plugin.remove("reload_config");
    }
    plugin.at(&["configuration"]).ok_or_else(lacking)?.set("value", format!("{}\n", config.json()).into());
    Ok(())
}

fn code(module: &Module, delivery: Delivery) -> Tree {
    let Module { url: Placed { value: url, .. }, sha256 } = module;
    match url.strip_prefix("file://") {
        Some(path) => map([("local", map([("filename", path.into())]))]),
        None => {
            // What Istio writes for a WasmPlugin: its agent downloads the module and never asks for the cluster.
            debug_assert!(delivery == Delivery::Ecds, "checked before");
            let uri = map([("uri", url.as_str().into()), ("timeout", "30s".into()), ("cluster", "_".into())]);
            let mut remote = map([("http_uri", uri)]);
            if let Some(sha256) = sha256 {
                remote.set("sha256", sha256.value.as_str().into());
            }
            map([("remote", remote)])
        }
    }
}
