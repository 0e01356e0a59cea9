//! Resident memory of Envoy with four workers, after load on all of them.

use serde_json::{Value, json};
use sidegate_bench::policy::Kind;
use sidegate_bench::request::HEADERS;
use sidegate_bench::summary::Summary;
use sidegate_tests::process;
use sidegate_tests::table::Table;

use super::bench::Bench;
use super::load::Load;
use super::subject::{LISTENER, Place, Subject};

const WORKERS: usize = 4;
/// So many that each worker gets some.
const CONNECTIONS: usize = 32;
const STARTS: usize = 3;

pub(crate) fn measure(bench: &Bench) -> Result<Value, String> {
    let mut subjects = vec![
        Subject::None,
        Subject::Noop,
        Subject::Bare,
        Subject::Rbac(1000, Place::Last),
        Subject::Sidegate(Kind::Callers(10)),
        Subject::Sidegate(Kind::Callers(10_000)),
        Subject::Sidegate(Kind::Storefront),
        Subject::Sidegate(Kind::Members(10_000)),
    ];
    if bench.opa.is_ok() {
        subjects.extend([Kind::Storefront, Kind::Callers(10)].map(Subject::Opa));
    }
    let mut taken: Vec<[Vec<f64>; 2]> = vec![[Vec::new(), Vec::new()]; subjects.len()];
    for _ in 0..STARTS {
        for (subject, taken) in subjects.iter().zip(&mut taken) {
            let running = subject.start(bench, WORKERS)?;
            let to = running.envoy.listener(LISTENER)?;
            let mut load = Load::open(to, &bench.caller, HEADERS, CONNECTIONS)?;
            load.run(bench.settings.requests.min(4000)).map_err(|e| running.explain(&e))?;
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let mb = |kib: u64| kib as f64 / 1024.0;
            taken[0].push(mb(running.envoy.resident_kib()?));
            if let Some(opa) = &running.opa {
                taken[1].push(mb(process::resident_kib(opa.pid())?));
            }
        }
    }
    println!("bench: memory with {WORKERS} workers, {STARTS} starts");
    let noop = Summary::of(&taken[1][0]).median;
    let mut table = Table::new(&["filter", "Envoy MB", "over no-op SDK", "OPA MB"]);
    let mut rows = Vec::new();
    for (subject, [envoy, opa]) in subjects.iter().zip(&taken) {
        let summary = Summary::of(envoy);
        let own = if opa.is_empty() { Value::Null } else { Summary::of(opa).to_json() };
        let opa = if opa.is_empty() { String::new() } else { format!("{:.1}", Summary::of(opa).median) };
        let over = summary.median - noop;
        table.row(&[&subject.name(), &format!("{:.1}", summary.median), &format!("{over:+.1}"), &opa]);
        rows.push(json!({"name": subject.name(), "envoy_mb": summary.to_json(), "opa_mb": own,
            "over_noop_mb": sidegate_bench::summary::rounded(over)}));
    }
    print!("{}", table.text());
    Ok(json!({"workers": WORKERS, "rows": rows}))
}
