//! The decision log: which decisions are logged, what of them, and where to; and the filter state that access logs show.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sidegate_engine::Value;
use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase};
use sidegate_engine::config::{DecisionLog, Entrypoints, LogLevel, LogSink, Mode};
use sidegate_engine::decide::Verdict;
use sidegate_engine::eval::Context;
use sidegate_engine::gate::Gate;
use sidegate_engine::log::{Buffer, DecisionId, Event, Outcome, mask, trace};
use sidegate_engine::needs::{Group, Needs};
use sidegate_engine::policy::LogPolicies;

use crate::attributes;
use crate::chance;
use crate::host::{self, Level};
use crate::loaded::Loaded;
use crate::metrics;
use crate::policy::Gates;
use crate::refuse::Refusal;

/// The key of the filter state, which access logs know as `wasm.sidegate`.
const STATE_KEY: &str = "sidegate";

/// The key of what a guard behind the filter looks for, which knows it as `wasm.sidegate_seen`.
const SEEN_KEY: &str = "sidegate_seen";

/// One in so many of the decisions that allow is logged where the level is `sampled`.
const SAMPLE: u32 = 100;

/// Bytes of the longest event that is written.
const MOST_LINE: usize = 128 * 1024;

const SECOND: i64 = 1_000_000_000;

/// Logs the decisions of one configuration.
#[derive(Debug)]
pub(crate) struct Logger {
    config: DecisionLog,
    labels: Value,
    entrypoints: Entrypoints,
    /// All that an event shows of a request, its body aside.
    whole: Needs,
    /// What waits to be posted.
    buffer: Rc<RefCell<Buffer>>,
    /// The second under way, and how many events it has had.
    window: Cell<(i64, u32)>,
}

/// One decision, as far as it is known where it is made.
pub(crate) struct Made<'a> {
    pub(crate) mode: Mode,
    pub(crate) gates: &'a Gates,
    pub(crate) verdict: &'a Verdict,
    pub(crate) attributes: &'a Attributes,
    /// Whether all that an event shows has been fetched.
    pub(crate) is_whole: bool,
    /// Whether there is a body that nobody has looked at.
    pub(crate) is_body_unknown: bool,
    /// How long the policy took, in nanoseconds, if that is known.
    pub(crate) took: Option<i64>,
}

thread_local! {
    static SEEN: Cell<u32> = const { Cell::new(0) };
}

impl Logger {
    /// A logger of this configuration; what is to be posted goes into `buffer`.
    pub(crate) fn new(
        config: DecisionLog,
        labels: Value,
        entrypoints: Entrypoints,
        buffer: Rc<RefCell<Buffer>>,
    ) -> Self {
        let whole = Needs::all().without(Group::Body).without(Group::Response);
        Self { config, labels, entrypoints, whole, buffer, window: Cell::new((0, 0)) }
    }

    /// Whether a request that begins now is logged whatever becomes of it.
    pub(crate) fn takes_all(&self) -> bool {
        match self.config.level {
            LogLevel::All => true,
            LogLevel::Sampled => SEEN
                .try_with(|seen| {
                    seen.set(seen.get().wrapping_add(1));
                    seen.get() % SAMPLE == 0
                })
                .unwrap_or(false),
            LogLevel::Off | LogLevel::Errors | LogLevel::Denied => false,
        }
    }

    /// What has to be fetched for an event of a request.
    pub(crate) fn whole(&self) -> &Needs {
        &self.whole
    }

    /// The header that tells a client which decision denied its request.
    pub(crate) fn told(&self, id: Option<DecisionId>) -> Option<(String, String)> {
        Some((self.config.id_header.clone()?, id?.to_string()))
    }

    /// Logs a decision, if it is one that is logged, and writes the filter state. Gives its id, if it has one.
    pub(crate) fn made(&self, made: &Made<'_>) -> Option<DecisionId> {
        let Made { mode, gates, verdict, attributes, is_whole, .. } = *made;
        let outcome = outcome(verdict);
        let now = if self.wants(is_whole, outcome) { self.admit() } else { None };
        let is_told = outcome != Outcome::Allowed && self.config.id_header.is_some();
        let id = (now.is_some() || is_told).then(chance::id);
        let rule = match (now, id) {
            (Some(now), Some(id)) => self.log_made(made, outcome, now, id),
            _ => Value::Undefined,
        };
        let is_plain = outcome == Outcome::Allowed && mode == Mode::Enforce && verdict.waived.is_none();
        // That nothing is written says that it was allowed: as a rule it is, and to write so takes a microsecond.
        match (attributes.phase, id) {
            (Phase::Response, _) | (_, None) if is_plain => {}
            (_, id) => {
                let reason = match (&verdict.error, verdict.waived) {
                    (Some(error), _) => error.code(),
                    (None, Some(waived)) => waived.name(),
                    (None, None) => "policy",
                };
                let lowered = mode != Mode::Enforce || verdict.waived.is_some();
                let mode = if lowered { Mode::Shadow } else { mode };
                set_state(&state(outcome, reason, mode, &rule, Some(gates.revision_json()), id));
            }
        }
        id
    }

