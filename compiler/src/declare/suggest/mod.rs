//! From observed traffic to declarations that allow it: what was seen, made general as far as there is evidence
//! for it, and no further.
//!
//! A place of a path is a variable only if so many different values were seen in it, from the same caller by the
//! same method; methods and paths are never multiplied with each other. What cannot be suggested is counted by
//! its [`Reason`].

mod access;
mod decision;
mod existing;
mod general;
mod left;
mod look;
mod propose;
mod render;
mod request;
mod tally;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use serde::Serialize;

use super::mesh::Mesh;
use super::model::Segment;
use super::words;
use crate::log::{Piece, Records, What};
use left::Left;
pub(crate) use left::shown;
pub use left::{LeftOut, Reason};
pub use propose::{Item, Rule, Target};
pub use tally::When;
pub(crate) use tally::shape;
use tally::{Counted, Tally};

/// Paths that are kept of all services together: some 200 MB.
const MAX_KEPT: usize = 1_000_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service that all of the log is about.
    pub to: Option<(String, String)>,
    /// The trust domain of services whose own certificate is not in the log.
    pub trust_domain: String,
    /// Whether callers are named by their namespaces.
    pub by_namespace: bool,
    /// Whether services that the log does not name are called as their service accounts.
    pub by_account: bool,
    /// Requests that a path has to have had, and a template altogether.
    pub min_count: u64,
    /// Different values that make a variable, at least 1.
    pub min_values: usize,
    /// Different words in one place that make a variable; 0 for never.
    pub vary: usize,
    /// Different paths that are kept of one caller, service and method.
    pub max_paths: usize,
    /// The earliest time, in seconds since 1970.
    pub since: Option<i64>,
    /// Answers from this status on are not worth allowing.
    pub status_below: u32,
    /// Whether what the policy denied is taken, too.
    pub denied: bool,
    /// Beginnings of paths below which all may be allowed, as [`open`] reads them.
    pub open: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            to: None,
            trust_domain: "cluster.local".to_owned(),
            by_namespace: false,
            by_account: false,
            min_count: 1,
            min_values: 5,
            vary: 50,
            max_paths: 10_000,
            since: None,
            status_below: 400,
            denied: false,
            open: Vec::new(),
        }
    }
}

/// Reads logs, one after the other.
#[derive(Debug)]
pub struct Suggester<'m> {
    options: Options,
    mesh: &'m Mesh,
    /// The service of each workload, if a declaration names it.
    services: HashMap<(&'m str, &'m str), &'m str>,
    tally: Tally,
    left: Left,
    records: u64,
    kept: u64,
}

/// What is suggested for one service.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestion {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The declaration that there is already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<String>,
    /// What it lacks.
    pub rules: Vec<Rule>,
    /// The whole file; the rules alone, as they stand below `allow:`, where there is one already.
    pub yaml: String,
}

/// What logs suggest.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestions {
    /// Records that were read.
    pub records: u64,
    /// Requests that the suggestions allow.
    pub suggested: u64,
    /// Requests that declarations allow already.
    pub allowed_already: u64,
    /// What is left out, by reason.
    #[serde(serialize_with = "by_code")]
    pub left_out: BTreeMap<Reason, LeftOut>,
    /// By service.
    pub services: Vec<Suggestion>,
}

fn by_code<S: serde::Serializer>(left: &BTreeMap<Reason, LeftOut>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(left.iter().map(|(reason, left)| (reason.code(), left)))
}

/// A namespace and a service, as `NAMESPACE/SERVICE`.
///
/// # Errors
/// It is something else.
pub fn service(text: &str) -> Result<(String, String), String> {
    let parts = text
        .split_once('/')
        .and_then(|(namespace, name)| Some((words::label(namespace).ok()?, words::label(name).ok()?)));
    parts.ok_or_else(|| format!("expected `NAMESPACE/SERVICE`, got `{text}`"))
}

/// A template such as `/static/{**}`, whose beginning has no variable.
///
/// # Errors
/// It is something else.
pub fn open(text: &str) -> Result<String, String> {
    let template = words::template(text)?;
    let is_literal = template.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)));
    match text.strip_suffix("{**}") {
        Some(prefix) if template.is_open && is_literal => Ok(prefix.to_owned()),
        _ => Err("expected a template such as `/static/{**}`, without other variables".to_owned()),
    }
}

