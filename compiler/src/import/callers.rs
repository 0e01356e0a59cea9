//! Who calls: Istio compares texts with the certificate's URI SAN, a declaration names who is meant.
//!
//! What an ALLOW says becomes callers that Istio lets in as well. What a DENY says becomes callers among whom are
//! all whom Istio keeps out, of those that the service's own allows let in.

use std::collections::BTreeSet;

use super::policy::{Source, Texts};
use super::reasons::{Narrowing, Reason};
use super::translate::Effect;
use crate::declare::{Who, words};

/// The mesh's trust domain, as its configuration has it.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    /// The trust domain and its aliases.
    pub(super) own: Vec<String>,
    /// Whether proxies take no other certificates, as istiod configures them by default.
    pub(super) is_own_only: bool,
}

/// What is known while callers are translated.
pub(super) struct Callers<'c> {
    pub(super) trust: &'c Trust,
    pub(super) effect: Effect,
    /// Namespace of the policy.
    pub(super) namespace: &'c str,
    /// Whom the service's allows let in; for denies.
    pub(super) admitted: &'c [Who],
    /// In what the translation is narrower.
    pub(super) notes: BTreeSet<Narrowing>,
}

/// Reads one value of a field.
type Read<T> = fn(&mut T, &str) -> Result<Vec<Who>, Reason>;

const PATTERN: &str = "declarations name callers, and have no patterns for them";
const ANY_DOMAIN: &str =
    "in any trust domain; `--own-trust-domain-only` says that proxies take certificates of their own alone";
const NAME: &str = "expected names as Kubernetes has them";

/// A set of principals that Istio tells by a part of their text.
enum Loose<'v> {
    /// `/ns/NS/` anywhere.
    Namespace(&'v str),
    /// `/ns/NS/` and `/sa/SA` of any trust domain.
    Account(&'v str, &'v str),
    /// What begins with a trust domain and a namespace.
    Begins(Option<&'v str>, &'v str),
}

