//! What a policy answers, and what the host does about it.

use sidegate_engine::Value;
use sidegate_engine::actions::{Actions, HeaderOp, metadata_text};
use sidegate_engine::attributes::Phase;
use sidegate_engine::decision::Decision;
use sidegate_engine::limits::Limits;

use crate::feed::{Bytes, halves};
use crate::value::{json, value};

/// A request is let through where the answer says so and nowhere else, and what the host is told to write is fit for the
/// wire and within the limit.
///
/// A byte for the limit and the phase, the answer (JSON, or as [`value`] has it), and the request's path.
pub fn decision(data: &[u8]) {
    let Some((size, rest)) = data.split_first() else { return };
    let (answer, path) = halves(rest);
    let output_bytes = match size % 4 {
        0 => 65_536,
        1 => 1_048_576,
        _ => usize::from(*size),
    };
    let limits = Limits { output_bytes, ..Limits::default() };
    let answer = match std::str::from_utf8(answer)
        .ok()
        .filter(|text| text.starts_with(['{', 't', 'f', 'n', '"', ' ']))
    {
        Some(text) => json(text),
        None => value(&mut Bytes(answer)),
    };
    let path = (!path.is_empty()).then_some(path);
    let read = Decision::read_marked(&answer, &limits);
    assert_eq!(Decision::read(&answer, &limits), read.clone().map(|(decision, _)| decision));
    let (decision, marks) = match read {
        Ok(read) => read,
        Err(error) => {
            return crate::packed::is_line(&error);
        }
    };
    let says = |key: &str| answer[&Value::from(key)].clone();
    let is_allowed = answer == Value::Bool(true) || says("allowed") == Value::Bool(true);
    assert_eq!(matches!(decision, Decision::Allow(_)), is_allowed, "{answer}");
    assert_eq!(marks.is_shadow, says("mode") == Value::from("shadow"));
    assert_eq!(marks.is_undeclared, says("undeclared") == Value::Bool(true));
    let changes_query = decision.changes_query();
    let phase = match size {
        240..=247 => Phase::Response,
        248.. => Phase::Connection,
        _ => Phase::Request,
    };
    let Ok(actions) = Actions::new(decision, phase, path) else {
        let may_fail = phase == Phase::Response || phase == Phase::Request && changes_query && path.is_none();
        assert!(is_allowed && may_fail, "there is nothing that could fail");
        return;
    };
    assert_eq!(actions.is_allow(), is_allowed, "{answer}");
    carried_out(&actions, phase, path, &limits);
}

fn carried_out(actions: &Actions, phase: Phase, path: Option<&[u8]>, limits: &Limits) {
    let mut bytes = 0;
    match actions {
        Actions::Allow { request_headers, path: new, response_headers, dynamic_metadata } => {
            // What has gone upstream cannot be changed, and of a connection nothing.
            assert!(phase == Phase::Request || request_headers.is_empty() && new.is_none());
            assert!(phase != Phase::Connection || response_headers.is_empty());
            for op in request_headers {
                bytes += change(op);
                let (HeaderOp::Set(name, _)
                | HeaderOp::Add(name, _)
                | HeaderOp::Remove(name)
                | HeaderOp::RemovePrefix(name)) = op;
                assert!(
                    name != "host" || matches!(op, HeaderOp::RemovePrefix(_)),
                    "where it goes is not for a policy"
                );
            }
            for ops in [request_headers, response_headers] {
                let is_prefix = |op: &&HeaderOp| matches!(op, HeaderOp::RemovePrefix(_));
                let first = ops.iter().take_while(is_prefix).count();
                assert!(!ops[first..].iter().any(|op| is_prefix(&op)), "what is set is removed: {ops:?}");
            }
            bytes += response_headers.iter().map(change).sum::<usize>();
            if let Some(new) = new {
                query(path.expect("a path is changed where there is one"), new);
            }
            metadata(dynamic_metadata.as_ref(), limits);
        }
        Actions::Deny { status, headers, body, dynamic_metadata } => {
            assert!((200..=599).contains(status), "{status}");
            bytes +=
                headers.iter().map(|(name, value)| header(name, Some(value))).sum::<usize>() + body.len();
            metadata(dynamic_metadata.as_ref(), limits);
        }
    }
    assert!(bytes <= limits.output_bytes, "{bytes} bytes of at most {}", limits.output_bytes);
}

/// Only the query of a path changes, and nothing gets into it that could end the line.
fn query(old: &[u8], new: &[u8]) {
    let plain = |path: &[u8]| path.split(|byte| *byte == b'?').next().map(<[u8]>::to_vec);
    assert_eq!(plain(old), plain(new), "the path itself is changed");
    let is_odd = |byte: &u8| byte.is_ascii_control() || matches!(byte, b' ' | b'#') || !byte.is_ascii();
    if !old.iter().any(is_odd) {
        assert!(!new.iter().any(is_odd), "{}", new.escape_ascii());
    }
    assert_ne!(old, new);
}

fn change(op: &HeaderOp) -> usize {
    match op {
        HeaderOp::Set(name, value) | HeaderOp::Add(name, value) => header(name, Some(value)),
        HeaderOp::Remove(name) | HeaderOp::RemovePrefix(name) => header(name, None),
    }
}

/// Checks a header by RFC 9110, and counts its bytes.
fn header(name: &str, value: Option<&str>) -> usize {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(is_token), "{name:?}");
    assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name:?}");
    let value = value.unwrap_or_default();
    assert!(!value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7F)), "{name}: {value:?}");
    name.len() + value.len()
}

fn metadata(metadata: Option<&Value>, limits: &Limits) {
    let Some(metadata) = metadata else { return };
    assert!(matches!(metadata, Value::Object(_)));
    if let Some(text) = metadata_text(metadata) {
        // A character may be written as six, a number of eight counted bytes with what is around it as some hundreds.
        assert!(text.len() <= 64 + limits.output_bytes.saturating_mul(64), "{} bytes", text.len());
        assert!(!text.chars().any(|c| c < ' '), "more than a line: {text:?}");
    }
}
