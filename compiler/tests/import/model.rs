//! What AuthorizationPolicies mean: every rule is gone through, as istiod writes them and Envoy's RBAC filter reads
//! them. Written from their sources, and without the importer.
//!
//! `Reading::Declared` is the same with all that docs/import.md says is let in less: it has to be what a declaration
//! decides. The others are Istio: nobody may be let in whom it keeps out.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::strings;
use crate::declare::paths::{read_path, template};

/// A request as Envoy has it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// URI SANs of the caller's certificate; none in plain text.
    pub(crate) names: Vec<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) claims: Option<Json>,
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// A mesh's policies, all about one workload of `foo`, and its trust domains.
#[derive(Clone, Debug)]
pub(crate) struct Mesh {
    pub(crate) policies: Vec<Json>,
    pub(crate) own: Vec<String>,
    pub(crate) is_own_only: bool,
}

/// Who reads the policies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    /// A declaration.
    Declared,
    /// An Envoy that compares each value of a header.
    Each,
    /// An older one, which compares all of them, joined by commas.
    Joined,
}

/// How one rule is looked at.
#[derive(Clone, Copy)]
struct Look<'l> {
    mesh: &'l Mesh,
    request: &'l Request,
    namespace: &'l str,
    is_deny: bool,
    is_strict: bool,
    reading: Reading,
}

