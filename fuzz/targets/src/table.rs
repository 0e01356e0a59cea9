//! Tables: those that a compiler makes of declarations, against their plans and against what the declarations mean; and
//! bytes that nobody made.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value as Json, json};
use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase, Workload};
use sidegate_engine::decide::{DecideError, Settings, Verdict, Waived};
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;
use sidegate_engine::table::Table;

use crate::declare::generate::{self, Random};
use crate::declare::model::{self, Declaration, Request};
use crate::declare::{sides, wire};
use crate::feed::{SEPARATOR, fields, requests};
use crate::packed::limits;

/// The headers that declarations ask for.
const HEADERS: [&str; 4] = ["x-a", "x-b", "x-request-id", "content-type"];
/// How many declarations there are.
pub(crate) const DECLARATIONS: u8 = 96;

thread_local! {
    /// By their numbers; making one takes as long as asking some thousands.
    static GATES: RefCell<BTreeMap<u8, Rc<(Declaration, Gate)>>> = const { RefCell::new(BTreeMap::new()) };
    /// Every path, for everybody.
    static DECLARED: Rc<Gate> = Rc::new(gate(sides::plan(&sides::sources(&everything()))));
}

/// A table and its plan decide alike, and as the declaration means. Bytes that are no table are refused, and what is
/// taken does no more work than it may.
///
/// The first byte says what the others are: a declaration's number, and a request, in words; the same, with bytes for a
/// request; a table, and a request.
pub fn table(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let (number, request) = rest.split_first().unwrap_or((&0, &[]));
    match mode % 3 {
        0 => said(*number, request),
        1 => {
            let made = made(*number);
            for attributes in requests(request).0 {
                same(&made.1, &attributes, &made.0);
            }
        }
        _ => loaded(rest),
    }
}

/// A gate that allows every path that is one, and nothing else.
pub(crate) fn declared() -> Rc<Gate> {
    DECLARED.with(Rc::clone)
}

fn everything() -> Declaration {
    let target = model::Target { methods: vec!["GET".to_owned()], ..model::Target::default() };
    let rule = model::Rule { from: Some(vec![model::Caller::Anonymous]), to: vec![target], when: Vec::new() };
    Declaration { allow: vec![rule], name: "charges".to_owned(), ..Declaration::default() }
}

fn gate(policy: Policy) -> Gate {
    Gate::new(policy, &Workload::default(), settings(), Seed::default())
}

fn settings() -> Settings {
    Settings { lets_lower: true, waives_undeclared: true, ..Settings::default() }
}

/// The declaration of a number.
pub(crate) fn declaration(number: u8) -> Declaration {
    let mut declaration = generate::declaration(&mut Random(u64::from(number) ^ 0xF022));
    // Rego beside a declaration is the plan's.
    if !number.is_multiple_of(8) {
        (declaration.rego, declaration.has_base_rego) = (None, false);
    }
    declaration
}

fn made(number: u8) -> Rc<(Declaration, Gate)> {
    let number = number % DECLARATIONS;
    let known = GATES.with_borrow(|gates| gates.get(&number).cloned());
    known.unwrap_or_else(|| {
        let declaration = declaration(number);
        let gate = gate(sides::plan(&sides::sources(&declaration)));
        let made = Rc::new((declaration, gate));
        GATES.with_borrow_mut(|gates| gates.insert(number, Rc::clone(&made)));
        made
    })
}

/// All that counts of a verdict.
fn of(verdict: &Verdict) -> (&Actions, Option<Waived>, Option<&DecideError>) {
    (&verdict.actions, verdict.waived, verdict.error.as_ref())
}

fn same(gate: &Gate, attributes: &Attributes, declaration: &Declaration) -> Verdict {
    let (one, by_plan) = (gate.decide(attributes), gate.decide_by_plan(attributes));
    let shown = || format!("{}\n{attributes:?}\ngot {one:?}\nplan {by_plan:?}", declaration.shown());
    assert_eq!(of(&one), of(&by_plan), "{}", shown());
    assert!(one.error.is_none() || !one.actions.is_allow() && one.waived.is_none(), "{}", shown());
    one
}

