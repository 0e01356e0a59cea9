//! The table of a declaration against its plan and against what it means, from the bytes of a request to what the proxy
//! does about it.
//!
//! `SIDEGATE_TABLES` and `SIDEGATE_DECLARE_SEED` choose how many declarations are tried and where they start.

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

use sidegate_compiler::{BuildOptions, Form, build, recompile};
use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::decide::{Basis, DecideError, Settings, Verdict, Waived};
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;

use declare::beside::Module;
use declare::generate::{self, Random};
use declare::sides::{plan, slice, sources, whole};
use declare::{model, requests, wire};

const REQUESTS: usize = 120;

#[derive(Debug, Default)]
struct Counts {
    asked: u64,
    by_table: u64,
    allowed: u64,
    waived: u64,
    spoilt: u64,
    spoilt_by_table: u64,
}

fn settings() -> Settings {
    Settings { lets_lower: true, waives_undeclared: true, ..Settings::default() }
}

fn gate(policy: Policy) -> Gate {
    Gate::new(policy, &Workload::default(), settings(), Seed::default())
}

fn both(gate: &Gate, attributes: &Attributes) -> (Verdict, Verdict) {
    (gate.decide(attributes), gate.decide_by_plan(attributes))
}

/// All that counts of a verdict.
fn of(verdict: &Verdict) -> (&Actions, Option<Waived>, Option<&DecideError>) {
    (&verdict.actions, verdict.waived, verdict.error.as_ref())
}

fn is_by_table(verdict: &Verdict) -> bool {
    matches!(verdict.basis, Basis::Table(_))
}

/// Whether the log shows what the plan has answered, wherever the verdict is from.
fn shows_the_same(gate: &Gate, one: &Verdict, by_plan: &Verdict, attributes: &Attributes) -> bool {
    matches!(&by_plan.basis, Basis::Plan { result } if gate.result(one, attributes) == *result)
}

