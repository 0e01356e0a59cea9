//! What loading a policy costs a starting Envoy: its CPU until it is ready, over that of the smallest policy. Envoy
//! configures a plugin twice on its main thread and once on each worker, so the difference is of that many loads.

use std::time::Instant;

use serde_json::{Value, json};
use sidegate_bench::policy::Kind;
use sidegate_bench::summary::Summary;
use sidegate_tests::table::Table;

use super::bench::Bench;
use super::subject::Subject;

/// So many that their loads can be told from what V8 takes to compile the filter, once, whatever the policy.
const WORKERS: usize = 16;
/// Loads of one start.
const LOADS: f64 = 18.0;

pub(crate) fn measure(bench: &Bench) -> Result<Value, String> {
    let subjects = [Kind::Callers(10), Kind::Callers(1000), Kind::Callers(10_000), Kind::Members(10_000)]
        .map(Subject::Sidegate);
    let rounds = bench.settings.rounds.min(7);
    let mut cpu: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
    let mut wall = cpu.clone();
    for _ in 0..rounds {
        for (at, subject) in subjects.iter().enumerate() {
            let began = Instant::now();
            let running = subject.start(bench, WORKERS)?;
            wall[at].push(began.elapsed().as_secs_f64() * 1e3);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            cpu[at].push(running.cpu()?[0] as f64 / 1e6);
        }
    }
    println!("bench: start with {WORKERS} workers, {rounds} starts");
    let mut table = Table::new(&["policy", "CPU ms until ready", "each load, over the smallest"]);
    let mut rows = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        let each = Summary::paired(&cpu[at], &cpu[0], |this, smallest| (this - smallest) / LOADS);
        let all = Summary::of(&cpu[at]);
        table.row(&[&subject.name(), &format!("{:.0}", all.median), &format!("{:+.1} ms", each.median)]);
        rows.push(json!({"name": subject.name(), "cpu_ms": all.to_json(), "wall_ms": Summary::of(&wall[at]).to_json(),
            "each_load_over_smallest_ms": each.to_json()}));
    }
    print!("{}", table.text());
    Ok(json!({"workers": WORKERS, "starts": rounds, "rows": rows}))
}
