//! AuthorizationPolicies: a model of what Istio does with them, against the declarations that they become.
//!
//! `SIDEGATE_IMPORTS` and `SIDEGATE_IMPORT_SEED` choose how many sets of policies are tried and where they start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[allow(dead_code, reason = "of declarations, only some parts are needed here")]
#[path = "declare/mod.rs"]
mod declare;
#[path = "import/mod.rs"]
mod import;

use declare::generate::Random;
use import::model::{self, Mesh, Reading, Request};
use import::{generate, requests, sides};

const REQUESTS: usize = 100;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    pairs: u64,
    allowed: u64,
    /// Requests that Istio lets in and a declaration does not, all of a kind that is written down.
    narrower: u64,
    written: u64,
    whole: u64,
    refused: u64,
}

type Decide = fn(&Mesh, &Request, Reading) -> bool;

/// Every difference between the model and declarations, of the policies of these seeds.
fn differences(seeds: std::ops::Range<u64>, decide: Decide) -> (Counts, Vec<String>) {
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for seed in seeds {
        let mut random = Random(seed);
        let mesh = generate::mesh(&mut random);
        let sides::Side { imported, policy } = sides::side(&mesh);
        let Some((text, policy)) = policy else {
            counts.refused += 1;
            continue;
        };
        counts.written += 1;
        counts.whole += u64::from(imported.is_whole());
        let carried = mesh.without_refused(&imported);
        for _ in 0..REQUESTS {
            let request = requests::request(&mut random, &mesh);
            let readings = [Reading::Each, Reading::Joined].map(|reading| decide(&mesh, &request, reading));
            let istio = readings == [true, true];
            let wanted = decide(&carried, &request, Reading::Declared);
            let got = sides::is_allowed(&policy, &mesh, &request);
            counts.pairs += 1;
            counts.allowed += u64::from(got);
            counts.narrower += u64::from(istio && !got && imported.is_whole());
            if got && !istio || got != wanted {
                let what = if got && !istio { "WIDER" } else { "other than documented" };
                failures.push(format!(
                    "--- seed {seed}: {what}: istio {istio}, documented {wanted}, got {got}\n{}{:?} {}\n{text}\n{request:?}",
                    mesh.yaml(),
                    mesh.own,
                    mesh.is_own_only,
                ));
            }
        }
    }
    (counts, failures)
}

#[test]
fn nobody_is_let_in_whom_istio_keeps_out() {
    let (first, count) = (setting("SIDEGATE_IMPORT_SEED", 1), setting("SIDEGATE_IMPORTS", 200));
    let half = first + count / 2;
    let halves = std::thread::scope(|scope| {
        let workers = [first..half, half..first + count]
            .map(|seeds| scope.spawn(|| differences(seeds, model::is_allowed)));
        workers.map(|worker| worker.join().unwrap())
    });
    let counts = halves.iter().fold(Counts::default(), |all, (one, _)| Counts {
        pairs: all.pairs + one.pairs,
        allowed: all.allowed + one.allowed,
        narrower: all.narrower + one.narrower,
        written: all.written + one.written,
        whole: all.whole + one.whole,
        refused: all.refused + one.refused,
    });
    println!("{counts:?}");
    let failures: Vec<&String> = halves.iter().flat_map(|(_, failures)| failures).collect();
    let shown: Vec<&str> = failures.iter().take(5).map(|failure| failure.as_str()).collect();
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), shown.join("\n"));
    assert!(counts.allowed * 20 > counts.pairs, "both answers must be tried: {counts:?}");
    assert!(counts.whole * 8 > count, "most policies must be such as can be said: {counts:?}");
}

/// A comparison that cannot fail shows nothing: a model that is wrong in one point is found out.
#[test]
fn a_wrong_model_is_found_out() {
    fn forgets_denies(mesh: &Mesh, request: &Request, reading: Reading) -> bool {
        let policies = mesh.policies.iter().filter(|policy| policy["spec"]["action"] != "DENY");
        let mesh = Mesh { policies: policies.cloned().collect(), ..mesh.clone() };
        model::is_allowed(&mesh, request, reading)
    }
    fn forgets_addresses(mesh: &Mesh, request: &Request, reading: Reading) -> bool {
        model::is_allowed(mesh, &Request { address: "10.1.2.3".to_owned(), ..request.clone() }, reading)
    }
    fn forgets_aliases(mesh: &Mesh, request: &Request, reading: Reading) -> bool {
        model::is_allowed(&Mesh { own: mesh.own[..1].to_vec(), ..mesh.clone() }, request, reading)
    }
    fn forgets_claims(mesh: &Mesh, request: &Request, reading: Reading) -> bool {
        model::is_allowed(mesh, &Request { claims: None, ..request.clone() }, reading)
    }
    fn has_no_narrowings(mesh: &Mesh, request: &Request, _: Reading) -> bool {
        model::is_allowed(mesh, request, Reading::Each)
    }
    for wrong in [forgets_denies, forgets_addresses, forgets_aliases, forgets_claims, has_no_narrowings] {
        assert!((1..100).any(|seed| !differences(seed..seed + 1, wrong).1.is_empty()));
    }
}
