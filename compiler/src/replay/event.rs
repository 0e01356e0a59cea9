//! One event of a decision log, as OPA and the filter write them.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Deserializer;
use sidegate_engine::Value;
use sidegate_engine::attributes::Phase;
use sidegate_engine::eval::{Builtin, Context};

use super::hidden::Pointer;
use crate::declare::suggest::shown;

type Text<'a> = Option<Cow<'a, str>>;

/// An event, as far as it is looked at.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    labels: Option<Labels<'a>>,
    #[serde(borrow)]
    decision_id: Text<'a>,
    #[serde(borrow)]
    revision: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
    input: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<Value>,
    #[serde(default, borrow)]
    erased: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    masked: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    custom: Option<Custom<'a>>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    workload: Text<'a>,
}

#[derive(Deserialize)]
struct Custom<'a> {
    #[serde(borrow)]
    sidegate: Option<Sidegate<'a>>,
}

#[derive(Deserialize)]
struct Sidegate<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow)]
    rule: Text<'a>,
}

/// A recorded decision.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) decision_id: Cow<'a, str>,
    /// Of the bundle that decided.
    pub(crate) revision: Text<'a>,
    /// The entry point that was asked, if the event says it.
    pub(crate) path: Option<Cow<'a, str>>,
    pub(crate) phase: Phase,
    /// Who was called, as the event has it.
    pub(crate) workload: Option<(String, String)>,
    pub(crate) input: Value,
    /// The answer; `None` where there was none.
    pub(crate) result: Option<Value>,
    /// The code of what went wrong instead.
    pub(crate) error: Option<String>,
    /// What was taken out of the event, or changed in it.
    pub(crate) hidden: Vec<Pointer>,
    pub(crate) timestamp: Text<'a>,
    /// Which rule of a declaration decided, where that is known.
    pub(crate) rule: Text<'a>,
}

/// Why a record is no decision that can be decided anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// It is no JSON object, or none of a decision log.
    NotAnEvent,
    /// It has no input.
    NoInput,
}

/// A key that is there, if only with `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl<'a> Event<'a> {
    /// Reads a record; if it is none, why, and what is wrong with it.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, (Refused, String)> {
        let raw: Raw<'a> =
            serde_json::from_slice(bytes).map_err(|error| (Refused::NotAnEvent, error.to_string()))?;
        let Raw {
            labels,
            decision_id,
            revision,
            path,
            input,
            result,
            error,
            erased,
            masked,
            timestamp,
            custom,
        } = raw;
        let Some(input) = input else {
            let is_decision = decision_id.is_some() || result.is_some() || error.is_some();
            let refused = if is_decision { Refused::NoInput } else { Refused::NotAnEvent };
            return Err((refused, decision_id.unwrap_or_default().into_owned()));
        };
        let own = custom.and_then(|custom| custom.sidegate);
        let (phase, rule) = own.map_or((None, None), |Sidegate { phase, rule }| (phase, rule));
        let phase = phase.as_deref().or_else(|| text(&input, &["sidegate", "phase"]));
        let phase = match phase {
            None | Some("request") => Phase::Request,
            Some("response") => Phase::Response,
            Some("connection") => Phase::Connection,
            Some(other) => return Err((Refused::NotAnEvent, format!("phase {other}"))),
        };
        let own = text(&input, &["sidegate", "workload", "namespace"])
            .zip(text(&input, &["sidegate", "workload", "name"]))
            .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let labelled = || {
            let Labels { namespace, workload } = labels?;
            Some((namespace?.into_owned(), workload?.into_owned()))
                .filter(|(ns, name)| !(ns.is_empty() || name.is_empty()))
        };
        let path = path.map(|path| match path {
            Cow::Borrowed(path) => Cow::Borrowed(path.trim_start_matches('/')),
            Cow::Owned(path) => Cow::Owned(path.trim_start_matches('/').to_owned()),
        });
        let code = |error: &Value| shown(text(error, &["code"]).unwrap_or("error"));
        Ok(Self {
            decision_id: decision_id.unwrap_or_default(),
            revision: revision.filter(|revision| !revision.is_empty()),
            path: path.filter(|path| !path.is_empty()),
            phase,
            workload: own.or_else(labelled),
            error: error.as_ref().filter(|error| **error != Value::Null).map(code),
            hidden: erased.iter().chain(&masked).map(|pointer| Pointer::read(pointer)).collect(),
            input,
            result,
            timestamp,
            rule,
        })
    }

    /// When it was decided, in nanoseconds since 1970.
    pub(crate) fn time_ns(&self) -> Option<i64> {
        let parse = Builtin::find("time.parse_rfc3339_ns")?;
        let text = Value::from(self.timestamp.as_deref()?);
        parse.call(&[text], &Context::default()).ok()?.as_i64().ok()
    }

    /// The request's `:path`.
    pub(crate) fn request_path(&self) -> Option<&str> {
        self.text(&["attributes", "request", "http", "path"])
    }

    /// Text at a path of the input.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        text(&self.input, path)
    }
}

