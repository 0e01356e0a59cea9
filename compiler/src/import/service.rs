//! One service: all policies that are about it, and the declaration that they make.

use super::Options;
use super::callers::Trust;
use super::policy::{Action, Policy, Spec};
use super::reasons::Reason;
use super::report::{Item, ItemKind, Service, Status};
use super::text::{Commented, declaration};
use super::translate::{Carried, Effect, Setting, rule};
use super::units::{Selected, Unit};
use crate::declare::{Mesh, Who};

/// A service while its policies are gone through.
struct Work<'w> {
    trust: &'w Trust,
    allow: Vec<Commented>,
    deny: Vec<Commented>,
    items: Vec<Item>,
    /// Whether some DENY or the like is not carried over: then nothing can be let in.
    is_tainted: bool,
    /// Whether an ALLOW is about it: then others are not let in.
    has_allow: bool,
    /// Whether it cannot be known if an ALLOW is.
    may_have_allow: bool,
}

const CUSTOM: &str = "`action: CUSTOM` asks a service of its own: write what it decides in Rego";
const OPEN: &str =
    "no ALLOW policy is about it, so that Istio lets everybody in; `--undeclared-open` declares that";

/// The declaration of a service, if policies or options ask for one.
pub(super) fn imported(
    unit: &Unit,
    policies: &[(&Policy, Selected)],
    trust: &Trust,
    options: &Options,
) -> Option<Service> {
    let mut work = Work {
        trust,
        allow: Vec::new(),
        deny: Vec::new(),
        items: Vec::new(),
        is_tainted: false,
        has_allow: false,
        may_have_allow: false,
    };
    let about: Vec<(&Policy, Selected)> = policies
        .iter()
        .filter(|(policy, selected)| *selected != Selected::No && !policy.is_dry_run)
        .copied()
        .collect();
    // Denies are translated for the callers that allows let in.
    for effect in [Effect::Allow, Effect::Deny] {
        for (policy, selected) in &about {
            work.policy(policy, *selected, effect);
        }
        if effect == Effect::Allow && !work.has_allow && !work.may_have_allow && options.undeclared_open {
            work.open();
        }
    }
    let Work { allow, deny, items, is_tainted, has_allow, may_have_allow, .. } = work;
    let is_open = !has_allow && !may_have_allow;
    let has_policies = !items.is_empty() || has_allow;
    let mut service = Service {
        namespace: unit.namespace.clone(),
        name: unit.name.clone(),
        status: Status::Refused { reason: String::new() },
        items,
    };
    service.status = match (is_tainted, is_open, options.undeclared_open) {
        (true, ..) => {
            let reason =
                "a policy that keeps callers out is not carried over: what is allowed would be too much";
            Status::Refused { reason: reason.to_owned() }
        }
        (false, true, false) if has_policies => Status::Refused { reason: OPEN.to_owned() },
        (false, true, false) => return None,
        _ => written(unit, &allow, &deny, options),
    };
    Some(service)
}

/// Why it is not known that a policy is about all of a service.
fn partial(policy: &Policy) -> Reason {
    policy.scope.as_ref().err().cloned().unwrap_or(Reason::Partial)
}

fn written(unit: &Unit, allow: &[Commented], deny: &[Commented], options: &Options) -> Status {
    let owner = unit.owner.as_deref().unwrap_or(&options.owner);
    let text = declaration(unit, owner, allow, deny);
    let file = format!("services/{}/{}.yaml", unit.namespace, unit.name);
    // Whoever reads declarations has to understand this one.
    match Mesh::read_one(&file, &text, &unit.namespace, &unit.name) {
        Ok(_) => Status::Written { file, text, rules: allow.len().saturating_add(deny.len()) },
        Err(findings) => {
            let first = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            Status::Refused { reason: format!("it would be no declaration: {first}") }
        }
    }
}

