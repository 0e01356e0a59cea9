//! Runs all tests that run on several Envoys on every version that is supported, and keeps the table of it in README:
//! `matrix [--update] [--only WORD] [CARGO'S ARGUMENTS]`, where WORD is in the versions that are wanted. A failure names
//! the version and the case. Exits 1 where something failed.
#![allow(clippy::print_stdout, reason = "a program that prints what it found")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use sidegate_tests::{matrix, places};

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
    let (mut is_update, mut only, mut crates) = (false, String::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--update" => is_update = true,
            "--only" => only = arguments.next().ok_or("expected a word after --only")?,
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
    let chosen = matrix::chosen()?;
    let names: Vec<&str> = chosen.keys().map(String::as_str).collect();
    println!("matrix: {} on {}", names.join(" "), versions.join(" "));
    let programs = matrix::build(&chosen, &crates)?;
    let logs = places::root().join("target/matrix");
    let mut rows = BTreeMap::new();
    for version in &versions {
        let row = matrix::run(version, &programs, &logs.join(version))?;
        println!("{}; {} tests passed", row.cases.to_line(), row.passed);
        for (program, text) in &row.failures {
            println!("matrix: envoy {version}: {program}: FAILED\n{text}");
        }
        rows.insert(version.clone(), row);
    }
    let table = matrix::table(&rows);
    println!("{table}");
    let (tests, failed) =
        rows.values().fold((0, 0), |(tests, failed), row| (tests + row.passed, failed + row.failures.len()));
    println!("matrix: {tests} passed, {failed} failed");
    if only.is_empty() && failed == 0 {
        matrix::keep(&table, is_update)?;
    }
    Ok(failed == 0)
}
