//! The report for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::Case;
use super::report::{Finding, Report, Totals};
use crate::table::Table;

const HEADINGS: [&str; 9] =
    ["folder", "right", "refused", "inexact", "error", "wrong", "excluded", "in wasm", "interpreter right"];

/// A table by folder for the terminal.
pub fn terminal(report: &Report) -> String {
    let mut table = Table::new(&HEADINGS);
    for row in rows(report) {
        table.row(&row.each_ref().map(String::as_str));
    }
    table.text()
}

/// The committed page.
pub fn markdown(report: &Report) -> String {
    let Report { opa, totals, .. } = report;
    let mut page = format!(
        "# OPA's conformance cases\n\nWritten by `make conformance UPDATE=1`; the cases are those of OPA {opa}. \
         *Refused*: the build says why\nnot. *Inexact*: refused while evaluating. *Error*: an error where OPA \
         has a value. *Wrong*: another answer.\n*Excluded*: makes no sense in a proxy, by the list with reasons \
         in `tests/conformance/excluded.yaml`. *In wasm*: \
         the built filter\ncame to the same, of those that can be asked as a decision. The last column is \
         regorus's interpreter on the\nsame cases; it is no judge.\n\nOf {} cases that count, {} are right ({} %), {} wrong. {} use the\nsyntax of `rego.v2` and its keywords, which the pinned parser does not know; of the others {} % are right.\nEvery case that is not right is \
         in\n`tests/conformance/report.json` with its reason.\n\n",
        totals.counted(),
        totals.right,
        totals.right_percent(),
        totals.wrong,
        totals.beyond_parser,
        totals.right_percent_parsed()
    );
    let _ = writeln!(page, "| {} |\n|{}|", HEADINGS.join(" | "), vec!["---"; HEADINGS.len()].join("|"));
    for row in rows(report) {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
    page.push_str("\n## Reasons\n\n| cases | outcome | reason |\n|---|---|---|\n");
    for ((outcome, reason), ids) in reasons(report) {
        let _ = writeln!(page, "| {} | {outcome} | {} |", ids.len(), reason.replace('|', "\\|"));
    }
    page
}

/// Everything that is not right, to work from: wrong answers with their policy, then the rest by reason,
/// the most frequent first, with all ids.
pub fn details(report: &Report, cases: &[Case]) -> String {
    let mut text = terminal(report);
    for case in cases {
        let Some(finding) = report.not_right.get(&case.id) else { continue };
        if !matches!(finding.outcome.as_str(), "wrong" | "error") {
            continue;
        }
        let _ = writeln!(text, "\n=== {}: {}\n{}", finding.outcome, case.id, finding.reason);
        let _ = writeln!(text, "--- query\n{}", case.query);
        for module in case.modules.iter().flatten() {
            let _ = writeln!(text, "--- module\n{}", module.trim_end());
        }
        for (name, value) in [("data", &case.data), ("input", &case.input)] {
            let Some(value) = value else { continue };
            let _ = writeln!(text, "--- {name}\n{value}");
        }
        if let Some(term) = &case.input_term {
            let _ = writeln!(text, "--- input\n{term}");
        }
    }
    text.push('\n');
    let mut reasons: Vec<_> = reasons(report).into_iter().collect();
    reasons.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    for ((outcome, reason), ids) in reasons {
        let _ = writeln!(text, "{} × {outcome}: {reason}", ids.len());
        for id in ids {
            let _ = writeln!(text, "      {id}");
        }
    }
    text
}

/// What stands in backticks is the case's own; for counting it is left out.
fn reasons(report: &Report) -> BTreeMap<(String, String), Vec<&str>> {
    let mut reasons: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (id, Finding { outcome, reason }) in &report.not_right {
        let reason = if outcome == "wrong" { "another answer".to_owned() } else { reason.replace('\n', " ") };
        reasons.entry((outcome.clone(), reason)).or_default().push(id);
    }
    reasons
}

fn rows(report: &Report) -> Vec<[String; 9]> {
    let row = |name: &str, totals: &Totals| {
        let Totals { right, refused, inexact, error, wrong, excluded, in_wasm, interpreter_right, .. } =
            totals;
        let shown = |n: &usize| if *n == 0 { String::new() } else { n.to_string() };
        [
            name.to_owned(),
            right.to_string(),
            shown(refused),
            shown(inexact),
            shown(error),
            shown(wrong),
            shown(excluded),
            shown(in_wasm),
            shown(interpreter_right),
        ]
    };
    let folders = report.folders.iter().map(|(name, totals)| row(name, totals));
    folders.chain(std::iter::once(row("**all**", &report.totals))).collect()
}