impl Work<'_> {
    fn policy(&mut self, policy: &Policy, selected: Selected, effect: Effect) {
        let spec = match &policy.spec {
            Ok(spec) => spec,
            // It may have been a DENY.
            Err(reason) if effect == Effect::Deny => return self.taint(policy, None, reason),
            Err(_) => {
                self.may_have_allow = true;
                return;
            }
        };
        let action = spec.action.unwrap_or_default();
        match (action, effect, selected) {
            (Action::Audit, ..) | (Action::Allow, Effect::Deny, Selected::Yes | Selected::Partly) => {}
            // Besides what the sidecar asks: less is let in.
            (_, Effect::Deny, Selected::Before) => self.taint(policy, None, &Reason::Elsewhere),
            (Action::Allow, Effect::Allow, Selected::Partly) => {
                self.may_have_allow = true;
                self.refuse(policy, None, &partial(policy));
            }
            (Action::Allow, Effect::Allow, Selected::Yes) => {
                self.has_allow = true;
                self.rules(policy, spec, effect);
            }
            (Action::Deny | Action::Custom, Effect::Deny, Selected::Partly) => {
                self.taint(policy, None, &partial(policy));
            }
            (Action::Custom, Effect::Deny, _) => self.taint(policy, None, &Reason::Action(CUSTOM)),
            (Action::Deny, Effect::Deny, _) => self.rules(policy, spec, effect),
            _ => {}
        }
    }

    fn rules(&mut self, policy: &Policy, spec: &Spec, effect: Effect) {
        if let Err(reason) = &policy.scope {
            return self.taint(policy, None, reason);
        }
        let rules = spec.rules.as_deref().unwrap_or_default();
        if rules.is_empty() {
            let nothing = match effect {
                Effect::Allow => "has no rules: it lets nobody in",
                Effect::Deny => "has no rules: it keeps nobody out",
            };
            self.items.push(Item::of_policy(policy, ItemKind::Carried, nothing));
        }
        for (one, number) in rules.iter().zip(1_usize..) {
            let admitted: Vec<Who> =
                self.allow.iter().filter_map(|rule| rule.rule.from.clone()).flatten().collect();
            let setting =
                Setting { trust: self.trust, effect, namespace: &policy.namespace, admitted: &admitted };
            let translated = match one {
                Some(one) => rule(one, &setting),
                None => Err(Reason::Invalid("a rule is `null`")),
            };
            match (translated, effect) {
                (Ok((carried, notes)), _) => {
                    let mut item = Item::of_policy(policy, ItemKind::Carried, "");
                    item.rule = Some(number);
                    if carried.is_empty() {
                        item.reason = "matches nothing".to_owned();
                    }
                    item.narrowed = notes.into_iter().map(|note| note.text().to_owned()).collect();
                    self.items.push(item);
                    self.carry(policy, number, carried, effect);
                }
                (Err(reason), Effect::Allow) => self.refuse(policy, Some(number), &reason),
                (Err(reason), Effect::Deny) => self.taint(policy, Some(number), &reason),
            }
        }
    }

    fn carry(&mut self, policy: &Policy, number: usize, carried: Vec<Carried>, effect: Effect) {
        let is_one = carried.len() == 1;
        for (rule, part) in carried.into_iter().zip(1_usize..) {
            let name = match is_one {
                true => format!("{}.{number}", policy.name),
                false => format!("{}.{number}.{part}", policy.name),
            };
            let comment = format!("{}: {}, rule {number}", policy.file, policy.title());
            let commented = Commented { comment, name: Some(name), rule };
            match effect {
                Effect::Allow => self.allow.push(commented),
                Effect::Deny => self.deny.push(commented),
            }
        }
    }

    /// What Istio does where no ALLOW is about a service.
    fn open(&mut self) {
        let rule = Carried {
            from: Some(vec![Who::Authenticated, Who::Anonymous]),
            to: Vec::new(),
            when: Vec::new(),
        };
        let comment = "no ALLOW policy is about this service: everybody is let in".to_owned();
        self.allow.push(Commented { comment, name: None, rule });
    }

    fn refuse(&mut self, policy: &Policy, rule: Option<usize>, reason: &Reason) {
        let mut item = Item::of_policy(policy, ItemKind::Refused, &reason.to_string());
        item.rule = rule;
        self.items.push(item);
    }

    fn taint(&mut self, policy: &Policy, rule: Option<usize>, reason: &Reason) {
        self.is_tainted = true;
        self.refuse(policy, rule, reason);
    }
}
