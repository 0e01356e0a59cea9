//! The library that a slice gets: what its own service needs, and not what any other of the mesh does. One
//! condition on claims somewhere must not make every proxy fetch metadata.

use std::collections::BTreeMap;

use super::library::{self, Asked};
use super::model::ServicePolicy;
use crate::slice::Workload;
use crate::sources::Sources;

impl Sources {
    /// The sources for slices of these workloads: those that need the same files of the library together.
    /// Never empty, for sources are checked where there is nothing to cut, too.
    pub(crate) fn variants(&self, workloads: &[Workload]) -> Vec<(Self, Vec<Workload>)> {
        let Some(mesh) = &self.declared else { return vec![(self.clone(), workloads.to_vec())] };
        let mut services: BTreeMap<(&str, &str), &ServicePolicy> = BTreeMap::new();
        for service in &mesh.services {
            for workload in &service.workloads {
                services.insert((&service.namespace, workload), service);
            }
        }
        let users = self.library_users();
        let mut variants: BTreeMap<Vec<(String, String)>, Vec<Workload>> = BTreeMap::new();
        for workload in workloads {
            let service = services.get(&(workload.namespace(), workload.name()));
            let asked = Asked { services: service.copied().into_iter().collect(), base: &mesh.base };
            let modules =
                if users.contain(service.copied()) { library::all() } else { library::modules(&asked) };
            variants.entry(modules).or_default().push(workload.clone());
        }
        if variants.is_empty() {
            return vec![(self.clone(), Vec::new())];
        }
        variants.into_iter().map(|(modules, workloads)| (self.with_library(modules), workloads)).collect()
    }

    /// All that slices are made from besides data: the same, whichever files of the library are needed.
    pub(crate) fn code(&self) -> Vec<(String, String)> {
        match &self.declared {
            Some(_) => self.with_library(library::all()).modules,
            None => self.modules.clone(),
        }
    }

    fn with_library(&self, modules: Vec<(String, String)>) -> Self {
        let mut sources = self.clone();
        sources.modules.retain(|(path, text)| !library::is_own(path, text));
        sources.modules.extend(modules);
        sources.modules.sort();
        sources
    }
}
