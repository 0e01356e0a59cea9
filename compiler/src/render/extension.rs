//! WasmPlugin and TrafficExtension: Istio's own resources for filters, which put them in the right place by themselves and
//! leave a few settings out.

use super::config::Ready;
use super::tree::{Tree, map};
use super::values::{Failure, Placed, Proxies, Values};
use super::{Kind, envoyfilter, metadata, selection};
use crate::diagnostics::Diagnostic;

/// The resource of this kind; with it the guard, and where proxies need it, what makes them have the bundles' cluster.
pub(super) fn render(kind: Kind, values: &Values, ready: &Ready) -> Result<Vec<Tree>, Diagnostic> {
    let Values { module, failure, proxies, .. } = values;
    let mut wasm = Vec::new();
    if let Some(module) = module {
        wasm.push(("url".to_owned(), module.url.value.as_str().into()));
        if let Some(Placed { value, .. }) = &module.sha256 {
            wasm.push(("sha256".to_owned(), value.as_str().into()));
        }
    }
    let strategy = match failure {
        Failure::Reload => "FAIL_RELOAD",
        Failure::Close => "FAIL_CLOSE",
    };
    wasm.push(("pluginName".to_owned(), "sidegate".into()));
    wasm.push(("failStrategy".to_owned(), strategy.into()));
    wasm.push(("pluginConfig".to_owned(), ready.config.clone()));
    let mut spec = selection(values)
        .into_iter()
        .map(|(key, value)| match key.as_str() {
            // The one name that they have for it.
            "workloadSelector" => ("selector".to_owned(), matching(value)),
            _ => (key, value),
        })
        .collect::<Vec<_>>();
    spec.push(("phase".to_owned(), "AUTHZ".into()));
    // Without it, what goes out of a sidecar would be decided about, too; at a gateway everything counts as going out.
    if *proxies == Proxies::Sidecar {
        spec.push(("match".to_owned(), Tree::List(vec![map([("mode", "SERVER".into())])])));
    }
    let name = match kind {
        Kind::TrafficExtension => {
            spec.push(("wasm".to_owned(), Tree::Map(wasm)));
            "TrafficExtension"
        }
        _ => {
            spec.extend(wasm);
            "WasmPlugin"
        }
    };
    let object = map([
        ("apiVersion", "extensions.istio.io/v1alpha1".into()),
        ("kind", name.into()),
        ("metadata", metadata(&values.name, &values.namespace.value)),
        ("spec", Tree::Map(spec)),
    ]);
    Ok(std::iter::once(object).chain(envoyfilter::companion(values, ready)?).collect())
}

fn matching(labels: Tree) -> Tree {
    match labels.get("labels") {
        Some(labels) => map([("matchLabels", labels.clone())]),
        None => labels,
    }
}
