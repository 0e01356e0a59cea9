//! Paths, as far as templates tell them apart. Templates are followed segment by segment, all at once: where the
//! same ones can still match, paths go on alike.

use std::collections::BTreeSet;

use crate::declare::judge::{Effect, ReadPath, fold_literal, matches_template};
use crate::declare::model::{Segment, Template};

/// Prefixes of paths that are told apart; more is said to be too much.
const MAX_STATES: usize = 4_096;

/// The segments of a path so far, and the templates that may still match it.
struct State {
    plain: Vec<String>,
    folded: Vec<String>,
    alive: Vec<usize>,
}

/// One path of each kind that these templates tell apart; `None` where there are too many.
pub(super) fn samples(templates: &[(Effect, &Template)]) -> Option<Vec<ReadPath>> {
    let longest = templates.iter().map(|(_, template)| template.segments.len()).max().unwrap_or(0);
    let mut level =
        vec![State { plain: Vec::new(), folded: Vec::new(), alive: (0..templates.len()).collect() }];
    let mut found = Vec::new();
    let mut count = 0_usize;
    for depth in 0..=longest.saturating_add(1) {
        let mut next: Vec<State> = Vec::new();
        let mut seen: BTreeSet<Vec<usize>> = BTreeSet::new();
        for state in &level {
            ends(state, &mut found);
            if depth > longest {
                continue;
            }
            for (plain, folded) in symbols(templates, state, depth) {
                let alive: Vec<usize> = state
                    .alive
                    .iter()
                    .copied()
                    .filter(|at| templates.get(*at).is_some_and(|t| follows(*t, depth, &plain, &folded)))
                    .collect();
                if !seen.insert(alive.clone()) {
                    continue;
                }
                count = count.saturating_add(1);
                let longer = |before: &[String], one: String| before.iter().cloned().chain([one]).collect();
                next.push(State {
                    plain: longer(&state.plain, plain),
                    folded: longer(&state.folded, folded),
                    alive,
                });
            }
        }
        if count > MAX_STATES {
            return None;
        }
        level = next;
    }
    let mut kinds = BTreeSet::new();
    found.retain(|path| {
        let kind: Vec<bool> =
            templates.iter().map(|(effect, template)| matches_template(template, path, *effect)).collect();
        kinds.insert(kind)
    });
    Some(found)
}

/// The path that ends here, without and with a slash.
fn ends(state: &State, found: &mut Vec<ReadPath>) {
    let State { plain, folded, alive: _ } = state;
    if !plain.is_empty() {
        found.push(ReadPath { plain: plain.clone(), folded: folded.clone() });
    }
    let slash = plain.iter().cloned().chain([String::new()]).collect();
    found.push(ReadPath { plain: slash, folded: folded.clone() });
}

/// Whether a template that matches so far goes on with this segment.
fn follows((effect, template): (Effect, &Template), depth: usize, plain: &str, folded: &str) -> bool {
    match template.segments.get(depth) {
        None => template.is_open,
        Some(Segment::Any(_)) => true,
        Some(Segment::Literal(text)) => match effect {
            Effect::Allow => text == plain,
            Effect::Deny => fold_literal(text) == folded,
        },
    }
}

/// Segments that lead on, each as it comes and as denies see it: one of every kind that templates tell apart.
fn symbols(templates: &[(Effect, &Template)], state: &State, depth: usize) -> Vec<(String, String)> {
    let (mut allowed, mut denied) = (BTreeSet::new(), BTreeSet::new());
    for (effect, template) in state.alive.iter().filter_map(|at| templates.get(*at)) {
        match template.segments.get(depth) {
            Some(Segment::Literal(text)) if !text.is_empty() => match effect {
                Effect::Allow => allowed.insert(text.clone()),
                Effect::Deny => denied.insert(fold_literal(text)),
            },
            _ => continue,
        };
    }
    let mut symbols: Vec<(String, String)> =
        allowed.iter().map(|text| (text.clone(), fold_literal(text))).collect();
    // What a deny takes for its own, and no allow does.
    for text in &denied {
        let spellings = [text.clone(), text.to_ascii_uppercase(), encoded(text)];
        let other = spellings
            .into_iter()
            .find(|other| !allowed.contains(other) && fold_literal(other) == *text || other.contains('%'));
        symbols.extend(other.map(|other| (other, text.clone())));
    }
    let mut fresh = "x".to_owned();
    while allowed.contains(&fresh) || denied.contains(&fresh) {
        fresh.push('x');
    }
    symbols.push((fresh.clone(), fresh));
    symbols
}

/// The text with its first character escaped that may be.
fn encoded(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some((at, c)) = text.char_indices().find(|(_, c)| *c != '.') {
        text.replace_range(at..at.saturating_add(c.len_utf8()), &format!("%{:02X}", u32::from(c)));
    }
    text
}