impl Callers<'_> {
    /// Everybody whom all of these name; `None` where they name nobody in particular.
    pub(super) fn read(&mut self, sources: &[&Source]) -> Result<Option<Vec<Who>>, Reason> {
        let mut all = None;
        for source in sources {
            for (field, texts) in [
                ("notPrincipals", &source.not_principals),
                ("notNamespaces", &source.not_namespaces),
                ("notServiceAccounts", &source.not_service_accounts),
                ("notTrustDomains", &source.not_trust_domains),
            ] {
                if !texts.0.is_empty() {
                    return Err(Reason::Field(field, "a declaration says who is meant, not who is not"));
                }
            }
            let fields: [(&Texts, Read<Self>); 4] = [
                (&source.principals, Self::principal),
                (&source.namespaces, Self::of_namespace),
                (&source.service_accounts, Self::account),
                (&source.trust_domains, Self::trust_domain),
            ];
            for (texts, read) in fields {
                let mut some = Vec::new();
                for text in &texts.0 {
                    some.extend(read(self, text)?);
                }
                all = match (all, texts.0.is_empty()) {
                    (all, true) => all,
                    (None, false) => Some(some),
                    (Some(before), false) => Some(self.both(&before, &some)),
                };
            }
        }
        Ok(all.map(once))
    }

    /// `principals`: without `spiffe://`, exactly or with `*` at one end.
    fn principal(&mut self, value: &str) -> Result<Vec<Who>, Reason> {
        let refused = |why| Reason::Value { field: "principals", value: value.to_owned(), why };
        if value == "*" {
            return Ok(vec![Who::Authenticated]);
        }
        let parts: Vec<&str> = value.split('/').collect();
        match parts.as_slice() {
            ["*", "ns", namespace, "sa", account] if !account.contains('*') => {
                if !self.trust.is_own_only && self.effect == Effect::Allow {
                    return Err(refused(ANY_DOMAIN));
                }
                self.loose(&Loose::Account(namespace, account), refused)
            }
            [domain, "ns", namespace, "sa", account] if !value.contains('*') => {
                let who = self.own_account(domain, namespace, account);
                who.map(|who| vec![who]).ok_or_else(|| refused(NAME))
            }
            [domain, "ns", namespace, "sa", "*"] if !domain.contains('*') => {
                let is_own = self.is_pointer(domain);
                self.loose(&Loose::Begins((!is_own).then_some(*domain), namespace), refused)
            }
            // Of fewer than five parts istiod takes no trust domain for an alias.
            [domain, "ns", namespace, "*"] if !domain.contains('*') => {
                self.loose(&Loose::Begins(Some(domain), namespace), refused)
            }
            [domain, "*"] if !domain.contains('*') => self.domain(domain).ok_or_else(|| refused(NAME)),
            [domain, ..] if !value.contains('*') && (parts.len() != 5 || !self.is_pointer(domain)) => {
                words::principal(&format!("spiffe://{value}"))
                    .map(|name| vec![Who::Principal(name)])
                    .map_err(|_| refused("expected a SPIFFE ID without `spiffe://`"))
            }
            _ => Err(refused(PATTERN)),
        }
    }

    /// `namespaces`: `/ns/NS/` anywhere in the name.
    fn of_namespace(&mut self, value: &str) -> Result<Vec<Who>, Reason> {
        let refused = |why| Reason::Value { field: "namespaces", value: value.to_owned(), why };
        // The parts `ns` and `sa` of a SPIFFE ID are found as well.
        if self.effect == Effect::Deny && matches!(value, "ns" | "sa") {
            return Err(refused("Istio finds it at other places of the name, too"));
        }
        self.loose(&Loose::Namespace(value), refused)
    }

    /// `serviceAccounts`: with the policy's namespace where none is said.
    fn account(&mut self, value: &str) -> Result<Vec<Who>, Reason> {
        let refused = |why| Reason::Value { field: "serviceAccounts", value: value.to_owned(), why };
        let own = self.namespace.to_owned();
        let (namespace, account) = value.split_once('/').unwrap_or((&own, value));
        self.loose(&Loose::Account(namespace, account), refused)
    }

    /// `trustDomains`: with all aliases where it is one of them.
    fn trust_domain(&mut self, value: &str) -> Result<Vec<Who>, Reason> {
        let refused = |why| Reason::Value { field: "trustDomains", value: value.to_owned(), why };
        if value.contains('*') {
            return Err(refused(PATTERN));
        }
        let domains = match self.trust.own.iter().any(|own| own == value) {
            true => self.trust.own.clone(),
            false => vec![value.to_owned()],
        };
        let mut all = Vec::new();
        for domain in domains {
            all.extend(self.domain(&domain).ok_or_else(|| refused(NAME))?);
        }
        Ok(all)
    }

    fn domain(&mut self, domain: &str) -> Option<Vec<Who>> {
        self.notes.insert(match self.effect {
            Effect::Allow => Narrowing::Form,
            Effect::Deny => Narrowing::Domain,
        });
        words::subdomain(domain).ok().map(|domain| vec![Who::TrustDomain(domain)])
    }

    /// Whether istiod takes a principal's trust domain for the mesh's own.
    fn is_pointer(&self, domain: &str) -> bool {
        domain == "cluster.local" || self.trust.own.iter().any(|own| own == domain)
    }

    fn own_account(&self, domain: &str, namespace: &str, account: &str) -> Option<Who> {
        let (namespace, service_account) = words::service_account(&format!("{namespace}/{account}")).ok()?;
        let trust_domain = match self.is_pointer(domain) {
            true => None,
            false => Some(words::subdomain(domain).ok()?),
        };
        Some(Who::ServiceAccount { trust_domain, namespace, service_account })
    }

    /// Callers in the place of a part of their name.
    fn loose(
        &mut self,
        loose: &Loose<'_>,
        refused: impl Fn(&'static str) -> Reason,
    ) -> Result<Vec<Who>, Reason> {
        let (domain, who) = match *loose {
            Loose::Begins(domain, namespace) => {
                (domain, Who::Namespace { trust_domain: None, namespace: namespace.to_owned() })
            }
            Loose::Namespace(namespace) => {
                (None, Who::Namespace { trust_domain: None, namespace: namespace.to_owned() })
            }
            Loose::Account(namespace, account) => (
                None,
                Who::ServiceAccount {
                    trust_domain: None,
                    namespace: namespace.to_owned(),
                    service_account: account.to_owned(),
                },
            ),
        };
        let is_named = match &who {
            Who::ServiceAccount { namespace, service_account, .. } => {
                words::label(namespace).is_ok() && words::subdomain(service_account).is_ok()
            }
            Who::Namespace { namespace, .. } => words::label(namespace).is_ok(),
            _ => false,
        };
        if !is_named || domain.is_some_and(|domain| words::subdomain(domain).is_err()) {
            return Err(refused(if loose.text().contains('*') { PATTERN } else { NAME }));
        }
        let own = in_domain(&who, domain);
        if self.trust.is_own_only {
            return Ok(vec![own]);
        }
        if self.effect == Effect::Allow {
            self.note(if matches!(loose, Loose::Begins(..)) {
                Narrowing::Form
            } else {
                Narrowing::TrustDomain
            });
            return Ok(vec![own]);
        }
        self.all_admitted(loose, &who, own).ok_or_else(|| refused(ANY_DOMAIN))
    }

    /// Of a deny by a part of the name: all of whom allows let in. `None` if they let in whom nobody can list.
    fn all_admitted(&self, loose: &Loose<'_>, who: &Who, own: Who) -> Option<Vec<Who>> {
        let mut all = vec![own];
        for admitted in self.admitted {
            match admitted {
                Who::Authenticated => return None,
                Who::Anonymous => {}
                Who::Principal(name) if loose.holds(name) => all.push(admitted.clone()),
                Who::Principal(_) => {}
                Who::ServiceAccount { trust_domain, .. } | Who::Namespace { trust_domain, .. } => {
                    if let (Some(domain), false) = (trust_domain, matches!(loose, Loose::Begins(..))) {
                        all.push(in_domain(who, Some(domain)));
                    }
                }
                Who::TrustDomain(domain) => {
                    if !matches!(loose, Loose::Begins(..)) {
                        all.push(in_domain(who, Some(domain)));
                    }
                }
            }
        }
        Some(all)
    }

    fn note(&mut self, narrowing: Narrowing) {
        if self.effect == Effect::Allow {
            self.notes.insert(narrowing);
        }
    }

    /// Who is in both sets.
    fn both(&self, some: &[Who], others: &[Who]) -> Vec<Who> {
        let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
        pairs.filter_map(|(one, other)| self.meet(one, other)).collect()
    }

    fn meet(&self, one: &Who, other: &Who) -> Option<Who> {
        use Who::{Authenticated, Namespace, Principal, ServiceAccount, TrustDomain};
        match (one, other) {
            (one, other) if one == other => Some(one.clone()),
            (Authenticated, who) | (who, Authenticated) => Some(who.clone()),
            (TrustDomain(domain), who) | (who, TrustDomain(domain)) => match who {
                ServiceAccount { trust_domain, .. } | Namespace { trust_domain, .. } => {
                    self.same_domain(trust_domain.as_deref(), Some(domain)).map(|td| in_domain(who, td))
                }
                Principal(name) => name.starts_with(&format!("spiffe://{domain}/")).then(|| who.clone()),
                _ => None,
            },
            // Which of Istio's patterns a name of another form fits is not looked into: a deny is of the name.
            (Principal(_), _) if self.effect == Effect::Deny => Some(one.clone()),
            (_, Principal(_)) if self.effect == Effect::Deny => Some(other.clone()),
            (Principal(name), who) | (who, Principal(name)) => {
                let [domain, namespace, account] = parts(name)?;
                let own = self.trust.own.iter().any(|own| own == domain);
                let is_same = match who {
                    Namespace { trust_domain, namespace: wanted } => {
                        wanted == namespace && trust_domain.as_deref().map_or(own, |td| td == domain)
                    }
                    ServiceAccount { trust_domain, namespace: wanted, service_account } => {
                        wanted == namespace
                            && service_account == account
                            && trust_domain.as_deref().map_or(own, |td| td == domain)
                    }
                    _ => false,
                };
                is_same.then(|| Principal(name.clone()))
            }
            (
                Namespace { trust_domain, namespace },
                who @ (Namespace { trust_domain: td, namespace: ns }
                | ServiceAccount { trust_domain: td, namespace: ns, .. }),
            )
            | (
                who @ ServiceAccount { trust_domain, namespace, .. },
                Namespace { trust_domain: td, namespace: ns },
            ) if namespace == ns => {
                self.same_domain(trust_domain.as_deref(), td.as_deref()).map(|td| in_domain(who, td))
            }
            (
                ServiceAccount { trust_domain, namespace, service_account },
                ServiceAccount { trust_domain: td, namespace: ns, service_account: sa },
            ) if namespace == ns && service_account == sa => {
                self.same_domain(trust_domain.as_deref(), td.as_deref()).map(|td| in_domain(one, td))
            }
            _ => None,
        }
    }

    /// The narrower of two trust domains; `Some(None)` is the mesh's own.
    fn same_domain<'d>(&self, one: Option<&'d str>, other: Option<&'d str>) -> Option<Option<&'d str>> {
        match (one, other) {
            (Some(one), Some(other)) => (one == other).then_some(Some(one)),
            (None, Some(named)) | (Some(named), None) => {
                self.trust.own.iter().any(|own| own == named).then_some(Some(named))
            }
            (None, None) => Some(None),
        }
    }
}