/// Text at a path of a document.
pub(crate) fn text<'v>(document: &'v Value, path: &[&str]) -> Option<&'v str> {
    match at(document, path) {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// What is at a path of a document; undefined where nothing is.
pub(crate) fn at<'v>(document: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(document, |value, key| &value[*key])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Refused> {
        Event::read(text.as_bytes()).err().map(|(refused, _)| refused)
    }

    #[test]
    fn an_event_is_opas_or_the_filters() {
        let text = r#"{"labels": {"namespace": "pay", "workload": "payments", "id": "x"}, "decision_id": "d1",
            "path": "/envoy/authz/allow", "input": {"a": 1.50}, "result": null, "erased": ["/input/a~1b/c~0d"],
            "timestamp": "1970-01-01T00:00:01.000000005Z", "custom": {"sidegate": {"phase": "response"}}, "nd": [1]}"#;
        let event = Event::read(text.as_bytes()).unwrap();
        assert_eq!((event.decision_id.as_ref(), event.path.as_deref()), ("d1", Some("envoy/authz/allow")));
        assert_eq!(event.workload, Some(("pay".to_owned(), "payments".to_owned())));
        assert_eq!((event.phase, event.time_ns()), (Phase::Response, Some(1_000_000_005)));
        assert_eq!((event.result, event.error), (Some(Value::Null), None));
        assert_eq!(event.hidden, [Pointer::read("/input/a~1b/c~0d")]);
        let text = r#"{"input": {"sidegate": {"phase": "connection", "workload": {"namespace": "a", "name": "b"}}},
            "labels": {"namespace": "x", "workload": "y"}, "error": {"code": "eval_conflict"}}"#;
        let event = Event::read(text.as_bytes()).unwrap();
        assert_eq!(event.workload, Some(("a".to_owned(), "b".to_owned())));
        assert_eq!((event.phase, event.error.as_deref()), (Phase::Connection, Some("eval_conflict")));
        assert_eq!((event.result, event.path, event.timestamp), (None, None, None));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in [
            "{}",
            "{\"method\": \"GET\"}",
            "{\"input\": 1, \"input\": 2}",
            "{\"input\": {}",
            "{\"erased\": 1}",
        ] {
            assert_eq!(refused(text), Some(Refused::NotAnEvent), "{text}");
        }
        assert_eq!(refused("{\"decision_id\": \"x\"}"), Some(Refused::NoInput));
        assert_eq!(refused("{\"input\": null, \"result\": true}"), Some(Refused::NoInput));
        assert_eq!(
            refused("{\"input\": {}, \"custom\": {\"sidegate\": {\"phase\": \"later\"}}}"),
            Some(Refused::NotAnEvent)
        );
    }
}
