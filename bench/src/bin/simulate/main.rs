//! `make simulate`: what 100,000 sidecars of 10,000 services ask of the server that they fetch policies from, and how
//! soon all have a change. Sizes are measured (a real Envoy with the filter, real pointers and slices), times are
//! simulated with the filter's own code for them. Writes the tables of docs/scale.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

mod measured;
mod scenarios;

use std::process::ExitCode;
use std::time::Instant;

use sidegate_bench::page::between;
use sidegate_tests::places;

fn main() -> ExitCode {
    match simulate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn simulate() -> Result<(), String> {
    let sizes = measured::sizes()?;
    let text = [measured::table(&sizes)?, scenarios::all(sizes)].concat();
    print!("{text}");
    between(&places::root().join("docs/scale.md"), "simulate", &text)?;
    println!("simulate: written to docs/scale.md");
    Ok(())
}

/// Does something that takes a while, and says so.
fn step<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    println!("simulate: {what}: {:.1} s", began.elapsed().as_secs_f64());
    done
}
