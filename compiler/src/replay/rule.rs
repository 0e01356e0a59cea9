//! The rule of a declaration that decides about a request.

use super::report::RuleAt;
use crate::declare::judge::{Effect, Judged, Request, grpc_template, judge, matches_template};
use crate::declare::{Mesh, Rule, ServicePolicy};

/// A rule, and which of its templates is the request's.
pub(super) struct Ruling {
    pub(super) rule: RuleAt,
    pub(super) template: Option<String>,
}

/// The first rule that decides so; `None` where no rule does, or the declaration says something else.
pub(super) fn ruling(
    mesh: &Mesh,
    service: &ServicePolicy,
    request: &Request,
    is_allowed: bool,
) -> Option<Ruling> {
    let verdict = judge(mesh, service, request);
    let judged = verdict.decided().into_iter().next().filter(|_| verdict.is_allowed == is_allowed)?;
    let rule = match (judged.effect, judged.is_base) {
        (Effect::Allow, _) => service.allow.get(judged.rule),
        (Effect::Deny, true) => mesh.base.deny.get(judged.rule),
        (Effect::Deny, false) => service.deny.get(judged.rule),
    }?;
    let file = match (&mesh.base.source, judged.is_base) {
        (Some(source), true) => source.file.clone(),
        _ => service.file.clone(),
    };
    let place =
        RuleAt { file, line: rule.place.line, name: rule.name.clone(), effect: judged.effect, is_old: false };
    Some(Ruling { rule: place, template: template(rule, judged, request) })
}

fn template(rule: &Rule, judged: &Judged, request: &Request) -> Option<String> {
    let target = rule.to.get(judged.target?)?;
    let path = request.read_path().ok()?;
    let own = target.paths.iter().find(|template| matches_template(template, &path, judged.effect));
    let grpc = || {
        let is_own = |template| matches_template(&template, &path, judged.effect);
        target.grpc.iter().find(|method| is_own(grpc_template(method, judged.effect)))
    };
    own.map(ToString::to_string).or_else(|| grpc().map(|method| format!("/{method}")))
}
