//! A rule of a policy as rules of a declaration.

use std::collections::BTreeSet;

use super::callers::{Callers, Trust, once};
use super::condition::{self, Alternatives};
use super::operation;
use super::policy::{From, Operation, Rule, Source, Texts, To, When};
use super::reasons::{Narrowing, Reason};
use crate::declare::{Target, Test, Who};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Lets in.
    Allow,
    /// Keeps out.
    Deny,
}

/// In what a translation lets in less.
pub(super) type Notes = BTreeSet<Narrowing>;

/// A rule of a declaration; several of them say what one of a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    /// Callers; `None` is everybody, which only a deny can leave out.
    pub(super) from: Option<Vec<Who>>,
    /// Targets; everything where there are none.
    pub(super) to: Vec<Target>,
    /// What must hold as well.
    pub(super) when: Vec<Test>,
}

/// Rules of a declaration that one of a policy may become.
const MAX_RULES: usize = 64;

/// What a rule is translated with.
pub(super) struct Setting<'s> {
    pub(super) trust: &'s Trust,
    pub(super) effect: Effect,
    /// Namespace of the policy.
    pub(super) namespace: &'s str,
    /// Whom the service's allows let in; for denies.
    pub(super) admitted: &'s [Who],
}

/// What a rule becomes. None at all is a rule that matches nothing.
pub(super) fn rule(rule: &Rule, setting: &Setting<'_>) -> Result<(Vec<Carried>, Notes), Reason> {
    let Rule { from, to, when } = rule;
    let Setting { trust, effect, namespace, admitted } = *setting;
    let mut notes = Notes::new();
    let conditions = Conditions::new(when.as_deref().unwrap_or_default(), effect, &mut notes)?;
    let targets = conditions.targets(to.as_deref(), effect, &mut notes)?;
    let mut callers = Callers { trust, effect, namespace, admitted, notes: Notes::new() };
    let mut groups: Vec<(Option<Vec<Who>>, Vec<Test>)> = Vec::new();
    for source in sources(from.as_deref())? {
        let mut tests = condition::of_source(&source, effect, &mut notes)?;
        tests.extend(conditions.tests.iter().cloned());
        let all: Vec<&Source> = std::iter::once(&source).chain(&conditions.identities).collect();
        let who = callers.read(&all)?;
        if who.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        for when in product(&tests)? {
            match groups.iter_mut().find(|(_, tests)| *tests == when) {
                Some((before, _)) => *before = either(before.take(), who.clone()),
                None => groups.push((who.clone(), when)),
            }
        }
    }
    notes.extend(callers.notes);
    let Some(targets) = targets else { return Ok((Vec::new(), notes)) };
    let carried = |(who, when): (Option<Vec<Who>>, Vec<Test>)| {
        // Only a deny that has something else to say can leave callers out.
        let from = match (who, effect) {
            (None, Effect::Deny) if !targets.is_empty() || !when.is_empty() => None,
            (who, _) => Some(who.unwrap_or_else(|| vec![Who::Authenticated, Who::Anonymous])),
        };
        Carried { from, to: targets.clone(), when }
    };
    match groups.len() {
        ..=MAX_RULES => Ok((groups.into_iter().map(carried).collect(), notes)),
        _ => Err(Reason::TooMany),
    }
}

/// The sources of a rule; one that says nothing where there is no `from`.
fn sources(from: Option<&[From]>) -> Result<Vec<Source>, Reason> {
    let Some(from) = from else { return Ok(vec![Source::default()]) };
    let read = |entry: &From| match entry.source.clone() {
        Some(source) if source != Source::default() => Ok(source),
        _ => Err(Reason::Invalid("`from` has an empty `source`")),
    };
    match from {
        [] => Err(Reason::Invalid("`from` is empty")),
        entries => entries.iter().map(read).collect(),
    }
}

/// Callers of either; `None` is everybody.
fn either(some: Option<Vec<Who>>, others: Option<Vec<Who>>) -> Option<Vec<Who>> {
    let mut all = some?;
    all.extend(others?);
    Some(once(all))
}

