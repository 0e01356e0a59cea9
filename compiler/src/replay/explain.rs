//! One recorded decision, looked up and asked about.

use std::io;

use serde::Serialize;
use sidegate_engine::Value;
use sidegate_engine::attributes::Phase;
use sidegate_engine::policy::Policy;

use super::Options;
use super::decide::{Gap, ask, comparable, gap, policy_for, recorded};
use super::event::Event;
use super::outcome::{Change, Outcome};
use super::pool::Log;
use super::state::State;
use crate::declare::Request;
use crate::diagnostics::Diagnostics;
use crate::log::{Piece, Records, What};
use crate::slice::Workload;

/// An event of a log.
#[derive(Debug)]
pub struct Found {
    /// `file:line`.
    pub place: String,
    bytes: Vec<u8>,
}

/// A recorded decision, and what a policy says to it.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Its id.
    pub decision_id: String,
    /// When it was taken, as the event has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// By which bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// About what: `request`, `response` or `connection`.
    pub phase: &'static str,
    /// Who was called.
    pub workload: Option<Workload>,
    /// What was decided: `None` where that is not in the event.
    pub recorded: Option<&'static str>,
    /// By which rule of a declaration, where the event has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_rule: Option<String>,
    /// What was erased or masked, with dots.
    pub erased: Vec<String>,
    /// The entry point that was asked now.
    pub entrypoint: String,
    /// What that reads of the input.
    pub reads: Vec<String>,
    /// What the policy answers now; `None` where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The code of why there is no decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the request goes on.
    pub allowed: bool,
    /// Which rule of a declaration says so now, in the words of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How it differs from what was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// In what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<String>,
    /// Why all of this may be otherwise than it was: something that the policy reads is not in the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// The request.
    #[serde(skip)]
    pub request: Request,
}

/// Why a recorded decision cannot be asked about.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The policy does not compile.
    #[error("{0}")]
    Failed(Diagnostics),
    /// Something is not known.
    #[error("{}", words(.0, .1))]
    Unknown(&'static str, String),
}

/// The first event with this decision id.
///
/// # Errors
/// A log that cannot be read to its end, where the event was not before that.
pub fn find<'l>(id: &str, logs: impl Iterator<Item = Log<'l>>) -> io::Result<Option<Found>> {
    let mut early = None;
    for Log { name, reader } in logs {
        match find_in(id, &name, reader) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error) => early = Some(error),
        }
    }
    early.map_or(Ok(None), Err)
}

fn find_in(id: &str, name: &str, reader: impl io::Read) -> io::Result<Option<Found>> {
    let mut records = Records::new(reader)?;
    while let Some(Piece { line, what }) = records.next()? {
        let What::Object(bytes) = what else { continue };
        let mentions = bytes.windows(id.len().max(1)).any(|part| part == id.as_bytes());
        if mentions && Event::read(bytes).is_ok_and(|event| event.decision_id == id) {
            return Ok(Some(Found { place: format!("{name}:{line}"), bytes: bytes.to_vec() }));
        }
    }
    Ok(None)
}

impl Found {
    /// Asks a policy about it.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn ask(&self, state: &State, options: &Options) -> Result<Asked, AskError> {
        let event = Event::read(&self.bytes).map_err(|(_, why)| AskError::Unknown("not_an_event", why))?;
        let workload = options.workload(&event);
        let path = options.path(&event);
        state.asked(|asking| {
            let failed = |gap: Gap| match gap {
                Gap::Unknown(reason, of) => AskError::Unknown(reason, of),
                Gap::Failed(findings) => AskError::Failed(findings),
            };
            let policy = policy_for(asking, &event, workload.as_ref(), path).map_err(failed)?;
            asked(&event, workload.clone(), &policy, asking.entrypoint(workload.as_ref(), path))
                .map_err(failed)
        })
    }
}

fn asked(
    event: &Event<'_>,
    workload: Option<Workload>,
    policy: &Policy,
    entrypoint: String,
) -> Result<Asked, Gap> {
    let lacks = gap(policy, event).map(|(reason, of)| words(reason, &of));
    let (outcome, value) = ask(policy, event)?;
    let before = recorded(event);
    let after = comparable(event, outcome.clone(), &value);
    let change = before.as_ref().and_then(|before| before.change(&after));
    let (change, what) = change.map_or((None, Vec::new()), |(change, what)| (Some(change), what));
    let word = |outcome: &Outcome| match outcome {
        Outcome::Failed(_) => "error",
        Outcome::Decided(actions, _) if actions.is_allow() => "allowed",
        Outcome::Decided(..) => "denied",
    };
    let rule = policy.rule().filter(|_| event.phase == Phase::Request);
    let rule = rule.and_then(|rule| ask(&rule, event).ok());
    let reads = policy.reads().iter().map(|path| match path.is_empty() {
        true => "input".to_owned(),
        false => format!("input.{}", path.join(".")),
    });
    Ok(Asked {
        decision_id: event.decision_id.to_string(),
        timestamp: event.timestamp.as_ref().map(ToString::to_string),
        revision: event.revision.as_ref().map(ToString::to_string),
        phase: event.phase.name(),
        workload,
        recorded: before.as_ref().map(word),
        recorded_rule: event.rule.as_ref().map(ToString::to_string),
        erased: event.hidden.iter().map(super::hidden::Pointer::shown).collect(),
        entrypoint,
        reads: reads.collect(),
        result: (value != Value::Undefined).then_some(value),
        error: match &outcome {
            Outcome::Failed(code) => Some(code.clone()),
            Outcome::Decided(..) => None,
        },
        allowed: outcome.is_allow(),
        rule: rule.and_then(|(_, rule)| Some(rule.as_string().ok()?.to_string())),
        change,
        what,
        lacks,
        request: serde_json::to_value(&event.input)
            .map(|input| Request::from_input(&input))
            .unwrap_or_default(),
    })
}

/// Why something is not known, for people.
pub fn words(reason: &str, of: &str) -> String {
    match reason {
        "erased" => format!("`{of}` was erased, and the policy reads it"),
        "not_recorded" => format!("`{of}` was not recorded, and the policy reads it"),
        "no_entrypoint" => format!("the policy does not answer at `{of}` (`--path`)"),
        "other_workload" => format!("it is about `{of}`, and the bundle is another workload's"),
        "no_workload" if of.is_empty() => {
            "it does not say which workload was called (`--workload`)".to_owned()
        }
        "no_workload" => format!("`{of}` is no name of a workload"),
        "no_time" => "the policy looks at the clock, and the event has no `timestamp`".to_owned(),
        "chance" => "the policy draws random values, and its answer depends on them".to_owned(),
        _ => format!("{reason}: {of}"),
    }
}
