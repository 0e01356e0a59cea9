//! Manifests: policies, and the Services and pods that they are about.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::policy::{Metadata, Policy};

/// What files of manifests hold.
#[derive(Default)]
pub(super) struct Manifests {
    pub(super) policies: Vec<Policy>,
    pub(super) services: Vec<Service>,
    pub(super) pods: Vec<Pods>,
    /// Manifests of other kinds, by kind.
    pub(super) others: BTreeMap<String, usize>,
}

/// A Service with the labels of its pods.
pub(super) struct Service {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pub(super) selector: BTreeMap<String, String>,
}

/// Pods of one template.
pub(super) struct Pods {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Selector {
    selector: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Templated {
    template: Option<Template>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Template {
    metadata: Option<Metadata>,
}

/// The label and annotation that name who answers for a service.
const OWNER: &str = "sidegate.io/owner";
/// What says who a pod is, the first that is there (as Istio has it).
const CANONICAL: [&str; 3] = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];

/// The workload that pods with these labels are.
pub(super) fn canonical(labels: &BTreeMap<String, String>) -> Option<&str> {
    CANONICAL.iter().find_map(|key| labels.get(*key)).map(String::as_str)
}

impl Manifests {
    /// Reads all documents of a file. `namespace` is of manifests that say none.
    pub(super) fn read(&mut self, file: &str, text: &str, namespace: &str) -> Result<(), String> {
        for (at, document) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
            let number = at.saturating_add(1);
            let wrong = |error: serde_yaml_ng::Error| format!("`{file}`, document {number}: {error}");
            let value = Value::deserialize(document).map_err(wrong)?;
            self.add(file, value, namespace, 0)
                .map_err(|error| format!("`{file}`, document {number}: {error}"))?;
        }
        Ok(())
    }

    fn add(&mut self, file: &str, value: Value, namespace: &str, depth: usize) -> Result<(), String> {
        if value.is_null() {
            return Ok(());
        }
        let manifest: Manifest =
            serde_yaml_ng::from_value(value).map_err(|error| format!("expected a manifest: {error}"))?;
        let Manifest { api_version, kind, metadata, spec, items } = manifest;
        if let Some(items) = items.filter(|_| kind.ends_with("List")) {
            if depth > 0 {
                return Err("expected manifests in a list, got a list".to_owned());
            }
            return items.into_iter().try_for_each(|item| self.add(file, item, namespace, 1));
        }
        let metadata = metadata.unwrap_or_default();
        let own = metadata.namespace.clone().unwrap_or_else(|| namespace.to_owned());
        let name = metadata.name.clone().unwrap_or_default();
        let owner = [&metadata.annotations, &metadata.labels]
            .into_iter()
            .find_map(|all| all.as_ref().and_then(|all| all.get(OWNER)).cloned());
        let wrong = |error: serde_yaml_ng::Error| format!("{kind} `{own}/{name}`: {error}");
        match kind.as_str() {
            "AuthorizationPolicy" => {
                if name.is_empty() {
                    return Err("expected the name of an AuthorizationPolicy".to_owned());
                }
                self.policies.push(Policy::new(file, &api_version, metadata, namespace, spec));
            }
            "Service" if api_version == "v1" => {
                let Selector { selector } = serde_yaml_ng::from_value(spec).map_err(wrong)?;
                let selector = selector.unwrap_or_default();
                self.services.push(Service { namespace: own, name, owner, selector });
            }
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
                let Templated { template } = serde_yaml_ng::from_value(spec).map_err(wrong)?;
                let labels = template.and_then(|template| template.metadata).and_then(|meta| meta.labels);
                self.pods.push(Pods { namespace: own, name, owner, labels: labels.unwrap_or_default() });
            }
            _ => {
                let count = self.others.entry(kind).or_default();
                *count = count.saturating_add(1);
            }
        }
        Ok(())
    }
}
