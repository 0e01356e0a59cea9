//! One event, decided anew.

use std::collections::HashMap;
use std::rc::Rc;

use sidegate_engine::Value;
use sidegate_engine::attributes::Phase;
use sidegate_engine::eval::Context;
use sidegate_engine::policy::Policy;

use super::Options;
use super::event::{Event, Refused};
use super::hidden::{hidden_read, hides_result, unrecorded_read, without_hidden};
use super::outcome::{Change, Outcome};
use super::report::{Finding, GroupKey, RuleAt};
use super::rule::{Ruling, ruling};
use super::state::{Miss, Policies};
use crate::declare::Request;
use crate::declare::suggest::{shape, shown};
use crate::diagnostics::Diagnostics;
use crate::slice::Workload;

/// Policies that a thread keeps at hand: there are more only where a log names workloads and entry points at will.
const MAX_POLICIES: usize = 50_000;

/// What is asked by one thread.
pub(super) struct Judge<'a> {
    new: Side<'a>,
    old: Option<Side<'a>>,
    options: &'a Options,
}

/// One of the states, with what it has answered by so far.
struct Side<'a> {
    asking: &'a dyn Policies,
    policies: HashMap<String, Result<Rc<Policy>, Miss>>,
}

/// What is not known.
pub(crate) enum Gap {
    Unknown(&'static str, String),
    Failed(Diagnostics),
}

/// What became of an event.
pub(super) struct Judged {
    /// `None` where it is the same.
    pub(super) finding: Option<Finding>,
    /// Whether the old policy decides otherwise than recorded.
    pub(super) is_otherwise: bool,
}

/// Why the answer to an event is not known, though there may be one.
pub(crate) fn gap(policy: &Policy, event: &Event<'_>) -> Option<(&'static str, String)> {
    let hidden = hidden_read(&event.hidden, policy.reads()).map(|path| ("erased", path));
    hidden.or_else(|| {
        let path = unrecorded_read(&event.input, event.phase, policy.reads())?;
        Some(("not_recorded", path))
    })
}

/// A policy's answer to an event, and what it means.
pub(crate) fn answer(policy: &Policy, event: &Event<'_>) -> Result<(Outcome, Value), Gap> {
    match gap(policy, event) {
        Some((reason, of)) => Err(Gap::Unknown(reason, of)),
        None => ask(policy, event),
    }
}

/// The same, whatever the event does not have.
pub(crate) fn ask(policy: &Policy, event: &Event<'_>) -> Result<(Outcome, Value), Gap> {
    let now_ns = match policy.uses_clock() {
        true => Some(event.time_ns().ok_or_else(|| Gap::Unknown("no_time", String::new()))?),
        false => None,
    };
    let ask = |chance: &[u8]| {
        let seed =
            policy.uses_randomness().then(|| Context::seed_from(&[event.decision_id.as_bytes(), chance]));
        match policy.evaluate(&event.input, &Context { now_ns, seed }) {
            Ok(value) => (Outcome::of(&value, event.phase, event.request_path()), value),
            Err(error) => (Outcome::Failed(error.code().to_owned()), Value::Undefined),
        }
    };
    let first = ask(b"1");
    // What was drawn then is not in the log.
    if policy.uses_randomness() && first.0 != ask(b"2").0 {
        return Err(Gap::Unknown("chance", String::new()));
    }
    Ok(first)
}

/// What an event says was decided; `None` where that is not in it.
pub(crate) fn recorded(event: &Event<'_>) -> Option<Outcome> {
    match (&event.result, &event.error) {
        (None, Some(code)) => Some(Outcome::of_error(code)),
        _ if hides_result(&event.hidden) => None,
        (Some(result), _) => {
            Some(Outcome::of(&without_hidden(result, &event.hidden), event.phase, event.request_path()))
        }
        (None, None) => Some(Outcome::undefined()),
    }
}

impl Options {
    /// Whom an event is about.
    pub(crate) fn workload(&self, event: &Event<'_>) -> Option<Workload> {
        match &event.workload {
            Some((namespace, name)) => Workload::new(namespace, name).ok(),
            None => self.workload.clone(),
        }
    }

    /// Which entry point is asked: those about responses and connections are others than those about requests.
    pub(crate) fn path<'o>(&'o self, event: &'o Event<'_>) -> Option<&'o str> {
        let asked = self.path.as_deref().filter(|_| event.phase == Phase::Request);
        asked.or(event.path.as_deref())
    }
}

impl Miss {
    fn gap(&self, event: &Event<'_>) -> Gap {
        match self {
            Self::Failed(findings) => Gap::Failed(findings.clone()),
            Self::NoEntrypoint(path) => Gap::Unknown("no_entrypoint", path.clone()),
            Self::OtherWorkload(workload) => Gap::Unknown("other_workload", workload.clone()),
            Self::NoWorkload => {
                let named = event.workload.as_ref().map(|(namespace, name)| format!("{namespace}/{name}"));
                Gap::Unknown("no_workload", named.unwrap_or_default())
            }
        }
    }
}

/// What answers to an event.
pub(crate) fn policy_for(
    policies: &dyn Policies,
    event: &Event<'_>,
    workload: Option<&Workload>,
    path: Option<&str>,
) -> Result<Policy, Gap> {
    policies.policy(workload, path).map_err(|miss| miss.gap(event))
}

