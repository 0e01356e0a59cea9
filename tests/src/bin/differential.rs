//! `make differential`: policies and requests through Envoy with OPA and through Envoy with Sidegate.
//!
//! `differential [--requests N] [--seed N] [--only TEXT]`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool of the tests")]

use std::process::ExitCode;

use sidegate_tests::differential::{CALLERS, Generator, Policy, Sides, Tally, reason};
use sidegate_tests::places;

const USAGE: &str = "usage: differential [--requests N] [--seed N] [--only TEXT]";

/// Differences that are shown of one policy; the rest is counted.
const SHOWN: usize = 3;

struct Options {
    requests: usize,
    seed: u64,
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
    let mut options = Options { requests: 60, seed: 1, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("expected a value after {word}\n{USAGE}"));
        let number =
            |text: String| text.parse::<u64>().map_err(|_| format!("expected a number, got `{text}`"));
        match word.as_str() {
            "--requests" => {
                options.requests = usize::try_from(number(value()?)?).map_err(|e| e.to_string())?
            }
            "--seed" => options.seed = number(value()?)?,
            "--only" => options.only = Some(value()?),
            _ => return Err(format!("unexpected {word}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<bool, String> {
    let opa = places::opa_binary()?;
    let all = Policy::read_dir(&places::root().join("tests/differential/policies"))?;
    let wanted = |policy: &Policy| options.only.as_ref().is_none_or(|only| policy.name.contains(only));
    let (mut refused, mut policies) = (0, Vec::new());
    for policy in all.into_iter().filter(wanted) {
        match policy.bundle() {
            Ok(bundle) => policies.push((policy, bundle)),
            Err(found) => {
                println!("refused: {}\n{found}", policy.name);
                refused += 1;
            }
        }
    }
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let sides = Sides::start(&opa, &policies, dir.path())?;
    let mut tally = Tally::default();
    let mut different = 0;
    for (at, (policy, _)) in policies.iter().enumerate() {
        let seed = options.seed.wrapping_mul(1000).wrapping_add(at as u64 + 1);
        let mut generator = Generator::new(seed, &policy.words(), policy.reads_body());
        let mut here = Tally::default();
        let mut found = 0;
        for _ in 0..options.requests {
            let sent = generator.next(CALLERS.len());
            if let Some(difference) = sides.compare(policy, &sent, &mut here)? {
                found += 1;
                if found <= SHOWN {
                    print!("{difference}");
                }
            }
        }
        println!("{}: {} compared, {} allowed, {found} different", policy.name, here.compared, here.allowed);
        different += found;
        tally.add(&here);
    }
    for (name, count) in &tally.on_purpose {
        println!("on purpose: {name}: {count} times: {}", reason(name));
    }
    println!(
        "differential: {} policies, {} compared, {different} different, {refused} policies refused (seed {})",
        policies.len(),
        tally.compared,
        options.seed
    );
    let failed = different + refused;
    println!("differential: {} passed, {failed} failed", tally.compared - different);
    Ok(failed == 0)
}
