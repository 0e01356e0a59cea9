//! `make bench-rollout`: many changes under load, on a real Envoy. Prints what became of every request, what
//! memory the proxy had before and after, how often the server was asked, and how long a change takes from the
//! moment it is published to the last worker that decides by it.
#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "a program that measures and prints")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use sidegate_tests::bundle_server::BundleServer;
use sidegate_tests::places;
use sidegate_tests::rollout::{Load, Publisher, Site, SiteOptions, versioned};
use sidegate_tests::table::Table;

const WORKERS: usize = 4;
const CLIENTS: usize = 16;
const INTERVAL: Duration = Duration::from_secs(1);

/// How many changes, and requests between two of them: `--swaps`, `--requests`.
struct Plan {
    swaps: u32,
    requests: u64,
}

fn main() -> ExitCode {
    match plan().and_then(|plan| bench(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn plan() -> Result<Plan, String> {
    let mut plan = Plan { swaps: 100, requests: 20_000 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse::<u32>().ok());
        match (name.as_str(), number) {
            ("--swaps", Some(number)) if number > 0 => plan.swaps = number,
            ("--requests", Some(number)) if number > 0 => plan.requests = number.into(),
            _ => return Err(format!("expected `--swaps N` or `--requests N`, got `{name}`")),
        }
    }
    Ok(plan)
}

fn bench(plan: &Plan) -> Result<(), String> {
    let Plan { swaps, requests } = plan;
    let version = places::envoy_newest();
    println!(
        "bench-rollout: envoy {version}, {WORKERS} workers, {CLIENTS} clients, poll interval {INTERVAL:?}; \
         {swaps} changes, {requests} requests for each"
    );
    let bundles: Vec<Vec<u8>> = (0..=*swaps).map(versioned).collect();
    let mut net = Publisher::new("net");
    let server = BundleServer::start();
    net.publish(&server, &bundles[0]);
    let options = SiteOptions { envoy: version, workers: WORKERS, ..SiteOptions::default() };
    let site = Site::start(server, json!([net.key(&["*"])]), &options)?;
    site.wait_for_version(0)?;
    let load = Load::start(site.address()?, CLIENTS, 0, Duration::ZERO);
    load.settle()?;
    load.wait_for(*requests);
    let at_start = site.envoy().resident_kib()?;
    site.server.take_asked();

    let (mut times, mut fetches, mut resident) = (Vec::new(), 0, Vec::new());
    let begun = Instant::now();
    for number in 1..=*swaps {
        // Not in step with the polls, whatever the load makes of the time between.
        let offset = Duration::from_millis(u64::from(number) * 617 % 1000);
        std::thread::sleep(offset);
        load.expect(number);
        let published = Instant::now();
        let pointer = net.publish(&site.server, &bundles[number as usize]);
        load.settle()?;
        times.push(published.elapsed());
        fetches += site.server.count(&Publisher::blob_path(&pointer.stable.layers[0]));
        load.wait_for(load.asked().max(u64::from(number + 1) * requests));
        resident.push(site.envoy().resident_kib()?);
        if number % 10 == 0 {
            println!("  {number} changes, {} requests, {} wrong", load.asked(), load.wrong());
        }
    }
    let polls = site.polls();
    let took = begun.elapsed();
    let errors = site.stat("decisions.error")?;
    let asked = load.finish()?;
    times.sort();
    let at = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];

    let mut table = Table::new(&["what", "figure"]);
    let mut row = |what: &str, figure: String| table.row(&[what, &figure]);
    row("requests", format!("{asked}, each decided by the old policy or the new one"));
    row("decisions that were errors", errors.to_string());
    row("changes", swaps.to_string());
    row("blobs fetched", format!("{fetches} (one a change)"));
    row("polls", format!("{polls} in {:.1} s", took.as_secs_f64()));
    row("published to last client, median", format!("{:.0} ms", at(0.5).as_secs_f64() * 1e3));
    row("published to last client, p95", format!("{:.0} ms", at(0.95).as_secs_f64() * 1e3));
    row("published to last client, worst", format!("{:.0} ms", at(1.0).as_secs_f64() * 1e3));
    let tenth = |part: &[u64]| part.iter().sum::<u64>() / (part.len().max(1) as u64);
    let ten = resident.len().div_ceil(10);
    row("resident before the first change", format!("{at_start} KiB"));
    row("resident, first tenth of the changes", format!("{} KiB", tenth(&resident[..ten])));
    row("resident, last tenth of the changes", format!("{} KiB", tenth(&resident[resident.len() - ten..])));
    print!("{}", table.text());
    if errors == 0 && fetches == *swaps as usize {
        println!("bench-rollout: every request was decided, one fetch a change");
        Ok(())
    } else {
        Err(format!("expected no errors and {swaps} fetches, got {errors} and {fetches}"))
    }
}
