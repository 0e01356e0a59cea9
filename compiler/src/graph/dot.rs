//! The graph in Graphviz's language.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::escape;
use super::model::{Graph, Kind, Limit};

/// For `dot`, `fdp` and what else reads Graphviz's language: a cluster for each namespace.
pub fn dot(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph \"who may call whom\" {\n  rankdir=LR;\n  compound=true;\n  node [shape=box, style=rounded, fontname=\"monospace\"];\n  \
         edge [fontname=\"monospace\", fontsize=10];\n",
    );
    let mut clusters: BTreeMap<Option<&str>, Vec<&Kind>> = BTreeMap::new();
    for node in &graph.nodes {
        clusters.entry(node.kind.namespace()).or_default().push(&node.kind);
    }
    for (namespace, nodes) in clusters {
        if let Some(namespace) = namespace {
            let quoted = escape::dot(namespace);
            let cluster = escape::dot(&format!("cluster_{namespace}"));
            let _ = writeln!(out, "  subgraph {cluster} {{\n    label={quoted};");
        }
        for kind in nodes {
            let (id, label) = (escape::dot(&kind.id()), escape::dot(&kind.label()));
            let style = if kind.is_service() { "" } else { ", style=\"rounded,dashed\"" };
            let _ = writeln!(out, "    {id} [label={label}{style}];");
        }
        if namespace.is_some() {
            out.push_str("  }\n");
        }
    }
    for edge in &graph.edges {
        let id = |node: usize| escape::dot(&graph.kind(node).map(Kind::id).unwrap_or_default());
        let rules: Vec<String> =
            graph.rules(edge).filter(|rule| !rule.is_deny).map(super::model::Rule::what).collect();
        let style = match edge.limit {
            Limit::Nothing => "",
            Limit::Some => ", style=dashed",
            Limit::All => ", style=dotted, arrowhead=tee",
        };
        let tooltip = escape::dot(&rules.join("; "));
        let _ = writeln!(out, "  {} -> {} [edgetooltip={tooltip}{style}];", id(edge.from), id(edge.to));
    }
    out.push_str("}\n");
    out
}
