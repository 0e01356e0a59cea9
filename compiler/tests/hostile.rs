//! Damaged sources and damaged plans: refused or answered, in time, never a panic.
//!
//! `SIDEGATE_MUTATIONS` chooses how many of each are tried.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

#[expect(dead_code, reason = "only the texts are of use here")]
mod policies;

use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use sidegate_compiler::{BuildOptions, Sources, build, check};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle::PLAN_FILE;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use policies::Random;

/// The linker's default for wasm32.
const STACK: usize = 1 << 20;
/// Far more than any of them takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Case {
    rego: String,
}

fn texts() -> Vec<String> {
    let cases: Vec<Case> = serde_yaml_ng::from_str(include_str!("language.yaml")).unwrap();
    let written = cases.into_iter().map(|case| format!("package t\n\n{}", case.rego));
    written.chain((0..100).map(|seed| policies::policy(seed).rego)).collect()
}

fn mutations() -> usize {
    std::env::var("SIDEGATE_MUTATIONS").map_or(4000, |text| text.parse().unwrap())
}

fn sources(text: &str) -> Sources {
    Sources::from_parts(vec![("t.rego".to_owned(), text.to_owned())], Value::new_object())
}

/// What grammars trip over.
const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "|",
    ":=",
    "=",
    "==",
    ":",
    ";",
    ",",
    ".",
    "\"",
    "`",
    "#",
    "\n",
    "\t",
    "\\",
    "not ",
    "some ",
    "every ",
    " in ",
    "with input as ",
    "else ",
    "if ",
    "contains ",
    "default ",
    "import ",
    "package ",
    "as ",
    "null",
    "0",
    "1e9",
    "-",
    "_",
    "é",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "input",
    "data",
    "t",
    "r",
    "x",
    "set()",
    "print(",
    "1.",
    "0x",
];

fn damaged(random: &mut Random, texts: &[String]) -> String {
    let mut text: Vec<char> = texts[random.below(texts.len())].chars().collect();
    for _ in 0..1 + random.below(4) {
        let at = random.below(text.len() + 1);
        let piece: Vec<char> = PIECES[random.below(PIECES.len())].chars().collect();
        let until = (at + random.below(6)).min(text.len());
        match random.below(4) {
            0 => drop(text.splice(at..at, piece)),
            1 => drop(text.splice(at..until, piece)),
            2 => drop(text.splice(at..until, [])),
            _ => {
                // A part of another one.
                let other: Vec<char> = texts[random.below(texts.len())].chars().collect();
                let from = random.below(other.len());
                let part: Vec<char> = other.iter().skip(from).take(random.below(40)).copied().collect();
                text.splice(at..at, part);
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn damaged_sources_are_refused_or_checked() {
    let texts = texts();
    let mut random = Random(7);
    let mut accepted = 0;
    for _ in 0..mutations() {
        let text = damaged(&mut random, &texts);
        let started = Instant::now();
        match check(&sources(&text)) {
            Ok(_) => accepted += 1,
            Err(found) => assert!(
                found.iter().all(|finding| finding.code != "internal" && !finding.message.is_empty()),
                "{found}\n{text}"
            ),
        }
        assert!(started.elapsed() < PATIENCE, "{text}");
    }
    assert!(accepted > mutations() / 50, "{accepted} of {} were still policies", mutations());
}

fn unpacked(bundle: &[u8]) -> Vec<u8> {
    let mut archive = tar::Archive::new(GzDecoder::new(bundle));
    let mut plan = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .find(|entry| entry.path().unwrap().to_str() == Some(PLAN_FILE))
        .unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut plan, &mut bytes).unwrap();
    bytes
}

fn packed(plan: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(plan.len() as u64);
    tar.append_data(&mut header, PLAN_FILE, plan).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn damaged_plans_are_refused_or_run_to_an_end() {
    let options = BuildOptions { entrypoints: vec!["t/r".into()], ..BuildOptions::default() };
    let plans: Vec<Vec<u8>> = texts()
        .iter()
        .filter_map(|text| build(&sources(text), &options).ok())
        .map(|built| unpacked(&built.bundle))
        .collect();
    let input = Value::from_json_str(r#"{"x":1,"l":[1,2,3],"o":{"a":{"x":1}},"a":[3,4],"k":"a"}"#).unwrap();
    let run = move || {
        let mut random = Random(11);
        let mut ran = 0;
        for _ in 0..mutations() {
            let mut plan = plans[random.below(plans.len())].clone();
            for _ in 0..1 + random.below(3) {
                // Past the names and constants, most of the time: there the statements are.
                let at = plan.len() - 1 - random.below(plan.len()) * random.below(100) / 100;
                plan[at] = match random.below(3) {
                    0 => plan[at].wrapping_add(1),
                    1 => plan[at].wrapping_sub(1),
                    _ => u8::try_from(random.below(256)).unwrap(),
                };
            }
            let started = Instant::now();
            if let Ok(opened) =
                Trust::nothing_required().bundle(&packed(&plan), &Limits::default(), &Workload::default())
                && let Ok(policy) = Policy::load(opened, "t/r", Limits::default())
            {
                let (_, steps) = policy.measure(&input, &Context::default());
                assert!(steps <= Limits::default().steps);
                ran += 1;
            }
            assert!(started.elapsed() < PATIENCE);
        }
        assert!(ran > mutations() / 10, "{ran} of {} could still be run", mutations());
    };
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}
