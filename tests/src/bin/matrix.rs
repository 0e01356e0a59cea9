//! Runs all tests that run on several Envoys on every version that is supported, and keeps the table of it in README:
//! `matrix [--update] [--only WORD] [--test NAME] [CARGO'S ARGUMENTS]`. WORD is in the versions that are run, NAME is the
//! one program that is; of the others the table has what they said before of the same filter. A failure names the version
//! and the case. Exits 1 where something failed.
#![allow(clippy::print_stdout, reason = "a program that prints what it found")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use sidegate_tests::matrix::{self, Logs};
use sidegate_tests::places;

fn main() -> ExitCode {
    match go() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn go() -> Result<bool, String> {
    let (mut is_update, mut only, mut test, mut crates) = (false, String::new(), None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--update" => is_update = true,
            "--only" => only = arguments.next().ok_or("expected a word after --only")?,
            "--test" => test = Some(arguments.next().ok_or("expected a name after --test")?),
            _ => crates.push(argument),
        }
    }
    if crates.is_empty() {
        crates = ["-p", "sidegate-tests", "-p", "sidegate"].map(str::to_owned).to_vec();
    }
    let versions: Vec<String> =
        places::envoys_supported().into_iter().filter(|version| version.contains(&only)).collect();
    for version in &versions {
        places::envoy_binary(version)?;
    }
    if versions.is_empty() {
        return Err(format!("no supported Envoy has `{only}` in its version"));
    }
    for version in places::envoys_without_wasm() {
        matrix::runs_no_wasm(&version)?;
    }
    let all = matrix::chosen()?;
    let mut chosen = all.clone();
    chosen.retain(|name, _| test.as_ref().is_none_or(|wanted| wanted == name));
    let names: Vec<&str> = chosen.keys().map(String::as_str).collect();
    println!("matrix: {} on {}", names.join(" "), versions.join(" "));
    let programs = matrix::build(&chosen, &crates)?;
    let logs = Logs::of_filter()?;
    for version in &versions {
        for program in &programs {
            logs.run(version, program)?;
        }
        let row = logs.row(version, &chosen);
        println!("matrix: envoy {version}: {} passed, {} programs failed", row.passed, row.failures.len());
        for (program, text) in &row.failures {
            println!("matrix: envoy {version}: {program}: FAILED\n{text}");
        }
    }
    let supported = places::envoys_supported();
    let rows: BTreeMap<String, _> =
        supported.into_iter().map(|version| (version.clone(), logs.row(&version, &all))).collect();
    let table = matrix::table(&rows);
    println!("{table}");
    let passed: usize = rows.values().map(|row| row.passed).sum();
    let failed: usize = rows.values().map(|row| row.failures.len()).sum();
    println!("matrix: {passed} passed, {failed} failed or not run");
    if failed == 0 {
        matrix::keep(&table, is_update)?;
    }
    let is_whole = only.is_empty() && test.is_none();
    Ok(failed == 0
        || !is_whole && versions.iter().all(|version| logs.row(version, &chosen).failures.is_empty()))
}
