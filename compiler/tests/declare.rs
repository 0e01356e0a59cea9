//! Declarations: what they mean, written down twice, against the library in a plan and in the interpreter.
//!
//! `SIDEGATE_DECLARATIONS` and `SIDEGATE_DECLARE_SEED` choose how many are tried and where they start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[path = "declare/mod.rs"]
mod declare;

use serde_json::Value as Json;
use sidegate_compiler::reference::Reference;
use sidegate_engine::Value;
use sidegate_engine::eval::Context;

use declare::generate::{self, Random};
use declare::model::{self, Declaration, Request};
use declare::requests;
use declare::sides::{self, ENTRYPOINT, json_of, plan, slice, sources};

/// Where the library says which rule decided.
const RULE: &str = "sidegate/authz/rule";

const REQUESTS: usize = 100;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    allowed: u64,
    denied: u64,
    ruled: u64,
}

/// Every difference between the model and the library, of the declarations of these seeds.
fn differences(
    seeds: std::ops::Range<u64>,
    decide: fn(&Declaration, &Request) -> Json,
) -> (Counts, Vec<String>) {
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for seed in seeds {
        let mut random = Random(seed);
        let declaration = generate::declaration(&mut random);
        let (sources, mesh) = (sources(&declaration), sides::mesh(&declaration));
        // A slice costs three compilations; every tenth shows that it is the same.
        let policy = if seed % 10 == 0 { slice(&sources, &declaration) } else { plan(&sources) };
        let mut reference = Reference::new(&sources).unwrap();
        for at in 0..REQUESTS {
            let request = requests::request(&mut random, &declaration);
            let (wanted, input) = (decide(&declaration, &request), request.input());
            let value = Value::from(input.clone());
            let planned = policy.evaluate(&value, &Context::default()).map(|value| json_of(&value));
            let interpreted = reference.evaluate(ENTRYPOINT, &value).map(|value| json_of(&value));
            match wanted["allowed"].as_bool() {
                Some(true) => counts.allowed += 1,
                _ => counts.denied += 1,
            }
            let judged = sides::judge(&mesh, &request);
            let is_judged = sides::agrees(&declaration, &judged, &wanted);
            // What takes as long as the decision is asked about some.
            if at % 4 == 0 {
                let ruled = [
                    policy.rule().unwrap().evaluate(&value, &Context::default()).map_err(|e| e.to_string()),
                    reference.evaluate(RULE, &value).map_err(|error| error.to_string()),
                ];
                let ruled = ruled.map(|rule| rule.map(|rule| json_of(&rule)));
                let rule = sides::rule(&declaration, &judged).map(Json::from);
                counts.ruled += u64::from(rule.is_some());
                // Of Rego they do not know which decided, but that both forms of the library say the same.
                if ruled[0] != ruled[1] || rule.is_some_and(|rule| ruled[0] != Ok(rule)) {
                    failures.push(format!(
                        "--- seed {seed}\n{}\n{input}\nrules {ruled:?}\njudge {judged:?}",
                        declaration.shown()
                    ));
                }
            }
            if planned.as_ref() != Ok(&wanted) || interpreted.as_ref() != Ok(&wanted) || !is_judged {
                failures.push(format!(
                    "--- seed {seed}\n{}\n{input}\nwanted {wanted}\nplan {planned:?}\ninterpreter {interpreted:?}\njudge {judged:?}",
                    declaration.shown()
                ));
            }
        }
    }
    (counts, failures)
}

#[test]
fn the_library_decides_as_the_model_does() {
    let (first, count) = (setting("SIDEGATE_DECLARE_SEED", 1), setting("SIDEGATE_DECLARATIONS", 1000));
    let half = first + count / 2;
    let halves = std::thread::scope(|scope| {
        let workers =
            [first..half, half..first + count].map(|seeds| scope.spawn(|| differences(seeds, model::decide)));
        workers.map(|worker| worker.join().unwrap())
    });
    let counts = halves.iter().fold(Counts::default(), |all, (one, _)| Counts {
        allowed: all.allowed + one.allowed,
        denied: all.denied + one.denied,
        ruled: all.ruled + one.ruled,
    });
    println!("{counts:?}");
    let failures: Vec<&String> = halves.iter().flat_map(|(_, failures)| failures).collect();
    let shown: Vec<&str> = failures.iter().take(5).map(|failure| failure.as_str()).collect();
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), shown.join("\n"));
    assert!(counts.allowed * 10 > counts.denied, "both answers must be tried: {counts:?}");
    assert!(counts.ruled * 16 > counts.allowed + counts.denied, "rules must be tried: {counts:?}");
}

/// A comparison that cannot fail shows nothing: a model that is wrong in one point is found out.
#[test]
fn a_wrong_model_is_found_out() {
    fn forgets_denies(declaration: &Declaration, request: &Request) -> Json {
        model::decide(&Declaration { deny: Vec::new(), ..declaration.clone() }, request)
    }
    fn forgets_queries(declaration: &Declaration, request: &Request) -> Json {
        let path = request.path.as_ref().map(|path| path.replace('?', ""));
        model::decide(declaration, &Request { path, ..request.clone() })
    }
    fn folds_methods(declaration: &Declaration, request: &Request) -> Json {
        let method = request.method.as_ref().map(|method| method.to_uppercase());
        model::decide(declaration, &Request { method, ..request.clone() })
    }
    fn trusts_the_first_name(declaration: &Declaration, request: &Request) -> Json {
        model::decide(declaration, &Request { uris: None, ..request.clone() })
    }
    fn forgets_the_base(declaration: &Declaration, request: &Request) -> Json {
        model::decide(&Declaration { base: Vec::new(), ..declaration.clone() }, request)
    }
    fn forgets_shadow(declaration: &Declaration, request: &Request) -> Json {
        model::decide(&Declaration { is_shadow: false, ..declaration.clone() }, request)
    }
    fn forgets_rego(declaration: &Declaration, request: &Request) -> Json {
        model::decide(&Declaration { rego: None, ..declaration.clone() }, request)
    }
    fn never_widens(declaration: &Declaration, request: &Request) -> Json {
        model::decide(&Declaration { may_widen: false, ..declaration.clone() }, request)
    }
    fn always_widens(declaration: &Declaration, request: &Request) -> Json {
        model::decide(&Declaration { may_widen: true, ..declaration.clone() }, request)
    }
    let wrong = [
        forgets_denies,
        forgets_queries,
        folds_methods,
        trusts_the_first_name,
        forgets_the_base,
        forgets_shadow,
        forgets_rego,
        never_widens,
        always_widens,
    ];
    for (at, wrong) in wrong.into_iter().enumerate() {
        let is_found = (1..400).any(|seed| !differences(seed..seed + 1, wrong).1.is_empty());
        assert!(is_found, "wrong model {at}");
    }
}
