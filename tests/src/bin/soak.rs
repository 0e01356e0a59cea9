//! `make soak`: a sidecar whose policy, configuration, process, clock and server change and fail for MINUTES, while
//! clients of every protocol ask and look at every answer. Writes `target/soak/soak.json` and a plot.
#![allow(clippy::print_stdout, reason = "a program that reports")]

use std::process::ExitCode;
use std::time::Duration;

use sidegate_tests::places;
use sidegate_tests::soak::soak;

/// What the proxy may have grown by at the end: caches that fill, VMs of configurations that are drained.
const GROWTH: f64 = 1.5;

struct Options {
    minutes: u64,
    seed: u64,
    envoy: String,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { minutes: 60, seed: 1, envoy: places::envoy_newest() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("expected a value after `{name}`"))?;
        let number =
            || value.parse::<u64>().map_err(|_| format!("expected a number after `{name}`, got `{value}`"));
        match name.as_str() {
            "--minutes" => options.minutes = number()?,
            "--seed" => options.seed = number()?,
            "--envoy" => options.envoy = value,
            _ => {
                return Err(format!("expected `--minutes N`, `--seed N` or `--envoy VERSION`, got `{name}`"));
            }
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let Options { minutes, seed, envoy } = options;
    println!("soak: envoy {envoy}, {minutes} minutes, seed {seed}");
    let folder = places::root().join("target/soak");
    std::fs::create_dir_all(&folder).map_err(|e| format!("could not make {}: {e}", folder.display()))?;
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let time = Duration::from_secs(minutes * 60);
    let soak = soak(envoy, *seed, time, dir.path(), |what| println!("  {what}"))?;
    let (json, plot) = (folder.join("soak.json"), folder.join("soak.svg"));
    std::fs::write(&json, soak.to_json().to_string())
        .map_err(|e| format!("could not write {}: {e}", json.display()))?;
    soak.plot(&plot)?;
    let [allowed, denied, unavailable, broken] = soak.counts;
    let [first, last, most] = soak.resident_kib;
    println!(
        "soak: {} s, {} events; {allowed} allowed, {denied} denied, {unavailable} unavailable and {broken} broken \
         within known windows; resident of the last process {first} KiB in its first tenth, {last} KiB in its \
         last, {most} KiB at most",
        soak.took.as_secs(),
        soak.events.values().sum::<u32>(),
    );
    let (objections, shown) = soak.objections;
    if objections > 0 {
        return Err(format!("{objections} answers were wrong, among them:\n{}", shown.join("\n")));
    }
    if last as f64 > first as f64 * GROWTH {
        return Err(format!("expected the proxy not to grow, it went from {first} to {last} KiB"));
    }
    println!("soak: 1 passed, 0 failed: no wrong decision; written to target/soak");
    Ok(())
}