impl Loose<'_> {
    fn text(&self) -> String {
        match self {
            Self::Namespace(namespace) | Self::Begins(_, namespace) => (*namespace).to_owned(),
            Self::Account(namespace, account) => format!("{namespace}/{account}"),
        }
    }

    /// Whether Istio finds it in a name.
    fn holds(&self, name: &str) -> bool {
        match self {
            Self::Namespace(namespace) => name.contains(&format!("/ns/{namespace}/")),
            Self::Account(namespace, account) => {
                name.contains(&format!("/ns/{namespace}/"))
                    && format!("{name}/").contains(&format!("/sa/{account}/"))
            }
            Self::Begins(Some(domain), namespace) => {
                name.starts_with(&format!("spiffe://{domain}/ns/{namespace}/"))
            }
            Self::Begins(None, namespace) => name.contains(&format!("/ns/{namespace}/")),
        }
    }
}

/// The same caller in a trust domain.
fn in_domain(who: &Who, domain: Option<&str>) -> Who {
    let mut who = who.clone();
    if let Who::ServiceAccount { trust_domain, .. } | Who::Namespace { trust_domain, .. } = &mut who {
        *trust_domain = domain.map(str::to_owned);
    }
    who
}

/// Trust domain, namespace and service account of a SPIFFE ID of Istio's form.
fn parts(name: &str) -> Option<[&str; 3]> {
    let mut parts = name.strip_prefix("spiffe://")?.split('/');
    let (domain, ns, namespace, sa, account) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (ns == "ns" && sa == "sa" && parts.next().is_none()).then_some([domain, namespace, account])
}

/// Each once, in the order in which they come first.
pub(super) fn once<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}
