//! A gate answers as its policy does about the whole document, whether it makes only what is read, or knows the answer
//! already.
//!
//! `SIDEGATE_KEPT` chooses how many requests each policy is asked (2,000), `SIDEGATE_KEPT_SEED` where they start.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[path = "kept/policies.rs"]
mod policies;
#[path = "kept/requests.rs"]
mod requests;

use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase, Workload};
use sidegate_engine::decide::{Basis, DecideError, Settings};
use sidegate_engine::decision::Decision;
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::input::InputBuilder;
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use policies::{KEPT, NOT_KEPT, ONE_FOR_ALL, Sample};
use requests::Random;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn workload() -> Workload {
    Workload { namespace: "shop".into(), name: "orders".into() }
}

fn bundle(sample: &Sample) -> Vec<u8> {
    let text = format!("package t\n\nimport rego.v1\n\n{}", sample.rego);
    let data = Value::from_json_str(r#"{"teams": {"a": ["GET", "POST"], "b": ["GET"]}}"#).unwrap();
    let options = BuildOptions { entrypoints: vec!["t/decision".to_owned()], ..BuildOptions::default() };
    let sources = Sources::from_parts(vec![("t.rego".to_owned(), text)], data);
    build(&sources, &options).unwrap_or_else(|e| panic!("{}: {e}", sample.name)).bundle
}

fn load(bundle: &[u8]) -> Policy {
    let limits = Limits::default();
    let opened = Trust::nothing_required().bundle(bundle, &limits, &Workload::default()).unwrap();
    Policy::load(opened, "t/decision", limits).unwrap()
}

/// What the policy says of the document of a request, which is made whole.
struct Reference {
    policy: Policy,
    needs: Needs,
    builder: InputBuilder,
}

impl Reference {
    fn new(bundle: &[u8], all: bool) -> Self {
        let policy = load(bundle);
        let needs = match all {
            true => Needs::all(),
            false => Needs::from_paths(policy.reads().iter().map(Vec::as_slice)),
        };
        let builder = InputBuilder::new(&workload()).with_messages(policy.messages());
        Self { policy, needs, builder }
    }

    fn decide(&self, attributes: &Attributes) -> Result<Actions, DecideError> {
        let input = self.builder.build(&self.needs, attributes)?;
        let result = self.policy.evaluate(&input, &attributes.context)?;
        let decision = Decision::read(&result, &Limits::default())?;
        Ok(Actions::new(decision, Phase::Request, attributes.header(b":path"))?)
    }
}

/// Asks a sample, and gives back how many requests were known already.
fn ask(sample: &Sample, cache_entries: usize) -> usize {
    let bundle = bundle(sample);
    let settings = Settings { limits: Limits { cache_entries, ..Limits::default() }, ..Settings::default() };
    let gate = Gate::new(load(&bundle), &workload(), settings, Seed::default());
    // A body that the policy does not read is not looked at, so that a bad one is no error.
    let references = [Reference::new(&bundle, false), Reference::new(&bundle, sample.reads_bodies)];
    let mut random = Random::new(setting("SIDEGATE_KEPT_SEED", 1));
    let mut known = 0;
    for _ in 0..setting("SIDEGATE_KEPT", 2000) {
        let attributes = requests::attributes(&mut random);
        let verdict = gate.decide(&attributes);
        known += usize::from(verdict.basis == Basis::Cache);
        let got = match &verdict.error {
            None => Ok(verdict.actions.clone()),
            Some(error) => Err(error.clone()),
        };
        let at = sample.name;
        assert_eq!(got, references[0].decide(&attributes), "{at}\n{attributes:?}\n{verdict:?}");
        if sample.reads_bodies {
            assert_eq!(got, references[1].decide(&attributes), "{at}, whole document\n{attributes:?}");
        }
        let by_plan = gate.decide_by_plan(&attributes);
        assert_eq!(
            (&verdict.actions, &verdict.error),
            (&by_plan.actions, &by_plan.error),
            "{at}\n{attributes:?}"
        );
    }
    known
}

#[test]
fn what_repeats_is_known() {
    for sample in KEPT {
        let known = ask(sample, 4096);
        assert!(known > 200, "{}: {known}", sample.name);
    }
}

#[test]
fn what_depends_on_more_is_asked_anew() {
    for sample in NOT_KEPT {
        assert_eq!(ask(sample, 4096), 0, "{}", sample.name);
    }
}

#[test]
fn a_cache_that_is_too_small_or_off_decides_the_same() {
    for sample in KEPT {
        ask(sample, 4);
        assert_eq!(ask(sample, 0), 0, "{}", sample.name);
    }
}

#[test]
fn a_policy_that_reads_nothing_is_asked_once() {
    let requests = usize::try_from(setting("SIDEGATE_KEPT", 2000)).unwrap();
    let known = ask(&ONE_FOR_ALL, 4096);
    // Those that OPA cannot parse have no decision.
    assert!(known > requests / 2 && known < requests, "{known}");
}
