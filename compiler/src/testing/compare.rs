//! Whether plan and interpreter agree, and what a test's value says.

use std::collections::BTreeMap;

use regorus::Value;
use sidegate_engine::eval::EvalError;

use super::report::{Case, Difference};

/// How two answers stand to each other.
pub(super) enum Verdict {
    /// They are the same, or both are errors.
    Same,
    /// There is nothing to compare, and why.
    NotCompared(String),
    /// They are not the same.
    Differ(Difference),
}

/// What the interpreter says of two values for one document, which is no lack of its own.
const CONFLICT: &[&str] = &["produce multiple outputs", "produced multiple outputs"];

/// Compares two answers.
pub(super) fn compare(plan: &Result<Value, EvalError>, interpreter: &Result<Value, String>) -> Verdict {
    match (plan, interpreter) {
        (Ok(plan), Ok(interpreter)) if plan == interpreter => Verdict::Same,
        (Err(EvalError::Conflict(_)), Ok(_)) | (Ok(_), Ok(_)) => Verdict::Differ(Difference {
            plan: plan.as_ref().map_or_else(|error| format!("{error} [{}]", error.code()), shown),
            interpreter: interpreter.as_ref().map_or_else(Clone::clone, shown),
        }),
        (Ok(plan), Err(error)) if CONFLICT.iter().any(|text| error.contains(text)) => {
            Verdict::Differ(Difference { plan: shown(plan), interpreter: reason(error) })
        }
        (Ok(_), Err(error)) => {
            Verdict::NotCompared(format!("the interpreter has no answer: {}", reason(error)))
        }
        (Err(_), Err(_)) => Verdict::Same,
        (Err(error), Ok(_)) => Verdict::NotCompared(format!("the plan has no answer [{}]", error.code())),
    }
}

/// The interpreter's message without the picture of the place.
pub(super) fn reason(error: &str) -> String {
    let place = error.lines().find_map(|line| line.trim().strip_prefix("--> "));
    let message = error.lines().rev().find_map(|line| line.trim().strip_prefix("error: "));
    let message =
        message.or_else(|| error.lines().find(|line| !line.trim().is_empty())).unwrap_or("no message");
    match place {
        Some(place) => format!("{place}: {message}"),
        None => message.trim().to_owned(),
    }
}

/// A value as people read it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Undefined => "undefined".to_owned(),
        Value::Set(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            if items.is_empty() { "set()".to_owned() } else { format!("{{{}}}", items.join(", ")) }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter_sorted().map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Cases by name.
#[derive(Debug, Default)]
pub(super) struct Cases(BTreeMap<String, (bool, Cases)>);

impl Cases {
    /// The cases that a test's value names, and whether one of them failed.
    pub(super) fn of(value: &Value) -> (Self, bool) {
        let mut cases = Self::default();
        let mut failed = false;
        if let Value::Object(fields) = value {
            for (key, value) in fields.iter_sorted() {
                let (below, bad) = match value {
                    Value::Bool(holds) => (Self::default(), !holds),
                    Value::Object(_) => Self::of(value),
                    _ => (Self::default(), true),
                };
                failed |= bad;
                cases.0.insert(name(key), (bad, below));
            }
        }
        (cases, failed)
    }

    /// Adds a case that was begun: one that the value does not name has failed. Returns whether it has.
    pub(super) fn begun(&mut self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return true };
        let (failed, below) = self.0.entry(first.clone()).or_insert_with(|| (true, Self::default()));
        if rest.is_empty() {
            return *failed;
        }
        let bad = below.begun(rest);
        *failed |= bad;
        bad
    }

    /// For the report.
    pub(super) fn into_list(self) -> Vec<Case> {
        let case =
            |(name, (failed, below)): (String, (bool, Self))| Case { name, failed, cases: below.into_list() };
        self.0.into_iter().map(case).collect()
    }
}

/// What a case is called: its key, as JSON where that is no string.
pub(super) fn name(key: &Value) -> String {
    match key {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}
