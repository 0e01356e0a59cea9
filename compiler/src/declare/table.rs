//! The table of a data document: the same rules in the form that the engine answers from. Made from the data and not
//! from the files, for the data is what a bundle has: whoever compiles it again gets the same table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use regorus::Value;
use serde::de::DeserializeOwned;
use sidegate_engine::log;
use sidegate_engine::table::{self, Caller, Paths, Spec, Status, Test};

use super::document::{BaseDocument, Callers, Check, Document, Effect, Rules, Shape, Side, Tree};
use super::document_headers::{Changes, Headers, Piece};
use super::model::Variable;
use super::{library, words};

/// What answers with a table, or why it is the plan.
pub(crate) type Made<T> = Result<T, String>;

/// The table of the entry point at `path`, for sources of these modules (path, text and package) and these data.
pub(crate) fn make(path: &str, modules: &[(&str, &str, &[String])], data: &Value) -> Made<Vec<u8>> {
    if path != log::DECLARATIONS {
        return Err("it is Rego of its own".to_owned());
    }
    let own = |name: &str| Value::from(name);
    let (root, is_text) = (&data[&own("sidegate")], |value: &Value| value.as_string().is_ok());
    let workload = &root[&own("workload")];
    let (namespace, name) = (&workload[&own("namespace")], &workload[&own("name")]);
    if !is_text(namespace) || !is_text(name) {
        return Err("no workload is fixed: build with `--workload`".to_owned());
    }
    let foreign = modules.iter().find(|(path, text, package)| {
        package.first().is_some_and(|root| root == "sidegate") && !library::is_own(path, text)
    });
    if let Some((path, ..)) = foreign {
        return Err(format!("`{path}` is no file of the library"));
    }
    let base: Option<BaseDocument> = read(&root[&own("base")])?;
    let aliases: Rules = read(&root[&own("trust_domain_aliases")])?.unwrap_or_default();
    let service = &root[&own("workloads")][namespace][name];
    let document: Option<Document> = match service {
        Value::Undefined => None,
        service => {
            let document = read(&root[&own("services")][namespace][service])?;
            Some(document.ok_or("the declaration is not there")?)
        }
    };
    if document.as_ref().is_some_and(|document| document.rego.is_some())
        || base.as_ref().is_some_and(|base| base.rego.is_some())
    {
        return Err("there is Rego beside what is declared".to_owned());
    }
    let missing = files(document.as_ref(), base.as_ref())
        .into_iter()
        .find(|file| !modules.iter().any(|(path, text, _)| library::is_whole(path, text, file)));
    if let Some(file) = missing {
        return Err(format!("`{file}` of the library is not there"));
    }
    table::write(&spec(document.as_ref(), base.as_ref(), &aliases)?).map_err(str::to_owned)
}

/// What data say, where they say something.
fn read<T: DeserializeOwned>(data: &Value) -> Made<Option<T>> {
    if *data == Value::Undefined {
        return Ok(None);
    }
    let json = serde_json::to_value(data).map_err(|error| error.to_string())?;
    serde_json::from_value(json).map(Some).map_err(|error| error.to_string())
}

/// The files of the library that decide by it.
fn files(document: Option<&Document>, base: Option<&BaseDocument>) -> BTreeSet<&'static str> {
    let mut files = BTreeSet::from([
        "authz.rego",
        "callers.rego",
        "denies.rego",
        "hosts.rego",
        "path.rego",
        "tests.rego",
        "workload.rego",
    ]);
    if base.is_some() {
        files.insert("base.rego");
    }
    if document.is_some_and(|document| document.headers.is_some()) {
        files.insert("changes.rego");
    }
    if document.is_some_and(|document| document.mode.is_some()) {
        files.insert("shadow.rego");
    }
    let own = document.into_iter().flat_map(|document| [&document.allow, &document.deny]);
    let sides = own.flatten().chain(base.and_then(|base| base.deny.as_ref()));
    for check in sides.flat_map(|side| &side.clauses).flat_map(|clause| &clause.tests) {
        let file = match check {
            Check::Grpc | Check::Host { .. } => continue,
            Check::Port { .. } => "ports.rego",
            Check::HeaderExact { .. }
            | Check::HeaderPrefix { .. }
            | Check::HeaderPresent { .. }
            | Check::HeaderAbsent { .. } => "headers.rego",
            Check::Claim { .. } => "claims.rego",
            Check::Source { .. } => "networks.rego",
        };
        files.insert(file);
    }
    files
}

