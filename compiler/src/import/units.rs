//! The services that declarations are written for, and which policies are about them.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::{Manifests, Pods, Service, canonical};
use super::policy::{Policy, Scope, Target};
use super::{KnownService, Labels};
use crate::declare::words;

/// A service, and the pods that it is.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pods: Vec<Pod>,
}

#[derive(Clone, Debug)]
struct Pod {
    workload: String,
    labels: BTreeMap<String, String>,
    /// Whether there are no other labels.
    is_complete: bool,
}

/// Whether a policy is about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// About all of its pods.
    Yes,
    /// About none.
    No,
    /// About some, or it cannot be known.
    Partly,
    /// A gateway or waypoint before it decides.
    Before,
}

impl Unit {
    /// Names of its workloads.
    pub(super) fn workloads(&self) -> BTreeSet<&str> {
        self.pods.iter().map(|pod| pod.workload.as_str()).collect()
    }

    /// Whether a policy is about it.
    pub(super) fn selected(&self, policy: &Policy, root: &str) -> Selected {
        let is_root = policy.namespace == root;
        let is_near = policy.namespace == self.namespace;
        let labels = match &policy.scope {
            Err(_) if is_root || is_near => return Selected::Partly,
            Ok(Scope::Before(targets)) => {
                let is_before = targets.iter().any(|target| match target {
                    Target::Service(name) => is_near && *name == self.name,
                    Target::Namespace => is_near,
                    Target::Mesh => is_root || is_near,
                    Target::Outside => false,
                });
                return if is_before { Selected::Before } else { Selected::No };
            }
            Ok(Scope::Pods(labels)) if is_root || is_near => labels,
            Err(_) | Ok(Scope::Pods(_)) => return Selected::No,
        };
        let answers: Vec<Selected> = self.pods.iter().map(|pod| pod.selected(labels)).collect();
        match answers.first() {
            Some(first) if answers.iter().all(|answer| answer == first) => *first,
            _ => Selected::Partly,
        }
    }
}

impl Pod {
    fn selected(&self, labels: &BTreeMap<String, String>) -> Selected {
        let mut selected = Selected::Yes;
        for (key, wanted) in labels {
            match self.labels.get(key) {
                Some(value) if value == wanted => {}
                Some(_) => return Selected::No,
                None if self.is_complete && !is_added(key) => return Selected::No,
                None => selected = Selected::Partly,
            }
        }
        selected
    }
}

/// Whether pods get a label that their template does not have.
fn is_added(key: &str) -> bool {
    key.contains("istio.io/")
        || matches!(
            key,
            "pod-template-hash"
                | "controller-revision-hash"
                | "statefulset.kubernetes.io/pod-name"
                | "apps.kubernetes.io/pod-index"
        )
}

/// All services that are known, by namespace and name, and what is odd about manifests.
pub(super) fn units(
    manifests: &Manifests,
    labelled: &[Labels],
    known: &[KnownService],
    label: Option<&str>,
    root: &str,
) -> (Vec<Unit>, Vec<String>) {
    let mut all = Units::default();
    let mut unmatched: Vec<&Pods> = manifests.pods.iter().collect();
    for service in &manifests.services {
        all.service(service, &manifests.pods, &mut unmatched);
    }
    for pods in unmatched {
        let workload = canonical(&pods.labels).unwrap_or(&pods.name).to_owned();
        let pod = Pod { workload: workload.clone(), labels: pods.labels.clone(), is_complete: true };
        all.add(&pods.namespace, &workload, pods.owner.clone(), vec![pod]);
    }
    for Labels { labels, namespace, name } in labelled {
        all.known(namespace, name, labels.clone(), vec![name.clone()]);
    }
    for KnownService { namespace, name, workloads } in known {
        let labels = label.map(|key| (key.to_owned(), name.clone())).into_iter().collect();
        all.known(namespace, name, labels, workloads.clone());
    }
    // By the convention, who is selected is there.
    if let Some(key) = label {
        for policy in manifests.policies.iter().filter(|policy| policy.namespace != root) {
            if let Ok(Scope::Pods(labels)) = &policy.scope
                && let Some(name) = labels.get(key)
            {
                let own = BTreeMap::from([(key.to_owned(), name.clone())]);
                all.known(&policy.namespace, name, own, vec![name.clone()]);
            }
        }
    }
    all.finish()
}

