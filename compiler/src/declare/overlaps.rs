//! Which denies may take back some of what an allow says. Where it is not plain to see that they have nothing
//! in common, they are taken to have.

use super::model::{Caller, GrpcMethod, HostPattern, Rule, Segment, Target, Template, Who};

/// Whether some request of `caller` that `allow` matches may be matched by `deny`, too. Conditions are not
/// looked at.
pub(crate) fn rule(deny: &Rule, allow: &Rule, caller: &Caller) -> bool {
    let from = deny.from.as_ref().is_none_or(|callers| callers.iter().any(|one| who(&one.who, &caller.who)));
    from && any(&deny.to, &allow.to, target)
}

/// Whether two of each are alike; where one side says nothing, it says everything.
fn any<T>(deny: &[T], allow: &[T], alike: fn(&T, &T) -> bool) -> bool {
    deny.is_empty() || allow.is_empty() || deny.iter().any(|one| allow.iter().any(|other| alike(one, other)))
}

fn who(deny: &Who, allow: &Who) -> bool {
    // The own trust domain is not known here: it may be any.
    let domains = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    let account = |domain: &Option<String>, namespace: &str, account: Option<&str>, principal: &str| {
        let Some((host, path)) = principal.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        let mut parts = path.split('/');
        let is_form =
            parts.next() == Some("ns") && parts.next() == Some(namespace) && parts.next() == Some("sa");
        let name = parts.next();
        is_form
            && parts.next().is_none()
            && account.is_none_or(|account| name == Some(account))
            && domain.as_deref().is_none_or(|domain| domain == host)
    };
    match (deny, allow) {
        (Who::Anonymous, other) | (other, Who::Anonymous) => *other == Who::Anonymous,
        (Who::Authenticated, _) | (_, Who::Authenticated) => true,
        (Who::Principal(a), Who::Principal(b)) => a == b,
        (Who::TrustDomain(a), Who::TrustDomain(b)) => a == b,
        (Who::Principal(principal), Who::TrustDomain(domain))
        | (Who::TrustDomain(domain), Who::Principal(principal)) => {
            principal.strip_prefix("spiffe://").is_some_and(|rest| rest.split('/').next() == Some(domain))
        }
        (
            Who::TrustDomain(domain),
            Who::ServiceAccount { trust_domain, .. } | Who::Namespace { trust_domain, .. },
        )
        | (
            Who::ServiceAccount { trust_domain, .. } | Who::Namespace { trust_domain, .. },
            Who::TrustDomain(domain),
        ) => trust_domain.as_ref().is_none_or(|own| own == domain),
        (Who::Principal(principal), Who::ServiceAccount { trust_domain, namespace, service_account })
        | (Who::ServiceAccount { trust_domain, namespace, service_account }, Who::Principal(principal)) => {
            account(trust_domain, namespace, Some(service_account), principal)
        }
        (Who::Principal(principal), Who::Namespace { trust_domain, namespace })
        | (Who::Namespace { trust_domain, namespace }, Who::Principal(principal)) => {
            account(trust_domain, namespace, None, principal)
        }
        (
            Who::ServiceAccount { trust_domain: a, namespace: n, service_account: s },
            Who::ServiceAccount { trust_domain: b, namespace: m, service_account: t },
        ) => domains(a, b) && n == m && s == t,
        (
            Who::Namespace { trust_domain: a, namespace: n },
            Who::ServiceAccount { trust_domain: b, namespace: m, .. }
            | Who::Namespace { trust_domain: b, namespace: m },
        )
        | (
            Who::ServiceAccount { trust_domain: a, namespace: n, .. },
            Who::Namespace { trust_domain: b, namespace: m },
        ) => domains(a, b) && n == m,
    }
}

fn target(deny: &Target, allow: &Target) -> bool {
    let methods = match (deny.grpc.is_empty(), allow.grpc.is_empty()) {
        (true, true) => any(&deny.methods, &allow.methods, |a, b| a.eq_ignore_ascii_case(b)),
        // What is allowed of gRPC is `POST`; what is denied of it is so whatever the method.
        (true, false) => {
            deny.methods.is_empty() || deny.methods.iter().any(|method| method.eq_ignore_ascii_case("POST"))
        }
        (false, _) => true,
    };
    methods
        && any(&paths(deny), &paths(allow), template)
        && any(&deny.hosts, &allow.hosts, host)
        && any(&deny.ports, &allow.ports, |a, b| a == b)
}

