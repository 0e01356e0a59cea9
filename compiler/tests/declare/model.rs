//! What a declaration means, written down a second time and without a table: every rule is gone through, and
//! every path is read character by character. What docs/declare.md says is what this does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::beside::{self, Module};
use super::changes::{changes, is_twin};
use super::paths::{read_path, template};

/// A declaration, as a person would say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declaration {
    pub(crate) allow: Vec<Rule>,
    pub(crate) deny: Vec<Rule>,
    pub(crate) set: [Vec<(String, String)>; 2],
    pub(crate) remove: [Vec<String>; 2],
    pub(crate) aliases: Vec<String>,
    /// What the service is called.
    pub(crate) name: String,
    pub(crate) is_shadow: bool,
    /// The workload that is asked for is another, which nobody declares.
    pub(crate) is_undeclared: bool,
    pub(crate) rego: Option<Module>,
    pub(crate) may_widen: bool,
    /// Denies of the mesh-wide base.
    pub(crate) base: Vec<Rule>,
    /// Whether the base has Rego, too.
    pub(crate) has_base_rego: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    pub(crate) from: Option<Vec<Caller>>,
    pub(crate) to: Vec<Target>,
    pub(crate) when: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Caller {
    Account(Option<String>, String, String),
    Namespace(Option<String>, String),
    TrustDomain(String),
    Principal(String),
    Authenticated,
    Anonymous,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) grpc: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) ports: Vec<u16>,
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Exact(String, String),
    Prefix(String, String),
    Present(String),
    Absent(String),
    Claim(Vec<String>, Vec<String>),
    Source(Vec<String>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) principal: Option<String>,
    pub(crate) uris: Option<Vec<String>>,
    pub(crate) own: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) claims: Option<Json>,
    pub(crate) address: Option<String>,
}

/// What is known about a question.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Answer {
    Yes,
    No,
    /// An allow takes it for no, a deny for yes.
    Unknown,
}

use Answer::{No, Unknown, Yes};

fn sure(yes: bool) -> Answer {
    if yes { Yes } else { No }
}

fn any(answers: impl Iterator<Item = Answer>) -> Answer {
    answers.fold(No, |all, one| match (all, one) {
        (Yes, _) | (_, Yes) => Yes,
        (Unknown, _) | (_, Unknown) => Unknown,
        _ => No,
    })
}

impl Request {
    fn bare_path(&self) -> Option<&str> {
        self.path.as_deref().map(|path| path.split('?').next().unwrap_or_default())
    }

    /// All names of the caller.
    fn names(&self) -> BTreeSet<&str> {
        let uris = self.uris.iter().flatten().map(String::as_str);
        uris.chain(self.principal.as_deref()).filter(|name| !name.is_empty()).collect()
    }

    pub(super) fn is_several(&self) -> bool {
        self.uris.as_ref().is_some_and(|uris| uris.len() > 1)
    }

    pub(super) fn principal(&self) -> Option<&str> {
        self.principal.as_deref().filter(|name| !name.is_empty())
    }
}

/// Trust domain, namespace and service account.
pub(super) fn spiffe(name: &str) -> Option<[&str; 3]> {
    let rest = name.strip_prefix("spiffe://")?;
    let (domain, rest) = rest.split_once("/ns/")?;
    let (namespace, account) = rest.split_once("/sa/")?;
    let parts = [domain, namespace, account];
    parts.iter().all(|part| !part.is_empty() && !part.contains('/')).then_some(parts)
}

fn own_domain(request: &Request) -> Option<&str> {
    let domain = request.own.as_deref()?.strip_prefix("spiffe://")?.split('/').next()?;
    Some(domain).filter(|domain| !domain.is_empty())
}

pub(super) fn is_mine(declaration: &Declaration, request: &Request, domain: &str) -> Answer {
    match own_domain(request) {
        _ if declaration.aliases.iter().any(|alias| alias == domain) => Yes,
        Some(own) => sure(own == domain),
        None => Unknown,
    }
}

