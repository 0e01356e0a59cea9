//! Manifests, made from values by `sidegate render`.

use serde_json::{Value, json};

use super::Story;
use crate::{manifests, places};

/// The module in the network team's folder.
const MODULE: &str = "sidegate.wasm";

/// The configuration of what has a filter for requests alone.
pub(super) fn for_requests_alone() -> Value {
    json!({"config": {"network_entrypoint": null}})
}

/// A manifest to be made from a values file.
pub(super) struct Render {
    /// The kind, and the file's name.
    pub(super) kind: &'static str,
    pub(super) file: &'static str,
    pub(super) values: Value,
}

/// The values that every manifest of this story has.
pub(super) fn values(story: &Story, change: &Value) -> Result<Value, String> {
    let mut values = json!({
        "namespace": "istio-system",
        "module": {"url": story.scene.module()},
        "bundles": {"service": "sidegate-bundles.sidegate-system", "port": 8080},
        "config": {
            "version": 1,
            "bundle": {"http": {"interval": "1s"}},
            "entrypoint": "sidegate/authz/decision",
            "network_entrypoint": "sidegate/authz/network_decision",
            "mode": "enforce",
            "verify": {"keys": story.scene.desk.key()?},
        },
    });
    merge(&mut values, change);
    Ok(values)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key.clone()).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

/// A manifest for the module as it was built.
pub(super) fn render(story: &mut Story, what: &Render) -> Result<(), String> {
    let copy = story.scene.desk.dir().join(MODULE);
    if !copy.exists() {
        std::fs::copy(places::filter_wasm()?, copy).map_err(|e| e.to_string())?;
    }
    render_with(story, what, MODULE)
}

/// A manifest for this file of the network team's.
pub(super) fn render_with(story: &mut Story, what: &Render, module: &str) -> Result<(), String> {
    let Render { kind, file, values: change } = what;
    let values = values(story, change)?;
    story.scene.desk.write(&format!("{file}.values.yaml"), &format!("{values:#}"))?;
    story.sidegate(&format!("render {kind} {file}.values.yaml --wasm {module} -o {file}.yaml"))
}

/// What is shipped in envoy-config/istio: the same by kustomize and by render, taken by the API server with this
/// version's CRDs and by istiod's webhook's rules, and nothing that istioctl would warn of.
pub(super) fn shipped(story: &mut Story) -> Result<(), String> {
    story.heading("The manifests of envoy-config/istio");
    let count = manifests::ALL.len();
    manifests::check_kustomizations(&places::kubernetes_binary("kubectl")?)?;
    story.shown(format!(
        "`kubectl kustomize` makes of all {count} what `sidegate render` makes of their values"
    ));
    manifests::check_with_server(|| story.scene.cluster().command())?;
    story.shown("`kubectl apply --dry-run=server --validate=strict -k` takes all of them");
    manifests::check_with_istioctl(&story.scene.version.file("istioctl")?)?;
    story.shown(
        "`istioctl validate` and `istioctl analyze` have nothing to say but that EnvoyFilters are internal",
    );
    Ok(())
}