impl Side<'_> {
    fn policy(
        &mut self,
        event: &Event<'_>,
        workload: Option<&Workload>,
        path: Option<&str>,
    ) -> Result<Rc<Policy>, Gap> {
        let (namespace, name) = workload.map_or(("", ""), |workload| (workload.namespace(), workload.name()));
        let key = format!("{namespace}/{name} {}", path.unwrap_or_default());
        let asking = self.asking;
        if self.policies.len() >= MAX_POLICIES {
            self.policies.clear();
        }
        let policy = self.policies.entry(key).or_insert_with(|| asking.policy(workload, path).map(Rc::new));
        policy.as_ref().map(Rc::clone).map_err(|miss| miss.gap(event))
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(new: &'a dyn Policies, old: Option<&'a dyn Policies>, options: &'a Options) -> Self {
        let side = |asking| Side { asking, policies: HashMap::new() };
        Self { new: side(new), old: old.map(side), options }
    }

    /// Decides a record anew.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Result<Judged, Diagnostics> {
        let only = |finding| Ok(Judged { finding: Some(finding), is_otherwise: false });
        let event = match Event::read(bytes) {
            Ok(event) => event,
            Err((refused, example)) => {
                let code = match refused {
                    Refused::NotAnEvent => "not_an_event",
                    Refused::NoInput => "no_input",
                };
                return only(Finding::LeftOut { code, example });
            }
        };
        match self.compare(&event) {
            Ok(judged) => Ok(judged),
            Err(Gap::Unknown(reason, of)) => only(Finding::Unknown { reason, of: shown(&of) }),
            Err(Gap::Failed(findings)) => Err(findings),
        }
    }

    fn compare(&mut self, event: &Event<'_>) -> Result<Judged, Gap> {
        let workload = self.options.workload(event);
        let path = self.options.path(event);
        let policy = self.new.policy(event, workload.as_ref(), path)?;
        let (before, after, is_otherwise) = match &mut self.old {
            None => {
                let before = recorded(event).ok_or_else(|| Gap::Unknown("erased", "result".to_owned()))?;
                let (after, value) = answer(&policy, event)?;
                let after = comparable(event, after, &value);
                (before, after, false)
            }
            Some(old) => {
                let old = old.policy(event, workload.as_ref(), path)?;
                let (before, value) = answer(&old, event)?;
                let (after, _) = answer(&policy, event)?;
                let said = comparable(event, before.clone(), &value);
                let is_otherwise = recorded(event).is_some_and(|recorded| recorded.change(&said).is_some());
                (before, after, is_otherwise)
            }
        };
        let change = before.change(&after);
        let finding =
            change.map(|(change, what)| self.differs(event, workload.as_ref(), change, what, &after));
        Ok(Judged { finding, is_otherwise })
    }

    fn differs(
        &self,
        event: &Event<'_>,
        workload: Option<&Workload>,
        change: Change,
        what: Vec<String>,
        after: &Outcome,
    ) -> Finding {
        let http = |key: &str| event.text(&["attributes", "request", "http", key]).unwrap_or_default();
        let (method, path) = (http("method"), http("path"));
        let (rule, template) = self.rule(event, workload, change, after).unzip();
        let bare = path.split('?').next().unwrap_or_default();
        let template = template.flatten().unwrap_or_else(|| shape(bare).0.replace("{}", "{id}"));
        let named = event.workload.as_ref().map(|(namespace, name)| format!("{namespace}/{name}"));
        let key = GroupKey {
            change,
            what,
            workload: workload
                .map(Workload::to_string)
                .or(named)
                .map(|text| shown(&text))
                .unwrap_or_default(),
            caller: shown(event.text(&["attributes", "source", "principal"]).unwrap_or_default()),
            method: shown(method),
            path: shown(&template),
            rule,
        };
        Finding::Differs { key: Box::new(key), decision_id: shown(&event.decision_id), path: shown(path) }
    }

    /// The rule that makes the difference, and its template.
    fn rule(
        &self,
        event: &Event<'_>,
        workload: Option<&Workload>,
        change: Change,
        after: &Outcome,
    ) -> Option<(RuleAt, Option<String>)> {
        // Declarations speak of requests.
        if event.phase != Phase::Request {
            return None;
        }
        let request = Request::from_input(&serde_json::to_value(&event.input).ok()?);
        let of = |side: &Side<'_>, is_allowed, is_old| {
            let mesh = side.asking.mesh()?;
            let service = mesh.find(workload?.namespace(), workload?.name())?;
            let Ruling { rule, template } = ruling(mesh, service, &request, is_allowed)?;
            Some((RuleAt { is_old, ..rule }, template))
        };
        let now = of(&self.new, after.is_allow(), false);
        // What no rule allows any more was allowed by one.
        let before =
            || self.old.as_ref().filter(|_| change == Change::Denied).and_then(|old| of(old, true, true));
        now.or_else(before)
    }
}

/// An outcome as the log would have it.
pub(crate) fn comparable(event: &Event<'_>, outcome: Outcome, value: &Value) -> Outcome {
    let is_hidden = event.hidden.iter().any(super::hidden::Pointer::is_result);
    match outcome {
        Outcome::Decided(..) if is_hidden => {
            Outcome::of(&without_hidden(value, &event.hidden), event.phase, event.request_path())
        }
        outcome => outcome,
    }
}
