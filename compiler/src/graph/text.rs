//! The graph for a terminal: every service, and who may call it.

use std::fmt::Write;

use super::escape;
use super::model::{Graph, Limit};

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Every service with its callers and the rules behind each, in lines that a terminal holds.
pub fn text(graph: &Graph) -> String {
    let mut out = String::new();
    let mut edges = graph.edges.iter().collect::<Vec<_>>();
    edges.sort_by_key(|edge| (edge.to, edge.from));
    let mut edges = edges.into_iter().peekable();
    for (node, service) in &graph.services {
        let has_callers = edges.peek().is_some_and(|edge| edge.to == *node);
        if service.is_partial && !has_callers {
            // It is there as a caller of others, and its own callers were not asked for.
            continue;
        }
        let _ = writeln!(out, "{}  ({})", graph.label(*node), service.file);
        if service.is_shadow {
            out.push_str("  only tried: `mode: shadow`\n");
        }
        if !service.rego.is_empty() {
            wrapped(&mut out, "  ", &format!("Rego has a say: {}", service.rego.join(", ")));
        }
        if !has_callers {
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
                let place = service.place(rule);
                let place = place.strip_prefix(&service.file).unwrap_or(&place);
                wrapped(&mut out, "    ", &format!("{word} {}{note}  {place}{name}", rule.what()));
            }
        }
        if service.is_partial {
            out.push_str("  others are left out\n");
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}", graph.summary());
    out.chars().map(|c| if c == '\n' { c } else { escape::visible(c) }).collect()
}

/// A line, or several where it is longer than a terminal is wide; the others are further in.
fn wrapped(out: &mut String, inset: &str, text: &str) {
    let mut line = inset.to_owned();
    let mut is_first = true;
    for word in text.split(' ') {
        let is_empty = line.trim().is_empty();
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = format!("{inset}    ");
            is_first = false;
        } else if !is_empty {
            line.push(' ');
        }
        // Two spaces are kept, but not where a line begins.
        if !word.is_empty() || is_first {
            line.push_str(word);
        }
    }
    let _ = writeln!(out, "{}", line.trim_end());
}