fn called_by(declaration: &Declaration, request: &Request, caller: &Caller, name: &str) -> Answer {
    let parts = spiffe(name);
    let domain_is = |wanted: &Option<String>, domain: &str| match wanted {
        Some(wanted) => sure(wanted == domain),
        None => is_mine(declaration, request, domain),
    };
    match (caller, parts) {
        (Caller::Account(domain, namespace, account), Some([td, ns, sa]))
            if ns == namespace && sa == account =>
        {
            domain_is(domain, td)
        }
        (Caller::Namespace(domain, namespace), Some([td, ns, _])) if ns == namespace => domain_is(domain, td),
        (Caller::TrustDomain(domain), Some([td, ..])) => sure(td == domain),
        // Not in Istio's form, but a name of that domain.
        (Caller::TrustDomain(domain), None) => {
            let td = name.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
            if td == Some(domain) { Unknown } else { No }
        }
        (Caller::Principal(principal), _) => sure(principal == name),
        (Caller::Authenticated, _) => Yes,
        _ => No,
    }
}

fn from(
    declaration: &Declaration,
    request: &Request,
    callers: Option<&Vec<Caller>>,
    is_deny: bool,
) -> Answer {
    let Some(callers) = callers else { return Yes };
    if !is_deny && request.is_several() {
        return No;
    }
    // Who is allowed is who the proxy says it is; any name that was seen can be denied.
    let all = request.names();
    let names: BTreeSet<&str> = if is_deny { all.clone() } else { request.principal().into_iter().collect() };
    any(callers.iter().map(|caller| match caller {
        Caller::Anonymous => sure(if is_deny { request.principal().is_none() } else { all.is_empty() }),
        _ => any(names.iter().map(|name| called_by(declaration, request, caller, name))),
    }))
}

fn path_is(request: &Request, target: &Target, is_deny: bool) -> bool {
    let Some((path, decoded)) = request.bare_path().and_then(|path| Some((path, read_path(path)?))) else {
        // No allow is asked about it; what a deny would say makes no difference.
        return is_deny;
    };
    let compared = if is_deny { decoded.as_str() } else { path };
    let grpc = target.grpc.iter().map(|method| match (method.strip_suffix("/*"), is_deny) {
        (Some(service), true) => format!("/{service}/{{**}}"),
        (Some(service), false) => format!("/{service}/{{m}}"),
        (None, _) => format!("/{method}"),
    });
    let mut templates = target.paths.iter().cloned().chain(grpc).peekable();
    templates.peek().is_none() || templates.any(|wanted| template(&wanted, compared, is_deny))
}

fn host_is(request: &Request, wanted: &[String]) -> Answer {
    let host = request.host.as_deref().unwrap_or_default().to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return Unknown,
        None => host.as_str(),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    if !name.split('.').all(is_word) {
        return Unknown;
    }
    sure(wanted.iter().any(|wanted| match wanted.strip_prefix('*') {
        Some(suffix) => name.ends_with(&suffix.to_lowercase()),
        None => name == wanted.to_lowercase(),
    }))
}

fn to(request: &Request, target: &Target, is_deny: bool) -> Answer {
    let Target { methods, paths: _, grpc, hosts, ports } = target;
    let method = request.method.as_deref();
    let mut answers = vec![sure(path_is(request, target, is_deny))];
    if !methods.is_empty() {
        answers.push(match (method, is_deny) {
            (None, _) => Unknown,
            (Some(method), true) => sure(methods.contains(&method.to_uppercase())),
            (Some(method), false) => sure(methods.iter().any(|wanted| wanted == method)),
        });
    }
    if !grpc.is_empty() && !is_deny {
        let content_type = request.headers.get("content-type");
        let is_grpc = content_type.is_some_and(|value| value.starts_with("application/grpc"));
        answers.push(sure(method == Some("POST") && is_grpc));
    }
    if !hosts.is_empty() {
        answers.push(host_is(request, hosts));
    }
    if !ports.is_empty() {
        answers.push(request.port.map_or(Unknown, |port| sure(ports.contains(&port))));
    }
    all(&answers)
}

fn all(answers: &[Answer]) -> Answer {
    match answers {
        _ if answers.contains(&No) => No,
        _ if answers.contains(&Unknown) => Unknown,
        _ => Yes,
    }
}

