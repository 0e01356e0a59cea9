//! Results for people.

use std::io::{self, Write};
use std::time::Duration;

use sidegate_compiler::testing::{Case, Coverage, FailedAt, Outcome, TestReport, TestResult};

const RULE: &str = "--------------------------------------------------------------------------------";

/// How much to print.
pub(super) struct Printer {
    /// What passed, too.
    pub(super) verbose: bool,
    /// With colours.
    pub(super) colour: bool,
}

/// What a result is called, as `opa test` has it.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::Error => "ERROR",
        Outcome::Differs => "DIFFERS",
        Outcome::Skipped => "SKIPPED",
    }
}

/// Lines that say why a test did not pass; of one with cases, those of `case`, or of all where that is
/// empty.
pub(super) fn details(test: &TestResult, case: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(error) = &test.error {
        lines.push(format!("{} [{}]", error.message, error.code));
    }
    if let Some(difference) = &test.difference {
        lines.push("plan and interpreter give different answers".to_owned());
        lines.push(format!("  the plan, which the proxy runs: {}", difference.plan));
        lines.push(format!("  regorus's interpreter:          {}", difference.interpreter));
    }
    if let Some(value) = &test.value {
        lines.push(format!("expected true, got {value}"));
    }
    let wanted = test.failed_at.iter().filter(|failed| case.is_empty() || failed.case == case);
    wanted.for_each(|failed| lines.extend(expression(failed)));
    if !case.is_empty() && lines.is_empty() {
        lines.push("expected true as the value of this case, got something else".to_owned());
    }
    if test.outcome == Outcome::Fail && lines.is_empty() && test.cases.is_empty() {
        lines.push("expected true, got undefined".to_owned());
    }
    lines
}

/// The expression that did not hold, and its variables.
fn expression(failed: &FailedAt) -> Vec<String> {
    let FailedAt { case, file, line, text, values, .. } = failed;
    let of = if case.is_empty() { String::new() } else { format!("{}: ", case.join("/")) };
    let mut lines = vec![format!("{of}{file}:{line}: this does not hold")];
    lines.extend(text.lines().map(|line| format!("    {}", line.replace('\t', "    "))));
    lines.extend(values.iter().map(|(name, value)| format!("  {name}: {value}")));
    lines
}

impl Printer {
    pub(super) fn print(
        &self,
        report: &TestReport,
        reasons: &[String],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut printed = false;
        let (mut file, mut open) = ("", false);
        for test in &report.tests {
            if self.verbose || test.outcome != Outcome::Pass {
                if open && file != test.file {
                    writeln!(out)?;
                }
                // What did not pass ends with an empty line of its own.
                open = matches!(test.outcome, Outcome::Pass | Outcome::Skipped);
                file = &test.file;
                self.test(test, out)?;
                printed = true;
            }
        }
        if let Some(coverage) = &report.coverage {
            if open {
                writeln!(out)?;
            }
            table(coverage, out)?;
            printed = true;
        }
        if printed {
            writeln!(out, "{RULE}")?;
        }
        self.summary(report, reasons, out)
    }

    fn test(&self, test: &TestResult, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}:{}:", test.file, test.line)?;
        write!(out, "{}: {}", test.full_name(), self.coloured(test.outcome))?;
        if test.outcome == Outcome::Skipped {
            return writeln!(out);
        }
        writeln!(out, " ({:?})", Duration::from_nanos(test.duration_ns))?;
        self.cases(&test.cases, 1, out)?;
        let bad = test.outcome != Outcome::Pass;
        if bad {
            details(test, &[]).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
        if !test.printed.is_empty() {
            writeln!(out, "\n  printed:")?;
            let lines = test.printed.iter().flat_map(|text| text.lines());
            lines.into_iter().try_for_each(|line| writeln!(out, "    {line}"))?;
        }
        if let Some(why) = test.not_compared.as_ref().filter(|_| self.verbose || bad) {
            writeln!(out, "  not compared: {why}")?;
        }
        if bad && self.verbose {
            writeln!(out)?;
            test.source.lines().try_for_each(|line| writeln!(out, "  | {}", line.replace('\t', "    ")))?;
        }
        if bad { writeln!(out) } else { Ok(()) }
    }

    fn cases(&self, cases: &[Case], depth: usize, out: &mut dyn Write) -> io::Result<()> {
        for case in cases.iter().filter(|case| self.verbose || case.failed) {
            let outcome = if case.failed { Outcome::Fail } else { Outcome::Pass };
            writeln!(out, "{:1$}{2}: {3}", "", depth.saturating_mul(2), case.name, self.coloured(outcome))?;
            self.cases(&case.cases, depth.saturating_add(1), out)?;
        }
        Ok(())
    }

    fn summary(&self, report: &TestReport, reasons: &[String], out: &mut dyn Write) -> io::Result<()> {
        let summary = report.summary;
        let counts = [
            (Outcome::Pass, summary.passed),
            (Outcome::Fail, summary.failed),
            (Outcome::Skipped, summary.skipped),
            (Outcome::Error, summary.errors),
            (Outcome::Differs, summary.differs),
        ];
        for (outcome, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(out, "{}: {count}/{}", word(outcome), summary.total)?;
        }
        if summary.not_compared > 0 {
            let why = if self.verbose { "" } else { " (-v says why)" };
            writeln!(out, "NOT COMPARED: {}{why}", summary.not_compared)?;
        }
        match reasons {
            [] => writeln!(out, "result: ok"),
            reasons => writeln!(out, "result: not ok: {}", reasons.join(", ")),
        }
    }

    fn coloured(&self, outcome: Outcome) -> String {
        let code = match outcome {
            _ if !self.colour => return word(outcome).to_owned(),
            Outcome::Pass => 32,
            Outcome::Fail | Outcome::Error | Outcome::Differs => 31,
            Outcome::Skipped => 33,
        };
        format!("\u{1b}[{code}m{}\u{1b}[0m", word(outcome))
    }
}

fn table(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
    let lines = coverage.covered_lines.saturating_add(coverage.not_covered_lines);
    writeln!(out, "coverage: {:.2} % of {lines} lines", coverage.coverage)?;
    for (path, file) in &coverage.files {
        let missed: Vec<String> = file
            .missed()
            .into_iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        let missed = if missed.is_empty() { String::new() } else { format!("  not: {}", missed.join(", ")) };
        writeln!(out, "  {:6.2} %  {path}{missed}", file.coverage)?;
    }
    Ok(())
}