/// The paths of a target, those of its gRPC methods too.
fn paths(target: &Target) -> Vec<Template> {
    let grpc = target.grpc.iter().map(|GrpcMethod { service, method }| {
        // A deny of every method is one of the bare service, too.
        let parts = std::iter::once(service).chain(method);
        Template { segments: parts.cloned().map(Segment::Literal).collect(), is_open: method.is_none() }
    });
    target.paths.iter().cloned().chain(grpc).collect()
}

/// Whether some path is one of both, read as a deny reads it: without case and a slash at the end.
fn template(deny: &Template, allow: &Template) -> bool {
    let segments = |template: &Template| -> usize {
        let is_slash = matches!(template.segments.last(), Some(Segment::Literal(text)) if text.is_empty());
        template.segments.len().saturating_sub(usize::from(is_slash))
    };
    let (a, b) = (segments(deny), segments(allow));
    let lengths = match (deny.is_open, allow.is_open) {
        (true, true) => true,
        (true, false) => b >= a,
        (false, true) => a >= b,
        (false, false) => a == b,
    };
    let pairs = deny.segments.iter().take(a).zip(allow.segments.iter().take(b));
    lengths && pairs.into_iter().all(|(a, b)| segment(a, b))
}

fn segment(a: &Segment, b: &Segment) -> bool {
    match (a, b) {
        // What an escape or a letter of another script may be read as is not guessed at.
        (Segment::Literal(a), Segment::Literal(b)) => {
            [a, b].iter().any(|text| !text.is_ascii() || text.contains('%')) || a.eq_ignore_ascii_case(b)
        }
        (Segment::Any(_), _) | (_, Segment::Any(_)) => true,
    }
}

fn host(a: &HostPattern, b: &HostPattern) -> bool {
    match (a, b) {
        (HostPattern::Exact(a), HostPattern::Exact(b)) => a == b,
        (HostPattern::Exact(name), HostPattern::Suffix(suffix))
        | (HostPattern::Suffix(suffix), HostPattern::Exact(name)) => name.ends_with(suffix),
        (HostPattern::Suffix(a), HostPattern::Suffix(b)) => a.ends_with(b) || b.ends_with(a),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::words;
    use super::*;

    #[test]
    fn paths_that_have_one_in_common() {
        let alike = |a: &str, b: &str| template(&words::template(a).unwrap(), &words::template(b).unwrap());
        for (deny, allow) in [
            ("/a", "/a/"),
            ("/A", "/a"),
            ("/a/{**}", "/a"),
            ("/a", "/a/{**}"),
            ("/{**}", "/"),
            ("/a/b", "/{x}/b"),
            ("/a/{**}", "/{x}/b/c"),
            ("/a/b/{**}", "/a/{**}"),
            ("/", "/{**}"),
        ] {
            assert!(alike(deny, allow), "{deny} {allow}");
        }
        for (deny, allow) in
            [("/a", "/b"), ("/a", "/a/b"), ("/a/{**}", "/b/{**}"), ("/a/b", "/a/{x}/c"), ("/", "/a")]
        {
            assert!(!alike(deny, allow), "{deny} {allow}");
        }
    }

    #[test]
    fn callers_that_may_be_one() {
        let account = |domain: Option<&str>, name: &str| Who::ServiceAccount {
            trust_domain: domain.map(str::to_owned),
            namespace: "shop".to_owned(),
            service_account: name.to_owned(),
        };
        let namespace = Who::Namespace { trust_domain: None, namespace: "shop".to_owned() };
        let principal = Who::Principal("spiffe://td/ns/shop/sa/web".to_owned());
        let domain = Who::TrustDomain("td".to_owned());
        assert!(who(&namespace, &account(None, "web")));
        assert!(who(&account(Some("td"), "web"), &account(None, "web")));
        assert!(!who(&account(Some("td"), "web"), &account(Some("other"), "web")));
        assert!(who(&principal, &account(None, "web")) && !who(&principal, &account(None, "cart")));
        assert!(who(&namespace, &principal) && who(&domain, &principal) && who(&domain, &namespace));
        assert!(who(&Who::Authenticated, &principal) && !who(&Who::Authenticated, &Who::Anonymous));
        assert!(!who(&Who::Anonymous, &Who::Authenticated) && who(&Who::Anonymous, &Who::Anonymous));
    }
}
