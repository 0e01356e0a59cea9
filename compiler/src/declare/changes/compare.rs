//! Two states of a service, compared.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::Bits;
use super::callers::{self, CallerClass, Sample};
use super::clauses::Clauses;
use super::explore::{Sides, explore};
use super::lines::{Lines, Rules};
use super::{Access, RuleRef, Seen, State};
use crate::declare::judge::{Callers, Effect, Request, judge};
use crate::declare::mesh::Mesh;
use crate::declare::model::{Caller, Rule, Who};
use crate::declare::source::Place;

/// A rule of one of the states, taken apart.
pub(super) struct Taken<'m> {
    pub(super) rule: &'m Rule,
    pub(super) reference: RuleRef,
    /// Numbers of its clauses.
    pub(super) clauses: Vec<usize>,
}

/// Callers that the same rules speak of.
struct Group<'s> {
    callers: Vec<(CallerClass, bool)>,
    sample: (&'s Sample, bool),
}

/// Who gains, and who loses. With `only`, of that caller alone.
pub(super) fn compare(
    old: Seen<'_>,
    new: Seen<'_>,
    own: &str,
    only: Option<Option<&str>>,
) -> (Vec<Access>, Vec<Access>) {
    let mut clauses = Clauses::default();
    let (mut taken, mut is_whole) = (Vec::new(), true);
    let whatever = whatever();
    for (seen, state) in [(old, State::Old), (new, State::New)] {
        for (rule, effect, file) in rules(seen, &whatever) {
            let line = match seen.rego {
                Some(rego) if effect == Effect::Allow => rego.place.line,
                _ => rule.place.line,
            };
            let reference = RuleRef { file, line, name: rule.name.clone(), effect, state };
            let ids = clauses.of(rule, effect);
            is_whole &= ids.is_some();
            taken.push(Taken { rule, reference, clauses: ids.unwrap_or_default() });
        }
    }
    let mut lines = Lines::default();
    if !is_whole {
        lines.give_up(&taken);
        return lines.finish(own, &BTreeSet::new(), &BTreeSet::new());
    }
    let aliases: BTreeSet<&str> =
        [old, new].iter().flat_map(|seen| &seen.mesh.trust_domain_aliases).map(String::as_str).collect();
    let samples = match only {
        None => callers::samples(named([old, new]), own, &aliases),
        Some(principal) => vec![Sample::one(principal)],
    };
    let classes: BTreeSet<CallerClass> = samples.iter().map(|sample| sample.class.clone()).collect();
    // A proxy that has no certificate does not know its own trust domain.
    let knows = if only.is_some() { [true].as_slice() } else { [true, false].as_slice() };
    let mut groups: BTreeMap<Sides, Group<'_>> = BTreeMap::new();
    for sample in &samples {
        for knows in knows {
            let request = sample.request(own, *knows);
            let sides = sides(&taken, clauses.all.len(), [old, new], &request);
            let is_same = sides.old_allow == sides.new_allow && sides.old_deny == sides.new_deny;
            if is_same || sides.old_allow.is_empty() && sides.new_allow.is_empty() {
                continue;
            }
            let group = groups
                .entry(sides)
                .or_insert_with(|| Group { callers: Vec::new(), sample: (sample, *knows) });
            group.callers.push((sample.class.clone(), *knows));
        }
    }
    for (sides, group) in groups {
        let used = sides.old_allow.or(&sides.old_deny).or(&sides.new_allow).or(&sides.new_deny);
        let used: Vec<usize> = used.iter().collect();
        let local = |bits: &Bits| Bits::of(used.len(), |at| used.get(at).is_some_and(|id| bits.has(*id)));
        let Sides { old_allow, old_deny, new_allow, new_deny } = &sides;
        let local = Sides {
            old_allow: local(old_allow),
            old_deny: local(old_deny),
            new_allow: local(new_allow),
            new_deny: local(new_deny),
        };
        let own_clauses: Vec<_> = used.iter().filter_map(|id| clauses.all.get(*id)).collect();
        let (sample, knows) = group.sample;
        let base = sample.request(own, knows);
        let ask = |request: &Request| {
            let allows = |seen: Seen<'_>| {
                let verdict = seen.service.map(|service| judge(seen.mesh, service, request));
                // Whatever Rego may allow, unless it is denied.
                verdict.is_some_and(|verdict| match seen.is_rego {
                    true => seen.rego.is_some() && verdict.may_be_allowed(),
                    false => verdict.is_allowed,
                })
            };
            match (allows(old), allows(new)) {
                (false, true) => Some(true),
                (true, false) => Some(false),
                _ => None,
            }
        };
        let explored = explore(&own_clauses, &local, base.clone(), &ask);
        let rules = Rules { taken: &taken, used: &used, seen: [old, new], base: &base };
        lines.add(&group.callers, &own_clauses, &explored, &rules);
    }
    let both: BTreeSet<&str> = aliases
        .into_iter()
        .filter(|alias| [old, new].iter().all(|seen| has_alias(seen.mesh, alias)))
        .collect();
    // Of a caller that is asked about alone there is nothing to put together.
    let all = if only.is_some() { BTreeSet::from([CallerClass::Others]) } else { classes };
    lines.finish(own, &both, &all)
}

