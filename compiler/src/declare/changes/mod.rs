//! What changes between two states of the declarations: who gains access, who loses it. What counts is what files
//! mean, not how they are written.
//!
//! For every service, callers that no rule of either side tells apart are one, and so are paths, methods, headers
//! and the rest. Each kind is asked of both sides; where the answers differ, a line says so. Nothing is left out:
//! where there would be too much to ask, a line says what may differ.

mod bits;
mod callers;
mod clauses;
mod compare;
mod explore;
mod headers;
mod lines;
mod networks;
mod notes;
mod paths;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::beside::Defined;
use super::judge::Effect;
use super::mesh::Mesh;
use super::model::ServicePolicy;

pub use callers::CallerClass;
pub use notes::Note;

/// What changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Changes of the mesh as a whole.
    pub mesh: Vec<Note>,
    /// Services that change, by namespace and name.
    pub services: Vec<ServiceChange>,
    /// Services that do not.
    pub unchanged: usize,
}

/// What changes of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceChange {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Whether it is there on both sides.
    pub kind: ChangeKind,
    /// Who may do what, and could not before.
    pub gains: Vec<Access>,
    /// Who could do what, and may not any more.
    pub loses: Vec<Access>,
    /// What else changes.
    pub notes: Vec<Note>,
}

/// Whether a service is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only in the new state.
    Added,
    /// Only in the old state.
    Removed,
    /// In both.
    Changed,
}

/// Callers and what they may do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Access {
    /// Who.
    pub callers: Vec<CallerClass>,
    /// With which methods.
    pub methods: Methods,
    /// Path templates; every path where there is none.
    pub paths: Vec<String>,
    /// Whether it is gRPC: then `paths` are `package.Service/Method`.
    pub grpc: bool,
    /// What else is asked, in words.
    pub when: Vec<String>,
    /// Whether both states allow some of it.
    pub in_part: bool,
    /// Whether there was too much to compare: then it may be so.
    pub uncertain: bool,
    /// The rule that makes the difference.
    pub rule: RuleRef,
    /// A request for which it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
}

/// Methods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Methods {
    /// Every one.
    Any,
    /// Every one but these.
    AnyBut(Vec<String>),
    /// These.
    These(Vec<String>),
}

/// A rule of one of the states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleRef {
    /// The file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// What the rule is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is an allow or a deny.
    pub effect: Effect,
    /// Which state it is of.
    pub state: State,
}

/// A state of the declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it was.
    Old,
    /// As it will be.
    New,
}

/// A request in few words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// All of it, as a policy sees it.
    pub input: serde_json::Value,
}

/// A state of a service, in its mesh.
#[derive(Clone, Copy)]
pub(super) struct Seen<'m> {
    pub(super) mesh: &'m Mesh,
    pub(super) service: Option<&'m ServicePolicy>,
    /// In place of what the declaration allows: what its Rego may.
    pub(super) rego: Option<&'m Defined>,
    /// Whether it is Rego that is compared, not the declaration.
    pub(super) is_rego: bool,
}

/// What changes from one state to another, for a mesh of this trust domain.
pub fn plan(old: &Mesh, new: &Mesh, trust_domain: &str) -> Plan {
    let by_name = |mesh: &'_ Mesh| -> BTreeMap<(String, String), usize> {
        let named = mesh.services.iter().enumerate();
        named.map(|(at, service)| ((service.namespace.clone(), service.name.clone()), at)).collect()
    };
    let (olds, news) = (by_name(old), by_name(new));
    let names: BTreeSet<&(String, String)> = olds.keys().chain(news.keys()).collect();
    let same_mesh = notes::is_same_mesh(old, new);
    let mut plan = Plan { mesh: notes::of_mesh(old, new), ..Plan::default() };
    for name in names {
        let old = Seen::new(old, olds.get(name).and_then(|at| old.services.get(*at)));
        let new = Seen::new(new, news.get(name).and_then(|at| new.services.get(*at)));
        if same_mesh && notes::is_same(old, new) {
            plan.unchanged = plan.unchanged.saturating_add(1);
            continue;
        }
        let (mut gains, mut loses) = compare::compare(old, new, trust_domain, None);
        if let Some([old, new]) = compare::widening(old, new) {
            let (more, less) = compare::compare(old, new, trust_domain, None);
            gains.extend(more);
            loses.extend(less);
        }
        let notes = notes::of_service(old, new);
        let kind = match (old.service, new.service) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        if gains.is_empty() && loses.is_empty() && notes.is_empty() && kind == ChangeKind::Changed {
            plan.unchanged = plan.unchanged.saturating_add(1);
            continue;
        }
        let (namespace, name) = name.clone();
        plan.services.push(ServiceChange { namespace, name, kind, gains, loses, notes });
    }
    plan
}

/// What one caller may do at a service; without identity where there is no principal.
pub fn access(
    mesh: &Mesh,
    service: &ServicePolicy,
    principal: Option<&str>,
    trust_domain: &str,
) -> Vec<Access> {
    let (old, new) = (Seen::new(mesh, None), Seen::new(mesh, Some(service)));
    compare::compare(old, new, trust_domain, Some(principal)).0
}

impl<'m> Seen<'m> {
    fn new(mesh: &'m Mesh, service: Option<&'m ServicePolicy>) -> Self {
        Self { mesh, service, rego: None, is_rego: false }
    }
}

impl Plan {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.mesh.is_empty()
    }
}