    /// Logs that there was no decision, for a reason outside the policy.
    pub(crate) fn refused(
        &self,
        phase: Phase,
        mode: Mode,
        gates: Option<&Gates>,
        refusal: Refusal,
    ) -> Refusal {
        let now = if self.wants(false, Outcome::Error) { self.admit() } else { None };
        let id = (now.is_some() || self.config.id_header.is_some()).then(chance::id);
        if let (Some(now), Some(id)) = (now, id) {
            let fetched = match phase {
                Phase::Request => attributes::fetch(&self.whole),
                Phase::Connection => attributes::fetch_of_connection(&self.whole),
                Phase::Response => Ok(Attributes { phase, ..Attributes::default() }),
            };
            let attributes = fetched.unwrap_or_else(|_| Attributes { phase, ..Attributes::default() });
            let input = match gates {
                Some(gates) if !attributes.headers.is_empty() => {
                    gates.request.document(&self.whole, &attributes)
                }
                _ => None,
            };
            let message = refusal.cause.map(|cause| cause.to_string()).unwrap_or_default();
            let event = Event {
                input: input.unwrap_or(Value::Undefined),
                result: Value::Undefined,
                error: Some((refusal.code, message)),
                waived: None,
                status: Some(refusal.status),
                took: None,
                ..self.event(id, now, &attributes, gates, mode, Outcome::Error)
            };
            let none = LogPolicies::default();
            self.write(event, gates.map_or(&none, Gates::log), &attributes.context);
        }
        let revision = gates.map(Gates::revision_json);
        set_state(&state(Outcome::Error, refusal.code, mode, &Value::Undefined, revision, id));
        Refusal { id, ..refusal }
    }

    fn wants(&self, is_whole: bool, outcome: Outcome) -> bool {
        match self.config.level {
            LogLevel::Off => false,
            LogLevel::Errors => outcome == Outcome::Error,
            LogLevel::Denied => outcome != Outcome::Allowed,
            LogLevel::Sampled => is_whole || outcome != Outcome::Allowed,
            LogLevel::All => true,
        }
    }

    /// The time, if this second has room for one more event.
    fn admit(&self) -> Option<i64> {
        let now = host::current_time_ns().ok()?;
        let second = now.div_euclid(SECOND);
        let used = match self.window.get() {
            (window, used) if window == second => used,
            _ => 0,
        };
        if used >= self.config.rate {
            metrics::count_named("log.", "dropped_rate");
            return None;
        }
        self.window.set((second, used.saturating_add(1)));
        Some(now)
    }

    /// Logs a decision; gives the rule that decided, if that is known.
    fn log_made(&self, made: &Made<'_>, outcome: Outcome, now: i64, id: DecisionId) -> Value {
        let Made { mode, gates, verdict, attributes, is_whole, is_body_unknown, took } = *made;
        let phase = attributes.phase;
        let Some(gate) = gates.of(phase) else { return Value::Undefined };
        let fetched = match phase {
            Phase::Request if !is_whole => attributes::fetch(&self.whole).ok(),
            Phase::Connection => attributes::fetch_of_connection(&self.whole).ok(),
            Phase::Request | Phase::Response => None,
        };
        let is_whole = is_whole || fetched.is_some();
        let fetched = fetched.map(|fetched| Attributes {
            body: attributes.body.clone(),
            context: attributes.context.clone(),
            phase,
            ..fetched
        });
        let shown = fetched.as_ref().unwrap_or(attributes);
        // What was not fetched must not look as if it were not there.
        let mut needs =
            if is_whole { self.whole.clone() } else { gates.needs().clone().without(Group::Body) };
        if !is_body_unknown {
            needs.add(Group::Body);
        }
        if phase == Phase::Response && !attributes.response.is_empty() {
            needs.add(Group::Response);
        }
        let status = match &verdict.actions {
            Actions::Deny { status, .. } => Some(*status),
            Actions::Allow { .. } => None,
        };
        let input = gate.document(&needs, shown).unwrap_or(Value::Undefined);
        let is_ruled = phase == Phase::Request && is_whole && outcome != Outcome::Error;
        let rule = if is_ruled { rule(gate, verdict, &input, attributes) } else { Value::Undefined };
        let event = Event {
            input,
            result: gate.result(verdict, attributes),
            error: verdict.error.as_ref().map(|error| (error.code(), error.to_string())),
            waived: verdict.waived,
            status,
            took,
            rule: rule.clone(),
            ..self.event(id, now, shown, Some(gates), mode, outcome)
        };
        self.write(event, gates.log(), &attributes.context);
        rule
    }

