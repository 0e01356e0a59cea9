//! `sidegate explain --decision ID LOG… -b FILE|DIR`

use std::io::Write;

use serde::Serialize;
use sidegate_compiler::declare;
use sidegate_compiler::replay::{AskError, Asked, Change, Options, State, find};
use sidegate_engine::Value;

use super::asked::Recorded;
use super::{Report, agree, rego, text};
use crate::commands::logs;
use crate::output::{Answer, Failure, Format, json};
use crate::wrap::wrapped;

/// A recorded decision, explained.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report<'a>,
    /// What was recorded, and how it was asked about.
    decision: &'a Asked,
    /// `file:line` of the event.
    place: &'a str,
}

pub(super) fn run(recorded: &Recorded<'_>, format: Format, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Recorded { id, logs: paths, policies, path, workload } = recorded;
    let found = find(id, logs::open(paths)?.into_iter())
        .map_err(|error| Failure::other(format!("no decision `{id}` before the log ends early: {error}")))?
        .ok_or_else(|| {
            Failure::other(format!("expected the decision `{id}` in the log, got none with that id"))
        })?;
    let state = logs::state(policies, *path)?;
    let options =
        Options { path: path.map(str::to_owned), workload: workload.cloned(), ..Options::default() };
    let asked = found.ask(&state, &options).map_err(|error| match error {
        AskError::Failed(findings) => Failure::other(findings.to_string()),
        unknown => Failure::other(format!("decision `{id}` ({}): {unknown}", found.place)),
    })?;
    match format {
        Format::Json => print(&asked, &found.place, &state, format, out)?,
        Format::Text => {
            let mut text = Vec::new();
            print(&asked, &found.place, &state, format, &mut text)?;
            out.write_all(harmless(&String::from_utf8_lossy(&text)).as_bytes())?;
        }
    }
    match &asked.lacks {
        Some(lacks) => Err(Failure::other(format!("the answer may have been another: {lacks}"))),
        None => Ok(if asked.allowed { Answer::Yes } else { Answer::No }),
    }
}

/// Text without what moves the cursor or turns letters round: some of it is what a caller wrote.
fn harmless(text: &str) -> String {
    let one = |c: char| match c {
        '\n' | '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(one).collect()
}

fn print(
    asked: &Asked,
    place: &str,
    state: &State,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let is_request = asked.phase == "request";
    let mesh = state.mesh().filter(|_| is_request);
    let named = asked.workload.as_ref();
    let service = mesh.zip(named).and_then(|(mesh, to)| mesh.find(to.namespace(), to.name()));
    let explained = mesh.zip(service).map(|(mesh, service)| declare::explain(mesh, service, &asked.request));
    let rego = if is_request { rego(mesh, service) } else { Vec::new() };
    if let Some(explained) = explained.as_ref().filter(|_| rego.is_empty() && asked.error.is_none()) {
        agree(asked.allowed, explained)?;
    }
    let caller = match asked.request.principal.as_deref() {
        None | Some("") => "a caller without identity".to_owned(),
        Some(name) => name.to_owned(),
    };
    let workload = named.map_or_else(|| "an unnamed workload".to_owned(), ToString::to_string);
    let (method, path) = match asked.phase {
        "connection" => ("open", "a connection"),
        _ => (
            asked.request.method.as_deref().unwrap_or("a request without method"),
            asked.request.path.as_deref().unwrap_or_default(),
        ),
    };
    let report = Report {
        caller: &caller,
        workload: &workload,
        method,
        path,
        result: asked.result.as_ref().unwrap_or(&Value::Undefined),
        rego: &rego,
        ..Report::new(asked.allowed, explained.as_ref())
    };
    if format == Format::Json {
        return json(out, &Document { report: &report, decision: asked, place });
    }
    let (word, may) = if asked.allowed { ("yes", "may") } else { ("no", "may not") };
    match asked.phase {
        "response" => {
            let head = if asked.allowed { "yes: " } else { "no: " };
            let passes = if asked.allowed { "passes" } else { "does not pass" };
            wrapped(
                out,
                head,
                4,
                &format!("the response to {method} {path} of {caller} {passes} at {workload}"),
            )?;
        }
        _ => wrapped(out, &format!("{word}: "), 4, &format!("{caller} {may} {method} {path} at {workload}"))?,
    }
    writeln!(out)?;
    wrapped(out, "", 2, &history(asked, place))?;
    if mesh.is_some() {
        text::reasons(&report, true, out)?;
    }
    if mesh.is_none() || asked.error.is_some() || !rego.is_empty() {
        answer(asked, out)?;
    }
    if !asked.erased.is_empty() {
        writeln!(out, "\nErased from the record")?;
        for path in &asked.erased {
            writeln!(out, "  {path}")?;
        }
    }
    Ok(())
}

/// What was decided, and whether that is so now.
fn history(asked: &Asked, place: &str) -> String {
    let revision =
        asked.revision.as_ref().map(|revision| format!(" by revision {revision}")).unwrap_or_default();
    let time = asked.timestamp.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
    let word = asked.recorded.unwrap_or("(erased)");
    let word = if word == "error" { "no decision, denied" } else { word };
    let what = asked.what.join(", ");
    let now = match (asked.change, what.as_str()) {
        _ if asked.recorded.is_none() => "it cannot be compared",
        (None, _) => "the same now",
        (Some(Change::Allowed), _) => "allowed now",
        (Some(Change::Denied), _) => "denied now",
        (Some(Change::Error), _) => "no decision now",
        (Some(Change::Changed), _) => "otherwise now",
    };
    let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
    let by = |rule: Option<&String>| rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
    let recorded_by = by(asked.recorded_rule.as_ref());
    let now_by = by(asked.rule.as_ref().filter(|_| asked.rule != asked.recorded_rule));
    let id = &asked.decision_id;
    format!("Recorded{time}{revision}: {word}{recorded_by}; {now}{now_by}{what}. Decision {id} ({place}).")
}

/// What the policy's Rego says, which has no reasons.
fn answer(asked: &Asked, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "\nEntry point {}", asked.entrypoint)?;
    match (&asked.error, &asked.result) {
        (Some(code), _) => writeln!(out, "  has no decision: {code}")?,
        (None, Some(result)) => wrapped(out, "  answers ", 4, &result.to_string())?,
        (None, None) => writeln!(out, "  is undefined, which denies")?,
    }
    match asked.reads.as_slice() {
        [] => writeln!(out, "  reads nothing of the input")?,
        reads => wrapped(out, "  reads ", 4, &reads.join(", "))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_caller_wrote_moves_no_cursor() {
        let text = "GET /a'\"\\ → é\n";
        assert_eq!(harmless(text), text);
        assert_eq!(harmless("\u{1b}[2J\u{202e}"), "\\u{1b}[2J\\u{202e}");
    }
}
