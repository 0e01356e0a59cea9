//! `tables [CALLERS [RULES [ROUNDS]]]`: what loading and deciding take, by the table and by the plan of one declaration.
//!
//! Under `valgrind --tool=callgrind` ROUNDS can be small. Build it with `--release` for figures that mean something.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool of the benchmarks: what fails may panic"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, Workload, build};
use sidegate_engine::Value;
use sidegate_engine::attributes::{self, Attributes};
use sidegate_engine::bundle::{self, PLAN_FILE};
use sidegate_engine::decide::{Basis, Settings};
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::limits::Limits;
use sidegate_engine::plan;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).map(|arg| arg.parse().expect("a number")).collect();
    let number = |at: usize, default: usize| args.get(at).copied().unwrap_or(default);
    let (callers, rules, rounds) = (number(0, 10), number(1, 1), number(2, 20_000));

    let accounts: Vec<String> =
        (0..callers).map(|at| format!("{{serviceAccount: shop/caller{at}}}")).collect();
    let mut text =
        "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {name: charges, namespace: pay}\n\
                    spec:\n  owner: team\n  allow:\n"
            .to_owned();
    for rule in 0..rules {
        text.push_str(&format!(
            "  - from: [{}]\n    to: [{{methods: [GET], paths: [\"/v{rule}/things\", \"/v{rule}/things/{{id}}\"]}}]\n",
            accounts.join(", ")
        ));
    }
    text.push_str("  deny:\n  - to: [{paths: [\"/admin/{**}\"]}]\n");
    let policy =
        Mesh::read_one("x.yaml", &text, "pay", "charges").unwrap_or_else(|findings| panic!("{findings:?}"));
    let mesh = Mesh { services: vec![policy], ..Mesh::default() };
    let data = Value::from(BTreeMap::from([(Value::from("sidegate"), mesh.data().unwrap())]));
    let sources = Sources::from_parts(mesh.modules(), data);
    let workload = Some(Workload::new("pay", "charges").unwrap());
    let began = Instant::now();
    let built = build(&sources, &BuildOptions { workload, ..BuildOptions::default() }).unwrap();
    println!("build        {:>12.3} ms", began.elapsed().as_secs_f64() * 1e3);

    let limits = Limits::default();
    let files = bundle::files(&built.bundle, &limits).unwrap();
    let (_, bytes) = files.into_iter().find(|(name, _)| name == PLAN_FILE).unwrap();
    println!("sidegate.bin {:>12} bytes, bundle {} bytes", bytes.len(), built.bundle.len());
    let loads = (rounds / 1000).clamp(1, 20);
    let began = Instant::now();
    for _ in 0..loads {
        black_box(plan::decode(black_box(&bytes)).unwrap());
    }
    println!("load         {:>12.3} ms", began.elapsed().as_secs_f64() * 1e3 / loads as f64);

    let opened =
        Trust::nothing_required().bundle(&built.bundle, &limits, &attributes::Workload::default()).unwrap();
    let policy = Policy::load(opened, "sidegate/authz/decision", limits).unwrap();
    let gate = Gate::new(policy, &attributes::Workload::default(), Settings::default(), Seed::default());
    let caller = format!("spiffe://cluster.local/ns/shop/sa/caller{}", callers / 2);
    let header = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let mut headers = vec![
        header(":authority", "charges.pay:8080"),
        header(":path", &format!("/v{}/things/7?page=2", rules / 2)),
        header(":method", "GET"),
        header(":scheme", "https"),
    ];
    headers.extend((0..11).map(|at| header(&format!("x-header-{at}"), "some value of it")));
    let attributes = Attributes {
        headers: headers.into_iter().collect(),
        peer_uri_sans: vec![caller.into_bytes()],
        local_uri_san: Some(b"spiffe://cluster.local/ns/pay/sa/charges".to_vec()),
        ..Attributes::default()
    };
    let verdict = gate.decide(&attributes);
    assert!(verdict.actions.is_allow() && matches!(verdict.basis, Basis::Table(_)), "{verdict:?}");
    let time = |name: &str, rounds: usize, ask: &dyn Fn()| {
        let began = Instant::now();
        for _ in 0..rounds {
            ask();
        }
        println!("{name} {:>12.3} µs", began.elapsed().as_secs_f64() * 1e6 / rounds as f64);
    };
    time("table       ", rounds, &|| {
        black_box(gate.decide(black_box(&attributes)));
    });
    time("plan        ", rounds / 10, &|| {
        black_box(gate.decide_by_plan(black_box(&attributes)));
    });
}