    fn event<'a>(
        &'a self,
        id: DecisionId,
        now: i64,
        attributes: &Attributes,
        gates: Option<&'a Gates>,
        mode: Mode,
        outcome: Outcome,
    ) -> Event<'a> {
        let Entrypoints { request, response, connection } = &self.entrypoints;
        let path = match attributes.phase {
            Phase::Request => Some(request),
            Phase::Response => response.as_ref(),
            Phase::Connection => connection.as_ref(),
        };
        let address = attributes.source_address.as_deref();
        Event {
            labels: &self.labels,
            id,
            trace: trace(&attributes.headers),
            revision: gates.map_or("", |gates| gates.request.policy().revision()),
            path: path.map_or("", String::as_str),
            input: Value::Undefined,
            result: Value::Undefined,
            error: None,
            requested_by: address.map(|address| String::from_utf8_lossy(address).into_owned()),
            now,
            took: None,
            outcome,
            phase: attributes.phase,
            mode,
            waived: None,
            status: None,
            rule: Value::Undefined,
        }
    }

    /// Writes an event, unless the policy drops it. What cannot be masked is not written.
    fn write(&self, event: Event<'_>, LogPolicies { drop, mask: masks }: &LogPolicies, context: &Context) {
        let event = event.into_value();
        if let Some(drop) = drop {
            match drop.evaluate(&event, context) {
                Ok(Value::Bool(true)) => return metrics::count_named("log.", "dropped_policy"),
                Ok(_) => {}
                Err(_) => return failed("log_drop"),
            }
        }
        let rules = match masks.as_ref().map(|masks| masks.evaluate(&event, context)) {
            None => Value::Undefined,
            Some(Ok(rules)) => rules,
            Some(Err(_)) => return failed("log_mask"),
        };
        match mask(event, &rules).ok().and_then(|masked| masked.line()) {
            None => failed("log_mask"),
            Some(line) => self.sink(&line),
        }
    }

    fn sink(&self, line: &str) {
        if line.len() > MOST_LINE {
            return failed("log_size");
        }
        match self.config.sink {
            // What is asked for is to be seen: proxies log warnings by default, Istio's nothing below them.
            LogSink::Log => host::log(Level::Warn, line),
            LogSink::Http { .. } => {
                let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return failed("internal") };
                buffer.push(line);
                if buffer.take_dropped() > 0 {
                    return metrics::count_named("log.", "dropped_buffer");
                }
            }
        }
        metrics::count_named("log.", "logged");
    }
}

/// Counts an event that is not written.
fn failed(code: &'static str) {
    metrics::count_named("log.", "failed");
    host::log(Level::Warn, &format!("sidegate: a decision was not logged [{code}]"));
}

/// The rule that decided: advice, which there may be none of.
fn rule(gate: &Gate, verdict: &Verdict, input: &Value, attributes: &Attributes) -> Value {
    match gate.rule(verdict, input, attributes) {
        Ok(rule @ (Value::String(_) | Value::Undefined)) => rule,
        Ok(_) | Err(_) => {
            metrics::count_named("log.", "no_rule");
            Value::Undefined
        }
    }
}

fn outcome(verdict: &Verdict) -> Outcome {
    match (&verdict.error, &verdict.actions) {
        (Some(_), _) => Outcome::Error,
        (None, Actions::Allow { .. }) => Outcome::Allowed,
        (None, Actions::Deny { .. }) => Outcome::Denied,
    }
}

/// The text of the filter state. `revision` is JSON already; reasons and modes are words of this program, a rule those
/// of the policy.
fn state(
    outcome: Outcome,
    reason: &str,
    mode: Mode,
    rule: &Value,
    revision: Option<&str>,
    id: Option<DecisionId>,
) -> String {
    let rule = match rule {
        Value::Undefined => String::new(),
        rule => format!(r#","rule":{rule}"#),
    };
    let revision = revision.map(|revision| format!(r#","revision":{revision}"#)).unwrap_or_default();
    let id = id.map(|id| format!(r#","decision_id":"{id}""#)).unwrap_or_default();
    format!(
        r#"{{"outcome":"{}","reason":"{reason}","mode":"{}"{rule}{revision}{id}}}"#,
        outcome.name(),
        mode.as_str()
    )
}

/// Marks that this filter is there, and looks at the request or connection. A proxy whose VM could not be made or
/// configured in one worker leaves the filter out there and lets everything pass: behind it stands a guard that lets
/// nothing pass which has no mark. Where the mark cannot be made, the guard denies.
pub(crate) fn mark_seen(loaded: &Loaded) {
    if loaded.fixed.is_guarded && host::set_filter_state(SEEN_KEY, b"1").is_err() {
        metrics::count_error("host_filter_state");
    }
}

/// Writes the filter state. Nothing depends on it but what people read.
fn set_state(text: &str) {
    if host::set_filter_state(STATE_KEY, text.as_bytes()).is_err() {
        metrics::count_error("host_filter_state");
    }
}
