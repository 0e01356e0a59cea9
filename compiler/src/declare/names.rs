//! Whom a name of a caller means: the service that has it, or one of whose workloads has it.

use std::collections::BTreeMap;

use super::mesh::Mesh;

/// Names that callers can have, by namespace, each with its service's place in [`Mesh::services`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Names<'m>(BTreeMap<&'m str, BTreeMap<&'m str, usize>>);

impl<'m> Names<'m> {
    pub(crate) fn of(mesh: &'m Mesh) -> Self {
        let mut names: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for (at, service) in mesh.services.iter().enumerate() {
            let own = names.entry(&service.namespace).or_default();
            for workload in &service.workloads {
                own.entry(workload).or_insert(at);
            }
        }
        // A service's own name is its own, also where another one has a workload of that name.
        for (at, service) in mesh.services.iter().enumerate() {
            names.entry(&service.namespace).or_default().insert(&service.name, at);
        }
        Self(names)
    }

    /// Namespaces that have a service.
    pub(crate) fn namespaces(&self) -> Vec<&'m str> {
        self.0.keys().copied().collect()
    }

    /// Whether a namespace has a service.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        self.0.contains_key(namespace)
    }

    /// The names of a namespace.
    pub(crate) fn accounts(&self, namespace: &str) -> Vec<&'m str> {
        self.0.get(namespace).map(|own| own.keys().copied().collect()).unwrap_or_default()
    }

    /// The service that an account belongs to.
    pub(crate) fn service(&self, namespace: &str, account: &str) -> Option<usize> {
        self.0.get(namespace)?.get(account).copied()
    }
}
