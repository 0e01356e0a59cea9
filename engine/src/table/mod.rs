//! Tables: a second form of an entry point, answered straight from the attributes of a request.
//!
//! A plan is asked with a document that has to be built first, and goes from rule to rule. Where a policy says no
//! more than *these callers may ask for these paths under these conditions*, the compiler writes that down as a
//! table as well: callers and paths are looked up, each gives a set of clauses, and what is in both sets is what is
//! looked at. So the cost of an answer does not grow with callers and rules.
//!
//! A table is never a second semantics. It answers only what it can answer exactly as the plan does, and says of
//! everything else that it is not its own ([`Table::decide`] is `None`): then the plan is asked. That costs time and
//! changes nothing.
//!
//! The large parts, sets and lookups, are arrays of words and of text, which are used as they come from the bundle; every place in them is checked once, when the table is loaded.

mod ask;
mod caller;
mod changes;
mod hash;
mod lookup;
mod parts;
mod path;
mod request;
mod sets;
mod spec;
mod write;

#[cfg(test)]
mod tests;

use regorus::Value;

use crate::attributes::Attributes;
use crate::collections;
use crate::decision::{Decision, Marks};
use crate::limits::Limits;
use crate::needs::{Group, KeyNeeds, Needs};
use parts::Parts;

pub use spec::{Caller, Changes, Clause, Paths, Piece, Shape, Side, Spec, Status, Test};
pub use write::write;

/// Parts between slashes, the one before the first included, that a path with variables may have.
pub const MAX_PARTS: usize = 32;

/// A loaded table.
#[derive(Debug)]
pub struct Table {
    parts: Parts,
    arena: Arena,
    reads: Reads,
}

/// What is used in place.
#[derive(Debug, Default)]
struct Arena {
    /// Sets, one after the other.
    sets: Vec<u32>,
    /// Lookups.
    words: Vec<u32>,
    /// What they find.
    text: Vec<u8>,
}

/// What a table looks at, and under which needs of the plan it may be asked: what the plan does not read was not
/// fetched, and what it reads besides may be an error that a table does not know.
#[derive(Debug)]
struct Reads {
    groups: Needs,
    /// What the plan may need besides: of anything else a table does not know what errors there are.
    known: Needs,
    /// Whether conditions ask if a header is there at all, which the plan decides by the whole map.
    every_header: bool,
}

/// What a table answers: a decision, and what it says of itself.
pub type Answer = (Decision, Marks);

/// What decided, and the number of the clause: all that the library's `rule` depends on. A number, for a map of these
/// would be the only one of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ground(u64);

/// Says that a question is the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotMine;

type Mine<T> = Result<T, NotMine>;

/// The work that is left. A table does little, and a damaged one must not do much.
struct Work(u64);

impl Work {
    fn take(&mut self, amount: usize) -> Mine<()> {
        self.0 = self.0.checked_sub(u64::try_from(amount).unwrap_or(u64::MAX)).ok_or(NotMine)?;
        Ok(())
    }
}

/// The groups that a table knows.
const KNOWN: [Group; 9] = [
    Group::Fixed,
    Group::Http,
    Group::Headers,
    Group::SourceAddress,
    Group::SourceNames,
    Group::SourcePrincipal,
    Group::DestinationAddress,
    Group::DestinationPrincipal,
    Group::Metadata,
];

impl Ground {
    /// Nothing that was said.
    const NOTHING: Self = Self(0);
    /// The path may mean more than it says.
    const ODD_PATH: Self = Self(1);

    /// A clause of one of the sides, which are counted from 1.
    fn clause(side: u64, clause: u32) -> Self {
        Self((side << 32) | u64::from(clause))
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl Table {
    /// The table in `bytes`, checked: nothing in it points outside of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(bytes: &[u8]) -> Result<Self, &'static str> {
        let (parts, arena) = Parts::read(bytes).ok_or("a table is damaged")?;
        parts.check(&arena)?;
        let reads = parts.reads();
        Ok(Self { parts, arena, reads })
    }

    /// Whether it may be asked in the place of a plan that needs this of a request.
    pub fn serves(&self, needs: &Needs) -> bool {
        let has_all_headers = matches!(needs.headers(), KeyNeeds::All);
        needs.are_within(&self.reads.known)
            && self.reads.groups.are_within(needs)
            && needs.has_metadata_of(&self.reads.groups)
            && (has_all_headers || !self.reads.every_header)
    }

    /// The decision about a request with these attributes; `None` where it is the plan's to decide. `needs` are the
    /// plan's, and must be such that the table [`serves`](Self::serves) them.
    pub fn decide(&self, needs: &Needs, attributes: &Attributes, limits: &Limits) -> Option<Answer> {
        self.measure(needs, attributes, limits).0
    }

    /// The library's answer where this was decided: of a few forms, unless headers are changed, which is `None`.
    pub(crate) fn result(&self, is_allowed: bool, marks: Marks) -> Option<Value> {
        if is_allowed && self.parts.changes.is_some() {
            return None;
        }
        let Marks { is_shadow, is_undeclared } = marks;
        let fields = [
            Some(("allowed", Value::Bool(is_allowed))),
            (!is_allowed).then(|| ("http_status", Value::from(u64::from(ask::FORBIDDEN)))),
            is_shadow.then(|| ("mode", Value::from("shadow"))),
            is_undeclared.then_some(("undeclared", Value::Bool(true))),
        ];
        Some(collections::object(fields.into_iter().flatten().map(|(key, value)| (key.into(), value))))
    }

    /// The same, with the work it took: entries, words of sets, headers and clauses that were looked at.
    pub fn measure(&self, needs: &Needs, attributes: &Attributes, limits: &Limits) -> (Option<Answer>, u64) {
        let mut work = Work(limits.steps);
        let answer = ask::decide(self, needs, attributes, limits, None, &mut work).ok();
        (answer, limits.steps.saturating_sub(work.0))
    }

    /// On what ground the decision is made, for the log; `None` where it is the plan's to say.
    pub fn ground(&self, needs: &Needs, attributes: &Attributes, limits: &Limits) -> Option<Ground> {
        let mut ground = Ground::default();
        let mut work = Work(limits.steps);
        ask::decide(self, needs, attributes, limits, Some(&mut ground), &mut work).ok()?;
        Some(ground)
    }
}
