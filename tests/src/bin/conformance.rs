//! `make conformance`: OPA's cases through the plan, against the committed report.
//!
//! `--update` rewrites the report. `--questions FILE` writes what a real OPA is to be asked, `--record FILE`
//! keeps what matters of its answers. `--details FILE` lists everything that is not right, `--only TEXT`
//! runs the cases whose id has it, `--native` leaves the filter out; both judge without the report.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool of the tests")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sidegate_tests::conformance::{
    Case, Exclusions, Recorded, Report, details, load, markdown, questions_json, run_all, terminal,
};
use sidegate_tests::places;
use sidegate_tests::wasm_host::Filter;

const USAGE: &str = "usage: conformance CASES [--native | --update] [--questions FILE] [--record ANSWERS] [--details FILE] [--only TEXT]";

#[derive(Default)]
struct Options {
    cases: PathBuf,
    update: bool,
    native: bool,
    questions: Option<PathBuf>,
    record: Option<PathBuf>,
    details: Option<PathBuf>,
    only: Option<String>,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("expected a value after {word}\n{USAGE}"));
        match word.as_str() {
            "--update" => options.update = true,
            "--record" => options.record = Some(value()?.into()),
            "--native" => options.native = true,
            "--questions" => options.questions = Some(value()?.into()),
            "--details" => options.details = Some(value()?.into()),
            "--only" => options.only = Some(value()?),
            _ if !word.starts_with('-') && options.cases.as_os_str().is_empty() => {
                options.cases = word.into()
            }
            _ => return Err(format!("unexpected {word}\n{USAGE}")),
        }
    }
    if options.cases.as_os_str().is_empty() { Err(USAGE.to_owned()) } else { Ok(options) }
}

fn run(options: &Options) -> Result<bool, String> {
    let here = places::root().join("tests/conformance");
    let cases = load(&options.cases)?;
    if let Some(file) = &options.questions {
        return write(file, &questions_json(&cases).to_string()).map(|()| true);
    }
    let exclusions = Exclusions::read(&here.join("excluded.yaml"))?;
    let unknown = exclusions.unknown(&cases);
    if !unknown.is_empty() {
        return Err(format!("excluded.yaml names what is not there: {}", unknown.join(", ")));
    }
    if let Some(answers) = &options.record {
        return record(Recorded::read(answers)?, &here, &cases, &exclusions).map(|()| true);
    }
    let recorded = Recorded::read(&here.join("opa.json"))?;
    let counted: Vec<_> = cases
        .iter()
        .filter(|case| exclusions.reason(case).is_none())
        .filter(|case| options.only.as_ref().is_none_or(|only| case.id.contains(only)))
        .collect();
    // What looks like a pass without the filter would be one that skipped it.
    let filter = if options.native { None } else { Some(Filter::load(&places::filter_wasm()?)?) };
    // A panic is an outcome, not something to print.
    std::panic::set_hook(Box::new(|_| ()));
    let judged = run_all(&counted, &recorded, filter.as_ref(), 2);
    let judged: Vec<_> = counted.into_iter().zip(judged).collect();
    let report = Report::new(&recorded.opa, &cases, &exclusions, &judged);
    print!("{}", terminal(&report));
    if let Some(file) = &options.details {
        write(file, &details(&report, &cases))?;
    }
    if options.only.is_some() || options.native {
        for (id, finding) in &report.not_right {
            println!("{id}: {}: {}", finding.outcome, finding.reason);
        }
        println!("conformance: {} right, {} wrong", report.totals.right, report.totals.wrong);
        return Ok(report.totals.wrong == 0);
    }
    verdict(&report, &here, options.update)
}

fn record(all: Recorded, here: &Path, cases: &[Case], exclusions: &Exclusions) -> Result<(), String> {
    let (kept, differ) = all.kept(cases, exclusions)?;
    for id in &differ {
        println!("OPA answers otherwise than the case says: {id}: {:?}", kept.answers.get(id));
    }
    let json = serde_json::to_string_pretty(&kept).map_err(|e| e.to_string())?;
    write(&here.join("opa.json"), &format!("{json}\n"))
}

fn verdict(report: &Report, here: &Path, update: bool) -> Result<bool, String> {
    let committed = here.join("report.json");
    let totals = &report.totals;
    let mut failed = totals.wrong;
    if update {
        let json = serde_json::to_string_pretty(report).map_err(|e| e.to_string())?;
        write(&committed, &format!("{json}\n"))?;
        write(&places::root().join("docs/conformance.md"), &markdown(report))?;
    } else {
        let worse = report.worse_than(&Report::read(&committed)?);
        for line in &worse {
            println!("worse: {line}");
        }
        failed = failed.max(worse.len());
    }
    for (id, finding) in report.not_right.iter().filter(|(_, finding)| finding.outcome == "wrong") {
        println!("wrong: {id}: {}", finding.reason);
    }
    println!(
        "conformance: OPA {}: {} of {} right ({} %), {} wrong; {} excluded",
        report.opa,
        totals.right,
        totals.counted(),
        totals.right_percent(),
        totals.wrong,
        totals.excluded
    );
    println!("conformance: {} passed, {failed} failed", totals.right);
    Ok(failed == 0)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("could not write {}: {e}", path.display()))
}
