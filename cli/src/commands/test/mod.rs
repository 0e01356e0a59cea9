//! `sidegate test DIR`

mod junit;
mod text;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use regex::Regex;
use serde::Serialize;
use sidegate_compiler::Sources;
use sidegate_compiler::testing::{self, TestOptions, TestReport};
use sidegate_engine::limits::Limits;

use crate::output::{Answer, Failure, Format, json};

/// Run the tests of a folder of policies, as `opa test` does: rules whose name begins with `test_`.
///
/// Each test runs through the plan, which is what the proxy runs, and through regorus's interpreter; a
/// difference between the two is a failure. Exits with 1 if a test did not pass, was skipped
/// (`todo_test_…`), or none was found, or if the coverage is below the threshold; with 2 if the tests
/// could not run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `*.rego`, `*_test.rego`, `data.json`, `data.yaml`, `.manifest`.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Run only tests whose full name (`data.authz_test.test_x`) the regular expression matches.
    #[arg(short, long, value_name = "REGEX")]
    run: Option<Regex>,
    /// Show the tests that pass too, and the rules of those that do not.
    #[arg(short, long)]
    verbose: bool,
    /// Show which lines the tests go through.
    ///
    /// Counts statements and the values of rule heads, by line: a line is covered when regorus's interpreter
    /// evaluated something on it. `opa test` also counts the heads of rules, looks at expressions rather than
    /// lines, and leaves out bodies that its index rules out: its figure differs, and is mostly lower. The
    /// JSON has the keys of `opa test --coverage --format json`.
    #[arg(short, long)]
    coverage: bool,
    /// Exit with 1 if less than this many percent of the lines are covered; implies `--coverage`.
    #[arg(long, value_name = "PERCENT")]
    threshold: Option<f64>,
    /// Write the results to a file as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Step limit of each test [default: the proxy's].
    #[arg(long, value_name = "N", default_value_t = Limits::default().steps, hide_default_value = true)]
    steps: u64,
    /// Exit with 0 even if tests were skipped.
    #[arg(short = 'z', long)]
    exit_zero_on_skipped: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a TestReport,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { dir, run, verbose, coverage, threshold, junit, steps, exit_zero_on_skipped, format } = args;
    let clock = || super::context(None);
    let options = TestOptions {
        filter: run.clone(),
        steps: *steps,
        coverage: *coverage || threshold.is_some(),
        context: &clock,
    };
    let report = Sources::read_dir_with_tests(dir)
        .and_then(|sources| testing::run(&sources, &options))
        .map_err(|findings| Failure::other(Failure::Findings(findings).to_string()))?;
    if let Some(file) = junit {
        std::fs::write(file, junit::xml(&report)).map_err(|error| {
            Failure::other(format!("expected to write the results to `{}`: {error}", file.display()))
        })?;
    }
    let reasons = reasons(&report, *threshold, *exit_zero_on_skipped);
    match format {
        Format::Json => json(out, &Report { ok: reasons.is_empty(), report: &report })?,
        Format::Text => {
            let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            text::Printer { verbose: *verbose, colour }.print(&report, &reasons, out)?;
        }
    }
    Ok(if reasons.is_empty() { Answer::Yes } else { Answer::No })
}

/// Why the answer is no; nothing if it is yes.
fn reasons(report: &TestReport, threshold: Option<f64>, skipping: bool) -> Vec<String> {
    let summary = report.summary;
    let mut reasons = Vec::new();
    let mut count = |n: usize, what: &str| {
        if n > 0 {
            reasons.push(format!("{n} {what}"));
        }
    };
    count(summary.failed, "failed");
    count(summary.errors, "with an error");
    count(summary.differs, "answered in two ways");
    count(if skipping { 0 } else { summary.skipped }, "skipped");
    if summary.total == 0 {
        reasons.push("no tests found".to_owned());
    }
    if let (Some(threshold), Some(coverage)) = (threshold, &report.coverage) {
        let got = coverage.coverage;
        if got < threshold {
            reasons.push(format!("coverage {got:.2} % is below {threshold:.2} %"));
        }
    }
    reasons
}
