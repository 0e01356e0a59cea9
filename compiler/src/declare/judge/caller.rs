//! Who calls.

use super::request::Request;
use super::{Answer, Effect};
use crate::declare::model::{Caller, Who};

/// The callers that a request may come from, and whose names are the mesh's own.
pub(crate) struct Callers<'a> {
    aliases: &'a [String],
    own: Option<&'a str>,
    principal: Option<&'a str>,
    uris: &'a [String],
}

/// `spiffe://trust-domain/ns/namespace/sa/service-account`.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) trust_domain: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) service_account: &'a str,
}

impl<'a> Identity<'a> {
    /// The identity that a name is, if it has that form.
    pub(crate) fn of(name: &'a str) -> Option<Self> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["spiffe:", "", trust_domain, "ns", namespace, "sa", service_account]
                if !trust_domain.is_empty() && !namespace.is_empty() && !service_account.is_empty() =>
            {
                Some(Self { trust_domain, namespace, service_account })
            }
            _ => None,
        }
    }
}

impl<'a> Callers<'a> {
    pub(crate) fn new(aliases: &'a [String], request: &'a Request) -> Self {
        let uris = request.uri_sans.as_deref().unwrap_or_default();
        Self { aliases, own: request.own_trust_domain(), principal: request.name(), uris }
    }

    /// Whether one of `from` calls; where there is none, everybody does.
    pub(crate) fn any(&self, from: Option<&[Caller]>, effect: Effect) -> Answer {
        match from {
            None => Answer::Yes,
            Some(callers) => Answer::any(callers.iter().map(|caller| self.one(&caller.who, effect))),
        }
    }

    fn one(&self, who: &Who, effect: Effect) -> Answer {
        let is_several = self.uris.len() > 1;
        match effect {
            // Who is allowed is who the proxy says it is, if it says one name only.
            Effect::Allow => match who {
                Who::Anonymous => Answer::sure(self.principal.is_none() && self.uris.is_empty()),
                _ if is_several => Answer::No,
                _ => self.principal.map_or(Answer::No, |name| self.is_called(who, name, effect)),
            },
            // Any name that was seen can be denied.
            Effect::Deny => match who {
                Who::Anonymous => Answer::sure(self.principal.is_none()),
                Who::Authenticated => Answer::sure(self.principal.is_some() || !self.uris.is_empty()),
                _ => {
                    let names = self.uris.iter().map(String::as_str).chain(self.principal);
                    Answer::any(names.map(|name| self.is_called(who, name, effect)))
                }
            },
        }
    }

    fn is_called(&self, who: &Who, name: &str, effect: Effect) -> Answer {
        let identity = Identity::of(name);
        let domain_is = |wanted: &Option<String>, domain: &str| match wanted {
            Some(wanted) => Answer::sure(wanted == domain),
            None => self.is_own(domain),
        };
        match who {
            Who::ServiceAccount { trust_domain, namespace, service_account } => match identity {
                Some(id) if id.namespace == namespace && id.service_account == service_account => {
                    domain_is(trust_domain, id.trust_domain)
                }
                _ => Answer::No,
            },
            Who::Namespace { trust_domain, namespace } => match identity {
                Some(id) if id.namespace == namespace => domain_is(trust_domain, id.trust_domain),
                _ => Answer::No,
            },
            Who::TrustDomain(domain) => match (identity, effect) {
                (Some(id), _) => Answer::sure(id.trust_domain == domain),
                (None, Effect::Allow) => Answer::No,
                (None, Effect::Deny) => {
                    let rest = name.strip_prefix("spiffe://");
                    let named = rest.and_then(|rest| rest.split('/').next());
                    Answer::sure(named == Some(domain))
                }
            },
            Who::Principal(principal) => Answer::sure(principal == name),
            Who::Authenticated => Answer::Yes,
            Who::Anonymous => Answer::No,
        }
    }

    /// Whether a trust domain is this mesh's. Who does not know the own one cannot say that another is not it.
    pub(crate) fn is_own(&self, domain: &str) -> Answer {
        match self.own {
            _ if self.aliases.iter().any(|alias| alias == domain) => Answer::Yes,
            Some(own) => Answer::sure(own == domain),
            None => Answer::Unknown,
        }
    }
}
