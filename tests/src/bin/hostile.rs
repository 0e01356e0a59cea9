//! `make hostile`: hostile requests of every kind against a real Envoy, good ones between them. What is checked is
//! said in `tests/src/hostile`.
#![allow(clippy::print_stdout, reason = "a program that reports")]

use std::process::ExitCode;

use sidegate_tests::hostile::{Stage, run};
use sidegate_tests::places;

struct Options {
    requests: u64,
    seed: u64,
    envoy: String,
}

fn main() -> ExitCode {
    match options().and_then(|options| attack(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { requests: 100_000, seed: 1, envoy: places::envoy_newest() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("expected a value after `{name}`"))?;
        let number =
            || value.parse::<u64>().map_err(|_| format!("expected a number after `{name}`, got `{value}`"));
        match name.as_str() {
            "--requests" => options.requests = number()?,
            "--seed" => options.seed = number()?,
            "--envoy" => options.envoy = value,
            _ => {
                return Err(format!(
                    "expected `--requests N`, `--seed N` or `--envoy VERSION`, got `{name}`"
                ));
            }
        }
    }
    Ok(options)
}

fn attack(options: &Options) -> Result<(), String> {
    let Options { requests, seed, envoy } = options;
    println!("hostile: envoy {envoy}, {requests} attacks, seed {seed}");
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let mut stage = Stage::start(envoy, *seed, dir.path())?;
    let report = run(&mut stage, *seed, *requests, |done| println!("  {done} attacks"))?;
    print!("{}", report.table());
    let [start, middle, end] = report.resident_kib;
    println!(
        "hostile: {} attacks in {:.0} s; {} good requests answered as they must be; {} requests reached the upstream, \
         all with a right to; no VM was lost; resident {start}, {middle}, {end} KiB",
        report.attacks,
        report.took.as_secs_f64(),
        report.good,
        report.reached
    );
    Ok(())
}
