//! `make bench`: CPU of the Envoy process for each request (user and system), with no filter, with a
//! filter of the proxy-wasm SDK that does nothing, and with Sidegate and the demo's policy. One Envoy with
//! one worker for each, asked in turn, round after round, so that what else the machine does hits all alike.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

mod load;
mod summary;

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use sidegate_tests::case::plugin_configuration;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, wasm_filter};
use sidegate_tests::places;
use sidegate_tests::table::Table;

use self::load::Load;
use self::summary::Summary;

const ENTRYPOINT: &str = "storefront/authz/decision";
const LISTENER: &str = "inbound";
const WARM_UP: usize = 2000;

struct Variant {
    name: &'static str,
    envoy: Envoy,
    /// Microseconds a request, one for each round.
    rounds: Vec<f64>,
}

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn bench() -> Result<(), String> {
    let rounds = setting("BENCH_ROUNDS", 11)?;
    let requests = setting("BENCH_REQUESTS", 4000)?;
    let root = places::root();
    let wasm = places::filter_wasm()?;
    let noop = places::existing(root.join("dist/noop.wasm"), "the filter that does nothing", "make bench")?;
    let bundle = places::existing(root.join("dist/demo-bundle.tar.gz"), "the demo's bundle", "make bundle")?;
    let bundle = std::fs::read(bundle).map_err(|e| e.to_string())?;
    let configuration = plugin_configuration(&bundle, ENTRYPOINT).to_string();

    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let authority = Authority::new(&dir.path().join("certs"));
    let own = authority.identity("service", &spiffe("default", "service"));
    let caller = authority.identity("frontend", &spiffe("web", "frontend"));
    let filters = [
        ("no filter", None),
        ("no-op SDK filter", Some(wasm_filter("noop", &noop, ""))),
        ("sidegate, demo policy", Some(wasm_filter("sidegate", &wasm, &configuration))),
    ];
    let version = places::envoy_newest();
    let mut variants = Vec::new();
    for (name, filter) in filters {
        let envoy = start(&version, filter, &own, &dir.path().join(name.replace(' ', "-")))?;
        variants.push(Variant { name, envoy, rounds: Vec::new() });
    }
    println!(
        "bench: envoy {version}, one worker, mTLS, keep-alive, direct response, {} headers; {rounds} rounds of {requests} requests",
        load::HEADERS
    );
    measure(&mut variants, &caller, rounds, requests)?;
    report(&version, &variants, rounds, requests)
}

fn start(version: &str, filter: Option<Value>, own: &Identity, dir: &Path) -> Result<Envoy, String> {
    let listener = Listener {
        name: LISTENER,
        identity: own,
        plaintext: false,
        filters: filter.into_iter().collect(),
        route_metadata: None,
        access_log: None,
        cluster: None,
    };
    Envoy::start(version, &bootstrap(&[listener.to_json()], &[]), dir)
}

fn measure(
    variants: &mut [Variant],
    caller: &Identity,
    rounds: usize,
    requests: usize,
) -> Result<(), String> {
    let mut loads = Vec::new();
    for variant in variants.iter() {
        let mut load = Load::open(variant.envoy.listener(LISTENER)?, caller)?;
        load.run(WARM_UP).map_err(|e| variant.envoy.with_log(&e))?;
        loads.push(load);
    }
    for round in 0..rounds {
        for step in 0..variants.len() {
            // Another one first in each round: none always has the same neighbour.
            let at = (round + step) % variants.len();
            let variant = &mut variants[at];
            let before = variant.envoy.cpu_nanoseconds()?;
            loads[at].run(requests).map_err(|e| variant.envoy.with_log(&e))?;
            let used = variant.envoy.cpu_nanoseconds()? - before;
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            variant.rounds.push(used as f64 / 1000.0 / requests as f64);
        }
    }
    Ok(())
}

fn report(version: &str, variants: &[Variant], rounds: usize, requests: usize) -> Result<(), String> {
    let mut table = Table::new(&["filter", "CPU µs/request", "quartiles", "over none", "times none"]);
    let none = Summary::of(&variants[0].rounds);
    let mut results = Vec::new();
    for variant in variants {
        let summary = Summary::of(&variant.rounds);
        // Round by round, so that a slow round counts against all alike.
        let pairs = || variant.rounds.iter().zip(&variants[0].rounds);
        let over = Summary::of(&pairs().map(|(this, none)| this - none).collect::<Vec<_>>());
        let times = Summary::of(&pairs().map(|(this, none)| this / none).collect::<Vec<_>>());
        table.row(&[
            variant.name,
            &format!("{:.1}", summary.median),
            &format!("{:.1} .. {:.1}", summary.low, summary.high),
            &format!("{:+.1}", over.median),
            &format!("{:.2}", times.median),
        ]);
        results.push(json!({
            "filter": variant.name, "median_us": summary.median, "quartiles_us": [summary.low, summary.high],
            "over_none_us": over.median, "times_none": times.median, "rounds_us": variant.rounds,
        }));
    }
    print!("{}", table.text());
    let spread = (none.high - none.low) / none.median * 100.0;
    println!("The middle half of the rounds without a filter spreads over {spread:.0} % of their median.");
    let path = places::root().join("bench/results/filters.json");
    let result = json!({"envoy": version, "rounds": rounds, "requests": requests, "results": results});
    std::fs::create_dir_all(path.parent().expect("a file in a folder")).map_err(|e| e.to_string())?;
    std::fs::write(&path, format!("{result:#}\n")).map_err(|e| e.to_string())?;
    println!("bench: written to bench/results/filters.json");
    Ok(())
}

/// A whole number from the environment.
fn setting(name: &str, default: usize) -> Result<usize, String> {
    match std::env::var(name) {
        Err(_) => Ok(default),
        Ok(text) => match text.parse() {
            Ok(n) if (1..=1_000_000).contains(&n) => Ok(n),
            _ => Err(format!("expected {name} to be a number from 1 to 1000000, got `{text}`")),
        },
    }
}
