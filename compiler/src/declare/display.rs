//! What a declaration says, as a person reads it: on pictures, in answers and in messages.

use std::fmt::{self, Display, Formatter};

use super::model::{GrpcMethod, HeaderTest, HostPattern, Segment, Target, Template, Test, Who};

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let of =
            |domain: &Option<String>| domain.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        match self {
            Self::ServiceAccount { trust_domain, namespace, service_account } => {
                write!(f, "{namespace}/{service_account}{}", of(trust_domain))
            }
            Self::Namespace { trust_domain, namespace } => {
                write!(f, "everyone in {namespace}{}", of(trust_domain))
            }
            Self::TrustDomain(domain) => write!(f, "everyone of {domain}"),
            Self::Principal(principal) => f.write_str(principal),
            Self::Authenticated => f.write_str("anyone with an identity"),
            Self::Anonymous => f.write_str("anyone without an identity"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { place: _, methods, paths, grpc, hosts, ports } = self;
        let mut parts = Vec::new();
        if !methods.is_empty() {
            parts.push(methods.join(", "));
        }
        if !paths.is_empty() {
            parts.push(listed(paths));
        }
        if !grpc.is_empty() {
            parts.push(format!("gRPC {}", listed(grpc)));
        }
        if !hosts.is_empty() {
            parts.push(format!("on {}", listed(hosts)));
        }
        if !ports.is_empty() {
            parts.push(format!("at port {}", listed(ports)));
        }
        f.write_str(if parts.is_empty() { "everything".to_owned() } else { parts.join(" ") }.as_str())
    }
}

impl Display for Template {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rest = self.is_open.then(|| "{**}".to_owned());
        let parts: Vec<String> = self.segments.iter().map(ToString::to_string).chain(rest).collect();
        write!(f, "/{}", parts.join("/"))
    }
}

impl Display for Segment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Any(name) => write!(f, "{{{name}}}"),
        }
    }
}

impl Display for GrpcMethod {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.method.as_deref().unwrap_or("*"))
    }
}

impl Display for HostPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name, HeaderTest::Exact(value)) => write!(f, "header {name} is `{value}`"),
            Self::Header(name, HeaderTest::Prefix(value)) => write!(f, "header {name} begins with `{value}`"),
            Self::Header(name, HeaderTest::Present) => write!(f, "header {name} is there"),
            Self::Header(name, HeaderTest::Absent) => write!(f, "header {name} is not there"),
            Self::Claim(path, values) => {
                let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                write!(f, "claim {} is {}", path.join(" › "), values.join(" or "))
            }
            Self::Source(networks) => write!(f, "from the address {}", networks.join(" or ")),
        }
    }
}

fn listed(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::words;

    #[test]
    fn what_is_read_is_what_was_written() {
        for path in ["/", "/{**}", "/a", "/a/", "/a/{id}/{**}", "/{x}/"] {
            assert_eq!(words::template(path).unwrap().to_string(), path);
        }
        for grpc in ["a.B/C", "a.B/*"] {
            assert_eq!(words::grpc(grpc).unwrap().to_string(), grpc);
        }
        for host in ["a.example", "*.example"] {
            assert_eq!(words::host(host).unwrap().to_string(), host);
        }
    }
}
