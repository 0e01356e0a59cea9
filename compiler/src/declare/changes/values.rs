//! What a request can be, as far as clauses tell requests apart: for each of its parts some values, one of every
//! kind, each with the clauses that it satisfies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::bits::Bits;
use super::clauses::Clause;
use super::{headers, networks, paths};
use crate::declare::judge::{
    Effect, ReadPath, Request, condition_holds, host_is, is_grpc, matches_template, method_is, port_is,
};
use crate::declare::model::{HostPattern, Template, Test};

/// A part of a request, with values of every kind.
pub(super) struct Dimension {
    pub(super) values: Vec<Value>,
}

/// A value, and the clauses that it satisfies.
pub(super) struct Value {
    pub(super) attr: Attr,
    pub(super) bits: Bits,
}

/// A value of a part of a request.
#[derive(Clone, Debug)]
pub(super) enum Attr {
    Path(ReadPath),
    /// Methods that no clause tells apart; the first is asked for.
    Method(Vec<Method>),
    Host(Option<String>),
    Port(Option<u16>),
    Header(String, Option<String>),
    Claim(Vec<String>, Option<Json>),
    Source(Option<String>),
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// That a clause names.
    Named(String),
    /// The same in lower case, which a deny takes for it.
    Lower(String),
    /// That no clause names.
    Other(String),
}

impl Method {
    fn text(&self) -> &str {
        match self {
            Self::Named(text) | Self::Lower(text) | Self::Other(text) => text,
        }
    }
}

/// What the clauses tell apart, the path first, then the method; `None` where it is too much.
pub(super) fn dimensions(clauses: &[&Clause]) -> Option<Vec<Dimension>> {
    let mut all = vec![path(clauses)?, method(clauses)];
    if clauses.iter().any(|clause| !clause.hosts.is_empty()) {
        all.push(host(clauses));
    }
    if clauses.iter().any(|clause| !clause.ports.is_empty()) {
        all.push(port(clauses));
    }
    let tests = || clauses.iter().flat_map(|clause| &clause.when);
    let mut names: BTreeSet<&str> = tests()
        .filter_map(|test| match test {
            Test::Header(name, _) => Some(name.as_str()),
            Test::Claim(..) | Test::Source(_) => None,
        })
        .collect();
    if clauses.iter().any(|clause| clause.is_grpc) {
        names.insert("content-type");
    }
    for name in names {
        all.push(header(clauses, name)?);
    }
    // Short paths first: what is inside another claim comes after it, and takes its place.
    let claims: BTreeSet<(usize, &Vec<String>)> = tests()
        .filter_map(|test| match test {
            Test::Claim(path, _) => Some((path.len(), path)),
            Test::Header(..) | Test::Source(_) => None,
        })
        .collect();
    for (_, path) in claims {
        all.push(claim(clauses, path)?);
    }
    if tests().any(|test| matches!(test, Test::Source(_))) {
        all.push(source(clauses));
    }
    Some(all)
}

/// Values of which no two satisfy the same clauses.
fn dimension(clauses: &[&Clause], attrs: Vec<Attr>, satisfies: impl Fn(&Attr, &Clause) -> bool) -> Dimension {
    let mut known: BTreeMap<Bits, usize> = BTreeMap::new();
    let mut values: Vec<Value> = Vec::new();
    for attr in attrs {
        let bits =
            Bits::of(clauses.len(), |at| clauses.get(at).is_some_and(|clause| satisfies(&attr, clause)));
        let next = values.len();
        let at = *known.entry(bits.clone()).or_insert(next);
        match (values.get_mut(at), attr) {
            (None, attr) => values.push(Value { attr, bits }),
            (Some(Value { attr: Attr::Method(same), .. }), Attr::Method(more)) => same.extend(more),
            (Some(_), _) => {}
        }
    }
    Dimension { values }
}

