//! What changes besides access: owners, headers, workloads, Rego beside declarations.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Seen;
use crate::declare::beside::Beside;
use crate::declare::mesh::Mesh;
use crate::declare::model::{HeaderChanges, Mode, Part, ServicePolicy};

/// A change that lets nobody in by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What changes: `owner`, `headers`, `workloads`, `mode`, `rego`, …
    pub what: &'static str,
    /// How, in words.
    pub text: String,
    /// The file.
    pub file: String,
    /// Its line; 0 where it is about a whole file.
    pub line: u32,
}

/// Whether what holds for every service is the same.
pub(super) fn is_same_mesh(old: &Mesh, new: &Mesh) -> bool {
    let set = |mesh: &Mesh| mesh.trust_domain_aliases.iter().cloned().collect::<BTreeSet<_>>();
    let text = |mesh: &Mesh| mesh.base.source.as_ref().map(|source| source.text.clone());
    set(old) == set(new) && text(old) == text(new)
}

/// Whether a service's files are the same, to the byte.
pub(super) fn is_same(old: Seen<'_>, new: Seen<'_>) -> bool {
    match (old.service, new.service) {
        (Some(old), Some(new)) => {
            old.source.text == new.source.text && is_same_rego(old.rego.as_ref(), new.rego.as_ref())
        }
        _ => false,
    }
}

fn is_same_rego(old: Option<&Beside>, new: Option<&Beside>) -> bool {
    let texts = |rego: Option<&Beside>| -> Vec<String> {
        rego.into_iter().flat_map(|rego| &rego.sources).map(|source| source.text.clone()).collect()
    };
    texts(old) == texts(new)
}

/// What changes of the mesh as a whole.
pub(super) fn of_mesh(old: &Mesh, new: &Mesh) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |what, text: String| {
        let file = if new.base.file.is_empty() { &old.base.file } else { &new.base.file };
        notes.push(Note { what, text, file: file.clone(), line: 0 });
    };
    if old.base.owner != new.base.owner {
        note("owner", changed(old.base.owner.as_deref(), new.base.owner.as_deref()));
    }
    if let Some(text) = sets(&old.trust_domain_aliases, &new.trust_domain_aliases) {
        note("trustDomainAliases", text);
    }
    if !is_same_rego(old.base.rego.as_ref(), new.base.rego.as_ref()) {
        note("rego", REGO.to_owned());
    }
    notes
}

/// What Rego means is not compared.
const REGO: &str = "Rego changed: replay decisions to see what that does (`--decisions LOG`)";

/// What changes of a service besides access.
pub(super) fn of_service(old: Seen<'_>, new: Seen<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    let (Some(before), Some(after)) = (old.service, new.service) else {
        let rego = old.service.or(new.service).and_then(|service| Some((service, service.rego.as_ref()?)));
        notes.extend(rego.map(|(service, _)| Note {
            what: "rego",
            text: REGO.to_owned(),
            file: service.file.clone(),
            line: 0,
        }));
        return notes;
    };
    let mut note = |what, line, text: String| notes.push(Note { what, text, file: after.file.clone(), line });
    if before.owner != after.owner {
        note("owner", after.owner_place.line, changed(Some(&before.owner), Some(&after.owner)));
    }
    if before.mode != after.mode {
        let word = |mode| if mode == Mode::Shadow { "shadow" } else { "enforce" };
        note("mode", line_of(after, "mode:"), changed(Some(word(before.mode)), Some(word(after.mode))));
    }
    if let Some(text) = sets(&before.workloads, &after.workloads) {
        note("workloads", line_of(after, "workloads:"), text);
    }
    for (side, before, after_changes) in [
        ("request", &before.headers.request, &after.headers.request),
        ("response", &before.headers.response, &after.headers.response),
    ] {
        for text in headers(side, before, after_changes) {
            note("headers", line_of(after, "headers:"), text);
        }
    }
    if !is_same_rego(before.rego.as_ref(), after.rego.as_ref()) {
        note("rego", 0, REGO.to_owned());
    }
    let widens = |seen: Seen<'_>, service: &ServicePolicy| {
        service.rego.as_ref().is_some_and(|rego| rego.allow.is_some()) && seen.mesh.may_widen(service)
    };
    if widens(old, before) != widens(new, after) {
        let word = |widens| if widens { "may allow more than the declaration" } else { "may only narrow it" };
        note(
            "rego",
            0,
            format!("its Rego {} now; it {} before", word(widens(new, after)), word(widens(old, before))),
        );
    }
    notes
}

/// The line that begins with a key, if there is one.
fn line_of(service: &ServicePolicy, key: &str) -> u32 {
    let at = service.source.text.lines().position(|line| line.trim_start().starts_with(key));
    at.map_or(0, |at| u32::try_from(at).unwrap_or(0).saturating_add(1))
}

fn changed(old: Option<&str>, new: Option<&str>) -> String {
    format!("{} → {}", old.unwrap_or("none"), new.unwrap_or("none"))
}

/// What comes and what goes; `None` where nothing does.
fn sets(old: &[String], new: &[String]) -> Option<String> {
    let (old, new): (BTreeSet<&String>, BTreeSet<&String>) = (old.iter().collect(), new.iter().collect());
    let comes = new.difference(&old).map(|name| format!("+ {name}"));
    let goes = old.difference(&new).map(|name| format!("- {name}"));
    let all: Vec<String> = comes.chain(goes).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn headers(side: &str, old: &HeaderChanges, new: &HeaderChanges) -> Vec<String> {
    let text = |parts: &Vec<Part>| -> String {
        parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Variable(variable) => format!("{{{}}}", variable.name()),
            })
            .collect()
    };
    let names: BTreeSet<&String> =
        old.set.keys().chain(new.set.keys()).chain(&old.remove).chain(&new.remove).collect();
    let said = |changes: &HeaderChanges, name: &String| match changes.set.get(name) {
        Some(parts) => format!("set to `{}`", text(parts)),
        None if changes.remove.contains(name) => "removed".to_owned(),
        None => "left as it is".to_owned(),
    };
    let lines = names.into_iter().map(|name| (name, said(old, name), said(new, name)));
    lines
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| format!("{side} `{name}`: {old} → {new}"))
        .collect()
}