/// All ways to take one alternative of each.
fn product(all: &[Alternatives]) -> Result<Vec<Vec<Test>>, Reason> {
    let mut ways: Vec<Vec<Test>> = vec![Vec::new()];
    for alternatives in all {
        let longer = |way: &Vec<Test>| {
            let longer = |tests: &Vec<Test>| once(way.iter().chain(tests).cloned().collect());
            alternatives.iter().map(longer).collect::<Vec<_>>()
        };
        ways = ways.iter().flat_map(longer).collect();
        if ways.len() > MAX_RULES {
            return Err(Reason::TooMany);
        }
    }
    Ok(ways)
}

/// What `when` says, by what it is about.
#[derive(Default)]
struct Conditions {
    /// Callers, each to be met.
    identities: Vec<Source>,
    /// Ports, each list to be met.
    ports: Vec<Vec<u16>>,
    /// Everything else.
    tests: Vec<Alternatives>,
}

impl Conditions {
    fn new(when: &[When], effect: Effect, notes: &mut Notes) -> Result<Self, Reason> {
        let mut conditions = Self::default();
        for one in when {
            let When { key, values, not_values } = one;
            let is_empty = |texts: &Texts| texts.0.iter().any(String::is_empty);
            if values.0.is_empty() && not_values.0.is_empty() || is_empty(values) || is_empty(not_values) {
                return Err(Reason::Invalid(
                    "a condition needs `values` or `notValues`, and none of them empty",
                ));
            }
            let (some, not) = (values.clone(), not_values.clone());
            let source = match key.as_str() {
                "source.principal" => Source { principals: some, not_principals: not, ..Source::default() },
                "source.namespace" => Source { namespaces: some, not_namespaces: not, ..Source::default() },
                "source.serviceAccount" => {
                    Source { service_accounts: some, not_service_accounts: not, ..Source::default() }
                }
                "source.trustDomain" => {
                    Source { trust_domains: some, not_trust_domains: not, ..Source::default() }
                }
                "destination.port" if not.0.is_empty() => {
                    conditions.ports.push(operation::ports(&some.0)?);
                    continue;
                }
                "destination.port" => {
                    return Err(Reason::Attribute(
                        key.clone(),
                        "a port that is not something cannot be said",
                    ));
                }
                _ => {
                    conditions.tests.extend(condition::of_when(one, effect, notes)?);
                    continue;
                }
            };
            conditions.identities.push(source);
        }
        Ok(conditions)
    }

    /// The targets of `to`, with what is asked of the port; none for everything, `None` for nothing.
    fn targets(
        &self,
        to: Option<&[To]>,
        effect: Effect,
        notes: &mut Notes,
    ) -> Result<Option<Vec<Target>>, Reason> {
        let operations = match to {
            None => vec![Operation::default()],
            Some([]) => return Err(Reason::Invalid("`to` is empty")),
            Some(entries) => {
                let read = |entry: &To| match entry.operation.clone() {
                    Some(operation) if operation != Operation::default() => Ok(operation),
                    _ => Err(Reason::Invalid("`to` has an empty `operation`")),
                };
                entries.iter().map(read).collect::<Result<Vec<_>, _>>()?
            }
        };
        let mut targets = Vec::new();
        for operation in &operations {
            let mut target = operation::target(operation, effect, notes)?;
            let mut is_never = false;
            for ports in &self.ports {
                match target.ports.is_empty() {
                    true => target.ports.clone_from(ports),
                    false => {
                        target.ports.retain(|port| ports.contains(port));
                        is_never |= target.ports.is_empty();
                    }
                }
            }
            if !is_never {
                targets.push(target);
            }
        }
        Ok(match targets.as_slice() {
            [] => None,
            // Next to everything, the others say nothing.
            some if some.contains(&Target::default()) => Some(Vec::new()),
            _ => Some(once(targets)),
        })
    }
}