fn path(clauses: &[&Clause]) -> Option<Dimension> {
    let templates: BTreeSet<(Effect, &Template)> =
        clauses.iter().filter_map(|clause| Some((clause.effect, clause.path.as_ref()?))).collect();
    let templates: Vec<(Effect, &Template)> = templates.into_iter().collect();
    let paths = paths::samples(&templates)?;
    let is = |attr: &Attr, clause: &Clause| match (attr, &clause.path) {
        (Attr::Path(path), Some(template)) => matches_template(template, path, clause.effect),
        _ => true,
    };
    Some(dimension(clauses, paths.into_iter().map(Attr::Path).collect(), is))
}

/// Methods that are asked for where no clause names one.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "OTHER"];

fn method(clauses: &[&Clause]) -> Dimension {
    let named: BTreeSet<&str> = clauses.iter().filter_map(|clause| clause.method.as_deref()).collect();
    let free = METHODS.iter().find(|method| !named.contains(*method)).copied();
    let free = free.map_or_else(|| named.iter().copied().collect::<String>(), str::to_owned);
    let lower = clauses.iter().filter(|clause| clause.effect == Effect::Deny);
    let lower: BTreeSet<&str> = lower.filter_map(|clause| clause.method.as_deref()).collect();
    let methods = named.iter().map(|text| Method::Named((*text).to_owned()));
    let methods = methods.chain([Method::Other(free)]);
    let methods = methods.chain(lower.iter().map(|text| Method::Lower(text.to_ascii_lowercase())));
    let is = |attr: &Attr, clause: &Clause| match (attr, &clause.method) {
        (Attr::Method(methods), Some(wanted)) => {
            let method = methods.first().map(Method::text);
            method_is(method, std::slice::from_ref(wanted), clause.effect).counts(clause.effect)
        }
        _ => true,
    };
    dimension(clauses, methods.map(|method| Attr::Method(vec![method])).collect(), is)
}

fn host(clauses: &[&Clause]) -> Dimension {
    let patterns: BTreeSet<&HostPattern> = clauses.iter().flat_map(|clause| &clause.hosts).collect();
    let mut label = "x".to_owned();
    while patterns.iter().any(|pattern| pattern.to_string().contains(&label)) {
        label.push('x');
    }
    let hosts = patterns.iter().map(|pattern| match pattern {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Suffix(suffix) => Some(format!("{label}{suffix}")),
    });
    // No host, too: what is no name is in doubt.
    let hosts: Vec<Attr> =
        [Some(label.clone())].into_iter().chain(hosts).chain([None]).map(Attr::Host).collect();
    dimension(clauses, hosts, |attr, clause| match attr {
        Attr::Host(host) if !clause.hosts.is_empty() => {
            let wanted: Vec<HostPattern> = clause.hosts.iter().cloned().collect();
            host_is(host.as_deref(), &wanted).counts(clause.effect)
        }
        _ => true,
    })
}

fn port(clauses: &[&Clause]) -> Dimension {
    let named: BTreeSet<u16> = clauses.iter().flat_map(|clause| clause.ports.iter().copied()).collect();
    let free = (1..=u16::MAX).rev().find(|port| !named.contains(port));
    let ports: Vec<Attr> =
        free.into_iter().chain(named).map(|port| Attr::Port(Some(port))).chain([Attr::Port(None)]).collect();
    dimension(clauses, ports, |attr, clause| match attr {
        Attr::Port(port) if !clause.ports.is_empty() => {
            let wanted: Vec<u16> = clause.ports.iter().copied().collect();
            port_is(*port, &wanted).counts(clause.effect)
        }
        _ => true,
    })
}

fn header(clauses: &[&Clause], name: &str) -> Option<Dimension> {
    let tests = clauses.iter().flat_map(|clause| &clause.when).filter_map(|test| match test {
        Test::Header(own, test) if own == name => Some(test),
        _ => None,
    });
    let has_grpc = name == "content-type" && clauses.iter().any(|clause| clause.is_grpc);
    let values = headers::samples(tests, has_grpc)?;
    let attrs = values.into_iter().map(|value| Attr::Header(name.to_owned(), value)).collect();
    Some(dimension(clauses, attrs, |attr, clause| {
        let Some(request) = request_with(attr) else { return true };
        let is_grpc_too = name != "content-type" || !clause.is_grpc || is_grpc(&request);
        let mut own = clause.when.iter().filter(|test| matches!(test, Test::Header(own, _) if own == name));
        is_grpc_too && own.all(|test| condition_holds(test, &request, clause.effect).counts(clause.effect))
    }))
}