/// The states with what Rego may allow in place of what declarations do, if it may allow more.
pub(super) fn widening<'m>(old: Seen<'m>, new: Seen<'m>) -> Option<[Seen<'m>; 2]> {
    let states = [old, new].map(|seen| {
        let own = seen.service.filter(|service| seen.mesh.may_widen(service));
        let rego = own.and_then(|service| service.rego.as_ref()?.allow.as_ref());
        Seen { rego, is_rego: true, ..seen }
    });
    states.iter().any(|seen| seen.rego.is_some()).then_some(states)
}

/// What may allow anything to anybody.
fn whatever() -> Rule {
    let caller = |who| Caller { place: Place::default(), who };
    Rule {
        place: Place::default(),
        name: None,
        from: Some(vec![caller(Who::Authenticated), caller(Who::Anonymous)]),
        to: Vec::new(),
        when: Vec::new(),
    }
}

fn has_alias(mesh: &Mesh, alias: &str) -> bool {
    mesh.trust_domain_aliases.iter().any(|own| own == alias)
}

/// Every rule that names callers: "any other" has to mean the same in all lines of a service.
fn named<'m>(seen: [Seen<'m>; 2]) -> impl Iterator<Item = &'m Rule> {
    seen.into_iter().flat_map(|seen| {
        let own = seen.service.map(|service| service.allow.iter().chain(&service.deny));
        own.into_iter().flatten().chain(&seen.mesh.base.deny)
    })
}

/// The rules of a state, with the files that they stand in.
fn rules<'m>(seen: Seen<'m>, whatever: &'m Rule) -> Vec<(&'m Rule, Effect, String)> {
    let Some(service) = seen.service else { return Vec::new() };
    let base = &seen.mesh.base;
    let allow = if seen.is_rego { [].as_slice() } else { service.allow.as_slice() };
    let allow = allow.iter().map(|rule| (rule, Effect::Allow, service.file.clone()));
    let allow = allow.chain(seen.rego.map(|rego| (whatever, Effect::Allow, rego.file.clone())));
    let deny = service.deny.iter().map(|rule| (rule, Effect::Deny, service.file.clone()));
    let base = base.deny.iter().map(|rule| (rule, Effect::Deny, base.file.clone()));
    allow.chain(deny).chain(base).collect()
}

/// The clauses of the rules that speak of the caller.
fn sides(taken: &[Taken<'_>], size: usize, seen: [Seen<'_>; 2], request: &Request) -> Sides {
    let none = || Bits::none(size);
    let mut sides = Sides { old_allow: none(), old_deny: none(), new_allow: none(), new_deny: none() };
    for Taken { rule, reference, clauses } in taken {
        if !speaks(rule, reference, seen, request) {
            continue;
        }
        let side = match (reference.state, reference.effect) {
            (State::Old, Effect::Allow) => &mut sides.old_allow,
            (State::Old, Effect::Deny) => &mut sides.old_deny,
            (State::New, Effect::Allow) => &mut sides.new_allow,
            (State::New, Effect::Deny) => &mut sides.new_deny,
        };
        clauses.iter().for_each(|id| side.insert(*id));
    }
    sides
}

/// Whether a rule speaks of the caller of a request.
pub(super) fn speaks(rule: &Rule, reference: &RuleRef, [old, new]: [Seen<'_>; 2], request: &Request) -> bool {
    let mesh = if reference.state == State::Old { old.mesh } else { new.mesh };
    let callers = Callers::new(&mesh.trust_domain_aliases, request);
    callers.any(rule.from.as_deref(), reference.effect).counts(reference.effect)
}

impl Sample {
    /// One caller.
    fn one(principal: Option<&str>) -> Self {
        let class = match principal {
            Some(principal) => CallerClass::One { principal: principal.to_owned() },
            None => CallerClass::Anonymous,
        };
        Self { class, principal: principal.map(str::to_owned) }
    }

    fn request(&self, own: &str, knows: bool) -> Request {
        Request {
            principal: self.principal.clone(),
            uri_sans: Some(self.principal.iter().cloned().collect()),
            own_principal: knows.then(|| format!("spiffe://{own}/ns/own/sa/own")),
            ..Request::default()
        }
    }
}
