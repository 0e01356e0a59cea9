//! Who is calling, from a certificate: SPIFFE identities of the form that Istio issues.

/// The parts of `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spiffe<'a> {
    pub(super) trust_domain: &'a str,
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a str,
}

impl<'a> Spiffe<'a> {
    /// Reads one URI SAN; anything but exactly this form has no parts. Compared as it stands: no percent
    /// decoding (SPIFFE IDs have none) and no folding of case.
    pub(super) fn parse(uri: &'a str) -> Option<Self> {
        let mut parts = uri.strip_prefix("spiffe://")?.split('/');
        let identity = match (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
            (trust_domain, "ns", namespace, "sa", service_account) => {
                Self { trust_domain, namespace, service_account }
            }
            _ => return None,
        };
        let all_named = [identity.trust_domain, identity.namespace, identity.service_account]
            .iter()
            .all(|part| is_plain(part));
        (parts.next().is_none() && all_named).then_some(identity)
    }
}

/// Letters, digits, `.`, `-` and `_`: what a SPIFFE ID may be made of (SPIFFE-ID, sections 2.1 and 2.2).
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_the_whole_form_is_an_identity() {
        assert_eq!(
            Spiffe::parse("spiffe://cluster.local/ns/default/sa/a.b"),
            Some(Spiffe { trust_domain: "cluster.local", namespace: "default", service_account: "a.b" })
        );
        for other in [
            "",
            "spiffe://",
            "spiffe://cluster.local",
            "spiffe://cluster.local/ns/default/sa/",
            "spiffe://cluster.local/ns//sa/a",
            "spiffe:///ns/default/sa/a",
            "spiffe://cluster.local/ns/default/sa/a/",
            "spiffe://cluster.local/ns/default/sa/a/b",
            "spiffe://cluster.local/sa/a/ns/default",
            "SPIFFE://cluster.local/ns/default/sa/a",
            "spiffe://cluster.local/ns/default/sa/a?x",
            "spiffe://cluster.local/ns/default/sa/%61",
            "https://cluster.local/ns/default/sa/a",
            " spiffe://cluster.local/ns/default/sa/a",
        ] {
            assert_eq!(Spiffe::parse(other), None, "{other}");
        }
    }
}
