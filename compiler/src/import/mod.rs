//! Istio's AuthorizationPolicies as declarations. What cannot be said exactly is refused, and never said wider:
//! a service with a DENY that cannot be carried over gets no declaration at all.
//!
//! What Istio does is read from its source (`pilot/pkg/security/authz`) and from Envoy's RBAC filter.

mod callers;
mod condition;
mod manifest;
mod operation;
mod policy;
mod reasons;
mod report;
mod service;
mod text;
mod translate;
mod units;

use std::collections::BTreeMap;

use callers::Trust;
use manifest::Manifests;
use policy::{Action, Policy};
use reasons::Reason;
use service::imported;
use units::{Selected, units};

pub use report::{Imported, Item, ItemKind, Service, Status};

/// What policies do not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace whose policies hold in all namespaces.
    pub root_namespace: String,
    /// Namespace of manifests that say none.
    pub namespace: String,
    /// The mesh's trust domain.
    pub trust_domain: String,
    /// Its aliases.
    pub trust_domain_aliases: Vec<String>,
    /// Whether proxies take certificates of these trust domains alone, as istiod configures them by default, with
    /// names of Istio's form.
    pub own_trust_domain_only: bool,
    /// Whether services that no ALLOW is about get a declaration that lets everybody in, as Istio does.
    pub undeclared_open: bool,
    /// Who answers for services whose manifests do not say it.
    pub owner: String,
    /// Services by the labels of their pods.
    pub services: Vec<Labels>,
    /// Services that are declared already.
    pub known: Vec<KnownService>,
    /// The label by which all pods are named as their services.
    pub label: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            namespace: "default".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
            own_trust_domain_only: false,
            undeclared_open: false,
            owner: "team".to_owned(),
            services: Vec::new(),
            known: Vec::new(),
            label: None,
        }
    }
}

/// Labels that a service's pods have, among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// Namespace of the service.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Labels {
    /// Reads `KEY=VALUE[,KEY=VALUE]:NAMESPACE/NAME`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected `KEY=VALUE[,KEY=VALUE]:NAMESPACE/NAME`, got `{text}`");
        let (labels, service) = text.rsplit_once(':').ok_or_else(expected)?;
        let (namespace, name) = service.split_once('/').ok_or_else(expected)?;
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
        };
        let labels = labels.split(',').map(pair).collect::<Option<_>>().ok_or_else(expected)?;
        for part in [namespace, name] {
            crate::declare::words::label(part).map_err(|reason| format!("`{part}`: {reason}"))?;
        }
        Ok(Self { labels, namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// A service that is declared already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Names of its workloads.
    pub workloads: Vec<String>,
}

/// Reads manifests, each with the name of its file, and makes declarations of their policies.
///
/// # Errors
/// A file is no YAML, or has something else than manifests.
pub fn import(files: &[(String, String)], options: &Options) -> Result<Imported, String> {
    let mut manifests = Manifests::default();
    for (file, text) in files {
        manifests.read(file, text, &options.namespace)?;
    }
    let Options { root_namespace, services, known, label, .. } = options;
    let (units, odd) = units(&manifests, services, known, label.as_deref(), root_namespace);
    let trust = Trust {
        own: std::iter::once(&options.trust_domain).chain(&options.trust_domain_aliases).cloned().collect(),
        is_own_only: options.own_trust_domain_only,
    };
    let mut imported_all = Imported { others: manifests.others, odd, ..Imported::default() };
    let policies = &manifests.policies;
    let mut is_used = vec![false; policies.len()];
    for unit in &units {
        let selected = policies.iter().map(|policy| unit.selected(policy, root_namespace));
        let about: Vec<(&Policy, Selected)> = policies.iter().zip(selected).collect();
        for (used, (_, selected)) in is_used.iter_mut().zip(&about) {
            *used |= *selected != Selected::No;
        }
        if let Some(service) = imported(unit, &about, &trust, options) {
            imported_all.services.push(service);
        }
    }
    for (policy, is_used) in policies.iter().zip(is_used) {
        if let Some(reason) = alone(policy, is_used) {
            imported_all.policies.push(Item::of_policy(policy, reason.0, &reason.1));
        }
    }
    Ok(imported_all)
}

/// What is to be said of a policy that no service's report speaks of.
fn alone(policy: &Policy, is_used: bool) -> Option<(ItemKind, String)> {
    let action = policy.spec.as_ref().map(|spec| spec.action.unwrap_or_default());
    match action {
        _ if policy.is_dry_run => Some((ItemKind::Left, DRY_RUN.to_owned())),
        Ok(Action::Audit) => Some((ItemKind::Refused, Reason::Action(AUDIT).to_string())),
        _ if is_used => None,
        Err(reason) => Some((ItemKind::Refused, reason.to_string())),
        Ok(_) => match policy.scope {
            Ok(policy::Scope::Before(_)) => Some((ItemKind::Refused, Reason::Elsewhere.to_string())),
            _ => Some((ItemKind::Refused, Reason::Nobody.to_string())),
        },
    }
}

const AUDIT: &str = "`action: AUDIT` logs, and lets nobody in or out; the filter has a decision log";
const DRY_RUN: &str = "`istio.io/dry-run` decides nothing, and neither does what would be made of it";
