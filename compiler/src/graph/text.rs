//! The graph for a terminal: every service, and who may call it.

use std::fmt::Write;

use super::escape;
use super::model::{Graph, Limit};

/// Every service with its callers and the rules behind each, in lines that most terminals hold.
pub fn text(graph: &Graph) -> String {
    let mut out = String::new();
    let mut edges = graph.edges.iter().collect::<Vec<_>>();
    edges.sort_by_key(|edge| (edge.to, edge.from));
    let mut edges = edges.into_iter().peekable();
    for (node, service) in &graph.services {
        let _ = writeln!(out, "{}  ({})", graph.label(*node), service.file);
        if edges.peek().is_none_or(|edge| edge.to != *node) {
            out.push_str("  nobody\n");
        }
        while let Some(edge) = edges.next_if(|edge| edge.to == *node) {
            let _ = writeln!(out, "  {}", graph.label(edge.from));
            for rule in graph.rules(edge) {
                let (word, note) = match (rule.is_deny, edge.limit) {
                    (true, _) => ("but not", ""),
                    (false, Limit::All) => ("may", "  [denied]"),
                    (false, _) => ("may", ""),
                };
                let name = rule.name.as_deref().map(|name| format!("  {name}")).unwrap_or_default();
                let _ = writeln!(out, "    {word} {}{note}  :{}{name}", rule.what(), rule.line);
            }
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}", graph.summary());
    out.chars().map(|c| if c == '\n' { c } else { escape::visible(c) }).collect()
}
