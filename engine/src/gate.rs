//! A policy with all that it takes to ask it: the whole way of one request, from attributes to actions.

use std::cell::RefCell;

use regorus::Value;
use regorus::value::Object;

use crate::actions::Actions;
use crate::attributes::{Attributes, Phase, Workload};
pub use crate::cache::Seed;
use crate::cache::{Cache, Kept, Looked, Uncached};
use crate::decide::{Basis, DecideError, Settings, Verdict};
use crate::decision::Decision;
use crate::eval::EvalError;
use crate::input::{InputBuilder, Request};
use crate::needs::{Group, Needs};
use crate::policy::Policy;

/// A loaded policy, what it reads, and what it has answered.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    needs: Needs,
    builder: InputBuilder,
    settings: Settings,
    phase: Phase,
    cache: Result<RefCell<Cache>, NotKept>,
    /// What says which rule of a declaration decided.
    rule: Option<Policy>,
    /// What it said of what the table decided by, by the number of that.
    rules: RefCell<Object>,
}

/// Why no decisions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NotKept {
    #[error("a table answers")]
    Table,
    #[error("`limits.cache_entries` is 0")]
    Off,
    #[error("there is no policy")]
    NoPolicy,
    #[error(transparent)]
    Policy(#[from] Uncached),
}

impl Gate {
    /// A gate of this policy in front of `workload`. `seed` should be one that clients cannot foresee.
    pub fn new(policy: Policy, workload: &Workload, settings: Settings, seed: Seed) -> Self {
        let needs = Needs::from_paths(policy.reads().iter().map(Vec::as_slice));
        let builder = InputBuilder::new(workload).with_messages(policy.messages());
        let cache = cache(&policy, &needs, settings.limits.cache_entries, seed).map(RefCell::new);
        let rule = policy.rule();
        Self {
            policy,
            needs,
            builder,
            settings,
            phase: Phase::Request,
            cache,
            rule,
            rules: RefCell::default(),
        }
    }

