//! The graph as a JSON document, for programs: with names, not with places in lists.

use serde::Serialize;

use super::model::{Graph, Kind, Limit, Rule, Service};

/// The graph, to be written as JSON.
#[derive(Debug, Serialize)]
pub struct Document<'g> {
    nodes: Vec<Node<'g>>,
    edges: Vec<Edge<'g>>,
}

#[derive(Debug, Serialize)]
struct Node<'g> {
    id: String,
    label: String,
    #[serde(flatten)]
    kind: &'g Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<&'g Service>,
}

#[derive(Debug, Serialize)]
struct Edge<'g> {
    from: String,
    to: String,
    limit: Limit,
    rules: Vec<&'g Rule>,
}

impl Graph {
    /// The graph, to be written as JSON.
    pub fn document(&self) -> Document<'_> {
        let id = |node: usize| self.kind(node).map(Kind::id).unwrap_or_default();
        Document {
            nodes: (0..)
                .zip(&self.nodes)
                .map(|(at, node)| Node {
                    id: node.kind.id(),
                    label: node.kind.label(),
                    kind: &node.kind,
                    declared: self.services.get(&at),
                })
                .collect(),
            edges: self
                .edges
                .iter()
                .map(|edge| Edge {
                    from: id(edge.from),
                    to: id(edge.to),
                    limit: edge.limit,
                    rules: self.rules(edge).collect(),
                })
                .collect(),
        }
    }
}
