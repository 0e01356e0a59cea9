//! One event.

use std::fmt;

use regorus::value::Object;
use regorus::{Rc, Value};

use super::trace::Trace;
use crate::attributes::{Phase, Workload};
use crate::collections;
use crate::config::Mode;
use crate::decide::Waived;
use crate::eval;

/// Of an input and of an answer that are not left out, in steps of the evaluator: 64 bytes of text, or four values. An
/// input may have a body, which is erased later; an answer may be of a kind that is much larger than it looks.
const MOST_INPUT: u64 = 65_536;
const MOST_RESULT: u64 = 1_024;

/// What became of a request, a response or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The policy allowed it.
    Allowed,
    /// The policy denied it.
    Denied,
    /// There was no decision.
    Error,
}

/// The id of a decision: a UUID, version 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DecisionId([u8; 32]);

/// What an event says, before anything of it is erased.
#[derive(Debug)]
pub struct Event<'a> {
    /// What [`labels`] made.
    pub labels: &'a Value,
    /// The decision's.
    pub id: DecisionId,
    /// The caller's trace.
    pub trace: Option<Trace>,
    /// The bundle's revision; empty where there was none.
    pub revision: &'a str,
    /// The entry point.
    pub path: &'a str,
    /// The input; undefined where none can be made of what came.
    pub input: Value,
    /// The policy's answer; undefined where it has none.
    pub result: Value,
    /// Code and message, where there was no decision.
    pub error: Option<(&'a str, String)>,
    /// The peer's address.
    pub requested_by: Option<String>,
    /// When it was decided, in nanoseconds since 1970.
    pub now: i64,
    /// How long the policy took, in nanoseconds, where it was measured.
    pub took: Option<i64>,
    /// What became of it.
    pub outcome: Outcome,
    /// What was asked about.
    pub phase: Phase,
    /// What is done with decisions.
    pub mode: Mode,
    /// Why this one is not carried out, where others are.
    pub waived: Option<Waived>,
    /// The status of a deny.
    pub status: Option<u16>,
    /// Which rule of a declaration decided; undefined where that is not known.
    pub rule: Value,
}

/// The fields of an object under construction. Not inlined: there are many of them.
#[derive(Default)]
struct Fields(Object);

impl Outcome {
    /// The word in events, in filter state and as the last part of a counter's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

impl DecisionId {
    /// An id of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&eval::uuid_of(&self.0))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The labels of a proxy's events: the node's id, the version of the filter, and the workload where it is known.
pub fn labels(node: &str, version: &str, workload: &Workload) -> Value {
    let Workload { namespace, name } = workload;
    let all = [("id", node), ("version", version), ("namespace", namespace), ("workload", name)];
    let mut labels = Fields::default();
    all.into_iter().for_each(|(key, text)| labels.text(key, text));
    labels.into_value()
}

impl Event<'_> {
    /// The event as OPA writes it; what is undefined or empty is left out.
    pub fn into_value(self) -> Value {
        let Self { labels, id, trace, revision, path, input, result, error, .. } = self;
        let Self { requested_by, now, took, outcome, phase, mode, waived, status, rule, .. } = self;
        let mut event = Fields::default();
        event.put("labels", labels.clone());
        event.text("decision_id", &id.to_string());
        if let Some(Trace { trace_id, span_id }) = trace {
            event.text("trace_id", &trace_id);
            event.text("span_id", &span_id);
        }
        event.text("revision", revision);
        if !revision.is_empty() {
            event.inside("bundles", |bundles| {
                bundles.inside("sidegate", |own| own.text("revision", revision))
            });
        }
        event.text("path", path);
        let mut left_out = Vec::new();
        let mut bounded = |value: Value, most: u64, at: &str| {
            if eval::json_weight([&value], most) < most {
                return value;
            }
            left_out.push(Value::from(at));
            Value::Undefined
        };
        event.put("input", bounded(input, MOST_INPUT, "/input"));
        event.put("result", plain(bounded(result, MOST_RESULT, "/result")));
        if !left_out.is_empty() {
            event.put("erased", Value::from(left_out));
        }
        if let Some((code, message)) = error {
            event.inside("error", |error| {
                error.text("code", code);
                error.text("message", &message);
            });
        }
        event.text("requested_by", &requested_by.unwrap_or_default());
        event.text("timestamp", &eval::time_text(now).unwrap_or_default());
        if let Some(took) = took {
            event.inside("metrics", |metrics| metrics.put("timer_rego_query_eval_ns", Value::from(took)));
        }
        event.inside("custom", |custom| {
            custom.inside("sidegate", |own| {
                own.text("outcome", outcome.name());
                own.text("phase", phase.name());
                own.text("mode", mode.as_str());
                own.text("waived", waived.map_or("", Waived::name));
                own.put("status", status.map_or(Value::Undefined, |status| u64::from(status).into()));
                own.put("rule", rule);
            });
        });
        event.into_value()
    }
}

impl Fields {
    #[inline(never)]
    fn put(&mut self, key: &str, value: Value) {
        if value != Value::Undefined {
            self.0.insert(Value::from(key), value);
        }
    }

    #[inline(never)]
    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.put(key, Value::from(text));
        }
    }

    fn inside(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.put(key, inner.into_value());
    }

    #[inline(never)]
    fn into_value(self) -> Value {
        Value::Object(Rc::new(self.0))
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Set(_) => false,
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| matches!(key, Value::String(_)) && is_plain(value))
        }
        _ => true,
    }
}

/// A value as JSON has it: sets are arrays, keys are texts.
fn plain(value: Value) -> Value {
    match value {
        value if is_plain(&value) => value,
        Value::Set(items) => Value::from(items.iter().cloned().map(plain).collect::<Vec<_>>()),
        Value::Array(items) => Value::from(items.iter().cloned().map(plain).collect::<Vec<_>>()),
        Value::Object(fields) => Value::from(collections::fields(fields.iter().map(|(key, value)| {
            let key = match key {
                Value::String(_) => key.clone(),
                other => Value::from(other.to_string()),
            };
            (key, plain(value.clone()))
        }))),
        other => other,
    }
}
