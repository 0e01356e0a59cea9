//! The decision about a request.

use std::cell::Cell;

use super::caller::{Caller, Clauses};
use super::parts::{Clause, Parts, Shape, Side};
use super::path::{Path, Segments, hash_of};
use super::request::Request;
use super::sets::{SetAt, any_common};
use super::spec::Status;
use super::{Answer, Ground, Mine, NotMine, Table, Work, changes};
use crate::attributes::Attributes;
use crate::decision::{Allow, Decision, Deny, Marks};
use crate::input::metadata::filter_metadata;
use crate::input::uri;
use crate::limits::Limits;
use crate::needs::{Group, Needs};

pub(super) const FORBIDDEN: u16 = 403;

/// What is asked of a clause: that it matches for certain, or that it may.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// A request that a table is asked about.
struct Asked<'a> {
    table: &'a Table,
    request: &'a Request<'a>,
    caller: &'a Caller<'a>,
    /// The path; `None` where it could mean more than it says.
    path: Option<Path<'a>>,
}

/// One question to one side.
struct Question<'a> {
    /// A clause that is met: the first where that is asked for, else any.
    met: Cell<Option<u32>>,
    seeks_first: bool,
    side: &'a Side,
    effect: Effect,
    request: &'a Request<'a>,
    callers: Clauses<'a>,
    /// The number that the clauses know the method by; `None` where none of them does.
    method: Option<u32>,
    /// Whether there is a method.
    has_method: bool,
}

/// The answer; or, where that is asked for, on what ground it is given, and no answer.
pub(super) fn decide(
    table: &Table,
    needs: &Needs,
    attributes: &Attributes,
    limits: &Limits,
    ground: Option<&mut Ground>,
    work: &mut Work,
) -> Mine<Answer> {
    if !table.serves(needs) {
        return Err(NotMine);
    }
    // What is no input has no decision, and the plan's way says which error it is.
    let target = attributes.header(b":path").unwrap_or_default();
    work.take(target.len() / 64)?;
    let target = std::str::from_utf8(target).map_err(|_| NotMine)?;
    let (path, query) = uri::cut(target);
    uri::check(path, query).map_err(|_| NotMine)?;
    if needs.contains(Group::SourceAddress) && attributes.source_is_forwarded() {
        return Err(NotMine);
    }
    let metadata = match needs.contains(Group::Metadata) {
        true => {
            let message = attributes.metadata.as_deref().unwrap_or_default();
            work.take(message.len() / 64)?;
            Some(filter_metadata(message, needs.metadata()).map_err(|_| NotMine)?)
        }
        false => None,
    };

    let path = Path::read(path, work)?;
    let arena = &table.arena;
    let own_names =
        table.reads.groups.contains(Group::DestinationPrincipal).then_some((&table.parts.own_names, arena));
    let caller = Caller::of(attributes, own_names, work)?;
    let request = Request { attributes, arena, metadata };
    let asked = Asked { table, request: &request, caller: &caller, path };
    if let Some(ground) = ground {
        *ground = asked.ground(work)?;
        return Ok((forbidden(), Marks::default()));
    }
    match table.parts.status {
        Status::Enforced => {
            let is_allowed = asked.is_allowed(work)? && !asked.denies(table.parts.base.as_ref(), work)?;
            Ok((asked.decision(is_allowed, limits, work)?, Marks::default()))
        }
        // What the base denies is denied for good, on whatever path.
        Status::Shadow | Status::Undeclared if asked.denies(table.parts.base.as_ref(), work)? => {
            Ok((forbidden(), Marks::default()))
        }
        Status::Shadow => {
            let is_allowed = asked.is_allowed(work)?;
            let decision = asked.decision(is_allowed, limits, work)?;
            Ok((decision, Marks { is_shadow: true, ..Marks::default() }))
        }
        Status::Undeclared => Ok((forbidden(), Marks { is_undeclared: true, ..Marks::default() })),
    }
}

fn forbidden() -> Decision {
    Decision::Deny(Deny::bare(FORBIDDEN))
}

impl Asked<'_> {
    /// Whether something allows it and nothing of the same declaration denies it.
    fn is_allowed(&self, work: &mut Work) -> Mine<bool> {
        let Parts { allow, deny, .. } = &self.table.parts;
        Ok(self.met(allow.as_ref(), Effect::Allow, false, work)?.is_some()
            && !self.denies(deny.as_ref(), work)?)
    }

    /// Whether these denies do.
    fn denies(&self, deny: Option<&Side>, work: &mut Work) -> Mine<bool> {
        Ok(self.met(deny, Effect::Deny, false, work)?.is_some())
    }

    /// The first clause that decides, as the library's `rule` has it.
    fn ground(&self, work: &mut Work) -> Mine<Ground> {
        let Parts { allow, deny, base, status, .. } = &self.table.parts;
        if self.path.is_none() && *status != Status::Undeclared {
            return Ok(Ground::ODD_PATH);
        }
        let sides = [(base, Effect::Deny), (deny, Effect::Deny), (allow, Effect::Allow)];
        for (number, (side, effect)) in (1..).zip(sides) {
            if let Some(clause) = self.met(side.as_ref(), effect, true, work)? {
                return Ok(Ground::clause(number, clause));
            }
        }
        Ok(Ground::NOTHING)
    }

    /// A clause of this side that is met, the first if that is asked for. Of a path that could mean more than it says
    /// none allows, and all that deny are asked.
    fn met(
        &self,
        side: Option<&Side>,
        effect: Effect,
        seeks_first: bool,
        work: &mut Work,
    ) -> Mine<Option<u32>> {
        let Some(side) = side else { return Ok(None) };
        let callers = match (effect, &self.path) {
            (Effect::Allow, None) => return Ok(None),
            (Effect::Allow, Some(_)) => side.callers.allowed(self.caller, self.request.arena, work)?,
            (Effect::Deny, _) => side.callers.denied(self.caller, self.request.arena, work)?,
        };
        if callers.is_empty() {
            return Ok(None);
        }
        let question = Question::new(side, (effect, seeks_first), self.request, callers, work)?;
        match (&self.path, effect) {
            (Some(path), Effect::Allow) => question.matches(path.text(), work)?,
            (Some(path), Effect::Deny) => question.matches(&path.folded(), work)?,
            (None, _) => question.matches_anywhere(work)?,
        };
        Ok(question.met.get())
    }

    fn decision(&self, is_allowed: bool, limits: &Limits, work: &mut Work) -> Mine<Decision> {
        Ok(match &self.table.parts.changes {
            _ if !is_allowed => forbidden(),
            Some(changes) => Decision::Allow(changes::of(changes, self.request, self.caller, limits, work)?),
            None => Decision::Allow(Allow::default()),
        })
    }
}

