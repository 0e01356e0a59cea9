//! `make bench`: what a filter costs, side by side: no filter, filters that do nothing, native RBAC as istiod writes
//! it, Sidegate, and OPA behind `ext_authz`. `sidegate-bench` measures and writes `bench/results/latest.json`, the
//! plots and the tables in the docs; `sidegate-bench report` only writes the latter two, from what is there.
//!
//! `SWEEP=table,latency` measures those sections alone and leaves the others as they are. `BENCH_ROUNDS`,
//! `BENCH_REQUESTS` and `BENCH_RATE` say how long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

mod report;
mod run;

use std::process::ExitCode;

use serde_json::Value;

use self::run::bench::Bench;
use self::run::results::Results;
use self::run::settings::{SECTIONS, Settings};
use self::run::{border, cpu, latency, memory, micro, start, sweeps, table};

fn main() -> ExitCode {
    let only_report = std::env::args().nth(1).is_some_and(|word| word == "report");
    let done =
        if only_report { Results::read().and_then(|results| report::write(&results)) } else { measure() };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn measure() -> Result<(), String> {
    let settings = Settings::read()?;
    let bench = Bench::prepare(settings)?;
    for (what, command) in bench.missing() {
        println!("bench: {what} is missing and not measured; run: {command}");
    }
    let mut results = Results::read().unwrap_or_default();
    for section in SECTIONS {
        if !bench.settings.wants(section) {
            continue;
        }
        let began = std::time::Instant::now();
        let measured: Value = match *section {
            "table" => cpu::on_one(|| table::measure(&bench))?,
            "latency" => latency::measure(&bench)?,
            "memory" => memory::measure(&bench)?,
            "start" => start::measure(&bench)?,
            "border" => cpu::on_one(|| border::measure(&bench))?,
            "micro" => micro::measure(&bench)?,
            "workers" => sweeps::measure(&bench, section)?,
            sweep => cpu::on_one(|| sweeps::measure(&bench, sweep))?,
        };
        if measured.is_null() {
            continue;
        }
        results.put(section, measured, &bench);
        // What was measured is kept, whatever becomes of the rest.
        results.write()?;
        println!("bench: {section} took {:.0} s\n", began.elapsed().as_secs_f64());
    }
    report::write(&results)
}
