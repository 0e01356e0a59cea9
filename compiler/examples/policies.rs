//! Made-up AuthorizationPolicies, as questions for `tests/istio/rbac`: `policies FIRST COUNT`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    dead_code,
    reason = "a tool for tests, made of their parts"
)]

#[path = "../tests/declare/mod.rs"]
mod declare;
#[path = "../tests/import/mod.rs"]
mod import;

use serde_json::json;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let [first, count] = numbers.as_slice() else { panic!("expected FIRST COUNT") };
    for seed in *first..first + count {
        let mesh = import::generate::mesh(&mut declare::generate::Random(seed));
        let question = json!({
            "name": seed.to_string(),
            "root": "istio-system",
            "trust_domains": mesh.own,
            "namespace": "foo",
            "labels": {"app": "httpbin"},
            "policies": mesh.yaml(),
        });
        println!("{question}");
    }
}