fn spec(document: Option<&Document>, base: Option<&BaseDocument>, aliases: &Rules) -> Made<Spec> {
    let deny = |side: &Option<Side>| side.as_ref().map(|side| side.spec(Effect::Deny)).transpose();
    let base = match base {
        Some(BaseDocument { rego: _, deny: side }) => deny(side)?,
        None => None,
    };
    let own_names = names(aliases)?;
    let Some(Document { owner: _, mode, rego: _, allow, deny: denies, headers }) = document else {
        return Ok(Spec { status: Status::Undeclared, own_names, base, ..Spec::default() });
    };
    Ok(Spec {
        status: match mode.as_deref() {
            None => Status::Enforced,
            Some("shadow") => Status::Shadow,
            Some(other) => return Err(format!("`{other}` is no mode")),
        },
        own_names,
        allow: allow.as_ref().map(|side| side.spec(Effect::Allow)).transpose()?,
        deny: deny(denies)?,
        base,
        changes: headers.as_ref().map(Headers::spec).transpose()?,
    })
}

impl Side {
    fn spec(&self, effect: Effect) -> Made<table::Side> {
        let Self { callers, clauses, any, exact, lengths, open } = self;
        let mut of_rules = BTreeMap::<&str, BTreeSet<u32>>::new();
        for (at, clause) in (0..).zip(clauses) {
            of_rules.entry(&clause.rule).or_default().insert(at);
        }
        let mut paths = BTreeMap::new();
        let number = |at: &usize| u32::try_from(*at).map_err(|_| "it has too many clauses".to_owned());
        let numbers = |clauses: &BTreeSet<usize>| clauses.iter().map(number).collect::<Made<BTreeSet<u32>>>();
        if !any.is_empty() {
            paths.insert(Paths::Every, any.iter().map(number).collect::<Made<_>>()?);
        }
        for (path, clauses) in exact {
            paths.insert(Paths::Exact(path.clone()), numbers(clauses)?);
        }
        let closed = lengths.iter().enumerate();
        let closed = closed.flat_map(|(parts, shapes)| shapes.iter().map(move |shape| (shape, Some(parts))));
        for (shape, parts) in closed.chain(open.iter().map(|shape| (shape, None))) {
            for (path, clauses) in &shape.paths {
                let shape = shape.spec(path, parts)?;
                if paths.insert(Paths::Shape(shape), numbers(clauses)?).is_some() {
                    return Err(format!("`{path}` is there twice"));
                }
            }
        }
        let clauses = clauses.iter().map(|clause| {
            let tests = clause.tests.iter().map(|check| check.spec(effect)).collect::<Made<_>>()?;
            Ok(table::Clause { methods: clause.methods.as_ref().map(names).transpose()?, tests })
        });
        Ok(table::Side { clauses: clauses.collect::<Made<_>>()?, callers: callers.spec(&of_rules)?, paths })
    }
}

impl Shape {
    /// The shape of one of its paths. The parts that are looked at are those of its mask.
    fn spec(&self, path: &str, parts: Option<usize>) -> Made<table::Shape> {
        let Self { mask, least, paths: _ } = self;
        let given: Vec<&str> = path.split('/').collect();
        let is_whole = parts.is_none_or(|parts| parts == mask.len());
        if given.len() != mask.len() || !is_whole || *least < mask.len() {
            return Err(format!("`{path}` has not the parts of its mask"));
        }
        let part = |(kind, part): (&String, &&str)| match (kind.as_str(), *part) {
            ("", part) => Ok(Some(part.to_owned())),
            ("{}", "{}") => Ok(None),
            _ => Err(format!("`{path}` has not the parts of its mask")),
        };
        let of_mask = mask.iter().zip(&given).map(part).collect::<Made<_>>()?;
        Ok(table::Shape { parts: of_mask, open: parts.is_none().then_some(*least) })
    }
}

/// Callers and the clauses of their rules.
struct Found<'a> {
    of_rules: &'a BTreeMap<&'a str, BTreeSet<u32>>,
    callers: BTreeMap<Caller, BTreeSet<u32>>,
}

impl Found<'_> {
    fn put(&mut self, caller: Caller, rules: &Rules) -> Made<()> {
        let mut clauses = BTreeSet::new();
        for rule in names(rules)? {
            clauses.extend(self.of_rules.get(rule.as_str()).into_iter().flatten());
        }
        if !clauses.is_empty() {
            self.callers.insert(caller, clauses);
        }
        Ok(())
    }

    fn put_all(&mut self, tree: &Tree<Rules>, caller: impl Fn(&str) -> Caller) -> Made<()> {
        tree.iter().try_for_each(|(name, rules)| self.put(caller(name), rules))
    }
}

