//! What `publish` prints for people.

use std::io::Write;

use sidegate_compiler::Workload;
use sidegate_compiler::publish::{Action, Freed, History, Line, Listing, Report, date};
use sidegate_engine::trust::{Candidate, PointerMode};

use crate::output::Failure;

/// Workloads that are named; the rest is counted.
const NAMED: usize = 20;

pub(super) fn report(report: &Report, expires_in: i64, out: &mut dyn Write) -> Result<(), Failure> {
    let Report { action, serial, epoch, revision, made, changed, unchanged, removed, orphans, notes } =
        report;
    let revision = if revision.is_empty() { String::new() } else { format!(", revision {revision}") };
    match serial {
        Some(serial) => {
            let done = done(*action);
            writeln!(out, "{done}: serial {serial}, epoch {epoch}{revision}, good for {}", time(expires_in))?;
        }
        None => writeln!(out, "nothing changed{revision}")?,
    }
    writeln!(out, "{} changed, {unchanged} unchanged, {made} slices made", changed.len())?;
    named(changed, out)?;
    if !removed.is_empty() {
        writeln!(out, "{} removed", removed.len())?;
        named(removed, out)?;
    }
    if !orphans.is_empty() {
        writeln!(out, "{} not in the folder any more; `--prune` would remove their pointers", orphans.len())?;
        named(orphans, out)?;
    }
    said(notes, out)
}

pub(super) fn listing(listing: &Listing, out: &mut dyn Write) -> Result<(), Failure> {
    let Listing { mesh, epoch, serial, workloads, notes } = listing;
    let mesh = if mesh.is_empty() { String::new() } else { format!("mesh {mesh}, ") };
    writeln!(out, "{mesh}epoch {epoch}, serial {serial}, {} workloads", workloads.len())?;
    for listed in workloads {
        let expiry = match listed.expires_in {
            left if left > 0 => format!("expires in {}", time(left)),
            over => format!("EXPIRED {} ago", time(over.saturating_neg())),
        };
        write!(
            out,
            "{}: revision {}, serial {}, {expiry}, {} bytes",
            listed.workload, listed.revision, listed.serial, listed.bytes
        )?;
        if let Some(candidate) = &listed.candidate {
            write!(out, ", {}", tried(candidate))?;
        }
        if let Some(lowering) = &listed.lowering {
            write!(out, ", LOWERED to {}: {}", mode(lowering.mode), lowering.reason)?;
        }
        writeln!(out)?;
    }
    said(notes, out)
}

pub(super) fn history(history: &History, out: &mut dyn Write) -> Result<(), Failure> {
    for line in &history.lines {
        let Line { time: at, serial, epoch, action, revision, by, reason, key, workloads, removed, renewed } =
            line;
        write!(out, "{} serial {serial}, epoch {epoch}: {} by {by}", date(*at), done(*action))?;
        if !revision.is_empty() {
            write!(out, ", revision {revision}")?;
        }
        write!(out, ", key {key}, {} changed", workloads.len())?;
        if !removed.is_empty() {
            write!(out, ", {} removed", removed.len())?;
        }
        if *renewed > 0 {
            write!(out, ", {renewed} renewed")?;
        }
        if !reason.is_empty() {
            write!(out, ": {reason}")?;
        }
        writeln!(out)?;
    }
    if history.damaged > 0 {
        writeln!(out, "note: {} lines cannot be read and do not count", history.damaged)?;
    }
    Ok(())
}

pub(super) fn freed(freed: &Freed, out: &mut dyn Write) -> Result<(), Failure> {
    let Freed { blobs, bytes, unfinished, kept, notes } = freed;
    writeln!(
        out,
        "removed {blobs} blobs of {bytes} bytes, {unfinished} unfinished files; {kept} blobs stay"
    )?;
    said(notes, out)
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Publish => "published",
        Action::Candidate => "published as candidates",
        Action::Promote => "promoted",
        Action::DropCandidate => "candidates dropped",
        Action::Rollback => "rolled back",
        Action::Refresh => "renewed",
        Action::BreakGlass => "lowered",
    }
}

fn named(workloads: &[Workload], out: &mut dyn Write) -> Result<(), Failure> {
    workloads.iter().take(NAMED).try_for_each(|workload| writeln!(out, "  {workload}"))?;
    let more = workloads.len().saturating_sub(NAMED);
    if more > 0 {
        writeln!(out, "  and {more} more")?;
    }
    Ok(())
}

fn said(notes: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    Ok(())
}

fn tried(candidate: &Candidate) -> String {
    let Candidate { revision, percent, mode: how, .. } = candidate;
    format!("candidate {revision} on {percent} % ({})", mode(*how))
}

fn mode(mode: PointerMode) -> &'static str {
    match mode {
        PointerMode::Enforce => "enforce",
        PointerMode::Shadow => "shadow",
    }
}

/// A time in its two largest units.
fn time(seconds: i64) -> String {
    let units =
        [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let shown = units.iter().skip_while(|(_, count)| *count == 0).take(2).filter(|(_, count)| *count > 0);
    let shown: Vec<String> = shown.map(|(unit, count)| format!("{count}{unit}")).collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(" ") }
}
