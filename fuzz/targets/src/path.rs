//! Paths and queries: what they are decoded to, and which can mean one thing only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::decision::Decision;
use sidegate_engine::input::InputBuilder;
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::table::{self, Caller, Clause, Paths, Side, Spec, Table};

use crate::declare::paths::{read_path, template};
use crate::table::declared;

/// Path and query are decoded as RFC 3986 says, or refused. A path is allowed by a table, and by the plan of the library,
/// exactly if it is one that can mean one thing only, by a second statement of that rule; and what denies a path denies
/// however it is written.
pub fn path(data: &[u8]) {
    let attributes =
        Attributes { headers: [(":method", &b"GET"[..]), (":path", data)].into(), ..Attributes::default() };
    decoded(data, &attributes);
    let Ok(target) = std::str::from_utf8(data) else { return };
    let path = target.split('?').next().unwrap_or_default();
    plain(path, &attributes);
    // The library's own answer, by the plan and by the table.
    let gate = declared();
    for verdict in [gate.decide(&attributes), gate.decide_by_plan(&attributes)] {
        let is_plain = read_path(path).is_some() && verdict.error.is_none();
        assert_eq!(verdict.actions.is_allow(), is_plain, "{path:?} {verdict:?}");
    }
}

/// Bytes with their escapes undone; `None` where one is broken.
fn unescaped(bytes: &[u8], is_query: bool) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digits = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                all.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            b'+' if is_query => all.push(b' '),
            byte => all.push(byte),
        }
        at += 1;
    }
    Some(all)
}

/// Each byte that is not of a character is one mark.
fn text(bytes: &[u8], mark: char) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| mark));
    }
    text
}

/// As Go has text that is none.
fn decoded_text(bytes: &[u8]) -> String {
    text(bytes, '\u{FFFD}')
}

fn decoded(target: &[u8], attributes: &Attributes) {
    // As Envoy hands it on.
    let target = text(target, '!');
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let segments = unescaped(path.as_bytes(), false);
    let mut parameters: Option<BTreeMap<String, Vec<String>>> = Some(BTreeMap::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let both = unescaped(name.as_bytes(), true).zip(unescaped(value.as_bytes(), true));
        match (&mut parameters, both) {
            (Some(all), Some((name, value))) => {
                all.entry(decoded_text(&name)).or_default().push(decoded_text(&value))
            }
            _ => parameters = None,
        }
    }
    if query.contains(';') || query.matches('&').count() >= 10_000 {
        parameters = None;
    }
    let builder = InputBuilder::new(&Workload::default());
    let got = builder.build(&Needs::all(), attributes);
    let (Some(segments), Some(parameters)) = (segments, parameters) else {
        assert_eq!(got.unwrap_err().status(403), 400, "{target:?}");
        return;
    };
    let got: Json = serde_json::from_str(&got.unwrap().to_json_str().unwrap()).unwrap();
    let segments = decoded_text(&segments);
    let segments: Vec<&str> = segments.trim_start_matches('/').split('/').collect();
    assert_eq!(got["parsed_path"], json!(segments), "{target:?}");
    assert_eq!(got["parsed_query"], json!(parameters), "{target:?}");
}

fn side(paths: Paths) -> Option<Side> {
    let first = || BTreeSet::from([0]);
    Some(Side {
        clauses: vec![Clause::default()],
        callers: [(Caller::Anonymous, first())].into(),
        paths: [(paths, first())].into(),
    })
}

/// What a table says of a path: whether it is allowed; `None` where it leaves that to the plan.
fn ask(allow: Paths, deny: Option<Paths>, attributes: &Attributes) -> Option<bool> {
    let spec = Spec { allow: side(allow), deny: deny.and_then(side), ..Spec::default() };
    let table = Table::load(&table::write(&spec).unwrap()).unwrap();
    let paths = NEEDS.map(|path| path.map(str::to_owned));
    let needs = Needs::from_paths(paths.iter().map(<[String; 4]>::as_slice));
    assert!(table.serves(&needs));
    let (answer, work) = table.measure(&needs, attributes, &Limits::default());
    assert!(work <= Limits::default().steps);
    answer.map(|(decision, _)| matches!(decision, Decision::Allow(_)))
}

/// What a table of paths looks at.
const NEEDS: [[&str; 4]; 3] = [
    ["attributes", "request", "http", "path"],
    ["sidegate", "source", "uri_sans", "x"],
    ["attributes", "source", "principal", "x"],
];

fn plain(path: &str, attributes: &Attributes) {
    let Some(is_allowed) = ask(Paths::Every, None, attributes) else { return };
    let read = read_path(path);
    assert_eq!(is_allowed, read.is_some(), "{path:?}");
    let Some(read) = read else { return };
    // As it came, and no other way, it is the path that is allowed.
    assert_eq!(ask(Paths::Exact(path.to_owned()), None, attributes), Some(true), "{path:?}");
    let other = Paths::Exact(format!("{path}x"));
    assert_eq!(ask(other, None, attributes), Some(false), "{path:?}");
    // However it is written, it is the path that is denied.
    let folded = read.to_ascii_lowercase();
    let folded = folded.strip_suffix('/').unwrap_or(&folded);
    let denied = ask(Paths::Every, Some(Paths::Exact(folded.to_owned())), attributes);
    assert_eq!(denied, Some(false), "{path:?}");
    assert!(template(folded, &read, true) || folded.contains(['{', '*']));
}
