//! What to write so that a request is allowed, and nothing else.

use serde::Serialize;

use crate::declare::judge::{Answer, Callers, Identity, Request};
use crate::declare::model::{ServicePolicy, Who};
use crate::declare::source::Place;
use crate::declare::words;
use crate::declare::written::{self, quoted, scalar};

/// A rule to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Addition {
    /// The file.
    pub file: String,
    /// Whether the file has an `allow` that it is one more entry of; else it is a key of `spec`.
    pub is_entry: bool,
    /// Lines of YAML, indented as the file is.
    pub yaml: String,
    /// What it allows more than was asked for, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wider: Option<String>,
}

/// The rule; or why there is none.
pub(super) fn addition(
    service: &ServicePolicy,
    aliases: &[String],
    request: &Request,
) -> Result<Addition, String> {
    let from = written::caller(&caller(aliases, request)?);
    let (to, wider) = target(request)?;
    let first = service.allow.first();
    // As far in as the rules that are there, if they are a list with a line for each.
    let dash = first
        .map(|rule| rule.place)
        .filter(|place| is_block(service, *place))
        .map_or(2, |place| usize::try_from(place.column.saturating_sub(3)).unwrap_or(2));
    let pad = " ".repeat(dash);
    let rule = format!("{pad}- from: [{from}]\n{pad}  to: [{to}]\n");
    let yaml = if first.is_some() { rule } else { format!("  allow:\n{rule}") };
    Ok(Addition { file: service.file.clone(), is_entry: first.is_some(), yaml, wider })
}

/// Whether a rule begins after a dash.
fn is_block(service: &ServicePolicy, place: Place) -> bool {
    let line = usize::try_from(place.line).unwrap_or(0).saturating_sub(1);
    let text = service.source.text.lines().nth(line).unwrap_or_default();
    text.trim_start().starts_with("- ")
}

fn caller(aliases: &[String], request: &Request) -> Result<Who, String> {
    let several = request.uri_sans.as_ref().is_some_and(|uris| uris.len() > 1);
    if several {
        return Err(
            "no rule can allow a certificate with several names: which of them calls is not known".to_owned()
        );
    }
    let Some(name) = request.name() else {
        return match request.uri_sans.as_ref().is_some_and(|uris| !uris.is_empty()) {
            true => Err("no rule can allow a caller whose principal is not known".to_owned()),
            false => Ok(Who::Anonymous),
        };
    };
    if let Some(Identity { trust_domain, namespace, service_account }) = Identity::of(name)
        && words::service_account(&format!("{namespace}/{service_account}")).is_ok()
    {
        let is_own = Callers::new(aliases, request).is_own(trust_domain) == Answer::Yes;
        if is_own || words::subdomain(trust_domain).is_ok() {
            return Ok(Who::ServiceAccount {
                trust_domain: (!is_own).then(|| trust_domain.to_owned()),
                namespace: namespace.to_owned(),
                service_account: service_account.to_owned(),
            });
        }
    }
    match words::principal(name) {
        Ok(_) => Ok(Who::Principal(name.to_owned())),
        Err(_) => Err(format!(
            "no rule can name `{name}`, which is no SPIFFE ID; `authenticated: true` would let in everybody who has one"
        )),
    }
}

/// The target, and what it says more than was asked for.
fn target(request: &Request) -> Result<(String, Option<String>), String> {
    let path = request.path.as_deref().ok_or("give METHOD and PATH to see what to write")?;
    let path = path.split('?').next().unwrap_or_default();
    let method = request.method.as_deref().ok_or("give METHOD and PATH to see what to write")?;
    let grpc = path.strip_prefix('/').filter(|name| words::grpc(name).is_ok() && !name.ends_with("/*"));
    let is_grpc =
        request.headers.get("content-type").is_some_and(|value| value.starts_with("application/grpc"));
    if let (Some(name), true, "POST") = (grpc, is_grpc, method) {
        return Ok((format!("{{grpc: [{}]}}", quoted(name)), None));
    }
    if words::method(method).is_err() {
        return Err(format!("no rule can name the method `{method}`: methods are in upper case"));
    }
    let (template, wider) = match words::template(path) {
        Ok(template) if !path.contains('{') => (template.to_string(), None),
        _ => {
            let mut segments = Vec::new();
            for part in path.split('/').skip(1) {
                let is_plain = words::template(&format!("/{part}")).is_ok() && !part.contains('{');
                segments.push(if is_plain { part.to_owned() } else { "{part}".to_owned() });
            }
            let wider = "a template cannot say what is encoded or `*`: `{part}` is any text there".to_owned();
            (format!("/{}", segments.join("/")), Some(wider))
        }
    };
    words::template(&template).map_err(|why| format!("no template is this path: {why}"))?;
    Ok((format!("{{methods: [{}], paths: [{}]}}", scalar(method), quoted(&template)), wider))
}
