//! What is asked for, from the arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use sidegate_compiler::Workload;
use sidegate_compiler::declare::{Request, name_words};

use crate::output::{Failure, Format};

/// Say why a caller may or may not do something, and what to write to allow it.
///
/// Names the rule that decided, and what came closest. Without METHOD and PATH: what the caller may do at all. Exits
/// with 1 if it is denied.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `services/` [default: .], or none with `--bundle`; then method and path. With `--decision` the logs.
    #[arg(value_name = "[DIR] [METHOD PATH]", num_args = 0..=3)]
    asked: Vec<String>,
    /// A bundle, instead of a folder; with `--decision` either of them.
    #[arg(short, long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
    /// Explain the recorded decision of this id: `explain --decision ID LOG… -b FILE|DIR`. Exits with 2 where the log
    /// lacks what the policy reads.
    #[arg(long, value_name = "ID", requires = "bundle", conflicts_with_all = ["from", "to", "headers", "host", "port", "claim", "claims", "source"])]
    decision: Option<String>,
    /// The entry point that is asked about a recorded decision, instead of the one that it names.
    #[arg(long, value_name = "PATH", requires = "decision")]
    path: Option<String>,
    /// The workload of a recorded decision that does not name one.
    #[arg(long, value_name = "NS/NAME", requires = "decision")]
    workload: Option<Workload>,
    /// Who calls: `NAMESPACE/SERVICE-ACCOUNT`, a whole principal (`spiffe://…`) or `anonymous`; may be repeated
    /// for a certificate with several names.
    #[arg(long, value_name = "PRINCIPAL", required_unless_present = "decision")]
    from: Vec<String>,
    /// The service that is called, or one of its workloads.
    #[arg(long, value_name = "NS/SERVICE", required_unless_present = "decision")]
    to: Option<Workload>,
    /// A header of the request; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,
    /// The host that is asked for.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The port that the connection comes to.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// A claim of the caller's token; may be repeated, the same one for a list.
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// All claims, as a JSON object.
    #[arg(long, value_name = "JSON", conflicts_with = "claim")]
    claims: Option<String>,
    /// The address that the connection comes from.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// The mesh's trust domain.
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    trust_domain: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// A recorded decision that is asked for.
pub(super) struct Recorded<'a> {
    pub(super) id: &'a str,
    pub(super) logs: Vec<PathBuf>,
    /// A bundle or a folder.
    pub(super) policies: &'a Path,
    pub(super) path: Option<&'a str>,
    pub(super) workload: Option<&'a Workload>,
}

/// The arguments, read.
pub(super) struct Asked {
    pub(super) dir: PathBuf,
    /// Method and path.
    pub(super) what: Option<(String, String)>,
    pub(super) to: Workload,
    /// The caller, as people would say it.
    pub(super) caller: String,
    /// The mesh's trust domain.
    pub(super) own: String,
    pub(super) request: Request,
}

impl Args {
    /// The recorded decision that is asked for, if one is.
    pub(super) fn recorded(&self) -> Result<Option<Recorded<'_>>, Failure> {
        let (Some(id), Some(policies)) = (&self.decision, &self.bundle) else { return Ok(None) };
        if self.asked.is_empty() {
            return Err(Failure::other("expected LOG after `--decision ID`"));
        }
        let logs = self.asked.iter().map(PathBuf::from).collect();
        let (path, workload) = (self.path.as_deref(), self.workload.as_ref());
        Ok(Some(Recorded { id, logs, policies, path, workload }))
    }

    pub(super) fn asked(&self) -> Result<Asked, Failure> {
        let Self {
            asked,
            bundle,
            decision: _,
            path: _,
            workload: _,
            from,
            to,
            headers,
            host,
            port,
            claim,
            claims,
            source,
            trust_domain,
            format: _,
        } = self;
        let (dir, what) = match (asked.as_slice(), bundle) {
            ([], _) => (None, None),
            ([method, path], _) => (None, Some((method.clone(), path.clone()))),
            ([dir], None) => (Some(dir), None),
            ([dir, method, path], None) => (Some(dir), Some((method.clone(), path.clone()))),
            _ => return Err(Failure::other("expected METHOD and PATH, or neither, after `--bundle`")),
        };
        let Some(to) = to else { return Err(Failure::other("expected `--to NS/SERVICE`")) };
        let names = names(from, trust_domain)?;
        let caller = match names.as_slice() {
            [] => "a caller without identity".to_owned(),
            [name] => name_words(name, Some(trust_domain)),
            several => several.join(" and "),
        };
        let own = format!("spiffe://{trust_domain}/ns/{}/sa/{}", to.namespace(), to.name());
        let request = Request {
            principal: names.first().cloned(),
            uri_sans: Some(names),
            own_principal: Some(own),
            method: what.as_ref().map(|(method, _)| method.clone()),
            path: what.as_ref().map(|(_, path)| path.clone()),
            host: host.clone(),
            port: *port,
            headers: read_headers(headers)?,
            claims: read_claims(claim, claims.as_deref())?,
            source: source.clone(),
        };
        let dir = PathBuf::from(dir.map_or(".", String::as_str));
        Ok(Asked { dir, what, to: to.clone(), caller, own: trust_domain.clone(), request })
    }
}

/// Principals, in full.
fn names(from: &[String], trust_domain: &str) -> Result<Vec<String>, Failure> {
    if from.iter().any(|name| name == "anonymous") {
        return match from {
            [_] => Ok(Vec::new()),
            _ => Err(Failure::other("expected `--from anonymous` alone")),
        };
    }
    let full = |name: &String| match name.split_once('/') {
        _ if name.contains("://") || name.contains('=') => Ok(name.clone()),
        Some((namespace, account))
            if !namespace.is_empty() && !account.is_empty() && !account.contains('/') =>
        {
            Ok(format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}"))
        }
        _ => Err(Failure::other(format!(
            "expected `--from` as NAMESPACE/SERVICE-ACCOUNT, `spiffe://…` or `anonymous`, got `{name}`"
        ))),
    };
    from.iter().map(full).collect()
}

/// Names in lower case; several values of one are one text, as Envoy hands them over.
fn read_headers(headers: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut read: BTreeMap<String, String> = BTreeMap::new();
    for header in headers {
        let (name, value) = header
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::other(format!("expected a header as `NAME:VALUE`, got `{header}`")))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        read.entry(name)
            .and_modify(|before| {
                before.push(',');
                before.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    Ok(read)
}

fn read_claims(claim: &[String], claims: Option<&str>) -> Result<Option<Json>, Failure> {
    if let Some(text) = claims {
        let wrong = || Failure::other(format!("expected claims as a JSON object, got `{text}`"));
        return serde_json::from_str(text).ok().filter(Json::is_object).map(Some).ok_or_else(wrong);
    }
    let mut read: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for claim in claim {
        let (name, value) = claim
            .split_once('=')
            .ok_or_else(|| Failure::other(format!("expected a claim as `NAME=VALUE`, got `{claim}`")))?;
        read.entry(name).or_default().push(value);
    }
    let json = |(name, values): (&str, Vec<&str>)| {
        let value = match values.as_slice() {
            [one] => Json::from(*one),
            several => Json::from(several.to_vec()),
        };
        (name.to_owned(), value)
    };
    Ok((!read.is_empty()).then(|| Json::Object(read.into_iter().map(json).collect::<Map<_, _>>())))
}