impl<'a> Question<'a> {
    fn new(
        side: &'a Side,
        (effect, seeks_first): (Effect, bool),
        request: &'a Request<'a>,
        callers: Clauses<'a>,
        work: &mut Work,
    ) -> Mine<Self> {
        let method = request.method()?;
        let number = match method {
            Some(method) if effect == Effect::Deny && method.bytes().any(|b| b.is_ascii_lowercase()) => {
                side.methods.find(request.arena, method.to_ascii_uppercase().as_bytes(), work)?
            }
            Some(method) => side.methods.find(request.arena, method.as_bytes(), work)?,
            None => None,
        };
        let (met, has_method) = (Cell::new(None), method.is_some());
        Ok(Self { met, seeks_first, side, effect, request, callers, method: number, has_method })
    }

    /// Whether any clause matches that caller and path lead to.
    fn matches(&self, path: &str, work: &mut Work) -> Mine<bool> {
        let Side { every, exact, closed, open, .. } = self.side;
        if let Some(every) = every
            && self.any_of(*every, work)?
        {
            return Ok(true);
        }
        if let Some(set) = exact.find(self.request.arena, path.as_bytes(), work)?
            && self.any_of(SetAt(set), work)?
        {
            return Ok(true);
        }
        if closed.is_empty() && open.is_empty() {
            return Ok(false);
        }
        let segments = Segments::of(path, work)?;
        let closed = closed.get(segments.count).map_or(&[][..], Vec::as_slice);
        for shape in closed.iter().chain(open) {
            if let Some(set) = self.find(shape, &segments, work)?
                && self.any_of(set, work)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether any clause matches that the caller leads to, whatever the path.
    fn matches_anywhere(&self, work: &mut Work) -> Mine<bool> {
        for own in self.callers.iter() {
            if any_common(own, own, work, &mut |clause, work| self.is_met(clause, work))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The clauses of the paths that look like this one.
    fn find(&self, shape: &Shape, segments: &Segments<'_>, work: &mut Work) -> Mine<Option<SetAt>> {
        let Shape { parts, least, literal, paths } = shape;
        work.take(1)?;
        if u32::try_from(segments.count).is_ok_and(|count| count < *least) {
            return Ok(None);
        }
        work.take(usize::from(*parts))?;
        let Some(literals) = segments.literal(*parts, *literal) else { return Ok(None) };
        let hash = hash_of(paths.seed, literals.map(|(hash, _)| hash));
        let is_it = |found: &[u8]| {
            let Some(mut literals) = segments.literal(*parts, *literal) else { return false };
            let mut found = found.split(|byte| *byte == b'/');
            literals.all(|(_, part)| found.next() == Some(part.as_bytes())) && found.next().is_none()
        };
        Ok(paths.find_hashed(self.request.arena, hash, work, is_it)?.map(SetAt))
    }

    /// Whether a clause matches that is in this set and one of the caller's.
    fn any_of(&self, set: SetAt, work: &mut Work) -> Mine<bool> {
        let set = self.request.arena.set(set).ok_or(NotMine)?;
        for own in self.callers.iter() {
            if any_common(own, set, work, &mut |clause, work| self.is_met(clause, work))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a clause is met, and no other is to be looked at.
    fn is_met(&self, clause: u32, work: &mut Work) -> Mine<bool> {
        if !self.is_clause_met(clause, work)? {
            return Ok(false);
        }
        self.met.set(Some(self.met.get().map_or(clause, |first| first.min(clause))));
        Ok(!self.seeks_first)
    }

    /// Whether method and conditions of a clause are met.
    fn is_clause_met(&self, clause: u32, work: &mut Work) -> Mine<bool> {
        work.take(1)?;
        let clause = usize::try_from(clause).ok().and_then(|clause| self.side.clauses.get(clause));
        let Clause { methods, tests } = clause.ok_or(NotMine)?;
        if let Some(methods) = methods {
            let is_method = match self.method {
                Some(method) => self.request.arena.set(*methods).ok_or(NotMine)?.contains(method, work)?,
                // A deny holds where there is no method to compare.
                None => self.effect == Effect::Deny && !self.has_method,
            };
            if !is_method {
                return Ok(false);
            }
        }
        for test in tests {
            let is_met = match self.effect {
                Effect::Allow => self.request.holds(test, work)?,
                Effect::Deny => !self.request.fails(test, work)?,
            };
            if !is_met {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
