//! Which rules say all that others say.

use super::model::{Caller, GrpcMethod, HostPattern, Rule, Segment, Target, Template, Who};

/// Whether everything that `inner` matches is matched by `outer`, too; `false` where that is not plain to see.
pub(crate) fn rule(outer: &Rule, inner: &Rule) -> bool {
    for_callers(outer, inner, inner.from.as_deref())
}

/// The same of what `inner` says of some of its callers; `None` is everybody.
pub(crate) fn for_callers(outer: &Rule, inner: &Rule, callers: Option<&[Caller]>) -> bool {
    let from = match (&outer.from, callers) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => inner.iter().all(|one| outer.iter().any(|all| caller(all, one))),
    };
    let to = outer.to.is_empty()
        || !inner.to.is_empty() && inner.to.iter().all(|one| outer.to.iter().any(|all| target(all, one)));
    let when = outer.when.iter().all(|condition| inner.when.iter().any(|own| own.test == condition.test));
    from && to && when
}

fn caller(outer: &Caller, inner: &Caller) -> bool {
    match (&outer.who, &inner.who) {
        (outer, inner) if outer == inner => true,
        (Who::Authenticated, inner) => *inner != Who::Anonymous,
        (
            Who::Namespace { trust_domain: a, namespace: n },
            Who::ServiceAccount { trust_domain: b, namespace: m, .. },
        ) => a == b && n == m,
        (
            Who::TrustDomain(domain),
            Who::ServiceAccount { trust_domain: Some(other), .. }
            | Who::Namespace { trust_domain: Some(other), .. },
        ) => domain == other,
        _ => false,
    }
}

fn target(outer: &Target, inner: &Target) -> bool {
    let Target { place: _, methods, paths, grpc, hosts, ports } = outer;
    let any = |all: &[String], some: &[String]| {
        all.is_empty() || !some.is_empty() && some.iter().all(|one| all.contains(one))
    };
    let calls = match (inner.grpc.is_empty(), grpc.is_empty()) {
        // A gRPC target asks for more than its path.
        (true, false) => false,
        (true, true) => {
            any(methods, &inner.methods)
                && (paths.is_empty()
                    || !inner.paths.is_empty()
                        && inner.paths.iter().all(|one| paths.iter().any(|all| template(all, one))))
        }
        (false, false) => inner.grpc.iter().all(|one| grpc.iter().any(|all| grpc_method(all, one))),
        (false, true) => {
            (methods.is_empty() || methods.iter().any(|method| method == "POST")) && paths.is_empty()
        }
    };
    let same_hosts = hosts.is_empty()
        || !inner.hosts.is_empty() && inner.hosts.iter().all(|one| hosts.iter().any(|all| host(all, one)));
    let same_ports =
        ports.is_empty() || !inner.ports.is_empty() && inner.ports.iter().all(|port| ports.contains(port));
    calls && same_hosts && same_ports
}

/// Whether every path of `inner` is one of `outer`.
pub(crate) fn template(outer: &Template, inner: &Template) -> bool {
    let longer = match (outer.is_open, inner.is_open) {
        (true, true) => inner.segments.len() >= outer.segments.len(),
        (true, false) => inner.segments.len() > outer.segments.len(),
        (false, false) => inner.segments.len() == outer.segments.len(),
        (false, true) => false,
    };
    longer
        && outer.segments.iter().zip(&inner.segments).all(|pair| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Any(_), Segment::Literal(text)) => !text.is_empty(),
            (Segment::Any(_), Segment::Any(_)) => true,
            (Segment::Literal(_), Segment::Any(_)) => false,
        })
}

fn grpc_method(outer: &GrpcMethod, inner: &GrpcMethod) -> bool {
    outer.service == inner.service && (outer.method.is_none() || outer.method == inner.method)
}

fn host(outer: &HostPattern, inner: &HostPattern) -> bool {
    match (outer, inner) {
        (HostPattern::Suffix(suffix), HostPattern::Exact(name) | HostPattern::Suffix(name)) => {
            name.ends_with(suffix)
        }
        (HostPattern::Exact(_), _) => outer == inner,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::words;

    #[test]
    fn templates_cover_what_they_match() {
        let covers =
            |a: &str, b: &str| super::template(&words::template(a).unwrap(), &words::template(b).unwrap());
        for (outer, inner) in [
            ("/a", "/a"),
            ("/{x}", "/a"),
            ("/{x}/b", "/{y}/b"),
            ("/{**}", "/"),
            ("/{**}", "/a/{x}"),
            ("/a/{**}", "/a/"),
            ("/a/{**}", "/a/{**}"),
            ("/{x}/{**}", "/a/{**}"),
        ] {
            assert!(covers(outer, inner), "{outer} {inner}");
        }
        for (outer, inner) in [
            ("/a", "/b"),
            ("/a", "/{x}"),
            ("/{x}", "/"),
            ("/{x}", "/a/"),
            ("/a/{**}", "/a"),
            ("/a/{x}", "/a/{**}"),
            ("/a/{**}", "/{**}"),
            ("/a/b/{**}", "/a/{**}"),
        ] {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }
}