/// What is wrong with the rule that the log names: it must be the one that the library names, whatever the gate has named
/// before.
fn wrong_rule(gate: &Gate, one: &Verdict, attributes: &Attributes) -> Option<String> {
    let input = gate.document(&Needs::all(), attributes)?;
    let rule = gate.policy().rule().unwrap().evaluate(&input, &attributes.context).unwrap();
    let named = gate.rule(one, &input, attributes).unwrap();
    (named != rule).then(|| format!("{rule}, got {named}"))
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn differences(seeds: std::ops::Range<u64>) -> (Counts, Vec<String>) {
    let (mut counts, mut failures) = (Counts::default(), Vec::new());
    for seed in seeds {
        let mut random = Random(seed ^ 0x7ab1e);
        let mut declaration = generate::declaration(&mut random);
        // Rego beside a declaration is the plan's: some of it, to see that it is.
        if seed % 8 != 0 {
            (declaration.rego, declaration.has_base_rego) = (None, false);
        }
        let sources = sources(&declaration);
        // A slice costs three compilations.
        let gate = gate(match seed % 5 {
            0 => slice(&sources, &declaration),
            _ => plan(&sources),
        });
        let says = |rego: &Module| rego.allow.is_some() || rego.deny.is_some();
        let has_rego = (!declaration.is_undeclared && declaration.rego.as_ref().is_some_and(says))
            || declaration.has_base_rego;
        // Of a service that allows nothing a slice has nothing, and denies without a look.
        let is_empty = declaration.allow.is_empty();
        if !is_empty && has_rego == gate.policy().table().is_some() {
            failures.push(format!("--- seed {seed}\n{}\ntable: {}", declaration.shown(), !has_rego));
        }
        for _ in 0..REQUESTS {
            let request = requests::request(&mut random, &declaration);
            let (mut attributes, seen) = wire::attributes(&request);
            let (one, by_plan) = both(&gate, &attributes);
            counts.asked += 1;
            counts.by_table += u64::from(is_by_table(&one));
            counts.allowed += u64::from(one.actions.is_allow());
            // What OPA's plugin answers with 400, and an address that is no connection's, has no decision.
            let wanted = match &by_plan.error {
                Some(error) => {
                    let code = error.code();
                    assert!(code.starts_with("request_"), "{code}");
                    (by_plan.actions.clone(), None)
                }
                None => wire::outcome(&model::decide(&declaration, &seen), &attributes, &settings()),
            };
            counts.waived += u64::from(one.waived.is_some());
            let is_same = of(&one) == of(&by_plan)
                && (&one.actions, one.waived) == (&wanted.0, wanted.1)
                && shows_the_same(&gate, &one, &by_plan, &attributes);
            if !is_same {
                failures.push(format!(
                    "--- seed {seed}\n{}\n{attributes:?}\nwanted {wanted:?}\ngot {one:?}\nplan {by_plan:?}",
                    declaration.shown()
                ));
            }
            let mut rules: Vec<String> = wrong_rule(&gate, &one, &attributes).into_iter().collect();
            wire::spoil(&mut random, &mut attributes);
            let (one, by_plan) = both(&gate, &attributes);
            rules.extend(wrong_rule(&gate, &one, &attributes));
            for wrong in rules {
                failures
                    .push(format!("--- seed {seed}\n{}\n{attributes:?}\nrule {wrong}", declaration.shown()));
            }
            counts.spoilt += 1;
            counts.spoilt_by_table += u64::from(is_by_table(&one));
            if of(&one) != of(&by_plan) || !shows_the_same(&gate, &one, &by_plan, &attributes) {
                failures.push(format!(
                    "--- seed {seed}, spoilt\n{}\n{attributes:?}\ngot {one:?}\nplan {by_plan:?}",
                    declaration.shown()
                ));
            }
        }
    }
    (counts, failures)
}

#[test]
fn the_table_decides_as_the_plan_does() {
    let (first, count) = (setting("SIDEGATE_DECLARE_SEED", 1), setting("SIDEGATE_TABLES", 400));
    let half = first + count / 2;
    let halves = std::thread::scope(|scope| {
        let workers = [first..half, half..first + count].map(|seeds| scope.spawn(|| differences(seeds)));
        workers.map(|worker| worker.join().unwrap())
    });
    let counts = halves.iter().fold(Counts::default(), |all, (one, _)| Counts {
        asked: all.asked + one.asked,
        by_table: all.by_table + one.by_table,
        allowed: all.allowed + one.allowed,
        waived: all.waived + one.waived,
        spoilt: all.spoilt + one.spoilt,
        spoilt_by_table: all.spoilt_by_table + one.spoilt_by_table,
    });
    println!("{counts:?}");
    let failures: Vec<&String> = halves.iter().flat_map(|(_, failures)| failures).collect();
    let shown: Vec<&str> = failures.iter().take(3).map(|failure| failure.as_str()).collect();
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), shown.join("\n"));
    assert!(counts.allowed * 16 > counts.asked, "both answers must be tried: {counts:?}");
    assert!(counts.waived * 16 > counts.asked, "what is not carried out must be tried: {counts:?}");
    assert!(counts.by_table * 10 > counts.asked * 8, "the table must answer the most: {counts:?}");
}

/// What CI judged is what the proxy runs, the table too: whoever compiles a slice again gets its bytes.
#[test]
fn a_slice_with_a_table_compiles_to_itself() {
    let mut random = Random(7);
    let mut with_table = 0;
    for _ in 0..20 {
        let declaration = generate::declaration(&mut random);
        let name = if declaration.is_undeclared { "nobodys" } else { &declaration.name };
        let workload = Some(sidegate_compiler::Workload::new("pay", name).unwrap());
        let options = BuildOptions { workload, ..BuildOptions::default() };
        let built = build(&whole(&sources(&declaration)), &options).unwrap_or_else(|error| panic!("{error}"));
        recompile(&built.bundle, &built.image, &Limits::default()).unwrap();
        // About requests, and about connections.
        let [entry, ..] = built.entries.as_slice() else { panic!("{:?}", built.entries) };
        assert_eq!(entry.form == Form::Table, entry.plan_because.is_none(), "{entry:?}");
        with_table += u32::from(built.image.table(0).is_some());
    }
    assert!(with_table > 8, "{with_table}");
}
