//! `sidegate publish DIR --to TREE`

mod args;
mod duration;
mod text;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sidegate_compiler::publish::{self, Others, PublishError, Publisher, Release, Report, Try};
use sidegate_compiler::testing::{self, TestOptions};
use sidegate_compiler::{Sources, Workload, default_revision};
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::TrustedKey;

use crate::output::{Answer, Failure, Format, json, read};
use crate::signing::Signing;

pub(crate) use args::Args;
use args::Verb;

/// How long pointers are good for where nobody says: 14 days.
const EXPIRES_IN: i64 = 14 * 86_400;

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let verb = args.verb()?;
    let now = now()?;
    match &verb {
        Verb::List => {
            let listing = publish::list(&args.to, now).map_err(failure)?;
            match args.format {
                Format::Json => json(out, &listing)?,
                Format::Text => text::listing(&listing, out)?,
            }
        }
        Verb::History => {
            let history = publish::history(&args.to).map_err(failure)?;
            match args.format {
                Format::Json => json(out, &history.lines)?,
                Format::Text => text::history(&history, out)?,
            }
        }
        Verb::Collect => {
            let freed =
                publish::collect(&args.to, args.keep.unwrap_or(10), &args.by(), now).map_err(failure)?;
            match args.format {
                Format::Json => json(out, &freed)?,
                Format::Text => text::freed(&freed, out)?,
            }
        }
        verb => {
            let report = publish(args, verb, now)?;
            match args.format {
                Format::Json => json(out, &report)?,
                Format::Text => text::report(&report, args.expires_in.unwrap_or(EXPIRES_IN), out)?,
            }
        }
    }
    Ok(Answer::Yes)
}

fn publish(args: &Args, verb: &Verb, now: i64) -> Result<Report, Failure> {
    let Some(Signing { signer, key }) = args.sign.signing()? else {
        return Err(Failure::other(
            "expected a key to sign pointers with, got none; write `--sign-key FILE --key-id ID`, or `--sign-cmd CMD --sign-alg ALG --key-id ID`",
        ));
    };
    let verifier = match &args.verify_key {
        Some(file) => Some(verifier(file, signer.algorithm(), signer.key_id())?),
        None => key,
    };
    let publisher = Publisher {
        signer: signer.as_ref(),
        verifier,
        by: args.by(),
        reason: args.reason.clone().unwrap_or_default(),
        now,
        expires_in: args.expires_in.unwrap_or(EXPIRES_IN),
        mesh: args.mesh.clone(),
        epoch: args.epoch,
    };
    let tree = &args.to;
    match verb {
        Verb::Publish(dir) => release(args, dir, tree, &publisher, None),
        Verb::Candidate(dir, tried) => release(args, dir, tree, &publisher, Some(*tried)),
        Verb::Promote => publisher.promote(tree).map_err(failure),
        Verb::DropCandidate => publisher.drop_candidates(tree).map_err(failure),
        Verb::Rollback(revision) => publisher.rollback(tree, revision).map_err(failure),
        Verb::Refresh => publisher.refresh(tree).map_err(failure),
        Verb::BreakGlass(workload, seconds) => {
            publisher.break_glass(tree, workload, *seconds).map_err(failure)
        }
        Verb::Collect | Verb::List | Verb::History => {
            Err(Failure::other("internal error: this verb signs nothing"))
        }
    }
}

fn release(
    args: &Args,
    dir: &Path,
    tree: &Path,
    publisher: &Publisher<'_>,
    tried: Option<Try>,
) -> Result<Report, Failure> {
    let mut sources = Sources::read_dir_with_tests(dir).map_err(Failure::Findings)?;
    let workloads = workloads(args, &sources)?;
    let tests = tested(&sources)?;
    sources.modules.retain(|(name, _)| !name.ends_with("_test.rego"));
    let others = match (args.prune, args.workload.is_empty()) {
        (true, _) => Others::Removed,
        (false, true) => Others::Named,
        (false, false) => Others::Untouched,
    };
    let shows = std::io::stderr().is_terminal();
    let progress = |done: usize, all: usize| {
        if shows && (done.is_multiple_of(100) || done == all) {
            let end = if done == all { "\n" } else { "" };
            let _ = write!(std::io::stderr(), "\rslices: {done} of {all}{end}");
        }
    };
    let release = Release {
        sources: &sources,
        workloads,
        entrypoints: args.entrypoint.clone(),
        revision: default_revision(&sources, args.revision.as_deref()),
        others,
        progress: &progress,
    };
    let mut report = publisher.publish(tree, &release, tried).map_err(failure)?;
    report.notes.extend(tests);
    Ok(report)
}

/// The workloads that are named, or those of the sources.
fn workloads(args: &Args, sources: &Sources) -> Result<BTreeSet<Workload>, Failure> {
    let mut named: BTreeSet<Workload> = args.workload.iter().cloned().collect();
    if let Some(file) = &args.workloads {
        let text = String::from_utf8(read(file)?)
            .map_err(|_| Failure::other(format!("expected text in `{}`, got other bytes", file.display())))?;
        for (line, number) in text.lines().map(str::trim).zip(1_usize..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let workload = line.parse::<Workload>();
            named.insert(
                workload.map_err(|error| Failure::other(format!("{}:{number}: {error}", file.display())))?,
            );
        }
        if named.is_empty() {
            return Err(Failure::other(format!("expected workloads in `{}`, got none", file.display())));
        }
    }
    if named.is_empty() { publish::declared(sources).map_err(failure) } else { Ok(named) }
}

/// Runs the tests of the sources. What fails is not published; the rest is said.
fn tested(sources: &Sources) -> Result<Option<String>, Failure> {
    let clock = || super::context(None);
    let options =
        TestOptions { filter: None, steps: Limits::default().steps, coverage: false, context: &clock };
    if !sources.modules.iter().any(|(name, text)| name.ends_with("_test.rego") || text.contains("test_")) {
        return Ok(Some("the policies have no tests".to_owned()));
    }
    let report = testing::run(sources, &options).map_err(Failure::Findings)?;
    let summary = report.summary;
    let wrong = [summary.failed, summary.errors, summary.differs]
        .iter()
        .fold(0_usize, |sum, n| sum.saturating_add(*n));
    if wrong > 0 {
        return Err(Failure::Refused(format!(
            "expected policies that pass their tests, got {wrong} of {} that do not; `sidegate test` shows them",
            summary.total
        )));
    }
    Ok(match (summary.total, summary.skipped) {
        (0, _) => Some("the policies have no tests".to_owned()),
        (_, 0) => None,
        (total, skipped) => Some(format!("{skipped} of {total} tests are skipped")),
    })
}

fn verifier(file: &Path, algorithm: &str, id: &str) -> Result<TrustedKey, Failure> {
    let text = String::from_utf8(read(file)?)
        .map_err(|_| Failure::other(format!("expected a public key in PEM in `{}`", file.display())))?;
    TrustedKey::new(id, algorithm, &text, vec!["*".to_owned()])
        .map_err(|error| Failure::other(format!("`{}`: {error}", file.display())))
}

fn failure(error: PublishError) -> Failure {
    match error {
        PublishError::Findings(found) => Failure::Findings(found),
        error @ PublishError::Slice { .. } => Failure::Refused(format!("{error} [{}]", error.code())),
        error => Failure::Other(format!("{error} [{}]", error.code())),
    }
}

fn now() -> Result<i64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    since
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .ok_or_else(|| Failure::other("expected a clock that is past 1970, got one that is not"))
}