    /// The same, asked about responses or connections.
    #[must_use]
    pub fn in_phase(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// The same, taking these for other names of the trust domain that the proxy is in.
    #[must_use]
    pub fn with_aliases(self, aliases: &[String]) -> Self {
        let mut needs = self.needs;
        if !aliases.is_empty() && needs.contains(Group::SourceNames) {
            needs.add(Group::DestinationPrincipal);
        }
        Self { needs, builder: self.builder.with_aliases(aliases.to_vec()), ..self }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What has to be known of every request.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// How it is asked.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The input document of what is decided, with those parts that `needs` names: for the log of decisions.
    pub fn document(&self, needs: &Needs, attributes: &Attributes) -> Option<Value> {
        self.builder.build(needs, attributes).ok()
    }

    /// The policy's answer; undefined where it has none. Where table or cache have none to show the plan is asked, which
    /// has the same.
    pub fn result(&self, verdict: &Verdict, attributes: &Attributes) -> Value {
        let known = match &verdict.basis {
            Basis::Plan { result } => Some(result.clone()),
            // Bundles of before the library had a `rule` are not known to answer in these words.
            Basis::Table(marks) if self.rule.is_some() => {
                self.policy.table().and_then(|table| table.result(verdict.actions.is_allow(), *marks))
            }
            Basis::Table(_) | Basis::Cache => None,
        };
        known.unwrap_or_else(|| match self.decide_by_plan(attributes).basis {
            Basis::Plan { result } => result,
            Basis::Table(_) | Basis::Cache => Value::Undefined,
        })
    }

    /// Which rule of a declaration decided, in words for people; undefined where nobody says so. `input` is the document
    /// of the request. Where the table decided, the words depend on its ground alone, and are kept.
    pub fn rule(
        &self,
        verdict: &Verdict,
        input: &Value,
        attributes: &Attributes,
    ) -> Result<Value, EvalError> {
        let Some(policy) = self.rule.as_ref().filter(|_| *input != Value::Undefined) else {
            return Ok(Value::Undefined);
        };
        let ground = match &verdict.basis {
            Basis::Table(_) => self.policy.table().and_then(|table| {
                let ground = table.ground(&self.needs, attributes, &self.settings.limits)?;
                Some((Value::from(ground.number()), self.rules.try_borrow_mut().ok()?))
            }),
            Basis::Plan { .. } | Basis::Cache => None,
        };
        if let Some((ground, rules)) = &ground
            && let Some(rule) = rules.get(ground)
        {
            return Ok(rule.clone());
        }
        let rule = policy.evaluate(input, &attributes.context)?;
        if let Some((ground, mut rules)) = ground {
            rules.insert(ground, rule.clone());
        }
        Ok(rule)
    }

    /// Whether decisions are kept.
    pub fn has_cache(&self) -> bool {
        self.cache.is_ok()
    }

    /// Why no decisions are kept, where none are.
    pub fn keeps(&self) -> Result<(), String> {
        self.cache.as_ref().map(drop).map_err(NotKept::to_string)
    }

    /// Decides one request, whose attributes have what [`needs`](Self::needs) name: by the table, where the policy has
    /// one that answers, else as the same was decided before, else by the plan.
    pub fn decide(&self, attributes: &Attributes) -> Verdict {
        if let Some(verdict) = self.decide_by_table(attributes) {
            return verdict;
        }
        let request = match self.builder.request(&self.needs, attributes) {
            Ok(request) => request,
            Err(error) => return self.failed(error.into(), Value::Undefined),
        };
        let cache = self.cache.as_ref().ok().and_then(|cache| cache.try_borrow_mut().ok());
        let Some(mut cache) = cache else { return self.plan(&request, attributes).0 };
        match cache.look(&request) {
            Looked::Found(Kept { actions, waived, error }) => {
                Verdict { actions, waived, error, basis: Basis::Cache }
            }
            Looked::TooLong => self.plan(&request, attributes).0,
            Looked::Missing(slot) => {
                let (verdict, depends_on_path) = self.plan(&request, attributes);
                match depends_on_path {
                    true => cache.leave(slot),
                    false => cache.keep(slot, Kept::of(&verdict)),
                }
                verdict
            }
        }
    }

    /// Decides one request by the plan alone. Table and cache, where there are any, decide the same.
    pub fn decide_by_plan(&self, attributes: &Attributes) -> Verdict {
        match self.builder.request(&self.needs, attributes) {
            Ok(request) => self.plan(&request, attributes).0,
            Err(error) => self.failed(error.into(), Value::Undefined),
        }
    }

    fn decide_by_table(&self, attributes: &Attributes) -> Option<Verdict> {
        let answer = self.policy.table()?.decide(&self.needs, attributes, &self.settings.limits);
        let (decision, marks) = answer?;
        let actions = Actions::new(decision, self.phase, attributes.header(b":path")).ok()?;
        Some(Verdict {
            actions,
            waived: self.settings.waived(marks),
            error: None,
            basis: Basis::Table(marks),
        })
    }

    /// A verdict, and whether it depends on the path in ways that the policy does not see.
    fn plan(&self, request: &Request<'_>, attributes: &Attributes) -> (Verdict, bool) {
        let result = match self.policy.answer(request, &attributes.context) {
            Ok(result) => result,
            Err(error) => return (self.failed(error.into(), Value::Undefined), false),
        };
        let (decision, marks) = match Decision::read_marked(&result, &self.settings.limits) {
            Ok(read) => read,
            Err(error) => return (self.failed(error.into(), result), false),
        };
        let depends_on_path = decision.changes_query();
        let verdict = match Actions::new(decision, self.phase, attributes.header(b":path")) {
            Ok(actions) => Verdict {
                actions,
                waived: self.settings.waived(marks),
                error: None,
                basis: Basis::Plan { result },
            },
            Err(error) => self.failed(error.into(), result),
        };
        (verdict, depends_on_path)
    }

    fn failed(&self, error: DecideError, result: Value) -> Verdict {
        let actions = Actions::deny(error.status(self.settings.error_status));
        Verdict { actions, waived: None, error: Some(error), basis: Basis::Plan { result } }
    }
}

fn cache(policy: &Policy, needs: &Needs, entries: usize, seed: Seed) -> Result<Cache, NotKept> {
    if policy.table().is_some() {
        return Err(NotKept::Table);
    }
    if entries == 0 {
        return Err(NotKept::Off);
    }
    let places = policy.places(needs).ok_or(NotKept::NoPolicy)??;
    Ok(Cache::new(places, entries, seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::RequestError;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn decide_path(path: &[u8]) -> Verdict {
        let attributes = Attributes { headers: [(":path", path)].into(), ..Attributes::default() };
        let gate = Gate::new(Policy::none(), &Workload::default(), Settings::default(), Seed::default());
        gate.decide(&attributes)
    }

    #[test]
    fn without_a_policy_503() {
        let verdict = decide_path(b"/");
        assert_eq!(verdict.actions, Actions::deny(503));
        assert_eq!(verdict.error.unwrap().code(), "no_policy");
    }

    #[test]
    fn a_request_that_opa_cannot_parse_is_400_whatever_the_policy_reads() {
        let verdict = decide_path(b"/?a=%zz");
        assert_eq!(verdict.actions, Actions::deny(400));
        assert_eq!(verdict.error, Some(DecideError::Request(RequestError::QueryEscape)));
        assert_eq!(verdict.basis, Basis::Plan { result: Value::Undefined });
    }
}