#[derive(Default)]
struct Units {
    units: BTreeMap<(String, String), Unit>,
    odd: Vec<String>,
}

impl Units {
    fn service(&mut self, service: &Service, all: &[Pods], unmatched: &mut Vec<&Pods>) {
        let Service { namespace, name, owner, selector } = service;
        if selector.is_empty() {
            self.odd.push(format!("Service `{namespace}/{name}` selects no pods"));
            return;
        }
        let is_own = |pods: &Pods| {
            pods.namespace == *namespace
                && selector.iter().all(|(key, value)| pods.labels.get(key) == Some(value))
        };
        unmatched.retain(|pods| !is_own(pods));
        let mut pods: Vec<Pod> = all
            .iter()
            .filter(|pods| is_own(pods))
            .map(|pods| Pod {
                workload: canonical(&pods.labels).unwrap_or(&pods.name).to_owned(),
                labels: pods.labels.clone(),
                is_complete: true,
            })
            .collect();
        if pods.is_empty() {
            let workload = canonical(selector).unwrap_or(name).to_owned();
            pods.push(Pod { workload, labels: selector.clone(), is_complete: false });
        }
        self.add(namespace, name, owner.clone(), pods);
    }

    /// A workload belongs to one service: a second one of the same pods is the same.
    fn add(&mut self, namespace: &str, name: &str, owner: Option<String>, pods: Vec<Pod>) {
        let names: BTreeSet<&str> = pods.iter().map(|pod| pod.workload.as_str()).collect();
        let same = self.units.iter_mut().find(|((unit, _), own)| {
            unit == namespace && own.pods.iter().any(|pod| names.contains(pod.workload.as_str()))
        });
        let Some(((_, before), unit)) = same else {
            let unit = Unit { namespace: namespace.to_owned(), name: name.to_owned(), owner, pods };
            self.units.insert((namespace.to_owned(), name.to_owned()), unit);
            return;
        };
        if before != name {
            self.odd.push(format!(
                "`{namespace}/{name}` has pods of `{namespace}/{before}`, and is taken for it"
            ));
        }
        unit.pods.extend(pods);
        unit.owner = unit.owner.take().or(owner);
    }

    /// A service of which no manifest is given, but some labels.
    fn known(
        &mut self,
        namespace: &str,
        name: &str,
        labels: BTreeMap<String, String>,
        workloads: Vec<String>,
    ) {
        match self.units.get_mut(&(namespace.to_owned(), name.to_owned())) {
            Some(unit) => {
                for pod in unit.pods.iter_mut().filter(|pod| !pod.is_complete) {
                    pod.labels.extend(labels.clone());
                }
            }
            None => {
                let pod = |workload| Pod { workload, labels: labels.clone(), is_complete: false };
                self.add(namespace, name, None, workloads.into_iter().map(pod).collect());
            }
        }
    }

    fn finish(self) -> (Vec<Unit>, Vec<String>) {
        let Self { units, mut odd } = self;
        let is_named = |unit: &Unit| {
            let names = [&unit.namespace, &unit.name];
            names.iter().all(|name| words::label(name).is_ok())
                && unit.pods.iter().all(|pod| words::subdomain(&pod.workload).is_ok())
        };
        let (good, bad): (Vec<Unit>, Vec<Unit>) = units.into_values().partition(is_named);
        odd.extend(
            bad.iter().map(|unit| format!("`{}/{}` is no name for a declaration", unit.namespace, unit.name)),
        );
        (good, odd)
    }
}
