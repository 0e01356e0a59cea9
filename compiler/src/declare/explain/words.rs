//! What is missing, in words.

use crate::declare::judge::{Answer, Effect, Identity, Part, Request};
use crate::declare::model::{Condition, HeaderTest, Rule, Test, Who};

/// Things that are listed before "and so on".
const LISTED: usize = 4;

/// What a rule says about a part that the request is not; `None` where there is nothing to say.
pub(super) fn miss(
    rule: &Rule,
    target: Option<usize>,
    part: Part,
    answer: Answer,
    effect: Effect,
    request: &Request,
) -> Option<String> {
    let target = target.and_then(|at| rule.to.get(at));
    let unknown = |what: &str, option: &str| match effect {
        Effect::Allow => format!("it asks for {what}, which was not given ({option})"),
        Effect::Deny => format!("it asks for {what}, which was not given ({option}): in doubt it denies"),
    };
    let said = |what: Option<&str>| what.map_or("none".to_owned(), |text| format!("`{text}`"));
    Some(match (part, answer) {
        (Part::Caller, Answer::Unknown) => {
            "the own trust domain is not known, so that the caller may be the one it names".to_owned()
        }
        (Part::Caller, _) => {
            let callers: Vec<String> =
                rule.from.iter().flatten().map(|caller| caller_words(&caller.who)).collect();
            format!("it is for {}, not for {}", list(&callers), asked_for(request))
        }
        (Part::Path, _) => {
            let target = target?;
            let paths = target.paths.iter().map(|path| format!("`{path}`"));
            let grpc = target.grpc.iter().map(|method| format!("gRPC `{method}`"));
            let paths: Vec<String> = paths.chain(grpc).collect();
            if paths.is_empty() {
                return None;
            }
            format!("it is for {}, not for {}", list(&paths), said(bare(request)))
        }
        (Part::Method, Answer::Unknown) => unknown("the method", "METHOD"),
        (Part::Method, _) => {
            let target = target?;
            let methods: Vec<String> = target.methods.iter().map(|method| format!("`{method}`")).collect();
            match methods.is_empty() {
                true => format!("gRPC is `POST`, not {}", said(request.method.as_deref())),
                false => {
                    format!("it allows {} for it, not {}", list(&methods), said(request.method.as_deref()))
                }
            }
        }
        (Part::ContentType, _) => {
            "it allows gRPC, and the content type is not that (`-H content-type:application/grpc`)".to_owned()
        }
        (Part::Host, Answer::Unknown) if request.host.is_none() => unknown("the host", "`--host`"),
        (Part::Host, _) => {
            let hosts: Vec<String> = target?.hosts.iter().map(|host| format!("`{host}`")).collect();
            format!("it is for the host {}, not for {}", either(&hosts), said(request.host.as_deref()))
        }
        (Part::Port, Answer::Unknown) => unknown("the port", "`--port`"),
        (Part::Port, _) => {
            let ports: Vec<String> = target?.ports.iter().map(u16::to_string).collect();
            let port = request.port.map(|port| port.to_string());
            format!("it is for port {}, not for {}", either(&ports), said(port.as_deref()))
        }
        (Part::Condition(at), answer) => {
            let Condition { place: _, test } = rule.when.get(at)?;
            let (asked, given) = condition(test, request);
            match answer {
                Answer::Unknown => format!(
                    "it asks for {asked}, and {given}: in doubt it {}",
                    match effect {
                        Effect::Allow => "does not allow",
                        Effect::Deny => "denies",
                    }
                ),
                _ => format!("it asks for {asked}, and {given}"),
            }
        }
    })
}

/// What a condition asks for, and what there is.
fn condition(test: &Test, request: &Request) -> (String, String) {
    match test {
        Test::Header(name, test) => {
            let given = match request.headers.get(name) {
                Some(value) => format!("it is `{value}`"),
                None => format!("there is none (`-H {name}:VALUE`)"),
            };
            (header_words(name, test), given)
        }
        Test::Claim(path, values) => {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            let given = match request.claims {
                Some(_) => "it is another",
                None => "there are no claims (`--claim NAME=VALUE`)",
            };
            (format!("the claim `{}` to be {}", path.join("."), either(&values)), given.to_owned())
        }
        Test::Source(networks) => {
            let given = match &request.source {
                Some(source) => format!("it is `{source}`"),
                None => "it was not given (`--source ADDRESS`)".to_owned(),
            };
            let networks: Vec<String> = networks.iter().map(|network| format!("`{network}`")).collect();
            (format!("an address in {}", either(&networks)), given)
        }
    }
}

/// What a condition on a header asks for.
pub(crate) fn header_words(name: &str, test: &HeaderTest) -> String {
    match test {
        HeaderTest::Exact(text) => format!("the header `{name}` to be `{text}`"),
        HeaderTest::Prefix(text) => format!("the header `{name}` to begin with `{text}`"),
        HeaderTest::Present => format!("the header `{name}`"),
        HeaderTest::Absent => format!("no header `{name}`"),
    }
}

/// A condition in few words.
pub(crate) fn test_words(test: &Test) -> String {
    match test {
        Test::Header(name, test) => header_words(name, test),
        Test::Claim(path, values) => format!("the claim `{}` in {}", path.join("."), values.join(", ")),
        Test::Source(networks) => format!("from {}", networks.join(", ")),
    }
}

/// A caller as a person would say it.
pub fn caller_words(who: &Who) -> String {
    let of = |domain: &Option<String>| match domain {
        Some(domain) => format!(" of {domain}"),
        None => String::new(),
    };
    match who {
        Who::ServiceAccount { trust_domain, namespace, service_account } => {
            format!("{namespace}/{service_account}{}", of(trust_domain))
        }
        Who::Namespace { trust_domain, namespace } => format!("namespace {namespace}{}", of(trust_domain)),
        Who::TrustDomain(domain) => format!("trust domain {domain}"),
        Who::Principal(principal) => principal.clone(),
        Who::Authenticated => "anybody with an identity".to_owned(),
        Who::Anonymous => "callers without identity".to_owned(),
    }
}

/// A caller's name as a person would say it, short where it is of the trust domain `own`.
pub fn name_words(name: &str, own: Option<&str>) -> String {
    match Identity::of(name) {
        Some(Identity { trust_domain, namespace, service_account }) if Some(trust_domain) == own => {
            format!("{namespace}/{service_account}")
        }
        _ => name.to_owned(),
    }
}

/// Who asks.
fn asked_for(request: &Request) -> String {
    let own = request.own_trust_domain();
    match (request.uri_sans.as_deref(), request.name()) {
        (Some(uris @ [_, _, ..]), _) => format!("a certificate with {} names, which is nobody", uris.len()),
        (_, Some(name)) => name_words(name, own),
        _ => "a caller without identity".to_owned(),
    }
}

fn bare(request: &Request) -> Option<&str> {
    request.path.as_deref().map(|path| path.split('?').next().unwrap_or_default())
}

/// `a`, `a and b`, `a, b and 7 more`.
fn list(items: &[String]) -> String {
    joined(items, "and")
}

/// `a`, `a or b`, `a, b or 7 more`.
fn either(items: &[String]) -> String {
    joined(items, "or")
}

fn joined(items: &[String], word: &str) -> String {
    match items {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [before @ .., last] if items.len() <= LISTED => format!("{} {word} {last}", before.join(", ")),
        _ => {
            let shown = items.get(..LISTED.saturating_sub(1)).unwrap_or_default();
            format!("{} {word} {} more", shown.join(", "), items.len().saturating_sub(shown.len()))
        }
    }
}
