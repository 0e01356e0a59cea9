//! Every figure that the filter keeps in the proxy's statistics: names, units, meanings, labels. Documents, labels for
//! Prometheus and `sidegate status` are made from this table, and tests compare it with a running filter.

mod codes;
mod families;

use std::fmt::Write as _;

pub use codes::{Code, ERRORS, REFUSALS};
pub use families::FAMILIES;

/// What stands before every name in Envoy's statistics.
pub const PREFIX: &str = "wasmcustom.sidegate.";
/// What stands before the code of a refusal that is about a candidate.
pub const CANDIDATE: &str = "candidate_";

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Has a value now.
    Gauge,
    /// Has a distribution.
    Histogram,
}

/// One figure, or several that differ in the last part of their names.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, without [`PREFIX`] and without its last part where there is a label.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What it is counted in.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What the last part of the name is, where it is one of several words.
    pub label: Option<Label>,
}

/// The last part of a name as a label of Prometheus.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it can be.
    pub values: Values,
}

/// What a label can be.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// These words, with their meanings.
    Words(&'static [(&'static str, &'static str)]),
    /// A code of [`ERRORS`].
    Errors,
    /// A code of [`REFUSALS`], with [`CANDIDATE`] before it or not.
    Refusals,
}

impl Kind {
    /// As Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Values {
    /// Whether it is one of them.
    pub fn has(self, word: &str) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|(known, _)| *known == word),
            Self::Errors => code(ERRORS, word).is_some(),
            Self::Refusals => {
                let plain = word.strip_prefix(CANDIDATE);
                match plain {
                    Some(plain) => code(REFUSALS, plain).is_some_and(|code| code.is_of_blobs),
                    None => code(REFUSALS, word).is_some(),
                }
            }
        }
    }
}

impl Family {
    /// The name that Prometheus has for it, labels aside.
    pub fn prometheus(&self) -> String {
        format!("sidegate_{}", self.name.replace('.', "_"))
    }
}

impl Code {
    /// Whether any client can cause it, by a request that cannot be parsed.
    pub fn is_of_clients(&self) -> bool {
        let parts = ["path", "query", "content", "body"];
        let rest = self.name.strip_prefix("request_").unwrap_or_default();
        parts.iter().any(|part| rest.starts_with(part))
    }
}

/// What is known of a code.
pub fn code(codes: &'static [Code], wanted: &str) -> Option<&'static Code> {
    codes.iter().find(|code| code.name == wanted)
}

/// The figure of this name (without [`PREFIX`]), and the label's value where it has one.
pub fn find(name: &str) -> Option<(&'static Family, Option<&str>)> {
    FAMILIES.iter().find_map(|family| match family.label {
        None => (family.name == name).then_some((family, None)),
        Some(label) => {
            let word = name.strip_prefix(family.name)?.strip_prefix('.')?;
            label.values.has(word).then_some((family, Some(word)))
        }
    })
}

/// The names of all labels, each once, in the order of the table.
pub fn labels() -> Vec<&'static str> {
    let mut names = Vec::new();
    for label in FAMILIES.iter().filter_map(|family| family.label) {
        if !names.contains(&label.name) {
            names.push(label.name);
        }
    }
    names
}

/// The names of the figures that have this label, without their last part.
pub fn labelled(label: &str) -> Vec<&'static str> {
    let has = |family: &&Family| family.label.is_some_and(|own| own.name == label);
    FAMILIES.iter().filter(has).map(|family| family.name).collect()
}

/// What makes Envoy turn the last part of a name into this label (`stats_tags` of its configuration): the first group
/// is what is taken out of the name, the second the label's value.
pub fn tag_regex(label: &str) -> String {
    format!(r"^wasmcustom\.sidegate\.(?:{})(\.([a-z0-9_]+))$", labelled(label).join("|"))
}

/// The reference page.
pub fn page() -> String {
    let mut text = String::from(HEAD);
    for family in FAMILIES {
        let Family { name, kind, unit, meaning, label } = family;
        let shown = match label {
            Some(label) => format!("`{name}.*` | `{}`", label.name),
            None => format!("`{name}` |"),
        };
        let _ = writeln!(text, "| {shown} | {} | {unit} | {meaning} |", kind.name());
    }
    text.push_str("\n## Values of labels\n\n| stat | value | meaning |\n|---|---|---|\n");
    for family in FAMILIES {
        let Some(Label { values: Values::Words(words), .. }) = family.label else { continue };
        for (word, meaning) in words {
            let _ = writeln!(text, "| `{}.{word}` | `{word}` | {meaning} |", family.name);
        }
    }
    text.push_str(ERRORS_HEAD);
    rows(&mut text, ERRORS);
    text.push_str(REFUSALS_HEAD);
    rows(&mut text, REFUSALS);
    text
}

fn rows(text: &mut String, codes: &[Code]) {
    text.push_str("\n| code | meaning | what to do |\n|---|---|---|\n");
    for Code { name, meaning, remedy, .. } in codes {
        let _ = writeln!(text, "| `{name}` | {meaning} | {remedy} |");
    }
}

const HEAD: &str = "# Metrics and codes

Written by `make metrics`: from the table in `compiler/src/stats`, which tests compare with a running filter.

Every name stands below `wasmcustom.sidegate.` in Envoy's statistics, and below `sidegate_` in `/stats/prometheus`.
Names are a fixed set: nothing that a client, a server or a bundle sends becomes part of one. With the
[labels](../observability.md#labels) of `envoy-config/observability/` the last part of a name is a label in Prometheus:
`wasmcustom.sidegate.decisions.denied` is `sidegate_decisions{sidegate_outcome=\"denied\"}`. A counter is there from the
first time that it counts.

## Stats

| stat | label | type | unit | meaning |
|---|---|---|---|---|
";

const ERRORS_HEAD: &str = "
## Errors

Codes of `errors.CODE`. There was no decision, so the request, response or connection was refused with the code's
status (in shadow: it would have been), and `decisions.error`, `responses.error` or `connections.error` was counted
too. Envoy's log names the code (`[CODE]`), the response's details are `sidegate_error_CODE`; what a client sees says
nothing of it.
";

const REFUSALS_HEAD: &str = "
## Refusals

Codes of `refused.CODE`: what was fetched, or to be fetched, was not taken, and what decided goes on deciding. What
concerns a candidate's blob has `candidate_` before it (`refused.candidate_blob_digest`): the candidate is not tried.
Envoy's log has the reason, once, again when it gives way to another, and every ten minutes while it lasts.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_their_labels() {
        let found = |name| find(name).map(|(family, word)| (family.name, word));
        assert_eq!(found("decisions.denied"), Some(("decisions", Some("denied"))));
        assert_eq!(found("bundle.serial"), Some(("bundle.serial", None)));
        assert_eq!(found("errors.eval_steps"), Some(("errors", Some("eval_steps"))));
        assert_eq!(found("refused.candidate_blob_digest"), Some(("refused", Some("candidate_blob_digest"))));
        for name in ["decisions", "decisions.maybe", "errors.pointer_size", "refused.candidate_pointer_size"]
        {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn every_name_and_code_stands_there_once() {
        let mut names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for codes in [ERRORS, REFUSALS] {
            let mut names: Vec<_> = codes.iter().map(|code| code.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), codes.len());
        }
    }
}
