//! `mesh DIR SERVICES [sparse]`: writes a mesh of that many declarations, 20 callers each, for `make bench-check`;
//! or as few as the services of a company have, to look at.

#![allow(
    clippy::unwrap_used,
    clippy::exit,
    clippy::indexing_slicing,
    reason = "a tool of the benchmarks: what fails may panic"
)]

#[path = "../tests/graph/sparse.rs"]
mod sparse;

use std::fs;
use std::path::PathBuf;

/// Namespaces that the services are in.
const NAMESPACES: usize = 100;
/// Callers of each service.
const CALLERS: usize = 20;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(services)) = (args.next().map(PathBuf::from), args.next()) else {
        eprintln!("mesh: expected DIR SERVICES");
        std::process::exit(2);
    };
    let services: usize = services.parse().unwrap();
    if args.next().is_some_and(|word| word == "sparse") {
        for (namespace, name, text) in sparse::sparse(services) {
            let folder = dir.join("services").join(namespace);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        }
        return;
    }
    for at in 0..services {
        let namespace = format!("ns{}", at % NAMESPACES);
        let callers = (0..CALLERS).map(|caller| (at * 31 + caller * 97 + 1) % services);
        let callers: Vec<String> =
            callers.map(|other| format!("{{serviceAccount: ns{}/svc{other}}}", other % NAMESPACES)).collect();
        let text = format!(
            "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: svc{at}, namespace: {namespace}}}\n\
             spec:\n  owner: team-{}\n  allow:\n  - from: [{}]\n    to:\n    - {{methods: [GET, POST], paths: \
             [\"/v1/things\", \"/v1/things/{{id}}\", \"/v1/files/{{**}}\"]}}\n    - {{grpc: [\"things.v1.Things/*\"]}}\n  \
             - from: [{{anonymous: true}}]\n    to: [{{methods: [GET], paths: [\"/healthz\"]}}]\n  deny:\n  \
             - to: [{{paths: [\"/admin/{{**}}\"]}}]\n",
            at % 50,
            callers.join(", "),
        );
        let folder = dir.join("services").join(&namespace);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("svc{at}.yaml")), text).unwrap();
    }
}
