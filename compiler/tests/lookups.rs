//! Plans with lookups: the same answers as without them and as the interpreter's, and steps that do not grow.
//!
//! `SIDEGATE_LOOKUPS` and `SIDEGATE_LOOKUPS_SEED` choose how many random policies are tried and where they start;
//! each is asked forty times.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

mod shapes;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value as Json, json};
use sidegate_compiler::{BuildOptions, Built, Sources, build, reference};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::{Context, EvalError};
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use shapes::Random;

type Answer = Result<Value, EvalError>;

fn sources(rego: &str, data: &Json) -> Sources {
    Sources::from_parts(vec![("t.rego".to_owned(), rego.to_owned())], Value::from(data.clone()))
}

/// As it is built, or as it was planned.
fn built(sources: &Sources, is_planned: bool) -> Built {
    let options = BuildOptions {
        entrypoints: vec!["t/r".into()],
        is_linear: is_planned,
        keeps_registers: is_planned,
        ..BuildOptions::default()
    };
    build(sources, &options).unwrap_or_else(|found| panic!("{found}\n{:?}", sources.modules))
}

fn open(built: &Built) -> Policy {
    let limits = Limits { steps: 10_000_000, ..Limits::default() };
    let opened = Trust::nothing_required().bundle(&built.bundle, &limits, &Workload::default()).unwrap();
    Policy::load(opened, "t/r", limits).unwrap()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Whether two answers mean the same: of two conflicts, which one comes up is nobody's business.
fn same(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Err(a), Err(b)) => a.code() == b.code(),
        (a, b) => a == b,
    }
}

#[test]
fn lookups_change_no_answer() {
    let (first, count) = (setting("SIDEGATE_LOOKUPS_SEED", 1), setting("SIDEGATE_LOOKUPS", 150));
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut count_of = |what| *seen.entry(what).or_default() += 1;
    for seed in first..first + count {
        let mut random = Random::new(seed);
        let (rego, data) = shapes::policy(&mut random);
        let sources = sources(&rego, &data);
        let (with, without) = (built(&sources, false), built(&sources, true));
        let lowered = with.entries[0].lookups.iter().any(|note| note.lowered);
        count_of(if lowered { "policies with lookups" } else { "policies without" });
        assert!(without.entries[0].lookups.is_empty());
        let (with, without) = (open(&with), open(&without));
        for _ in 0..40 {
            let input = Value::from(shapes::input(&mut random));
            let got = with.evaluate(&input, &Context::default());
            let want = without.evaluate(&input, &Context::default());
            let shown =
                || format!("--- seed {seed}, input {input}\n{rego}\n{data}\nwith {got:?}\nwithout {want:?}");
            assert!(same(&got, &want), "{}", shown());
            let asked = || reference::evaluate(&sources, "t/r", &input);
            let interpreter = catch_unwind(AssertUnwindSafe(asked)).unwrap_or_else(|_| Err("panic".into()));
            count_of(match (&got, &interpreter) {
                (Ok(a), Ok(b)) if a == b && *a == Value::Undefined => "undefined for both",
                (Ok(a), Ok(b)) if a == b => "same as the interpreter's",
                (Err(EvalError::Conflict(_)), Err(_)) => "conflict for both",
                // It raises errors of types, which are undefined in OPA, also where OPA does not look.
                (_, Err(_)) => "the interpreter raises an error",
                // What is not certain to be OPA's answer is none.
                (Err(EvalError::Inexact(_)), _) => "inexact",
                _ => panic!("{}\ninterpreter {interpreter:?}", shown()),
            });
        }
    }
    println!("{seen:?}");
    let of = |what: &str| seen.get(what).copied().unwrap_or(0);
    assert!(of("policies with lookups") * 10 > count * 7, "{seen:?}");
    assert!(of("same as the interpreter's") > count * 8, "most answers must be comparable: {seen:?}");
}

/// Steps of one evaluation that has this answer.
fn steps(rego: &str, data: &Json, input: &Json, want: &Json) -> u64 {
    let policy = open(&built(&sources(rego, data), false));
    let (answer, steps) = policy.measure(&Value::from(input.clone()), &Context::default());
    assert_eq!(answer, Ok(Value::from(want.clone())));
    steps
}

#[test]
fn steps_do_not_grow_with_data_and_rules() {
    let list = |n: usize| json!({"list": (0..n).map(|at| format!("caller{at}")).collect::<Vec<_>>()});
    let scan = "package t\n\ndefault r := false\n\nr if {\n\tsome c in data.list\n\tc == input.x\n}\n";
    let scanned = |n| steps(scan, &list(n), &json!({"x": "caller7"}), &json!(true));
    assert!(scanned(10_000) <= scanned(10) + 5, "{} {}", scanned(10), scanned(10_000));

    let rules = |n: usize| {
        let rules = (0..n).map(|at| {
            format!("r if {{\n\tinput.method == \"GET\"\n\tinput.path == \"/p{at}\"\n\tinput.x == \"caller{at}\"\n}}\n\n")
        });
        format!("package t\n\ndefault r := false\n\n{}", rules.collect::<String>())
    };
    let input = json!({"method": "GET", "path": "/p9", "x": "caller9"});
    let ruled = |n| steps(&rules(n), &json!({}), &input, &json!(true));
    assert!(ruled(1000) <= ruled(100) + 5, "{} {}", ruled(100), ruled(1000));

    let bindings = |n: usize| {
        let binding =
            |at: usize| json!({"subject": format!("caller{at}"), "role": format!("role{}", at % 7)});
        json!({"bindings": (0..n).map(binding).collect::<Vec<_>>()})
    };
    let rbac = "package t\n\nr contains b.role if {\n\tsome b in data.bindings\n\tb.subject == input.x\n}\n";
    let bound = |n| {
        let policy = open(&built(&sources(rbac, &bindings(n)), false));
        policy.measure(&Value::from(json!({"x": "caller3"})), &Context::default()).1
    };
    assert!(bound(10_000) <= bound(10) + 5, "{} {}", bound(10), bound(10_000));
}