fn texts(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Whether the workload lets the request in.
pub(crate) fn is_allowed(mesh: &Mesh, request: &Request, reading: Reading) -> bool {
    let is_strict = reading == Reading::Declared;
    if is_strict && (read_path(bare_strict(&request.path)).is_none() || request.names.len() > 1) {
        return false;
    }
    let (mut has_allow, mut is_allowed) = (false, false);
    for policy in &mesh.policies {
        let is_deny = match policy["spec"]["action"].as_str() {
            None | Some("ALLOW") => false,
            Some("DENY") => true,
            Some(_) => continue,
        };
        if policy["metadata"]["annotations"]["istio.io/dry-run"] == "true" {
            continue;
        }
        let namespace = policy["metadata"]["namespace"].as_str().unwrap();
        let look = Look { mesh, request, namespace, is_deny, is_strict, reading };
        let matches = policy["spec"]["rules"].as_array().into_iter().flatten().any(|rule| look.rule(rule));
        match is_deny {
            true if matches => return false,
            true => {}
            false => {
                has_allow = true;
                is_allowed |= matches;
            }
        }
    }
    is_allowed || !has_allow
}

fn bare_strict(path: &str) -> &str {
    path.split('?').next().unwrap()
}

impl Look<'_> {
    fn rule(self, rule: &Json) -> bool {
        let any = |key: &str, inner: &str, one: &dyn Fn(&Json) -> bool| match rule[key].as_array() {
            None => true,
            Some(entries) => entries.iter().any(|entry| one(&entry[inner])),
        };
        any("from", "source", &|source| self.source(source))
            && any("to", "operation", &|operation| self.operation(operation))
            && rule["when"].as_array().into_iter().flatten().all(|when| self.when(when))
    }

    /// `KEY` and `notKEY`: any of the values, none of the others.
    fn both(self, map: &Json, key: &str, matches: &dyn Fn(&str) -> bool) -> bool {
        let upper = format!("not{}{}", key[..1].to_uppercase(), &key[1..]);
        let (some, not) = (texts(&map[key]), texts(&map[&upper]));
        (some.is_empty() || some.iter().any(|value| matches(value)))
            && !not.iter().any(|value| matches(value))
    }

    fn source(self, source: &Json) -> bool {
        self.both(source, "principals", &|value| self.principal(value))
            && self.both(source, "namespaces", &|value| self.of_namespace(value))
            && self.both(source, "serviceAccounts", &|value| self.account(value))
            && self.both(source, "trustDomains", &|value| self.trust_domain(value))
            && self.both(source, "ipBlocks", &|value| contains(value, &self.request.address))
            && self.both(source, "requestPrincipals", &|value| self.request_principal(value))
    }

    fn operation(self, operation: &Json) -> bool {
        self.both(operation, "methods", &|value| self.method(value))
            && self.both(operation, "paths", &|value| self.path(value))
            && self.both(operation, "hosts", &|value| self.host(value))
            && self.both(operation, "ports", &|value| value.parse() == Ok(self.request.port))
    }

    fn when(self, when: &Json) -> bool {
        let key = when["key"].as_str().unwrap();
        let claim = |path: &[&str]| {
            let (some, not) = (texts(&when["values"]), texts(&when["notValues"]));
            (some.is_empty() || self.claim(path, &some)) && (not.is_empty() || !self.claim(path, &not))
        };
        let each = |matches: &dyn Fn(&str) -> bool| {
            let (some, not) = (texts(&when["values"]), texts(&when["notValues"]));
            (some.is_empty() || some.iter().any(|value| matches(value)))
                && !not.iter().any(|value| matches(value))
        };
        match key {
            "source.principal" => each(&|value| self.principal(value)),
            "source.namespace" => each(&|value| self.of_namespace(value)),
            "source.serviceAccount" => each(&|value| self.account(value)),
            "source.trustDomain" => each(&|value| self.trust_domain(value)),
            "source.ip" => each(&|value| contains(value, &self.request.address)),
            "destination.port" => each(&|value| value.parse() == Ok(self.request.port)),
            "request.auth.principal" => each(&|value| self.request_principal(value)),
            "request.auth.audiences" => claim(&["aud"]),
            "request.auth.presenter" => claim(&["azp"]),
            _ => match key.strip_prefix("request.headers[") {
                Some(name) => {
                    let name = name.strip_suffix(']').unwrap();
                    each(&|value| self.header(name, value))
                }
                None => {
                    let names = key.strip_prefix("request.auth.claims[").unwrap().strip_suffix(']').unwrap();
                    claim(&names.split("][").collect::<Vec<_>>())
                }
            },
        }
    }

    /// Any name of the certificate, as Envoy has it.
    fn any_name(self, matches: impl Fn(&str) -> bool) -> bool {
        self.request.names.iter().any(|name| matches(name))
    }

    fn is_allow_strict(self) -> bool {
        self.is_strict && !self.is_deny
    }

    /// Trust domain, namespace and account of a name in Istio's form.
    fn parts(name: &str) -> Option<[&str; 3]> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["spiffe:", "", domain, "ns", namespace, "sa", account]
                if [domain, namespace, account].iter().all(|part| !part.is_empty()) =>
            {
                Some([domain, namespace, account])
            }
            _ => None,
        }
    }

    fn is_own(self, name: &str) -> bool {
        Self::parts(name).is_some_and(|[domain, ..]| self.mesh.own.iter().any(|own| own == domain))
    }

    fn principal(self, value: &str) -> bool {
        self.any_name(|name| {
            let is_it = strings::principal(value, &self.mesh.own, name);
            match value {
                "*" => is_it,
                _ if self.is_allow_strict() && value.starts_with('*') => is_it && self.is_own(name),
                _ if self.is_allow_strict() && value.ends_with('*') => is_it && Self::parts(name).is_some(),
                _ if self.is_strict && value.ends_with("/*") && value.matches('/').count() == 1 => {
                    is_it || name == format!("spiffe://{}", value.trim_end_matches("/*"))
                }
                _ => is_it,
            }
        })
    }

    fn of_namespace(self, value: &str) -> bool {
        self.any_name(|name| {
            let is_own = || self.is_own(name) && Self::parts(name).is_some_and(|[_, ns, _]| ns == value);
            strings::namespace(value, name) && (!self.is_allow_strict() || is_own())
        })
    }

    fn account(self, value: &str) -> bool {
        self.any_name(|name| {
            strings::account(value, self.namespace, name) && (!self.is_allow_strict() || self.is_own(name))
        })
    }

    fn trust_domain(self, value: &str) -> bool {
        self.any_name(|name| match (self.is_strict, self.is_deny) {
            // The trust domain's own name has no slash after it.
            (true, true) => strings::trust_domain(value, &self.mesh.own, &format!("{name}/")),
            (true, false) => {
                strings::trust_domain(value, &self.mesh.own, name) && Self::parts(name).is_some()
            }
            (false, _) => strings::trust_domain(value, &self.mesh.own, name),
        })
    }

    fn method(self, value: &str) -> bool {
        let method = match self.is_strict && self.is_deny {
            true => self.request.method.to_uppercase(),
            false => self.request.method.clone(),
        };
        strings::header(value, Some(&method))
    }

    fn path(self, value: &str) -> bool {
        let is_it = strings::path(value, &self.request.path);
        if !(self.is_strict && self.is_deny) || value == "*" {
            return is_it;
        }
        let open = value.replace("{*}", "{any}");
        let open = match open.strip_suffix("/*") {
            Some(before) => format!("{before}/{{**}}"),
            None => open,
        };
        template(&open, &read_path(bare_strict(&self.request.path)).unwrap(), true)
    }

    fn host(self, value: &str) -> bool {
        let host = self.request.host.to_lowercase();
        let is_it = strings::header(&value.to_lowercase(), Some(&host));
        if !(self.is_strict && self.is_deny) || value == "*" {
            return is_it;
        }
        let name = host.split(':').next().unwrap();
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let is_port = host
            .split_once(':')
            .is_none_or(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let value = value.strip_suffix(":*").unwrap_or(value).to_lowercase();
        !name.split('.').all(is_word) || !is_port || strings::simple(&value, name)
    }

    fn header(self, name: &str, value: &str) -> bool {
        let name = name.to_lowercase();
        let values: Vec<&str> = self
            .request
            .headers
            .iter()
            .filter(|(own, _)| *own == name)
            .map(|(_, value)| value.as_str())
            .collect();
        let joined = (!values.is_empty()).then(|| values.join(","));
        let is_joined = strings::header(value, joined.as_deref());
        let mut each = values.iter();
        let mut parts = joined.iter().flat_map(|joined| joined.split(',')).map(str::trim);
        match (self.reading, self.is_deny) {
            (Reading::Each, _) => each.any(|one| strings::header(value, Some(one))),
            (Reading::Joined, _) => is_joined,
            (Reading::Declared, _) if value == "*" => is_joined,
            (Reading::Declared, true) => is_joined || parts.any(|part| strings::simple(value, part)),
            (Reading::Declared, false) if value.ends_with('*') => {
                joined.is_some() && parts.all(|part| strings::simple(value, part))
            }
            (Reading::Declared, false) => is_joined,
        }
    }

    fn claim(self, path: &[&str], values: &[String]) -> bool {
        let mut at = self.request.claims.as_ref();
        for key in path {
            at = at.and_then(|value| value.as_object()).and_then(|object| object.get(*key));
        }
        let is_text = |value: &Json| match value {
            Json::Null | Json::String(_) => true,
            Json::Array(items) => items.iter().all(Json::is_string),
            _ => false,
        };
        strings::claim(values, at)
            || self.is_strict && self.is_deny && at.is_some_and(|value| !is_text(value))
    }

    fn request_principal(self, value: &str) -> bool {
        let Some(claims) = &self.request.claims else { return false };
        match (claims["iss"].as_str(), claims["sub"].as_str()) {
            (Some(issuer), Some(subject)) => strings::request_principal(value, issuer, subject),
            _ => false,
        }
    }
}

/// Bits after the prefix count for nothing.
fn contains(network: &str, address: &str) -> bool {
    let (base, length) = network.split_once('/').unwrap_or((network, ""));
    let bits = |address: &str| match address.parse().unwrap() {
        IpAddr::V4(v4) => (32, u128::from(u32::from(v4)) << 96),
        IpAddr::V6(v6) => (128, u128::from(v6)),
    };
    let ((width, base), (other, address)) = (bits(base), bits(address));
    let length: u32 = length.parse().unwrap_or(width);
    width == other && (length == 0 || base >> (128 - length) == address >> (128 - length))
}
