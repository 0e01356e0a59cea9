//! How Istio and Envoy compare texts.

use regex::Regex;

/// A whole match, as Envoy's `safe_regex` has it.
pub(crate) fn full(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(text)
}

/// `*`, `a*`, `*a` or `a`. `*` is some text.
pub(crate) fn simple(pattern: &str, text: &str) -> bool {
    match pattern {
        "*" => !text.is_empty(),
        _ if pattern.starts_with('*') => text.ends_with(&pattern[1..]),
        _ if pattern.ends_with('*') => text.starts_with(&pattern[..pattern.len() - 1]),
        _ => text == pattern,
    }
}

/// The same of a header, where `*` is its presence.
pub(crate) fn header(pattern: &str, value: Option<&str>) -> bool {
    value.is_some_and(|value| pattern == "*" || simple(pattern, value))
}

/// The path of a request, without query and fragment.
pub(crate) fn bare(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap()
}

/// A path of an operation: a text as above, or a template of Envoy's `uri_template`.
pub(crate) fn path(pattern: &str, path: &str) -> bool {
    let path = bare(path);
    if !pattern.contains("{*}") && !pattern.contains("{**}") {
        return simple(pattern, path);
    }
    let pattern = regex::escape(pattern).replace("\\{\\*\\*\\}", ".*").replace("\\{\\*\\}", "[^/]+");
    full(&pattern, path)
}

/// A principal of a policy with the trust domain's other names, as istiod writes it out.
pub(crate) fn expanded(principal: &str, own: &[String]) -> Vec<String> {
    let parts: Vec<&str> = principal.split('/').collect();
    if parts.len() != 5 || parts[0] == "*" {
        return vec![principal.to_owned()];
    }
    let is_own = parts[0] == "cluster.local" || own.iter().any(|own| simple(parts[0], own));
    match is_own {
        true if parts[0].starts_with('*') => own
            .iter()
            .map(|own| if simple(parts[0], own) { principal.to_owned() } else { with(own, &parts) })
            .collect(),
        true => own.iter().map(|own| with(own, &parts)).collect(),
        false => vec![principal.to_owned()],
    }
}

fn with(domain: &str, parts: &[&str]) -> String {
    format!("{domain}/{}", parts[1..].join("/"))
}

/// Whether one of the policy's principals is a certificate's name.
pub(crate) fn principal(pattern: &str, own: &[String], name: &str) -> bool {
    if pattern == "*" {
        return !name.is_empty();
    }
    expanded(pattern, own).iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(end) => full(&format!("spiffe://.*{}", regex::escape(end)), name),
        None => simple(&format!("spiffe://{pattern}"), name),
    })
}

pub(crate) fn namespace(pattern: &str, name: &str) -> bool {
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    full(&format!(".*/ns/{}/.*", parts.join(".*")), name)
}

pub(crate) fn account(pattern: &str, own_namespace: &str, name: &str) -> bool {
    let (namespace, account) = pattern.split_once('/').unwrap_or((own_namespace, pattern));
    let (namespace, account) = (regex::escape(namespace), regex::escape(account));
    full(&format!("spiffe://.+/ns/{namespace}/(.+/|)sa/{account}(/.+)?"), name)
}

pub(crate) fn trust_domain(pattern: &str, own: &[String], name: &str) -> bool {
    let all = match own.iter().any(|own| own == pattern) {
        true => own.to_vec(),
        false => vec![pattern.to_owned()],
    };
    all.iter().any(|pattern| match pattern.as_str() {
        "*" => name.starts_with("spiffe://"),
        pattern if !pattern.contains('*') => name.starts_with(&format!("spiffe://{pattern}/")),
        pattern => {
            let parts: Vec<String> = pattern.splitn(2, '*').map(regex::escape).collect();
            full(&format!("spiffe://{}/.*", parts.join("[^/]*")), name)
        }
    })
}

/// A claim: a text, or a list that has one.
pub(crate) fn claim(patterns: &[String], value: Option<&serde_json::Value>) -> bool {
    use serde_json::Value;
    let text = |value: &Value| {
        value.as_str().is_some_and(|text| patterns.iter().any(|pattern| simple(pattern, text)))
    };
    match value {
        Some(Value::Array(items)) => items.iter().any(text),
        Some(value) => text(value),
        None => false,
    }
}

/// `ISS/SUB`, each a text alone.
pub(crate) fn request_principal(pattern: &str, issuer: &str, subject: &str) -> bool {
    let some = |text: &str| !text.is_empty();
    let Some((iss, sub)) = pattern.rsplit_once('/') else {
        return match pattern {
            "*" => some(issuer) && some(subject),
            _ if pattern.starts_with('*') => some(issuer) && subject.ends_with(&pattern[1..]),
            _ if pattern.ends_with('*') => issuer.starts_with(&pattern[..pattern.len() - 1]) && some(subject),
            _ => issuer == pattern && subject.is_empty(),
        };
    };
    if pattern.starts_with('*') {
        let is_issuer = if iss == "*" { some(issuer) } else { issuer.ends_with(&iss[1..]) };
        return is_issuer && subject == sub;
    }
    if pattern.ends_with('*') {
        let is_subject = if sub == "*" { some(subject) } else { subject.starts_with(&sub[..sub.len() - 1]) };
        return issuer == iss && is_subject;
    }
    issuer == iss && subject == sub
}
