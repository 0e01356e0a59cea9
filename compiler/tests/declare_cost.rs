//! What a decision about declarations costs, in steps of the plan: the same for few and for many callers, rules and
//! services. Steps are counted, so that no clock is asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use std::collections::BTreeMap;

use serde_json::json;
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, Workload, build};
use sidegate_engine::Value;
use sidegate_engine::attributes;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
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

/// The steps of an allow.
fn steps(bundle: &[u8], path: &str) -> u64 {
    let input = Value::from(json!({"attributes": {
        "source": {"principal": "spiffe://cluster.local/ns/shop/sa/caller1"},
        "destination": {"principal": "spiffe://cluster.local/ns/pay/sa/charges"},
        "request": {"http": {"method": "GET", "path": path, "host": "charges.pay", "headers": {}}},
    }}));
    let (limits, own) = (Limits::default(), attributes::Workload::default());
    let opened = Trust::nothing_required().bundle(bundle, &limits, &own).unwrap();
    let policy = Policy::load(opened, ENTRYPOINT, limits).unwrap();
    let (answer, steps) = policy.measure(&input, &Context::default());
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
        ["/v0/things", "/v0/things/7"].map(|path| steps(&bundle, path))
    };
    let few = cost(2, 1, 1);
    println!("steps of a decision: {few:?}");
    assert_eq!(few, cost(2000, 1, 1), "callers");
    assert_eq!(few, cost(2, 500, 1), "rules");
    assert_eq!(few, cost(2, 1, 500), "services");
    assert!(few.iter().all(|steps| *steps < 2000), "{few:?}");
}
