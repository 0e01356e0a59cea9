//! Recorded decisions, decided anew: what would be different with other policies.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use regorus::Value;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;
use sidegate_engine::attributes::Workload as Own;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use super::judge::Request;
use super::mesh::Mesh;
use super::{Reason, explain, policy_of};
use crate::build::BuildOptions;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::slice::{Slicer, Workload, is_slice, slicing};
use crate::sources::Sources;

/// Examples that are kept of what is decided alike.
const EXAMPLES: usize = 3;

/// What would be decided differently.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replay {
    /// Requests that were decided anew.
    pub decided: u64,
    /// Of those, how many are decided differently.
    pub differ: u64,
    /// Events that could not be, by the reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Requests that are decided differently, by workload, answer and rule; the most frequent first.
    pub groups: Vec<ReplayGroup>,
}

/// Requests that one rule decides differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayGroup {
    /// The workload that was called.
    pub workload: String,
    /// Whether they are allowed now, and were not.
    pub gains: bool,
    /// The rule that decides now; `None` where no rule allows, or Rego decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Reason>,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<ReplayExample>,
}

/// A recorded request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayExample {
    /// The caller.
    pub principal: String,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Id of the recorded decision.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decision_id: String,
}

/// An event of OPA's decision log, as far as it is looked at.
#[derive(Deserialize)]
struct Event {
    input: Option<Json>,
    result: Option<Json>,
    error: Option<Json>,
    #[serde(default)]
    erased: Vec<Json>,
    #[serde(default)]
    masked: Vec<Json>,
    #[serde(default)]
    decision_id: String,
}

type Policies<'p> = dyn FnMut(&Workload) -> Result<Policy, Diagnostics> + 'p;
type Key = (String, bool, Option<(String, u32)>);

struct Replayer<'p> {
    mesh: Option<&'p Mesh>,
    /// Whose events those are that do not say it.
    workload: Option<&'p Workload>,
    make: &'p mut Policies<'p>,
    policies: BTreeMap<Workload, Policy>,
    replay: Replay,
    groups: BTreeMap<Key, ReplayGroup>,
    failed: Option<Diagnostics>,
}

/// Decides the events of a decision log anew: JSON lines, or one JSON array. They are read one by one.
///
/// # Errors
/// Sources that do not compile, and a log that is none.
pub fn replay(
    sources: &Sources,
    workload: Option<&Workload>,
    log: impl Read + Send,
) -> Result<Replay, Diagnostics> {
    let mesh = sources.mesh()?;
    if is_slice(&sources.data) {
        let mut make = |workload: &Workload| policy_of(sources, workload);
        return run(mesh.as_deref(), workload, &mut make, log);
    }
    slicing(sources, &BuildOptions::default(), |slicer| {
        let mut make = |workload: &Workload| sliced(slicer, sources, workload);
        run(mesh.as_deref(), workload, &mut make, log)
    })
}

fn sliced(slicer: &Slicer<'_>, sources: &Sources, workload: &Workload) -> Result<Policy, Diagnostics> {
    let built = slicer.cut(workload)?.built;
    let limits = Limits::default();
    let entry = built.entries.first().map(|entry| entry.entrypoint.clone()).unwrap_or_default();
    let policy = Trust::nothing_required().bundle(&built.bundle, &limits, &Own::default());
    let policy = policy.and_then(|bundle| Policy::load(bundle, &entry, limits));
    policy.map_err(|error| Diagnostic::file(&sources.root, error.code(), error.to_string()).into())
}

fn run<'p>(
    mesh: Option<&'p Mesh>,
    workload: Option<&'p Workload>,
    make: &'p mut Policies<'p>,
    log: impl Read,
) -> Result<Replay, Diagnostics> {
    let (policies, groups) = (BTreeMap::new(), BTreeMap::new());
    let mut replayer =
        Replayer { mesh, workload, make, policies, replay: Replay::default(), groups, failed: None };
    replayer.read(log).map_err(|error| {
        Diagnostics::from(Diagnostic::file("", "source_log", format!("expected a decision log: {error}")))
    })?;
    if let Some(failed) = replayer.failed {
        return Err(failed);
    }
    let mut groups: Vec<ReplayGroup> = replayer.groups.into_values().collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.workload.cmp(&b.workload)));
    Ok(Replay { groups, ..replayer.replay })
}