impl Callers {
    fn spec(&self, of_rules: &BTreeMap<&str, BTreeSet<u32>>) -> Made<BTreeMap<Caller, BTreeSet<u32>>> {
        let Self { sa, ns, td_sa, td_ns, td, principal, authenticated, anonymous, everyone } = self;
        let mut found = Found { of_rules, callers: BTreeMap::new() };
        for (namespace, accounts) in sa {
            found.put_all(accounts, |name| Caller::OwnAccount(namespace.clone(), name.to_owned()))?;
        }
        found.put_all(ns, |name| Caller::OwnNamespace(name.to_owned()))?;
        for (domain, namespaces) in td_sa {
            for (namespace, accounts) in namespaces {
                found.put_all(accounts, |name| {
                    Caller::Account(domain.clone(), namespace.clone(), name.to_owned())
                })?;
            }
        }
        for (domain, namespaces) in td_ns {
            found.put_all(namespaces, |name| Caller::Namespace(domain.clone(), name.to_owned()))?;
        }
        found.put_all(td, |name| Caller::TrustDomain(name.to_owned()))?;
        found.put_all(principal, |name| Caller::Principal(name.to_owned()))?;
        found.put(Caller::Authenticated, authenticated)?;
        found.put(Caller::Anonymous, anonymous)?;
        found.put(Caller::Everyone, everyone)?;
        Ok(found.callers)
    }
}

impl Check {
    fn spec(&self, effect: Effect) -> Made<Test> {
        Ok(match self {
            Self::Grpc if effect == Effect::Deny => return Err("a deny asks for gRPC".to_owned()),
            Self::Grpc => Test::HeaderBegins("content-type".to_owned(), "application/grpc".to_owned()),
            Self::Host { exact, suffixes } => Test::Host(names(exact)?, suffixes.clone()),
            Self::Port { ports } => Test::Port(ports.iter().copied().collect()),
            Self::HeaderExact { name, text } => Test::HeaderExact(name.clone(), text.clone()),
            Self::HeaderPrefix { name, text } => Test::HeaderPrefix(name.clone(), text.clone()),
            Self::HeaderPresent { name } => Test::HeaderPresent(name.clone()),
            Self::HeaderAbsent { name } => Test::HeaderAbsent(name.clone()),
            Self::Claim { path, values } => {
                let path = std::iter::once("payload".to_owned()).chain(path.iter().cloned()).collect();
                Test::Metadata("envoy.filters.http.jwt_authn".to_owned(), path, names(values)?)
            }
            Self::Source { networks } => {
                Test::Source(networks.iter().map(|text| network(text)).collect::<Made<_>>()?)
            }
        })
    }
}

impl Headers {
    fn spec(&self) -> Made<table::Changes> {
        let Self { request, response } = self;
        Ok(table::Changes {
            set: [request.set()?, response.set()?],
            remove: [request.remove.clone(), response.remove.clone()],
        })
    }
}

impl Changes {
    fn set(&self) -> Made<BTreeMap<String, Vec<table::Piece>>> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Ok(table::Piece::Text(text.clone())),
            Piece::Variable(name) => {
                let variable = Variable::ALL.iter().find(|(known, _)| known == name);
                match variable.map(|(_, variable)| variable) {
                    Some(Variable::Principal) => Ok(table::Piece::Principal),
                    Some(Variable::Namespace) => Ok(table::Piece::Namespace),
                    Some(Variable::ServiceAccount) => Ok(table::Piece::ServiceAccount),
                    Some(Variable::RequestId) => Ok(table::Piece::Header("x-request-id".to_owned())),
                    None => Err(format!("`{name}` is no variable")),
                }
            }
        };
        let value = |pieces: &Vec<Piece>| pieces.iter().map(piece).collect::<Made<Vec<_>>>();
        self.set.iter().map(|(name, pieces)| Ok((name.clone(), value(pieces)?))).collect()
    }
}

/// The keys of a set that is written as an object; all of its values are `true`.
fn names(set: &Rules) -> Made<BTreeSet<String>> {
    if set.values().all(|is_in| *is_in) {
        Ok(set.keys().cloned().collect())
    } else {
        Err("a set is none".to_owned())
    }
}

fn network(text: &str) -> Made<(IpAddr, u8)> {
    let canonical = words::network(text)?;
    let parts =
        canonical.split_once('/').and_then(|(base, length)| Some((base.parse().ok()?, length.parse().ok()?)));
    parts.filter(|_| canonical == text).ok_or_else(|| format!("`{text}` is no network"))
}
