//! The words of a plan.

use sidegate_compiler::declare::{Access, ChangeKind, Effect, Methods, RuleRef, ServiceChange};

/// Callers that are listed before "and so on".
const LISTED: usize = 12;

/// Who, as people would say it.
pub(super) fn callers(access: &Access, own: &str) -> Vec<String> {
    let all: Vec<String> = access.callers.iter().map(|class| class.words(own)).collect();
    match all.len() > LISTED {
        false => all,
        true => {
            let more = all.len().saturating_sub(LISTED);
            all.into_iter().take(LISTED).chain([format!("{more} more")]).collect()
        }
    }
}

pub(super) fn methods(access: &Access) -> String {
    match &access.methods {
        _ if access.grpc => "gRPC".to_owned(),
        Methods::Any => "any method".to_owned(),
        Methods::AnyBut(names) => format!("any method but {}", names.join(", ")),
        Methods::These(names) => names.join(", "),
    }
}

pub(super) fn paths(access: &Access) -> Vec<String> {
    match access.paths.is_empty() {
        true => vec!["any path".to_owned()],
        false => access.paths.clone(),
    }
}

/// What else there is to know about a line.
pub(super) fn remarks(access: &Access, gains: bool) -> Vec<String> {
    let mut said = Vec::new();
    if !access.when.is_empty() {
        said.push(format!("if {}", access.when.join(" and ")));
    }
    if access.uncertain {
        said.push("perhaps: there are too many combinations to compare, so take it for so".to_owned());
    } else if access.in_part {
        let example = access.example.as_ref();
        let example =
            example.map(|example| format!(" ({} {})", example.method, example.path)).unwrap_or_default();
        said.push(match gains {
            true => format!("in part{example}: some of it was allowed before"),
            false => format!("in part{example}: some of it is still allowed"),
        });
    }
    said
}

/// The rule that makes the difference.
pub(super) fn rule(rule: &RuleRef, gains: bool) -> String {
    let RuleRef { file, line, name, effect, state: _ } = rule;
    let name = name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    let what = match (effect, gains) {
        (Effect::Allow, true) => "allowed by",
        (Effect::Allow, false) => "was allowed by",
        (Effect::Deny, true) => "was denied by",
        (Effect::Deny, false) => "denied by",
    };
    format!("{what}{name} {file}:{line}")
}

/// Whether a service comes, goes, or changes.
pub(super) fn kind(service: &ServiceChange) -> (&'static str, &'static str) {
    match service.kind {
        ChangeKind::Added => ("+", " (new)"),
        ChangeKind::Removed => ("-", " (no longer declared)"),
        ChangeKind::Changed => ("~", ""),
    }
}
