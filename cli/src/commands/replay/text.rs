//! Decisions that change, for people.

use std::io::Write;

use sidegate_compiler::declare::Effect;
use sidegate_compiler::declare::suggest::LeftOut;
use sidegate_compiler::replay::{Change, Counts, Group, Replay, RuleAt, Unknown, words};

use crate::output::Failure;
use crate::wrap::{signed, wrapped};

/// Groups that are printed; `--format json` has all.
const SHOWN: usize = 200;

pub(crate) fn print(
    replay: &Replay,
    has_declarations: bool,
    is_coloured: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for group in replay.groups.iter().take(SHOWN) {
        print_group(group, has_declarations, is_coloured, out)?;
    }
    let more =
        replay.groups.iter().skip(SHOWN).fold(replay.ungrouped, |sum, group| sum.saturating_add(group.count));
    if more > 0 {
        writeln!(out, "and {} more that change (`--format json`)", count(more, "decision"))?;
    }
    if !replay.groups.is_empty() {
        writeln!(out)?;
    }
    wrapped(out, "", 4, &summary(replay))?;
    for note in notes(replay) {
        wrapped(out, "", 4, &note)?;
    }
    Ok(())
}

fn print_group(
    group: &Group,
    has_declarations: bool,
    is_coloured: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    signed(out, is_coloured, sign(group), 0, &title(group))?;
    wrapped(out, "    ", 6, &who(group))?;
    if let Some(rule) = rule(group, has_declarations) {
        wrapped(out, "    ", 6, &rule)?;
    }
    wrapped(out, "    ", 6, &example(group))?;
    Ok(())
}

pub(crate) fn sign(group: &Group) -> &'static str {
    match group.key.change {
        Change::Allowed => "+",
        Change::Denied | Change::Error => "-",
        Change::Changed => "~",
    }
}

/// Whose, how many and how.
pub(crate) fn title(group: &Group) -> String {
    let what = group.key.what.join(", ");
    let how = match group.key.change {
        Change::Allowed if what.is_empty() => "would be allowed".to_owned(),
        Change::Allowed => format!("would be allowed ({what})"),
        Change::Denied => "would be denied".to_owned(),
        Change::Changed => format!("would be otherwise: {what}"),
        Change::Error => format!("would have no decision, and be denied: {what}"),
    };
    let whose =
        if group.key.workload.is_empty() { String::new() } else { format!("{}: ", group.key.workload) };
    format!("{whose}{} {how}", count(group.count, "decision"))
}

/// What is asked by whom.
pub(crate) fn who(group: &Group) -> String {
    let caller = match group.key.caller.as_str() {
        "" => "a caller without identity",
        caller => caller,
    };
    match group.key.method.as_str() {
        "" => format!("a connection of {caller}"),
        method => format!("{method} {} by {caller}", group.key.path),
    }
}

/// The rule that makes the difference.
pub(crate) fn rule(group: &Group, has_declarations: bool) -> Option<String> {
    let Some(RuleAt { file, line, name, effect, is_old }) = &group.key.rule else {
        let word = match group.key.change {
            Change::Allowed => "allowed by Rego",
            Change::Denied => "allowed by no rule",
            Change::Changed | Change::Error => return None,
        };
        return has_declarations.then(|| word.to_owned());
    };
    let name = name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    let what = match (effect, is_old) {
        (Effect::Allow, false) => "allowed by",
        (Effect::Allow, true) => "allowed by no rule; was allowed by",
        (Effect::Deny, _) => "denied by",
    };
    Some(format!("{what}{name} {file}:{line}"))
}

fn example(group: &Group) -> String {
    let example = &group.example;
    let id = if example.decision_id.is_empty() { String::new() } else { format!("{} ", example.decision_id) };
    let path = match example.path.as_str() {
        "" => String::new(),
        path if path == group.key.path => String::new(),
        path => format!(": {path}"),
    };
    format!("decision {id}({}){path}", example.place)
}

/// All of it in one sentence.
pub(crate) fn summary(replay: &Replay) -> String {
    let counts = &replay.counts;
    let Counts { same, allowed, denied, changed, error, unknown } = counts;
    let mut text = format!(
        "Decisions: {} anew: {same} same, {allowed} newly allowed, {denied} newly denied, {changed} changed, {error} \
         without a decision; {unknown} unknown.",
        counts.decided()
    );
    if let Some(otherwise) = replay.recorded_otherwise.filter(|count| *count > 0) {
        text.push_str(&format!(" OLD decides {otherwise} of them otherwise than recorded."));
    }
    text
}

/// What is not known, and what was left out.
pub(crate) fn notes(replay: &Replay) -> Vec<String> {
    let unknown = replay.unknown.iter().map(|Unknown { reason, of, count, place }| {
        format!("Unknown: {count}: {} (first: {place}).", words(reason, of))
    });
    let left = replay.left_out.iter().map(|(code, LeftOut { count, place, example })| {
        let what = match *code {
            "not_json" => "no JSON object at the beginning of a line",
            "too_large" => "longer than 1 MiB, or nested too deep",
            "no_input" => "a decision without its input",
            _ => "no event of a decision log",
        };
        let first: Vec<&str> =
            place.as_deref().into_iter().chain([example.as_str()]).filter(|part| !part.is_empty()).collect();
        format!("Left out: {count} ({code}): {what} (first: {}).", first.join(": "))
    });
    unknown.chain(left).chain(replay.cut_off.iter().map(|note| format!("{note}."))).collect()
}

/// One thing, or several.
pub(crate) fn count(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
