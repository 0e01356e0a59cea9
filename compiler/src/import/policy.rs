//! Istio's AuthorizationPolicy as it stands in a manifest. Nothing unknown is passed over: a field that is not
//! understood could narrow a rule.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reasons::Reason;

/// Versions of `security.istio.io` that have the same fields.
pub(super) const VERSIONS: [&str; 2] = ["security.istio.io/v1", "security.istio.io/v1beta1"];
/// The annotation by which a policy is only tried.
const DRY_RUN: &str = "istio.io/dry-run";

/// A policy with where it came from.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) file: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) is_dry_run: bool,
    /// Which pods it is about; an error where that cannot be read.
    pub(super) scope: Result<Scope, Reason>,
    /// What it says; an error where it cannot be read.
    pub(super) spec: Result<Spec, Reason>,
}

/// Which proxies decide by a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Sidecars of pods with all of these labels.
    Pods(BTreeMap<String, String>),
    /// Gateways and waypoints, which stand before these.
    Before(Vec<Target>),
}

/// What a policy at a gateway or waypoint can keep callers from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// One service of the policy's namespace.
    Service(String),
    /// Services behind a gateway of the policy's namespace, which may be its waypoint.
    Namespace,
    /// Services behind any waypoint.
    Mesh,
    /// Nothing that runs in the mesh.
    Outside,
}

/// What a policy does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Action {
    /// Lets in.
    #[default]
    Allow,
    /// Keeps out.
    Deny,
    /// Logs.
    Audit,
    /// Asks a service.
    Custom,
}

/// `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(default)]
    selector: Option<Selector>,
    #[serde(default)]
    target_ref: Option<TargetRef>,
    #[serde(default)]
    target_refs: Option<Vec<TargetRef>>,
    #[serde(default)]
    pub(super) action: Option<Action>,
    #[serde(default)]
    provider: Option<serde_yaml_ng::Value>,
    #[serde(default)]
    pub(super) rules: Option<Vec<Option<Rule>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selector {
    #[serde(default)]
    match_labels: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TargetRef {
    #[serde(default)]
    group: Option<String>,
    kind: String,
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

/// One of a policy's rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub(super) from: Option<Vec<From>>,
    #[serde(default)]
    pub(super) to: Option<Vec<To>>,
    #[serde(default)]
    pub(super) when: Option<Vec<When>>,
}

/// An entry of `from`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    pub(super) source: Option<Source>,
}

/// An entry of `to`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    #[serde(default)]
    pub(super) operation: Option<Operation>,
}

/// Who calls: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Source {
    pub(super) principals: Texts,
    pub(super) not_principals: Texts,
    pub(super) request_principals: Texts,
    pub(super) not_request_principals: Texts,
    pub(super) namespaces: Texts,
    pub(super) not_namespaces: Texts,
    pub(super) service_accounts: Texts,
    pub(super) not_service_accounts: Texts,
    pub(super) trust_domains: Texts,
    pub(super) not_trust_domains: Texts,
    pub(super) ip_blocks: Texts,
    pub(super) not_ip_blocks: Texts,
    pub(super) remote_ip_blocks: Texts,
    pub(super) not_remote_ip_blocks: Texts,
}

/// What is called: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Operation {
    pub(super) hosts: Texts,
    pub(super) not_hosts: Texts,
    pub(super) ports: Texts,
    pub(super) not_ports: Texts,
    pub(super) methods: Texts,
    pub(super) not_methods: Texts,
    pub(super) paths: Texts,
    pub(super) not_paths: Texts,
}

/// An entry of `when`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct When {
    pub(super) key: String,
    #[serde(default)]
    pub(super) values: Texts,
    #[serde(default)]
    pub(super) not_values: Texts,
}

/// A list of texts; `null` is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<Vec<String>>")]
pub(super) struct Texts(pub(super) Vec<String>);

impl std::convert::From<Option<Vec<String>>> for Texts {
    fn from(texts: Option<Vec<String>>) -> Self {
        Self(texts.unwrap_or_default())
    }
}

/// The outer fields of any manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Policy {
    /// Reads the policy of a manifest.
    pub(super) fn new(
        file: &str,
        version: &str,
        metadata: Metadata,
        namespace: &str,
        spec: serde_yaml_ng::Value,
    ) -> Self {
        let Metadata { name, namespace: own, labels: _, annotations } = metadata;
        // As istiod reads it (Go's `strconv.ParseBool`); what is neither true nor false is enforced.
        let is_dry_run = annotations
            .and_then(|all| all.get(DRY_RUN).cloned())
            .is_some_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True"));
        let spec = match spec {
            serde_yaml_ng::Value::Null => Ok(Spec::default()),
            spec => serde_yaml_ng::from_value(spec).map_err(|error| Reason::Unreadable(error.to_string())),
        };
        let spec = match VERSIONS.contains(&version) {
            true => spec,
            false => Err(Reason::Version(version.to_owned())),
        };
        Self {
            file: file.to_owned(),
            namespace: own.unwrap_or_else(|| namespace.to_owned()),
            name: name.unwrap_or_default(),
            is_dry_run,
            scope: spec.as_ref().map_err(Clone::clone).and_then(Spec::scope),
            spec,
        }
    }

    /// How people name it.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Spec {
    fn scope(&self) -> Result<Scope, Reason> {
        let Self { selector, target_ref, target_refs, action, provider, rules: _ } = self;
        if provider.is_some() && *action != Some(Action::Custom) {
            return Err(Reason::Invalid("`provider` goes with `action: CUSTOM` alone"));
        }
        let refs: Vec<&TargetRef> = target_ref.iter().chain(target_refs.iter().flatten()).collect();
        if refs.is_empty() {
            let labels = selector.as_ref().and_then(|selector| selector.match_labels.clone());
            return Ok(Scope::Pods(labels.unwrap_or_default()));
        }
        if selector.is_some() || target_ref.is_some() && target_refs.is_some() {
            return Err(Reason::Invalid("one of `selector`, `targetRef` and `targetRefs` is expected"));
        }
        if refs.iter().any(|target| target.namespace.is_some()) {
            return Err(Reason::Invalid("`targetRefs` of another namespace is not supported by Istio"));
        }
        Ok(Scope::Before(refs.iter().map(|target| target.target()).collect()))
    }
}

impl TargetRef {
    fn target(&self) -> Target {
        let Self { group, kind, name, namespace: _ } = self;
        match (group.as_deref().unwrap_or_default(), kind.as_str()) {
            ("" | "core", "Service") => Target::Service(name.clone()),
            ("gateway.networking.k8s.io", "Gateway") => Target::Namespace,
            ("networking.istio.io", "ServiceEntry") => Target::Outside,
            _ => Target::Mesh,
        }
    }
}
