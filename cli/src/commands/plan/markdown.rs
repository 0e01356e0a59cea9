//! A plan as a comment of a pull request. Whatever comes from files or requests is escaped: it is shown, and is
//! neither markup nor a mention of anybody.

use std::io::Write;

use sidegate_compiler::declare::{Access, Note, Plan, ServiceChange};
use sidegate_compiler::replay::Replay;

use super::{Report, words};
use crate::commands::replay::text::{self as decisions, count};
use crate::output::Failure;

/// Services whose details are shown unfolded; and lines of one service that are shown at all.
const OPEN: usize = 5;
const LINES: usize = 200;

pub(super) fn print(report: &Report<'_>, own: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let Report { summary, plan, rego, decisions } = report;
    let Plan { mesh, services, unchanged: _ } = *plan;
    if plan.is_empty() && rego.is_empty() {
        writeln!(out, "### Sidegate plan: no changes\n")?;
    } else {
        writeln!(out, "### Sidegate plan: {}\n", summary.words())?;
    }
    for Note { what, text, file, line } in mesh {
        writeln!(out, "- mesh {what}: {} ({})", code(text), code(&place(file, *line)))?;
    }
    for path in *rego {
        writeln!(out, "- {} changed; replay decisions to see what that does", code(path))?;
    }
    for (at, change) in services.iter().enumerate() {
        service(change, own, at < OPEN, out)?;
    }
    if let Some(replay) = decisions {
        replayed(replay, out)?;
    }
    Ok(())
}

fn service(change: &ServiceChange, own: &str, is_open: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ServiceChange { namespace, name, kind: _, gains, loses, notes } = change;
    let open = if is_open { " open" } else { "" };
    let (sign, what) = words::kind(change);
    let (gain, lose) = (gains.len() as u64, loses.len() as u64);
    let counted = format!("{}, {}", count(gain, "gain"), count(lose, "loss").replace("losss", "losses"));
    writeln!(
        out,
        "<details{open}><summary>{sign} <b>{}</b>{what}: {counted}</summary>\n",
        escaped(&format!("{namespace}/{name}"))
    )?;
    if gain.saturating_add(lose) > 0 {
        writeln!(out, "| | who | what | rule |\n|---|---|---|---|")?;
    }
    let lines = gains.iter().map(|access| (access, true)).chain(loses.iter().map(|access| (access, false)));
    for (access, is_gain) in lines.clone().take(LINES) {
        row(access, is_gain, own, out)?;
    }
    let more = lines.count().saturating_sub(LINES);
    if more > 0 {
        writeln!(out, "\n{more} more lines: `sidegate plan` shows them.")?;
    }
    writeln!(out)?;
    for Note { what, text, file, line } in notes {
        writeln!(out, "- {what}: {} ({})", code(text), code(&place(file, *line)))?;
    }
    writeln!(out, "\n</details>\n")?;
    Ok(())
}

fn row(access: &Access, gains: bool, own: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let sign = if gains { "➕" } else { "➖" };
    let all = |texts: Vec<String>| texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(", ");
    let mut what = format!("{} {}", escaped(&words::methods(access)), all(words::paths(access)));
    for remark in words::remarks(access, gains) {
        what.push_str("<br>");
        what.push_str(&escaped(&remark));
    }
    let rule = escaped(&words::rule(&access.rule, gains));
    writeln!(out, "| {sign} | {} | {what} | {rule} |", all(words::callers(access, own)))?;
    Ok(())
}

fn replayed(replay: &Replay, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "#### {}\n", escaped(&decisions::summary(replay)))?;
    for group in replay.groups.iter().take(LINES) {
        let rule =
            decisions::rule(group, true).map(|rule| format!(", {}", escaped(&rule))).unwrap_or_default();
        writeln!(out, "- {}{rule}", escaped(&decisions::title(group)))?;
        writeln!(out, "  - {}", code(&decisions::who(group)))?;
    }
    let more = replay.groups.len().saturating_sub(LINES);
    if more > 0 {
        writeln!(out, "\n{more} more lines: `sidegate plan` shows them.")?;
    }
    for note in decisions::notes(replay) {
        writeln!(out, "- {}", escaped(&note))?;
    }
    Ok(())
}

fn place(file: &str, line: u32) -> String {
    if line > 0 { format!("{file}:{line}") } else { file.to_owned() }
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Text that is neither HTML nor Markdown, whatever is in it.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric()
                || matches!(c, ' ' | '/' | '.' | '-' | ',' | ':' | '(' | ')' | '→' | '=') =>
            {
                safe.push(c)
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    safe
}
