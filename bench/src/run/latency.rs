//! Latency as a client sees it: at a rate that all can hold, and with clients that ask as fast as they can. By
//! fortio, over mTLS; answers other than 200 fail the run.

use std::process::Command;

use serde_json::{Value, json};
use sidegate_bench::policy::Kind;
use sidegate_bench::request::{HEADERS, TARGET, headers};
use sidegate_bench::summary::Summary;
use sidegate_tests::table::Table;

use super::bench::Bench;
use super::subject::{LISTENER, Place, Running, Subject};

const ROUNDS: usize = 3;
/// Connections and seconds at the fixed rate.
const FIXED: (usize, usize) = (4, 6);
/// The same at saturation.
const FULL: (usize, usize) = (8, 4);

/// What one run of fortio said: microseconds, and answers a second.
#[derive(Clone, Copy)]
struct Said {
    p50: f64,
    p99: f64,
    rate: f64,
}

pub(crate) fn measure(bench: &Bench) -> Result<Value, String> {
    if bench.fortio.is_err() {
        return Ok(Value::Null);
    }
    let mut subjects = vec![
        Subject::None,
        Subject::Noop,
        Subject::Rbac(100, Place::Last),
        Subject::Sidegate(Kind::Callers(10)),
        Subject::Sidegate(Kind::Callers(10_000)),
        Subject::Sidegate(Kind::Storefront),
    ];
    if bench.opa.is_ok() {
        subjects.extend([Kind::Storefront, Kind::Callers(10)].map(Subject::Opa));
    }
    let started = subjects.iter().map(|s| s.start(bench, 1)).collect::<Result<Vec<_>, _>>()?;
    let mut fixed: Vec<Vec<Said>> = vec![Vec::new(); started.len()];
    let mut full = fixed.clone();
    let rate = bench.settings.rate;
    // The first seconds of each are nobody's: V8 and Go are still compiling and growing.
    for running in &started {
        ask(bench, running, 0, (FULL.0, 1))?;
    }
    for round in 0..ROUNDS {
        for step in 0..started.len() {
            let at = (round + step) % started.len();
            fixed[at].push(ask(bench, &started[at], rate, FIXED)?);
            full[at].push(ask(bench, &started[at], 0, FULL)?);
        }
    }
    let mut table =
        Table::new(&["filter", "p50 µs", "over none", "p99 µs", "over none", "full: per s", "p50", "p99"]);
    let mut rows = Vec::new();
    for (at, running) in started.iter().enumerate() {
        let middle =
            |all: &[Said], of: fn(&Said) -> f64| Summary::of(&all.iter().map(of).collect::<Vec<_>>());
        let over = |of: fn(&Said) -> f64| middle(&fixed[at], of).median - middle(&fixed[0], of).median;
        let name = running.subject.name();
        let p50 = |said: &Said| said.p50;
        let p99 = |said: &Said| said.p99;
        let full_rate = middle(&full[at], |said| said.rate);
        table.row(&[
            &name,
            &format!("{:.0}", middle(&fixed[at], p50).median),
            &format!("{:+.0}", over(p50)),
            &format!("{:.0}", middle(&fixed[at], p99).median),
            &format!("{:+.0}", over(p99)),
            &format!("{:.0}", full_rate.median),
            &format!("{:.0}", middle(&full[at], p50).median),
            &format!("{:.0}", middle(&full[at], p99).median),
        ]);
        let of = |all: &[Said]| {
            json!({
                "p50_us": middle(all, p50).to_json(), "p99_us": middle(all, p99).to_json(),
                "per_second": middle(all, |said| said.rate).to_json(),
            })
        };
        rows.push(json!({"name": name, "fixed": of(&fixed[at]), "full": of(&full[at])}));
    }
    println!(
        "bench: latency at {rate} requests a second on {} connections, and as fast as {} can",
        FIXED.0, FULL.0
    );
    print!("{}", table.text());
    Ok(json!({
        "rate": rate, "rounds": ROUNDS, "rows": rows,
        "fixed": {"connections": FIXED.0, "seconds": FIXED.1}, "full": {"connections": FULL.0, "seconds": FULL.1},
    }))
}

/// `rate` 0: as fast as it goes.
fn ask(
    bench: &Bench,
    running: &Running,
    rate: usize,
    (connections, seconds): (usize, usize),
) -> Result<Said, String> {
    let port = running.envoy.listener(LISTENER)?.port();
    let mut command = Command::new(bench.fortio.as_ref()?);
    command
        .args(["load", "-quiet", "-json", "-", "-p", "50,99", "-r", "0.000001", "-uniform", "-nocatchup"])
        .args(["-allow-initial-errors=false", "-qps", &rate.to_string()])
        .args(["-c", &connections.to_string(), "-t", &format!("{seconds}s")])
        .arg("-cert")
        .arg(&bench.caller.cert)
        .arg("-key")
        .arg(&bench.caller.key)
        .arg("-cacert")
        .arg(&bench.caller.ca);
    for (name, value) in headers(HEADERS) {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command
        .arg(format!("https://localhost:{port}{TARGET}"))
        .output()
        .map_err(|e| format!("could not run fortio: {e}"))?;
    let explain =
        |what: String| running.explain(&format!("{what}\n{}", String::from_utf8_lossy(&output.stderr)));
    let said: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| explain(format!("expected JSON of fortio: {e}")))?;
    let codes = said["RetCodes"].as_object().cloned().unwrap_or_default();
    let others: Vec<_> = codes.iter().filter(|(code, _)| code.as_str() != "200").collect();
    if !others.is_empty() || codes.is_empty() {
        return Err(explain(format!("expected 200 from every request, got {codes:?}")));
    }
    let percentile = |wanted: f64| {
        let all = said["DurationHistogram"]["Percentiles"].as_array()?;
        let found = all.iter().find(|entry| entry["Percentile"].as_f64() == Some(wanted))?;
        Some(found["Value"].as_f64()? * 1e6)
    };
    let got = (|| {
        Some(Said { p50: percentile(50.0)?, p99: percentile(99.0)?, rate: said["ActualQPS"].as_f64()? })
    })();
    got.ok_or_else(|| explain("expected percentiles and a rate of fortio".to_owned()))
}
