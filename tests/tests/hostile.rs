//! A small run of hostile clients; `make hostile` is the long one.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use sidegate_tests::hostile::{Stage, run};
use sidegate_tests::places;

const ATTACKS: u64 = 2_000;

/// What the proxy may grow by in a run as short as this one: buffers and caches fill.
const GROWTH_KIB: u64 = 200 * 1024;

#[test]
fn hostile_clients_change_nothing_for_the_others() {
    for (seed, version) in (1..).zip(places::envoys()) {
        let dir = tempfile::TempDir::new().unwrap();
        let mut stage = Stage::start(&version, seed, dir.path()).unwrap();
        let report = run(&mut stage, seed, ATTACKS, |_| {}).unwrap();
        println!("envoy {version}\n{}", report.table());
        let [start, _, end] = report.resident_kib;
        assert!(end < start + GROWTH_KIB, "envoy {version}: resident {start}, then {end} KiB");
        assert!(report.reached > ATTACKS / 20, "{} reached the upstream", report.reached);
    }
}
