//! A declaration as a file that people read.

use std::fmt::Write;

use super::translate::Carried;
use super::units::Unit;
use crate::declare::written::{caller, list, scalar};
use crate::declare::{HeaderTest, Target, Test};

/// A rule with where it came from.
#[derive(Clone, Debug)]
pub(super) struct Commented {
    pub(super) comment: String,
    pub(super) name: Option<String>,
    pub(super) rule: Carried,
}

/// The file.
pub(super) fn declaration(unit: &Unit, owner: &str, allow: &[Commented], deny: &[Commented]) -> String {
    let Unit { namespace, name, .. } = unit;
    let mut text = format!(
        "# yaml-language-server: $schema=../../schema/servicepolicy.json\n\
         # Made of Istio's AuthorizationPolicies by `sidegate import`; it lets in nobody whom they keep out.\n\
         apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\n\
         metadata: {{name: {}, namespace: {}}}\nspec:\n  owner: {}\n",
        scalar(name),
        scalar(namespace),
        scalar(owner),
    );
    let workloads = unit.workloads();
    if workloads.len() != 1 || !workloads.contains(name.as_str()) {
        line(&mut text, &format!("  workloads: {}", list(workloads.into_iter().map(scalar))));
    }
    for (key, rules) in [("allow", allow), ("deny", deny)] {
        if !rules.is_empty() {
            line(&mut text, &format!("  {key}:"));
        }
        for Commented { comment, name, rule } in rules {
            // A name in a manifest may not end the line and begin another.
            let comment: String = comment.chars().filter(|c| !c.is_control()).collect();
            line(&mut text, &format!("  # {comment}"));
            let mut parts = Vec::new();
            if let Some(name) = name {
                parts.push(format!("name: {}", scalar(name)));
            }
            let Carried { from, to, when } = rule;
            if let Some(from) = from {
                parts.push(format!("from: {}", list(from.iter().map(caller))));
            }
            for (key, items) in [
                ("to", to.iter().map(target).collect::<Vec<_>>()),
                ("when", when.iter().map(condition).collect()),
            ] {
                if !items.is_empty() {
                    parts.push(format!("{key}:\n    - {}", items.join("\n    - ")));
                }
            }
            line(&mut text, &format!("  - {}", parts.join("\n    ")));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

fn target(target: &Target) -> String {
    let Target { place: _, methods, paths, grpc: _, hosts, ports } = target;
    let mut parts = Vec::new();
    let mut add = |key: &str, items: Vec<String>| {
        if !items.is_empty() {
            parts.push(format!("{key}: {}", list(items)));
        }
    };
    add("methods", methods.iter().map(|method| scalar(method)).collect());
    add("paths", paths.iter().map(|path| scalar(&path.to_string())).collect());
    add("hosts", hosts.iter().map(|host| scalar(&host.to_string())).collect());
    add("ports", ports.iter().map(u16::to_string).collect());
    format!("{{{}}}", parts.join(", "))
}

fn condition(test: &Test) -> String {
    match test {
        Test::Header(name, test) => {
            let test = match test {
                HeaderTest::Exact(text) => format!("exact: {}", scalar(text)),
                HeaderTest::Prefix(text) => format!("prefix: {}", scalar(text)),
                HeaderTest::Present => "present: true".to_owned(),
                HeaderTest::Absent => "absent: true".to_owned(),
            };
            format!("{{header: {}, {test}}}", scalar(name))
        }
        Test::Claim(path, values) => {
            let path = match path.as_slice() {
                [one] => scalar(one),
                many => list(many.iter().map(|key| scalar(key))),
            };
            match values.as_slice() {
                [one] => format!("{{claim: {path}, exact: {}}}", scalar(one)),
                many => format!("{{claim: {path}, in: {}}}", list(many.iter().map(|value| scalar(value)))),
            }
        }
        Test::Source(networks) => {
            format!("{{source: {}}}", list(networks.iter().map(|network| scalar(network))))
        }
    }
}