/// Texts of a claim that are put together; more is said to be too much.
const MAX_VALUES: usize = 6;

fn claim(clauses: &[&Clause], path: &Vec<String>) -> Option<Dimension> {
    let own = |test: &&Test| matches!(test, Test::Claim(own, _) if own == path);
    let mut texts: BTreeSet<&str> = BTreeSet::new();
    for test in clauses.iter().flat_map(|clause| &clause.when).filter(own) {
        if let Test::Claim(_, values) = test {
            texts.extend(values.iter().map(String::as_str));
        }
    }
    // Texts that the same clauses ask for are one.
    let mut kinds: BTreeMap<Vec<bool>, &str> = BTreeMap::new();
    for text in texts {
        let asked =
            |test: &Test| matches!(test, Test::Claim(_, values) if values.iter().any(|value| value == text));
        let kind = clauses.iter().flat_map(|clause| &clause.when).filter(own).map(asked).collect();
        kinds.entry(kind).or_insert(text);
    }
    let texts: Vec<&str> = kinds.into_values().collect();
    if texts.len() > MAX_VALUES {
        return None;
    }
    // A list of texts is every kind of value that there is, with something else among them or not.
    let mut values = vec![None];
    for set in 0..(1_u32 << texts.len()) {
        let chosen = texts.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        let chosen: Vec<Json> = chosen.map(|(_, text)| json!(text)).collect();
        values.push(Some(json!(chosen)));
        values.push(Some(Json::Array(chosen.into_iter().chain([json!(1)]).collect())));
    }
    let attrs = values.into_iter().map(|value| Attr::Claim(path.clone(), value)).collect();
    Some(dimension(clauses, attrs, |attr, clause| {
        let Some(request) = request_with(attr) else { return true };
        let mut own = clause.when.iter().filter(own);
        own.all(|test| condition_holds(test, &request, clause.effect).counts(clause.effect))
    }))
}

fn source(clauses: &[&Clause]) -> Dimension {
    let tests = clauses.iter().flat_map(|clause| &clause.when).filter_map(|test| match test {
        Test::Source(networks) => Some(networks),
        _ => None,
    });
    let addresses = networks::samples(tests.flatten().map(String::as_str));
    let attrs = addresses.into_iter().map(Some).chain([None]).map(Attr::Source).collect();
    dimension(clauses, attrs, |attr, clause| {
        let Some(request) = request_with(attr) else { return true };
        let mut own = clause.when.iter().filter(|test| matches!(test, Test::Source(_)));
        own.all(|test| condition_holds(test, &request, clause.effect).counts(clause.effect))
    })
}

fn request_with(attr: &Attr) -> Option<Request> {
    let mut request = Request::default();
    attr.put(&mut request);
    Some(request)
}

impl Attr {
    /// Makes a request have this value.
    pub(super) fn put(&self, request: &mut Request) {
        match self {
            Self::Path(path) => request.path = Some(path.text()),
            Self::Method(methods) => request.method = methods.first().map(|method| method.text().to_owned()),
            Self::Host(host) => request.host.clone_from(host),
            Self::Port(port) => request.port = *port,
            Self::Header(name, value) => {
                request.headers.extend(value.iter().map(|value| (name.clone(), value.clone())));
            }
            Self::Claim(path, Some(value)) => {
                put_claim(request.claims.get_or_insert_with(|| json!({})), path, value);
            }
            Self::Claim(_, None) => {}
            Self::Source(address) => request.source.clone_from(address),
        }
    }
}

fn put_claim(claims: &mut Json, path: &[String], value: &Json) {
    let Some((first, rest)) = path.split_first() else {
        *claims = value.clone();
        return;
    };
    if !claims.is_object() {
        *claims = Json::Object(Map::new());
    }
    if let Some(object) = claims.as_object_mut() {
        put_claim(object.entry(first.clone()).or_insert(Json::Null), rest, value);
    }
}
