//! A request judged by a declaration, rule by rule, with reasons.
//!
//! Written for people who ask why, straight from the model: what decides in the proxy are the tables that the
//! same model becomes, and tests compare the two. What docs/declare.md says is what this does.

mod caller;
mod condition;
mod path;
mod request;
mod target;

use super::mesh::Mesh;
use super::model::{Rule, ServicePolicy};

pub(crate) use caller::{Callers, Identity};
pub(crate) use condition::holds as condition_holds;
pub use path::OddPath;
pub(crate) use path::{ReadPath, fold_literal};
pub use request::Request;
pub(crate) use target::{Asked, grpc_template, host_is, is_grpc, matches_template, method_is, port_is};

/// What is known about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// For certain.
    Yes,
    /// For certain not.
    No,
    /// The request does not say. An allow takes it for no, a deny for yes.
    Unknown,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It lets in.
    Allow,
    /// It keeps out, whatever is allowed.
    Deny,
}

/// A part of a rule that the request is not what the rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// None of `from`.
    Caller,
    /// None of `paths` or of the paths of `grpc`.
    Path,
    /// None of `methods`, or not `POST` for gRPC.
    Method,
    /// No gRPC content type.
    ContentType,
    /// None of `hosts`.
    Host,
    /// None of `ports`.
    Port,
    /// This one of `when`.
    Condition(usize),
}

/// A rule and a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it is an allow or a deny.
    pub effect: Effect,
    /// Whether it is a deny of the mesh-wide base.
    pub is_base: bool,
    /// Which one of them.
    pub rule: usize,
    /// Whether it matches: then it lets in, or keeps out.
    pub holds: bool,
    /// The target that matches or comes closest; `None` where the rule has no `to`.
    pub target: Option<usize>,
    /// What keeps it from matching, at that target; for a deny that holds what is not known.
    pub misses: Vec<(Part, Answer)>,
}

/// What a declaration says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer.
    pub is_allowed: bool,
    /// Why the path alone is a reason to deny.
    pub odd: Option<OddPath>,
    /// Every rule of `allow`, in its order.
    pub allow: Vec<Judged>,
    /// Every rule of `deny`, in its order; those of the mesh-wide base first.
    pub deny: Vec<Judged>,
}

impl Answer {
    /// Whether it is so, for certain.
    pub(crate) fn sure(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Whether one of these is so.
    pub(crate) fn any(answers: impl Iterator<Item = Self>) -> Self {
        answers.fold(Self::No, |all, one| match (all, one) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        })
    }

    /// Whether a rule takes it for yes.
    pub(crate) fn counts(self, effect: Effect) -> bool {
        match (self, effect) {
            (Self::Yes, _) | (Self::Unknown, Effect::Deny) => true,
            (Self::No, _) | (Self::Unknown, Effect::Allow) => false,
        }
    }
}

/// Judges a request by a declaration and by what holds in all of the mesh. Rego beside it is not asked.
pub fn judge(mesh: &Mesh, service: &ServicePolicy, request: &Request) -> Verdict {
    let callers = Callers::new(&mesh.trust_domain_aliases, request);
    let path = request.read_path();
    let side = |rules: &[Rule], effect| -> Vec<Judged> {
        rules.iter().enumerate().map(|(at, rule)| one(at, rule, effect, &callers, request, &path)).collect()
    };
    let allow = side(&service.allow, Effect::Allow);
    let base =
        side(&mesh.base.deny, Effect::Deny).into_iter().map(|judged| Judged { is_base: true, ..judged });
    let deny: Vec<Judged> = base.chain(side(&service.deny, Effect::Deny)).collect();
    let holds = |side: &[Judged]| side.iter().any(|judged| judged.holds);
    Verdict { is_allowed: path.is_ok() && holds(&allow) && !holds(&deny), odd: path.err(), allow, deny }
}

fn one(
    at: usize,
    rule: &Rule,
    effect: Effect,
    callers: &Callers<'_>,
    request: &Request,
    path: &Result<ReadPath, OddPath>,
) -> Judged {
    let mut misses = Vec::new();
    let caller = callers.any(rule.from.as_deref(), effect);
    if caller != Answer::Yes {
        misses.push((Part::Caller, caller));
    }
    let asked = Asked { request, path: path.as_ref().ok(), effect };
    let targets = rule.to.iter().map(|target| asked.misses(target)).enumerate();
    // A path that nobody reads is that of no rule; without `to` there is nothing else to miss.
    let closest = targets.min_by_key(|(_, misses)| target::distance(misses, effect));
    let target = closest.as_ref().map(|(at, _)| *at);
    match closest {
        Some((_, found)) => misses.extend(found),
        None => misses.extend(path.is_err().then_some((Part::Path, Answer::No))),
    }
    for (at, condition) in rule.when.iter().enumerate() {
        let answer = condition::holds(&condition.test, request, effect);
        if answer != Answer::Yes {
            misses.push((Part::Condition(at), answer));
        }
    }
    let holds = misses.iter().all(|(_, answer)| answer.counts(effect));
    Judged { effect, is_base: false, rule: at, holds, target, misses }
}

impl Verdict {
    /// Whether no deny holds, and the path is one that can be allowed: so far as the declaration goes, Rego beside
    /// it may allow the request.
    pub(crate) fn may_be_allowed(&self) -> bool {
        self.odd.is_none() && !self.deny.iter().any(|judged| judged.holds)
    }

    /// The rules that decided: the denies that hold, or the allow.
    pub fn decided(&self) -> Vec<&Judged> {
        let denies: Vec<&Judged> = self.deny.iter().filter(|judged| judged.holds).collect();
        if self.is_allowed || denies.is_empty() && self.odd.is_none() {
            return self.allow.iter().find(|judged| judged.holds).into_iter().collect();
        }
        if self.odd.is_some() { Vec::new() } else { denies }
    }

    /// The rules of `allow` that came closest, the closest first: what is missing of each can be said. None of
    /// those that have nothing to do with the request.
    pub fn nearest(&self) -> Vec<&Judged> {
        let mut near: Vec<(usize, &Judged)> = self
            .allow
            .iter()
            .filter(|judged| !judged.holds)
            .map(|judged| (judged.distance(), judged))
            .filter(|(_, judged)| !judged.is_of_others())
            .collect();
        near.sort_by_key(|(distance, judged)| (*distance, judged.rule));
        let best = near.first().map_or(0, |(distance, _)| *distance);
        near.into_iter()
            .take_while(|(distance, _)| *distance <= best.saturating_add(1))
            .take(3)
            .map(|(_, j)| j)
            .collect()
    }
}

impl Judged {
    /// How much is missing.
    fn distance(&self) -> usize {
        target::distance(&self.misses, self.effect)
    }

    /// Whether it speaks neither of the caller nor of the path.
    fn is_of_others(&self) -> bool {
        let misses = |part| self.misses.iter().any(|(missed, _)| *missed == part);
        misses(Part::Caller) && misses(Part::Path)
    }
}
