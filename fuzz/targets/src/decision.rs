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
/// A byte for the limit, the answer (JSON, or as [`value`] has it), and the request's path.
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
    for phase in [Phase::Request, Phase::Response, Phase::Connection] {
        let Ok(actions) = Actions::new(decision.clone(), phase, path) else {
            let may_fail = match phase {
                Phase::Request => changes_query && path.is_none(),
                Phase::Response => changes_request(&decision),
                Phase::Connection => false,
            };
            assert!(may_fail, "there is nothing that could fail: {phase:?}");
            continue;
        };
        assert_eq!(actions.is_allow(), is_allowed, "{answer}");
        if let (Actions::Allow { request_headers, path, .. }, false) = (&actions, phase == Phase::Request) {
            assert!(request_headers.is_empty() && path.is_none(), "{phase:?}: the request is changed");
        }
        carried_out(&actions, path, &limits);
    }
}

/// Whether a decision says anything about its request.
fn changes_request(decision: &Decision) -> bool {
    let Decision::Allow(allow) = decision else { return false };
    let headers = [&allow.request_headers_to_set, &allow.request_headers_to_add];
    let names = [&allow.request_headers_to_remove, &allow.request_header_prefixes_to_remove];
    decision.changes_query()
        || headers.iter().any(|all| !all.is_empty())
        || names.iter().any(|all| !all.is_empty())
}

fn carried_out(actions: &Actions, path: Option<&[u8]>, limits: &Limits) {
    let mut bytes = 0;
    match actions {
        Actions::Allow { request_headers, path: new, response_headers, dynamic_metadata } => {
            bytes += request_headers.iter().map(change).sum::<usize>();
            request(request_headers);
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

/// Prefixes first, then each name once, and nothing is added to what has been removed. Where a request goes is not for a
/// policy to say.
fn request(ops: &[HeaderOp]) {
    let order = |op: &HeaderOp| match op {
        HeaderOp::RemovePrefix(_) => 0,
        HeaderOp::Set(..) | HeaderOp::Remove(_) => 1,
        HeaderOp::Add(..) => 2,
    };
    assert!(ops.is_sorted_by_key(order), "{ops:?}");
    let mut names: Vec<&str> = Vec::new();
    let mut removed: Vec<&str> = Vec::new();
    for op in ops {
        match op {
            HeaderOp::RemovePrefix(_) => {}
            HeaderOp::Set(name, _) => names.push(name),
            HeaderOp::Remove(name) => {
                names.push(name);
                removed.push(name);
            }
            HeaderOp::Add(name, _) => {
                assert_ne!(name, "host");
                assert!(!removed.contains(&name.as_str()), "{name}");
            }
        }
    }
    assert!(!names.contains(&"host"));
    assert!(names.is_sorted_by(|a, b| a < b), "a name is there twice: {names:?}");
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