/// A request in words: what it means can be said without a table and without a plan.
fn said(number: u8, data: &[u8]) {
    let made = made(number);
    let (declaration, gate) = (&made.0, &made.1);
    let Some(request) = request(data) else { return };
    let (attributes, seen) = wire::attributes(&request);
    let got = same(gate, &attributes, declaration);
    let wanted = match &got.error {
        // What has no input has no decision.
        Some(error) if error.code().starts_with("request_") => return,
        Some(error) => panic!("{error}\n{}\n{attributes:?}", declaration.shown()),
        None => wire::outcome(&model::decide(declaration, &seen), &attributes, &settings()),
    };
    assert_eq!((&got.actions, got.waived), (&wanted.0, wanted.1), "{}\n{attributes:?}", declaration.shown());
}

/// A request by its fields, as far as it has no bytes that are not text.
fn request(data: &[u8]) -> Option<Request> {
    let mut request = Request::default();
    for field in fields(data) {
        let Some((kind, rest)) = field.split_first() else { continue };
        let text = std::str::from_utf8(rest).ok()?;
        // What no header can have ends no header.
        if text.chars().any(char::is_control) {
            return None;
        }
        let text = text.to_owned();
        match kind {
            // What is empty is absent in an input.
            b'm' => request.method = Some(text).filter(|text| !text.is_empty()),
            b'p' => request.path = Some(text),
            b'a' => request.host = Some(text),
            b'i' => request.principal = Some(text),
            b'u' if text.is_empty() => {}
            b'u' => request.uris.get_or_insert_default().push(text),
            b'U' => request.own = Some(text),
            b'D' => request.port = text.parse().ok(),
            b'S' => {
                request.address = text.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
            }
            b'f' => request.claims = serde_json::from_str::<Json>(&text).ok().filter(Json::is_object),
            b'0'..=b'3' => {
                let name = HEADERS[usize::from(kind - b'0')];
                request.headers.insert(name.to_owned(), text);
            }
            _ => {}
        }
    }
    Some(request)
}

/// Bytes as a table, and what it makes of requests.
fn loaded(data: &[u8]) {
    let (length, rest) = data.split_first_chunk::<2>().unwrap_or((&[0; 2], data));
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (bytes, rest) = rest.split_at(length);
    let Ok(table) = Table::load(bytes) else { return };
    let limits = limits();
    for attributes in requests(rest).0 {
        for needs in [Needs::all(), Needs::none()] {
            let (answer, work) = table.measure(&needs, &attributes, &limits);
            assert!(work <= limits.steps, "{work} is more than it may");
            if let Some((decision, _)) = answer {
                assert!(table.serves(&needs));
                let _ = Actions::new(decision, Phase::Request, attributes.header(b":path"));
            }
        }
    }
}

/// Fields of a request in words, as [`request`] reads them.
pub(crate) fn fields_of(request: &Request) -> Vec<u8> {
    let Request { principal, uris, own, method, path, host, port, headers, claims, address } = request;
    let mut all: Vec<String> = Vec::new();
    let texts = [("m", method), ("p", path), ("a", host), ("i", principal), ("U", own), ("S", address)];
    all.extend(texts.iter().filter_map(|(kind, text)| Some(format!("{kind}{}", text.as_ref()?))));
    all.extend(uris.iter().flatten().map(|uri| format!("u{uri}")));
    all.extend(port.map(|port| format!("D{port}")));
    all.extend(claims.as_ref().map(|claims| format!("f{}", json!(claims))));
    for (at, name) in HEADERS.iter().enumerate() {
        all.extend(headers.get(*name).map(|value| format!("{at}{value}")));
    }
    all.iter().map(String::as_bytes).collect::<Vec<_>>().join(&SEPARATOR)
}