fn when(request: &Request, condition: &Condition, is_deny: bool) -> Answer {
    let header = |name: &String| request.headers.get(name);
    let parts = |value: &str| value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    match condition {
        Condition::Exact(name, _)
        | Condition::Prefix(name, _)
        | Condition::Present(name)
        | Condition::Absent(name)
            if request.headers.keys().any(|other| is_twin(other, name)) =>
        {
            Unknown
        }
        Condition::Exact(name, text) => {
            sure(header(name).is_some_and(|value| value == text || is_deny && parts(value).contains(text)))
        }
        Condition::Prefix(name, text) => sure(header(name).is_some_and(|value| {
            let begin = |part: &String| part.starts_with(text);
            if is_deny { parts(value).iter().any(begin) } else { parts(value).iter().all(begin) }
        })),
        Condition::Present(name) => sure(header(name).is_some()),
        Condition::Absent(name) => sure(header(name).is_none()),
        Condition::Claim(path, values) => {
            let mut at = request.claims.as_ref();
            for key in path {
                at = at.and_then(|value| value.as_object()).and_then(|object| object.get(key));
            }
            let is_value = |value: &Json| value.as_str().is_some_and(|text| values.iter().any(|v| v == text));
            match at {
                None | Some(Json::Null) => No,
                Some(Json::String(_)) => sure(at.is_some_and(is_value)),
                Some(Json::Array(items)) if items.iter().any(is_value) => Yes,
                Some(Json::Array(items)) if items.iter().all(Json::is_string) => No,
                Some(_) => Unknown,
            }
        }
        Condition::Source(networks) => match request.address.as_deref().map(str::parse::<IpAddr>) {
            Some(Ok(address)) => sure(networks.iter().any(|network| contains(network, address))),
            _ => Unknown,
        },
    }
}

fn contains(network: &str, address: IpAddr) -> bool {
    let (base, length) = network.split_once('/').unwrap_or((network, ""));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (32, u128::from(u32::from(v4)) << 96),
        IpAddr::V6(v6) => (128, u128::from(v6)),
    };
    let ((width, base), (other, address)) = (bits(base.parse().unwrap()), bits(address));
    let length: u32 = length.parse().unwrap_or(width);
    width == other && (length == 0 || base >> (128 - length) == address >> (128 - length))
}

fn rule(declaration: &Declaration, request: &Request, rule: &Rule, is_deny: bool) -> bool {
    let targets = match rule.to.is_empty() {
        true => sure(path_is(request, &Target::default(), is_deny)),
        false => any(rule.to.iter().map(|target| to(request, target, is_deny))),
    };
    let mut answers = vec![from(declaration, request, rule.from.as_ref(), is_deny), targets];
    answers.extend(rule.when.iter().map(|condition| when(request, condition, is_deny)));
    match all(&answers) {
        Yes => true,
        No => false,
        Unknown => is_deny,
    }
}

/// The decision, as the library gives it.
pub(crate) fn decide(declaration: &Declaration, request: &Request) -> Json {
    // On a path that cannot be read, what asks for paths denies: it may be the one that is meant.
    let base_denies = declaration.base.iter().any(|deny| rule(declaration, request, deny, true))
        || declaration.has_base_rego && beside::mesh_denies(request);
    let denied = json!({"allowed": false, "http_status": 403});
    if base_denies {
        return denied;
    }
    if declaration.is_undeclared {
        return json!({"allowed": false, "http_status": 403, "undeclared": true});
    }
    let mut decision = if is_allowed(declaration, request) { allowed(declaration, request) } else { denied };
    if declaration.is_shadow {
        decision["mode"] = json!("shadow");
    }
    decision
}

/// Whether the service's own files allow it.
fn is_allowed(declaration: &Declaration, request: &Request) -> bool {
    let is_readable = request.bare_path().is_some_and(|path| read_path(path).is_some());
    let declared = declaration.allow.iter().any(|allow| rule(declaration, request, allow, false));
    let permitted = match declaration.rego.as_ref().and_then(|rego| rego.allows(request)) {
        None => declared,
        Some(rego) if declaration.may_widen => declared || rego,
        Some(rego) => declared && rego,
    };
    is_readable
        && permitted
        && !declaration.deny.iter().any(|deny| rule(declaration, request, deny, true))
        && !declaration.rego.as_ref().is_some_and(|rego| rego.denies(request))
}

fn allowed(declaration: &Declaration, request: &Request) -> Json {
    if declaration.set.iter().all(Vec::is_empty) && declaration.remove.iter().all(Vec::is_empty) {
        return json!({"allowed": true});
    }
    let [request_set, request_gone] = changes(declaration, request, 0);
    let [response_set, response_gone] = changes(declaration, request, 1);
    json!({"allowed": true, "headers": request_set, "request_headers_to_remove": request_gone,
        "response_headers_to_set": response_set, "response_headers_to_remove": response_gone})
}
