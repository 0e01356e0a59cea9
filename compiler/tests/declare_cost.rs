//! What a decision about declarations costs, in steps of the plan and in work of the table: the same for few and for many
//! callers, rules and services. Both are counted, so that no clock is asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use std::collections::BTreeMap;

use serde_json::json;
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, Workload, build};
use sidegate_engine::Value;
use sidegate_engine::attributes;
use sidegate_engine::decision::Decision;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

const ENTRYPOINT: &str = "sidegate/authz/decision";

fn declaration(name: &str, callers: usize, rules: usize) -> String {
    let mut text = format!(
        "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: {name}, namespace: pay}}\nspec:\n  \
         owner: team\n  allow:\n"
    );
    let accounts: Vec<String> =
        (0..callers).map(|at| format!("{{serviceAccount: shop/caller{at}}}")).collect();
    for rule in 0..rules {
        text.push_str(&format!(
            "  - from: [{}]\n    to: [{{methods: [GET], paths: [\"/v{rule}/things\", \"/v{rule}/things/{{id}}\"]}}]\n",
            accounts.join(", ")
        ));
    }
    text.push_str("  deny:\n");
    for rule in 0..rules {
        text.push_str(&format!("  - to: [{{paths: [\"/admin{rule}/{{**}}\"]}}]\n"));
    }
    text
}

fn sources(callers: usize, rules: usize, services: usize) -> Sources {
    let read = |name: &str| {
        Mesh::read_one("x.yaml", &declaration(name, callers, rules), "pay", name)
            .unwrap_or_else(|findings| panic!("{findings:?}"))
    };
    let names = std::iter::once("charges".to_owned()).chain((1..services).map(|at| format!("other{at}")));
    let mesh = Mesh { services: names.map(|name| read(&name)).collect(), ..Mesh::default() };
    let data = Value::from(BTreeMap::from([(Value::from("sidegate"), mesh.data().unwrap())]));
    Sources::from_parts(mesh.modules(), data)
}

fn open(bundle: &[u8]) -> Policy {
    let (limits, own) = (Limits::default(), attributes::Workload::default());
    Policy::load(Trust::nothing_required().bundle(bundle, &limits, &own).unwrap(), ENTRYPOINT, limits)
        .unwrap()
}

/// The work of an allow by the table.
fn work(bundle: &[u8], path: &str) -> u64 {
    let attributes = attributes::Attributes {
        headers: [(":method", "GET"), (":path", path), (":authority", "charges.pay")].into(),
        peer_uri_sans: vec![b"spiffe://cluster.local/ns/shop/sa/caller1".to_vec()],
        local_uri_san: Some(b"spiffe://cluster.local/ns/pay/sa/charges".to_vec()),
        ..attributes::Attributes::default()
    };
    let policy = open(bundle);
    let needs = Needs::from_paths(policy.reads().iter().map(Vec::as_slice));
    let (answer, work) = policy.table().unwrap().measure(&needs, &attributes, &Limits::default());
    assert!(matches!(answer, Some((Decision::Allow(_), _))), "{path}: {answer:?}");
    work
}

/// The steps of an allow.
fn steps(bundle: &[u8], path: &str) -> u64 {
    let input = Value::from(json!({"attributes": {
        "source": {"principal": "spiffe://cluster.local/ns/shop/sa/caller1"},
        "destination": {"principal": "spiffe://cluster.local/ns/pay/sa/charges"},
        "request": {"http": {"method": "GET", "path": path, "host": "charges.pay", "headers": {}}},
    }}));
    let (answer, steps) = open(bundle).measure(&input, &Context::default());
    assert_eq!(answer, Ok(Value::from(json!({"allowed": true}))), "{path}");
    steps
}

#[test]
fn a_decision_costs_the_same_with_many_callers_rules_and_services() {
    let cost = |callers, rules, services| {
        let workload = Some(Workload::new("pay", "charges").unwrap());
        let built =
            build(&sources(callers, rules, services), &BuildOptions { workload, ..BuildOptions::default() });
        let bundle = built.unwrap_or_else(|error| panic!("{error}")).bundle;
        ["/v0/things", "/v0/things/7"].map(|path| (steps(&bundle, path), work(&bundle, path)))
    };
    let few = cost(2, 1, 1);
    println!("steps of a decision, and work of the table: {few:?}");
    for (what, callers, rules, services) in
        [("callers", 2000, 1, 1), ("rules", 2, 500, 1), ("services", 2, 1, 500)]
    {
        let many = cost(callers, rules, services);
        println!("many {what}: {many:?}");
        for ((steps, work), (more_steps, more_work)) in few.iter().zip(&many) {
            assert_eq!(steps, more_steps, "{what}");
            // A bucket of a lookup may have some more entries; of these there are as many lookups.
            assert!(*more_work <= work + 8, "{what}: {work}, {more_work}");
        }
    }
    assert!(few.iter().all(|(steps, work)| *steps < 2000 && *work < 60), "{few:?}");
}
