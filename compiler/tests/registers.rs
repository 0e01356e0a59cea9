//! Plans whose registers are shared: the same answers and errors as where each variable has its own, and frames that
//! do not grow with the number of rules.
//!
//! `SIDEGATE_REGISTERS` and `SIDEGATE_REGISTERS_SEED` choose how many random policies of each kind are tried and where
//! they start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[allow(dead_code, reason = "what the interpreter does otherwise does not matter here")]
mod policies;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use shapes::Random;

fn sources(rego: &str, data: &Json) -> Sources {
    Sources::from_parts(vec![("t.rego".to_owned(), rego.to_owned())], Value::from(data.clone()))
}

/// The policy, or the codes of what is wrong with it.
fn open(sources: &Sources, is_linear: bool, keeps_registers: bool) -> Result<Policy, Vec<&'static str>> {
    let options = BuildOptions {
        entrypoints: vec!["t/r".into()],
        is_linear,
        keeps_registers,
        ..BuildOptions::default()
    };
    let built = build(sources, &options)
        .map_err(|found| found.iter().map(|finding| finding.code).collect::<Vec<_>>())?;
    let limits = Limits { steps: 10_000_000, ..Limits::default() };
    let opened = Trust::nothing_required().bundle(&built.bundle, &limits, &Workload::default()).unwrap();
    Ok(Policy::load(opened, "t/r", limits).unwrap())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[derive(Default)]
struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Asks the plan with and without lookups, each with shared registers and with those it was planned with.
    fn compare(&mut self, rego: &str, data: &Json, inputs: &[Value]) {
        let sources = sources(rego, data);
        for is_linear in [false, true] {
            let (shared, own) = match (open(&sources, is_linear, false), open(&sources, is_linear, true)) {
                (Ok(shared), Ok(own)) => (shared, own),
                (Err(shared), Err(own)) => {
                    assert_eq!(shared, own, "{rego}");
                    self.count("refused");
                    return;
                }
                (shared, own) => panic!("shared {:?}, own {:?}\n{rego}", shared.err(), own.err()),
            };
            for input in inputs {
                let (got, steps) = shared.measure(input, &Context::default());
                let (want, more) = own.measure(input, &Context::default());
                // Which of two conflicts comes up is the same, too: nothing is run in another order.
                assert_eq!(got, want, "input {input}\n{rego}\n{data}");
                assert!(steps <= more, "{steps} {more}, input {input}\n{rego}\n{data}");
                self.count(match &got {
                    Ok(Value::Undefined) => "undefined",
                    Ok(_) => "defined",
                    Err(_) => "errors",
                });
                self.count(if steps < more { "fewer steps" } else { "as many steps" });
            }
        }
    }
}

#[test]
fn shared_registers_change_no_answer_of_many_bodies() {
    let (first, count) = (setting("SIDEGATE_REGISTERS_SEED", 1), setting("SIDEGATE_REGISTERS", 100));
    let mut seen = Seen::default();
    for seed in first..first + count {
        let mut random = Random::new(seed);
        let (rego, data) = shapes::policy(&mut random);
        let inputs: Vec<Value> = (0..20).map(|_| Value::from(shapes::input(&mut random))).collect();
        seen.compare(&rego, &data, &inputs);
    }
    println!("{:?}", seen.0);
    assert!(seen.of("defined") > count * 10, "{:?}", seen.0);
}

/// The rules of several random policies in one: where names meet, a rule has the bodies of all of them.
fn merged(seed: u64, parts: u64) -> (String, Vec<Value>) {
    let policies: Vec<_> = (0..parts).map(|part| policies::policy(seed * parts + part)).collect();
    let mut seen = BTreeSet::new();
    let texts = policies.iter().flat_map(|policy| policy.rego.split("\n\n"));
    // The package, defaults and the parts of the answer are there once.
    let once = texts.flat_map(|text| {
        let lines: Vec<&str> = if text.contains(" if {") { vec![text] } else { text.lines().collect() };
        lines
    });
    let rego: Vec<&str> =
        once.filter(|text| text.contains(" if {") || seen.insert(key(text).to_owned())).collect();
    let inputs = policies.iter().flat_map(|policy| &policy.inputs);
    (rego.join("\n"), inputs.map(|input| Value::from_json_str(input).unwrap()).collect())
}

/// What may be there once: the default of a rule, whatever it is.
fn key(text: &str) -> &str {
    if text.starts_with("default ") { text.split(" := ").next().unwrap_or(text) } else { text }
}

#[test]
fn shared_registers_change_no_answer_of_any_construct() {
    let (first, count) = (setting("SIDEGATE_REGISTERS_SEED", 1), setting("SIDEGATE_REGISTERS", 100));
    let mut seen = Seen::default();
    for seed in first..first + count {
        for parts in [1, 2, 4] {
            let (rego, inputs) = merged(seed, parts);
            seen.compare(&rego, &json!({}), &inputs);
        }
    }
    println!("{:?}", seen.0);
    assert!(seen.of("defined") > count * 4, "{:?}", seen.0);
    assert!(seen.of("refused") < count * 2, "{:?}", seen.0);
}

#[test]
fn a_thousand_rules_need_no_more_steps_than_ten() {
    let rules = |n: usize| {
        let rules = (0..n).map(|at| {
            format!("allow if {{\n\tinput.method == \"GET\"\n\tinput.path == \"/p{at}\"\n\tinput.x == \"caller{at}\"\n}}\n\n")
        });
        format!("package t\n\ndefault allow := false\n\n{}r := allow\n", rules.collect::<String>())
    };
    let input = Value::from(json!({"method": "GET", "path": "/p7", "x": "caller7"}));
    let steps = |n: usize| {
        let policy = open(&sources(&rules(n), &json!({})), false, false).unwrap();
        let (answer, steps) = policy.measure(&input, &Context::default());
        assert_eq!(answer, Ok(Value::from(true)));
        steps
    };
    let counts = [10, 100, 1000].map(steps);
    // Where a text is longer, more of it may be compared.
    assert!(counts[2] <= counts[0] + 1 && counts[2] <= 17, "{counts:?}");
}
