//! One page that shows all of it: the map, a list to search, and for each service its rules. It needs no network
//! and asks for none: its policy allows the one script and the one style that it has, by their hashes.
//!
//! Names reach the page as JSON that cannot end its element, and the script puts them into text nodes alone.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::escape::visible;
use super::model::{self, Edge, Graph, Kind, Service};
use super::scene::View;
use super::svg::{self, STYLE};

const SCRIPT: &str = include_str!("page.js");
const PAGE_STYLE: &str = include_str!("page.css");
const BODY: &str = include_str!("page.html");

/// What the script reads.
#[derive(Serialize)]
struct Data<'g> {
    nodes: Vec<Node<'g>>,
    edges: &'g [Edge],
}

#[derive(Serialize)]
struct Node<'g> {
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'g str>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'g Service>,
}

/// The page.
pub fn html(graph: &Graph, view: View) -> String {
    let style = format!("{STYLE}{PAGE_STYLE}");
    // The page has a list of its own.
    let drawn = if view == View::Listed { View::Namespaces } else { view };
    let parts = [
        ("{{policy}}", policy(&style)),
        ("{{style}}", style),
        ("{{summary}}", graph.summary()),
        ("{{map}}", svg::map(graph, drawn)),
        ("{{data}}", data(graph)),
        ("{{script}}", SCRIPT.to_owned()),
    ];
    let mut out = String::new();
    let mut rest = BODY;
    // What is put in is not searched: a name may look like a place to fill.
    for (mark, text) in parts {
        let Some((before, after)) = rest.split_once(mark) else { continue };
        out.push_str(before);
        out.push_str(&text);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn policy(style: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(style)
    )
}

fn data<'g>(graph: &'g Graph) -> String {
    let node = |(at, node): (usize, &'g model::Node)| Node {
        label: node.kind.label(),
        namespace: node.kind.namespace(),
        kind: match node.kind {
            Kind::Service { .. } => "service",
            Kind::Namespace { trust_domain: None, .. } => "namespace",
            _ => "caller",
        },
        service: graph.services.get(&at),
    };
    let nodes = (0..).zip(&graph.nodes).map(node).collect();
    let text = serde_json::to_string(&Data { nodes, edges: &graph.edges }).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // `</script` and `<!--` cannot be said.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(visible(c)),
        }
    }
    out
}
