//! Builtins that regorus has no function for, or none that Envoy could load: answered here alone.

use regorus::Value;

use super::context::Context;
use super::extra::chance;
use super::number::Inexact;
use super::ops::depth_weight;
use super::{template, walk};

/// Why a call has no answer. Either ends the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It is not certain to be OPA's.
    Inexact,
    /// The caller of the evaluation did not give what it depends on.
    Missing(&'static str),
}

impl From<Inexact> for Unanswered {
    fn from(_: Inexact) -> Self {
        Self::Inexact
    }
}

/// What an answer depends on besides the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Nothing.
    Nothing,
    /// The clock.
    Clock,
    /// Chance.
    Chance,
    /// What runs the policy.
    Runtime,
}

/// An answer; undefined where OPA has an error.
pub(super) type Answer = fn(&[Value], &Context) -> Result<Value, Unanswered>;
/// Steps besides those for the size of the arguments; not more than the second are looked for.
pub(super) type Cost = fn(&[Value], u64) -> u64;

/// A builtin.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) arity: u8,
    pub(super) reads: Reads,
    pub(super) cost: Cost,
    pub(super) answer: Answer,
}

const FREE: Cost = |_, _| 0;

const fn entry(name: &'static str, arity: u8, reads: Reads, cost: Cost, answer: Answer) -> Entry {
    Entry { name, arity, reads, cost, answer }
}

/// All of them, sorted by name.
static ENTRIES: &[Entry] = &[
    entry("internal.template_string", 1, Reads::Nothing, FREE, |args, _| Ok(template::join(args)?)),
    entry("opa.runtime", 0, Reads::Runtime, FREE, |_, _| Ok(chance::runtime())),
    entry("rand.intn", 2, Reads::Chance, FREE, chance::intn),
    entry("time.now_ns", 0, Reads::Clock, FREE, |_, context| Ok(Value::from(context.clock()?))),
    entry("uuid.parse", 1, Reads::Nothing, FREE, chance::uuid_parse),
    entry("uuid.rfc4122", 1, Reads::Chance, FREE, chance::uuid),
    entry("walk", 1, Reads::Nothing, walk::cost, |args, _| Ok(walk::walk(args))),
];

/// The builtin called `name`.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// Names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

impl Entry {
    /// Steps to charge before a call.
    pub(super) fn cost(&self, args: &[Value], most: u64) -> u64 {
        depth_weight(args, most).saturating_add(1).saturating_add((self.cost)(args, most))
    }
}
