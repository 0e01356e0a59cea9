//! `make slices`: a real OPA's answers from slices against its answers from the whole and the plan's.
//!
//! `slices [--policies N] [--seed N]`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool of the tests")]

use std::process::ExitCode;

use sidegate_tests::slices::{ENTRYPOINT, Pair, ask};

const USAGE: &str = "usage: slices [--policies N] [--seed N]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<(u64, u64), String> {
    let (mut policies, mut seed) = (300, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after {word}\n{USAGE}"))?;
        let value = value.parse().map_err(|_| format!("expected a number, got `{value}`"))?;
        match word.as_str() {
            "--policies" => policies = value,
            "--seed" => seed = value,
            _ => return Err(format!("unexpected {word}\n{USAGE}")),
        }
    }
    Ok((policies, seed))
}

fn run() -> Result<bool, String> {
    let (policies, seed) = options()?;
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut pairs = Vec::new();
    let mut bundles = Vec::new();
    for seed in (0..policies).map(|at| seed.wrapping_mul(1_000_000).wrapping_add(at)) {
        let pair = Pair::random(seed)?;
        for (name, bytes) in [("whole", &pair.whole.bundle), ("slice", &pair.slice.bundle)] {
            let path = dir.path().join(format!("{seed}-{name}.tar.gz"));
            std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
            bundles.push((path, pair.inputs.clone()));
        }
        pairs.push((seed, pair));
    }
    let answers = ask(&bundles, ENTRYPOINT)?;
    let (mut same, mut different) = (0_usize, 0_usize);
    for ((seed, pair), answers) in pairs.iter().zip(answers.chunks_exact(2)) {
        let [whole, slice] = answers else { continue };
        let plan = pair.answers()?;
        match (whole, slice) {
            (Ok(whole), Ok(slice)) if whole == slice && *slice == plan => same += plan.len(),
            _ => {
                different += 1;
                println!(
                    "seed {seed}, {}: whole {whole:?}\nslice {slice:?}\nplan {plan:?}\n{}",
                    pair.workload, pair.rego
                );
            }
        }
    }
    println!(
        "{same} answers of {policies} policies are OPA's from the whole, OPA's from the slice, and the plan's; {different} policies differ"
    );
    Ok(different == 0 && same > 0)
}
