//! A part of the graph.

use std::collections::{BTreeMap, BTreeSet};

use sidegate_engine::words::nearest;
use thiserror::Error;

use super::model::{Edge, Graph, Kind};

/// What to leave in. Where nothing is chosen, everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Services of these namespaces, and who may call them or is called by them.
    pub namespaces: Vec<String>,
    /// These services, and who may call them or is called by them.
    pub services: Vec<(String, String)>,
}

/// Something that is chosen is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// No service is in this namespace.
    #[error("expected a namespace that a file declares, got `{0}`{1}")]
    Namespace(String, String),
    /// No file declares this service.
    #[error("expected a service that a file declares, got `{0}`{1}")]
    Service(String, String),
}

impl SelectionError {
    /// A name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Namespace(..) => "graph_namespace",
            Self::Service(..) => "graph_service",
        }
    }
}

impl Graph {
    /// What is chosen, and the edges to and from it.
    ///
    /// # Errors
    /// A name that nothing has.
    pub fn select(&self, selection: &Selection) -> Result<Self, SelectionError> {
        let Selection { namespaces, services } = selection;
        if namespaces.is_empty() && services.is_empty() {
            return Ok(self.clone());
        }
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        for wanted in namespaces {
            let of = self.places(|kind| kind.is_service() && kind.namespace() == Some(wanted));
            if of.is_empty() {
                return Err(SelectionError::Namespace(wanted.clone(), self.hint(wanted, Kind::namespace)));
            }
            // Whoever may call as the whole namespace is of it, too.
            chosen.extend(of);
            chosen.extend(self.places(|kind| kind.namespace() == Some(wanted)));
        }
        for (namespace, name) in services {
            let wanted = Kind::Service { namespace: namespace.clone(), name: name.clone() };
            let of = self.places(|kind| *kind == wanted);
            if of.is_empty() {
                let label = wanted.label();
                let labels: Vec<String> = self.nodes.iter().map(|node| node.kind.label()).collect();
                let known: Vec<&str> = labels.iter().map(String::as_str).collect();
                return Err(SelectionError::Service(label.clone(), did_you_mean(&label, &known)));
            }
            // What its whole namespace may call, it may call.
            let group = Kind::Namespace { trust_domain: None, namespace: namespace.clone() };
            chosen.extend(of);
            chosen.extend(self.places(|kind| *kind == group));
        }
        Ok(self.only(|edge| chosen.contains(&edge.from) || chosen.contains(&edge.to), &chosen))
    }

    /// These edges, their ends, and these nodes.
    fn only(&self, is_meant: impl Fn(&Edge) -> bool, nodes: &BTreeSet<usize>) -> Self {
        let edges: Vec<&Edge> = self.edges.iter().filter(|edge| is_meant(edge)).collect();
        let ends = edges.iter().flat_map(|edge| [edge.from, edge.to]);
        let kept: BTreeSet<usize> = ends.chain(nodes.iter().copied()).collect();
        let places: BTreeMap<usize, usize> = kept.iter().copied().zip(0..).collect();
        let place = |node: usize| places.get(&node).copied().unwrap_or_default();
        Self {
            nodes: kept.iter().filter_map(|at| self.nodes.get(*at)).cloned().collect(),
            services: self
                .services
                .iter()
                .filter(|(at, _)| kept.contains(at))
                .map(|(at, service)| {
                    let is_partial = service.is_partial || !nodes.contains(at);
                    (place(*at), super::model::Service { is_partial, ..service.clone() })
                })
                .collect(),
            edges: edges
                .into_iter()
                .map(|edge| Edge { from: place(edge.from), to: place(edge.to), ..edge.clone() })
                .collect(),
        }
    }

    fn places(&self, is_meant: impl Fn(&Kind) -> bool) -> Vec<usize> {
        self.nodes.iter().zip(0..).filter(|(node, _)| is_meant(&node.kind)).map(|(_, at)| at).collect()
    }

    fn hint(&self, wanted: &str, name: fn(&Kind) -> Option<&str>) -> String {
        let known: BTreeSet<&str> = self
            .nodes
            .iter()
            .filter(|node| node.kind.is_service())
            .filter_map(|node| name(&node.kind))
            .collect();
        did_you_mean(wanted, &known.into_iter().collect::<Vec<_>>())
    }
}

fn did_you_mean(wanted: &str, known: &[&str]) -> String {
    nearest(wanted, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
