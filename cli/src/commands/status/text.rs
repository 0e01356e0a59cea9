//! The fleet for people.

use std::collections::BTreeMap;
use std::io::Write;

use super::dump::Chains;
use super::fleet::{Finding, Fleet, Sidecar};
use crate::output::Failure;

const HEAD: [&str; 8] =
    ["sidecar", "workload", "mode", "serial", "digest", "revision", "expires in", "last answer"];

pub(super) fn write(fleet: &Fleet, out: &mut dyn Write) -> Result<(), Failure> {
    let Fleet { sidecars, findings, notes } = fleet;
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(sidecars.iter().map(row));
    table(&rows, out)?;
    for sidecar in sidecars {
        for (what, counts) in
            [("in shadow", &sidecar.shadow), ("waived", &sidecar.waived), ("candidate", &sidecar.differences)]
        {
            if !counts.is_empty() {
                writeln!(out, "{}: {what}: {}", sidecar.name, counted(counts))?;
            }
        }
    }
    for Finding { sidecar, code, message } in findings {
        writeln!(out, "{}: {message} [{code}]", shown(sidecar))?;
    }
    for note in notes {
        writeln!(out, "note: {}", shown(note))?;
    }
    let all = |of: fn(&Chains) -> usize| {
        let chains = sidecars.iter().filter_map(|sidecar| sidecar.chains.as_ref());
        chains.map(of).fold(0, usize::saturating_add)
    };
    let (with, tcp) = (all(|chains| chains.with), all(|chains| chains.tcp_without));
    let unguarded = all(|chains| chains.unguarded);
    if unguarded > 0 {
        let chains = count(unguarded, "chain");
        writeln!(out, "note: {chains} without the guard behind the filter (docs/install.md#what-to-know)")?;
    }
    if tcp > 0 {
        writeln!(out, "note: {} of TCP without the filter (docs/network.md)", count(tcp, "chain"))?;
    }
    if with > 0 {
        writeln!(out, "the filter is in {} of inbound listeners", count(with, "chain"))?;
    }
    let found =
        if findings.is_empty() { "nothing amiss".to_owned() } else { count(findings.len(), "finding") };
    writeln!(out, "{}, {found}", count(sidecars.len(), "sidecar"))?;
    Ok(())
}

fn row(sidecar: &Sidecar) -> [String; 8] {
    let or = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |text| shown(&text));
    let mode = match (sidecar.mode, sidecar.is_lowered) {
        (mode, true) => Some(format!("{} (lowered)", mode.unwrap_or("shadow"))),
        (mode, false) => mode.map(str::to_owned),
    };
    let serial = sidecar.order().map(|(epoch, serial)| match (epoch, sidecar.candidate) {
        (0, None) => serial.to_string(),
        (epoch, None) => format!("{epoch}/{serial}"),
        (epoch, Some(how)) => format!("{epoch}/{serial} + candidate ({how})"),
    });
    [
        shown(&sidecar.name),
        or(sidecar.workload.clone()),
        or(mode),
        or(serial),
        or(sidecar.digest.clone()),
        or(sidecar.revision.clone()),
        or(sidecar.expires_in_s.map(span)),
        or(sidecar.last_success_age_s.map(|age| format!("{} ago", span(age)))),
    ]
}

fn table(rows: &[[String; 8]], out: &mut dyn Write) -> Result<(), Failure> {
    let mut widths = [0_usize; 8];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// A time in its two largest units.
fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, name) in UNITS {
        let (whole, rest) = (left / size, left % size);
        if whole > 0 {
            parts.push(format!("{whole}{name}"));
        }
        left = rest;
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// Text that comes from elsewhere, on one line.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn times_are_short() {
        assert_eq!([0, 59, 3_600, 90_061].map(span), ["0s", "59s", "1h", "1d 1h"]);
    }
}
