//! What became of a request, or would become of it, and how two of that differ.

use std::collections::BTreeSet;

use serde::Serialize;
use sidegate_engine::Value;
use sidegate_engine::actions::{Actions, HeaderOp, metadata_text};
use sidegate_engine::attributes::Phase;
use sidegate_engine::decision::{Decision, DecisionError, Marks};
use sidegate_engine::limits::Limits;

/// Names that are listed of what changed.
const LISTED: usize = 4;
/// Status of an undefined decision, unless the proxy is told otherwise (`on_error.status`).
const UNDEFINED: u16 = 403;

/// What a policy's answer means to the proxy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// This is carried out, unless it is marked to be counted only.
    Decided(Actions, Marks),
    /// There is no decision; the code says why.
    Failed(String),
}

/// How a decision differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It allows what was denied.
    Allowed,
    /// It denies what was allowed.
    Denied,
    /// Both allow or both deny, with another status, other headers or another body.
    Changed,
    /// There is no decision where there was one: a deny.
    Error,
}

impl Outcome {
    /// What an answer means, of a request with this `:path`. No answer is a deny.
    pub(crate) fn of(answer: &Value, phase: Phase, path: Option<&str>) -> Self {
        let decided = Decision::read_marked(answer, &Limits::default()).and_then(|(decision, marks)| {
            Ok((Actions::new(decision, phase, path.map(str::as_bytes))?, marks))
        });
        match decided {
            Ok((actions, marks)) => Self::Decided(actions, marks),
            Err(DecisionError::Undefined) => Self::undefined(),
            Err(error) => Self::Failed(error.code().to_owned()),
        }
    }

    /// What a recorded error means.
    pub(crate) fn of_error(code: &str) -> Self {
        match code == DecisionError::Undefined.code() {
            true => Self::undefined(),
            false => Self::Failed(code.to_owned()),
        }
    }

    /// The deny of a policy that says nothing.
    pub(crate) fn undefined() -> Self {
        Self::Decided(Actions::deny(UNDEFINED), Marks::default())
    }

    /// Whether the request goes on.
    pub(crate) fn is_allow(&self) -> bool {
        matches!(self, Self::Decided(actions, _) if actions.is_allow())
    }

    /// How `after` differs from it, and in what; `None` where it does not.
    pub(crate) fn change(&self, after: &Self) -> Option<(Change, Vec<String>)> {
        let (own, others) = match (self, after) {
            (Self::Failed(_), Self::Failed(_)) => return None,
            (Self::Decided(..), Self::Failed(code)) => return Some((Change::Error, vec![code.clone()])),
            (Self::Failed(code), Self::Decided(actions, _)) => {
                let change = if actions.is_allow() { Change::Allowed } else { Change::Changed };
                return Some((change, vec![format!("was {code}")]));
            }
            (Self::Decided(own, own_marks), Self::Decided(others, others_marks)) => {
                ((own, own_marks), (others, others_marks))
            }
        };
        match (self.is_allow(), after.is_allow()) {
            (false, true) => Some((Change::Allowed, Vec::new())),
            (true, false) => Some((Change::Denied, Vec::new())),
            _ if own == others => None,
            _ => {
                let what = differences(own, others);
                (!what.is_empty()).then_some((Change::Changed, what))
            }
        }
    }
}

fn differences(
    (own, own_marks): (&Actions, &Marks),
    (others, others_marks): (&Actions, &Marks),
) -> Vec<String> {
    let mut what = Vec::new();
    match (own, others) {
        (
            Actions::Allow { request_headers, path, response_headers, dynamic_metadata },
            Actions::Allow {
                request_headers: others_request,
                path: others_path,
                response_headers: others_response,
                dynamic_metadata: others_metadata,
            },
        ) => {
            what.extend(names("request header", ops(request_headers), ops(others_request)));
            what.extend((path != others_path).then(|| "query".to_owned()));
            what.extend(names("response header", ops(response_headers), ops(others_response)));
            what.extend(metadata(dynamic_metadata.as_ref(), others_metadata.as_ref()));
        }
        (
            Actions::Deny { status, headers, body, dynamic_metadata },
            Actions::Deny {
                status: others_status,
                headers: others_headers,
                body: others_body,
                dynamic_metadata: others_metadata,
            },
        ) => {
            what.extend((status != others_status).then(|| format!("status {status} → {others_status}")));
            let pairs = |headers: &[(String, String)]| {
                headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
            };
            what.extend(names("header", pairs(headers), pairs(others_headers)));
            what.extend((body != others_body).then(|| "body".to_owned()));
            what.extend(metadata(dynamic_metadata.as_ref(), others_metadata.as_ref()));
        }
        _ => {}
    }
    if own_marks.is_shadow != others_marks.is_shadow {
        what.push(if others_marks.is_shadow { "now in shadow" } else { "no longer in shadow" }.to_owned());
    }
    if own_marks.is_undeclared != others_marks.is_undeclared {
        what.push(if others_marks.is_undeclared { "now undeclared" } else { "now declared" }.to_owned());
    }
    what
}

type Pairs = Vec<(String, String)>;

