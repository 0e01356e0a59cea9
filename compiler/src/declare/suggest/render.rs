//! Suggested rules as a person would write them, with comments that say what they come from.

use std::fmt::Write;

use super::general::Kind;
use super::propose::{Item, Rule, Target};
use super::tally::{Seen, When};
use crate::declare::model::Who;
use crate::declare::parse::{API_VERSION, KIND};
use crate::declare::written::scalar;

/// How wide comments get.
const WIDTH: usize = 100;

/// A whole declaration.
pub(super) fn file(namespace: &str, name: &str, owner: Option<&str>, rules: &[Rule]) -> String {
    let mut seen = Seen::NEVER;
    rules.iter().for_each(|rule| seen.add(rule.seen));
    let mut text = "# yaml-language-server: $schema=../../schema/servicepolicy.json\n".to_owned();
    let _ = writeln!(text, "# Suggested from traffic: {}.", when(&seen.when()));
    text.push_str("# What was seen is not what is meant: read every rule, and take out what nobody needs.\n");
    if rules.iter().flat_map(|rule| &rule.to).flat_map(|to| &to.items).any(|item| item.kind == Kind::FewIds) {
        text.push_str(
            "# `an id?` marks paths that seem to have ids, of which too few were seen for a template.\n",
        );
    }
    let _ = writeln!(text, "apiVersion: {API_VERSION}\nkind: {KIND}");
    let _ = writeln!(text, "metadata: {{name: {}, namespace: {}}}\nspec:", scalar(name), scalar(namespace));
    if owner.is_none() {
        text.push_str("  # Change this: the team that answers for the service.\n");
    }
    let _ = writeln!(text, "  owner: {}\n  allow:", scalar(owner.unwrap_or("team")));
    text.push_str(&list(rules));
    text
}

/// Rules, as they stand below `allow:`.
pub(super) fn list(rules: &[Rule]) -> String {
    rules.iter().map(rule).collect()
}

fn rule(rule: &Rule) -> String {
    let mut text = format!("  # {}\n", when(&rule.when));
    if rule.from.contains(&Who::Anonymous) {
        text.push_str(
            "  # Callers without an identity: anybody who reaches the port. Are these probes and scrapes?\n",
        );
    }
    let _ = match rule.callers.as_slice() {
        [one] => writeln!(text, "  - from: [{one}]"),
        many => writeln!(text, "  - from:\n    - {}", many.join("\n    - ")),
    };
    text.push_str("    to:\n");
    rule.to.iter().for_each(|one| target(&mut text, one));
    text
}

fn target(text: &mut String, target: &Target) {
    if target.methods.is_empty() {
        text.push_str("    - grpc:\n");
    } else {
        let methods: Vec<String> = target.methods.iter().map(|method| scalar(method)).collect();
        let _ = writeln!(text, "    - methods: [{}]\n      paths:", methods.join(", "));
    }
    target.items.iter().for_each(|one| item(text, one));
}

fn item(text: &mut String, item: &Item) {
    let requests = count(item.when.requests, "request");
    let quoted = format!("\"{}\"", item.text);
    let _ = match item.kind {
        Kind::Literal => writeln!(text, "      - {quoted} # {requests}"),
        Kind::FewIds => {
            writeln!(text, "      - {quoted} # {requests}; an id?")
        }
        Kind::Variable | Kind::Open => {
            let most = count(
                u64::try_from(item.paths).unwrap_or(u64::MAX),
                if item.more { "or more path" } else { "path" },
            );
            let mut comment = format!("      # {requests}, {most}:");
            for (example, at) in item.examples.iter().zip(0..) {
                if at > 0 && comment.len() + example.len() > WIDTH {
                    comment.push_str(" …");
                    break;
                }
                let _ = write!(comment, "{} {}", if at > 0 { "," } else { "" }, short(example));
            }
            writeln!(text, "{comment}\n      - {quoted}")
        }
    };
}

/// The beginning of a long path. Paths that are counted are plain: they have no character that YAML minds.
fn short(path: &str) -> String {
    const MOST: usize = 80;
    match path.char_indices().nth(MOST).and_then(|(at, _)| path.get(..at)) {
        Some(beginning) => format!("{beginning}…"),
        None => path.to_owned(),
    }
}

fn when(when: &When) -> String {
    let requests = count(when.requests, "request");
    match (&when.first, &when.last) {
        (Some(first), Some(last)) if first == last => format!("{requests}, at {first}"),
        (Some(first), Some(last)) => format!("{requests}, {first} to {last}"),
        _ => requests,
    }
}

/// `1,234 requests`.
pub(super) fn count(number: u64, word: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (digit, left) in digits.chars().zip((0..digits.len()).rev()) {
        text.push(digit);
        if left > 0 && left % 3 == 0 {
            text.push(',');
        }
    }
    format!("{text} {word}{}", if number == 1 { "" } else { "s" })
}