impl Replayer<'_> {
    fn read(&mut self, log: impl Read) -> Result<(), String> {
        let mut log = BufReader::with_capacity(1 << 16, log);
        let first = loop {
            let buffer = log.fill_buf().map_err(|error| error.to_string())?;
            let spaces = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            match (buffer.get(spaces).copied(), spaces) {
                (None, 0) => return Ok(()),
                (None, spaces) => log.consume(spaces),
                (Some(first), spaces) => {
                    log.consume(spaces);
                    break first;
                }
            }
        };
        if first == b'[' {
            return serde_json::Deserializer::from_reader(log)
                .deserialize_seq(&mut *self)
                .map_err(|error| error.to_string());
        }
        for event in serde_json::Deserializer::from_reader(log).into_iter::<Event>() {
            self.event(event.map_err(|error| error.to_string())?);
            if self.failed.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        let Event { input, result, error, erased, masked, decision_id } = event;
        let Some(input) = input else { return self.skip("without input") };
        if !erased.is_empty() || !masked.is_empty() {
            return self.skip("masked");
        }
        if result.is_none() && error.is_some() {
            return self.skip("with an error");
        }
        let named = |key: &str| input.pointer(&format!("/sidegate/workload/{key}")).and_then(Json::as_str);
        let own = named("namespace").zip(named("name"));
        let own = own.and_then(|(namespace, name)| Workload::new(namespace, name).ok());
        let Some(workload) = own.or_else(|| self.workload.cloned()) else {
            return self.skip("of no known workload (`--workload`)");
        };
        let was = result.as_ref().is_some_and(|result| {
            result.as_bool() == Some(true) || result.get("allowed").and_then(Json::as_bool) == Some(true)
        });
        let Some(now) = self.decide(&workload, &input) else { return };
        self.replay.decided = self.replay.decided.saturating_add(1);
        if was != now {
            self.differs(&workload, now, &input, decision_id);
        }
    }

    fn skip(&mut self, why: &'static str) {
        let count = self.replay.skipped.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    fn decide(&mut self, workload: &Workload, input: &Json) -> Option<bool> {
        if !self.policies.contains_key(workload) {
            match (self.make)(workload) {
                Ok(policy) => self.policies.insert(workload.clone(), policy),
                Err(failed) => {
                    self.failed = Some(failed);
                    return None;
                }
            };
        }
        let policy = self.policies.get(workload)?;
        // What has no answer is denied, as in the proxy.
        let answer = policy.evaluate(&Value::from(input.clone()), &Context::default());
        Some(match answer {
            Ok(Value::Object(fields)) => fields.get(&Value::from("allowed")) == Some(&Value::Bool(true)),
            Ok(other) => other == Value::Bool(true),
            Err(_) => false,
        })
    }

    fn differs(&mut self, workload: &Workload, gains: bool, input: &Json, decision_id: String) {
        self.replay.differ = self.replay.differ.saturating_add(1);
        let request = Request::from_input(input);
        let service =
            self.mesh.and_then(|mesh| Some((mesh, mesh.find(workload.namespace(), workload.name())?)));
        let explained = service.map(|(mesh, service)| explain(mesh, service, &request));
        let rule = explained.filter(|explained| explained.verdict.is_allowed == gains);
        let rule = rule.and_then(|explained| explained.decided.into_iter().next());
        let key = (workload.to_string(), gains, rule.as_ref().map(|rule| (rule.file.clone(), rule.line)));
        let group = self.groups.entry(key).or_insert_with(|| ReplayGroup {
            workload: workload.to_string(),
            gains,
            rule,
            count: 0,
            examples: Vec::new(),
        });
        group.count = group.count.saturating_add(1);
        if group.examples.len() < EXAMPLES {
            let text = |text: Option<String>| text.unwrap_or_default();
            group.examples.push(ReplayExample {
                principal: text(request.principal),
                method: text(request.method),
                path: text(request.path),
                decision_id,
            });
        }
    }
}

/// One event of an array.
struct One<'r, 'p>(&'r mut Replayer<'p>);

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let event = Event::deserialize(deserializer)?;
        if self.0.failed.is_none() {
            self.0.event(event);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Replayer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("decisions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(One(self))?.is_some() {}
        Ok(())
    }
}