/// A time as RFC 3339 writes it, or a day (`2026-11-24`), to seconds since 1970.
///
/// # Errors
/// It is something else.
pub fn time(text: &str) -> Result<i64, String> {
    let expected =
        || "expected a day such as `2026-11-24` or a time such as `2026-11-24T10:00:00Z`".to_owned();
    request::seconds(text).ok_or_else(expected)
}

impl<'m> Suggester<'m> {
    /// For a mesh, which may have declarations already.
    pub fn new(options: Options, mesh: &'m Mesh) -> Self {
        let mut services = HashMap::new();
        for service in &mesh.services {
            for workload in &service.workloads {
                services.insert((service.namespace.as_str(), workload.as_str()), service.name.as_str());
            }
        }
        let tally = Tally::new(options.max_paths, MAX_KEPT);
        Self { options, mesh, services, tally, left: Left::default(), records: 0, kept: 0 }
    }

    /// Reads a log, which may be compressed by gzip; `progress` is told now and then how many records were read.
    ///
    /// # Errors
    /// It cannot be read to its end; what came before counts.
    pub fn read(&mut self, name: &str, log: impl Read, mut progress: impl FnMut(u64)) -> io::Result<()> {
        let mut records = Records::new(log)?;
        while let Some(Piece { line, what }) = records.next()? {
            self.records += 1;
            if self.records.is_multiple_of(100_000) {
                progress(self.records);
            }
            let (reason, example) = match what {
                What::TooLarge => (Reason::TooLarge, String::new()),
                What::Other(bytes) => (Reason::NotJson, String::from_utf8_lossy(bytes).into_owned()),
                What::Object(bytes) => match self.take(bytes) {
                    Ok(()) => continue,
                    Err(refused) => refused,
                },
            };
            self.left.add(reason, 1, || Some(format!("{name}:{line}")), &example);
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), request::Refused> {
        let request = request::read(bytes, &self.options)?;
        let (namespace, workload) = (request.workload.0.as_ref(), request.workload.1.as_ref());
        let name = self.services.get(&(namespace, workload)).copied().unwrap_or(workload);
        if words::label(namespace).is_err() || words::label(name).is_err() {
            return Err((Reason::NoService, format!("{namespace}/{name}")));
        }
        let mesh = self.mesh;
        let is_same =
            |own: &str, other: &str| existing::is_own(mesh, own, other) || existing::is_own(mesh, other, own);
        let example = || match &request.call {
            request::Call::Http(method, path) => format!("{method} {path}"),
            request::Call::Grpc(name) => name.to_string(),
        };
        match self.tally.add((namespace, name), &request, is_same) {
            Counted::Kept => {
                self.kept += 1;
                Ok(())
            }
            Counted::NoRoom => Err((Reason::NoRoom, example())),
            Counted::OtherDomain => Err((Reason::OtherTrustDomain, request.domain.to_string())),
        }
    }

    /// Requests that were kept so far.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// What is suggested. `owner` knows the owner of a service, by namespace and name.
    ///
    /// # Errors
    /// A suggestion that would be no declaration: which, and why.
    pub fn finish(mut self, owner: impl Fn(&str, &str) -> Option<String>) -> Result<Suggestions, String> {
        let mut suggestions = Suggestions {
            records: self.records,
            suggested: 0,
            allowed_already: 0,
            left_out: BTreeMap::new(),
            services: Vec::new(),
        };
        let services: BTreeMap<_, _> = self.tally.services.iter().collect();
        for ((namespace, name), service) in services {
            let policy = self
                .mesh
                .services
                .iter()
                .find(|policy| *policy.namespace == **namespace && *policy.name == **name);
            let proposed = propose::propose(service, policy, self.mesh, &self.options, &mut self.left);
            suggestions.allowed_already += proposed.allowed;
            if proposed.rules.is_empty() {
                continue;
            }
            suggestions.suggested += proposed.suggested;
            let owner = owner(namespace, name);
            let whole = render::file(namespace, name, owner.as_deref(), &proposed.rules);
            let shown = format!("services/{namespace}/{name}.yaml");
            Mesh::read_one(&shown, &whole, namespace, name).map_err(|findings| {
                let finding = findings.first().map(ToString::to_string).unwrap_or_default();
                format!("`{namespace}/{name}` cannot be declared by rules for all that was seen: {finding}")
            })?;
            suggestions.services.push(Suggestion {
                namespace: namespace.to_string(),
                name: name.to_string(),
                existing: policy.map(|policy| policy.file.clone()),
                yaml: if policy.is_some() { render::list(&proposed.rules) } else { whole },
                rules: proposed.rules,
            });
        }
        suggestions.left_out = self.left.0;
        Ok(suggestions)
    }
}