/// Each name with what is done to it, in order: the order of one name's changes matters, that of several does not.
fn ops(ops: &[HeaderOp]) -> Pairs {
    let pair = |op: &HeaderOp| match op {
        HeaderOp::Set(name, value) => (name.clone(), format!("={value}")),
        HeaderOp::Add(name, value) => (name.clone(), format!("+{value}")),
        HeaderOp::Remove(name) => (name.clone(), "-".to_owned()),
        HeaderOp::RemovePrefix(name) => (format!("{name}…"), "-".to_owned()),
    };
    ops.iter().map(pair).collect()
}

/// The names of which not the same is said.
fn names(kind: &str, own: Pairs, others: Pairs) -> Option<String> {
    let all: BTreeSet<&String> = own.iter().chain(&others).map(|(name, _)| name).collect();
    let of = |pairs: &'_ Pairs, name: &String| -> Vec<String> {
        pairs.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
    };
    let changed: Vec<&str> =
        all.into_iter().filter(|name| of(&own, name) != of(&others, name)).map(String::as_str).collect();
    if changed.is_empty() {
        return None;
    }
    let more = changed.len().saturating_sub(LISTED);
    let mut text = format!("{kind} {}", changed.get(..LISTED).unwrap_or(&changed).join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    Some(text)
}

/// A log has arrays where a policy has sets: they are compared as they are written.
fn metadata(own: Option<&Value>, others: Option<&Value>) -> Option<String> {
    (own.map(metadata_text) != others.map(metadata_text)).then(|| "metadata".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        match text {
            "" => Outcome::of(&Value::Undefined, Phase::Request, Some("/a?x=1")),
            _ => Outcome::of(&Value::from_json_str(text).unwrap(), Phase::Request, Some("/a?x=1")),
        }
    }

    #[test]
    fn what_changes_is_what_the_client_or_the_service_sees() {
        let failed = |code: &str| Outcome::Failed(code.to_owned());
        let cases = [
            ("true", r#"{"allowed": true, "other": 1}"#, None),
            ("false", "", None),
            ("", r#"{"allowed": false, "http_status": 403}"#, None),
            ("true", "false", Some((Change::Denied, ""))),
            ("", "true", Some((Change::Allowed, ""))),
            (
                "false",
                r#"{"allowed": false, "http_status": 401}"#,
                Some((Change::Changed, "status 403 → 401")),
            ),
            (
                "true",
                r#"{"allowed": true, "headers": {"x-a": "1"}}"#,
                Some((Change::Changed, "request header x-a")),
            ),
            (
                r#"{"allowed": true, "headers": {"x-a": "1", "x-b": "1"}}"#,
                r#"{"allowed": true, "headers": {"x-b": "1", "x-a": "2"}}"#,
                Some((Change::Changed, "request header x-a")),
            ),
            (
                r#"{"allowed": true, "response_headers_to_add": {"x-a": ["1", "2"]}}"#,
                r#"{"allowed": true, "response_headers_to_add": {"x-a": ["2", "1"]}}"#,
                Some((Change::Changed, "response header x-a")),
            ),
            (
                "true",
                r#"{"allowed": true, "query_parameters_to_remove": ["x"]}"#,
                Some((Change::Changed, "query")),
            ),
            (
                r#"{"allowed": false, "body": "a", "headers": {"x": "1"}}"#,
                r#"{"allowed": false, "body": "b", "headers": {"x": "2"}, "dynamic_metadata": {"a": 1}}"#,
                Some((Change::Changed, "header x, body, metadata")),
            ),
            ("false", r#"{"allowed": false, "mode": "shadow"}"#, Some((Change::Changed, "now in shadow"))),
            ("true", "1", Some((Change::Error, "decision_type"))),
        ];
        for (before, after, expected) in cases {
            let change = outcome(before).change(&outcome(after));
            let change = change.as_ref().map(|(change, what)| (*change, what.join(", ")));
            assert_eq!(change, expected.map(|(change, what)| (change, what.to_owned())), "{before} {after}");
        }
        assert_eq!(failed("a").change(&failed("b")), None);
        assert_eq!(failed("a").change(&outcome("true")), Some((Change::Allowed, vec!["was a".to_owned()])));
        assert_eq!(failed("a").change(&outcome("false")), Some((Change::Changed, vec!["was a".to_owned()])));
        assert_eq!(Outcome::of_error("decision_undefined"), outcome("false"));
    }

    #[test]
    fn sets_in_metadata_are_arrays_in_a_log() {
        let set = Value::from(BTreeSet::from([Value::from("a"), Value::from("b")]));
        let with = |list: Value| {
            let metadata = Value::from(std::collections::BTreeMap::from([(Value::from("l"), list)]));
            let fields =
                [(Value::from("allowed"), Value::Bool(true)), (Value::from("dynamic_metadata"), metadata)];
            Outcome::of(&Value::from(std::collections::BTreeMap::from(fields)), Phase::Request, None)
        };
        let list = Value::from_json_str(r#"["a", "b"]"#).unwrap();
        assert_eq!(with(set).change(&with(list)), None);
    }
}
