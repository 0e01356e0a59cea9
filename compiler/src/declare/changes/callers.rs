//! Who can call, as far as two files tell callers apart: every caller is like one of these.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::declare::judge::Identity;
use crate::declare::model::{Rule, Who};

/// Callers that no rule of either side tells apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallerClass {
    /// One caller.
    One {
        /// Its principal.
        principal: String,
    },
    /// All service accounts of a namespace.
    Namespace {
        /// Trust domain.
        trust_domain: String,
        /// Namespace.
        namespace: String,
    },
    /// Everybody with an identity.
    Authenticated,
    /// A service account of every trust domain that no rule names.
    Elsewhere {
        /// Namespace.
        namespace: String,
        /// Service account; `None`: every other one.
        service_account: Option<String>,
    },
    /// Service accounts of a namespace that no rule names.
    OthersOfNamespace {
        /// Trust domain.
        trust_domain: String,
        /// Namespace.
        namespace: String,
    },
    /// Service accounts of a trust domain whose namespaces no rule names.
    OthersOfTrustDomain {
        /// Trust domain.
        trust_domain: String,
    },
    /// Names of a trust domain that are no service accounts.
    OddNames {
        /// Trust domain.
        trust_domain: String,
    },
    /// Everybody else with an identity.
    Others,
    /// Callers without identity.
    Anonymous,
}

impl CallerClass {
    /// Whether it is of this trust domain.
    pub(super) fn is_of(&self, own: &str) -> bool {
        match self {
            Self::One { principal } => {
                principal.strip_prefix("spiffe://").is_some_and(|rest| rest.split('/').next() == Some(own))
            }
            Self::Namespace { trust_domain, .. }
            | Self::OthersOfNamespace { trust_domain, .. }
            | Self::OthersOfTrustDomain { trust_domain }
            | Self::OddNames { trust_domain } => trust_domain == own,
            Self::Authenticated | Self::Elsewhere { .. } | Self::Others | Self::Anonymous => false,
        }
    }

    /// The same of another trust domain, which is another name of this one.
    fn renamed(&self, domain: &str) -> Option<Self> {
        let (trust_domain, named) = (domain.to_owned(), self.clone());
        Some(match named {
            Self::One { principal } => {
                let Identity { namespace, service_account, .. } = Identity::of(&principal)?;
                Self::One { principal: format!("spiffe://{domain}/ns/{namespace}/sa/{service_account}") }
            }
            Self::Namespace { namespace, .. } => Self::Namespace { trust_domain, namespace },
            Self::OthersOfNamespace { namespace, .. } => Self::OthersOfNamespace { trust_domain, namespace },
            Self::OthersOfTrustDomain { .. } => Self::OthersOfTrustDomain { trust_domain },
            Self::OddNames { .. } => Self::OddNames { trust_domain },
            Self::Authenticated | Self::Elsewhere { .. } | Self::Others | Self::Anonymous => return None,
        })
    }

    /// The class as people would say it, in a mesh of this trust domain.
    pub fn words(&self, own: &str) -> String {
        let of = |domain: &str| if domain == own { String::new() } else { format!(" of {domain}") };
        match self {
            Self::One { principal } => match Identity::of(principal) {
                Some(Identity { trust_domain, namespace, service_account }) => {
                    format!("{namespace}/{service_account}{}", of(trust_domain))
                }
                None => principal.clone(),
            },
            Self::Elsewhere { namespace, service_account: Some(account) } => {
                format!("{namespace}/{account} of any other trust domain")
            }
            Self::Elsewhere { namespace, service_account: None } => {
                format!("others of {namespace} of any other trust domain")
            }
            Self::Authenticated => "anybody with an identity".to_owned(),
            Self::Namespace { trust_domain, namespace } => {
                format!("namespace {namespace}{}", of(trust_domain))
            }
            Self::OthersOfNamespace { trust_domain, namespace } => {
                format!("any other of namespace {namespace}{}", of(trust_domain))
            }
            Self::OthersOfTrustDomain { trust_domain } if trust_domain == own => {
                "any other namespace".to_owned()
            }
            Self::OthersOfTrustDomain { trust_domain } => format!("any other of {trust_domain}"),
            Self::OddNames { trust_domain } => {
                format!("names of {trust_domain} that are no service accounts")
            }
            Self::Others => "anybody else with an identity".to_owned(),
            Self::Anonymous => "callers without identity".to_owned(),
        }
    }
}

/// A class, and one of its callers.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) class: CallerClass,
    /// `None` for callers without identity.
    pub(super) principal: Option<String>,
}

/// A trust domain, a namespace and a service account that no rule can name, for capitals are none of theirs.
const NOBODY: &str = "NOBODY";

/// One of each class.
pub(super) fn samples<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    own: &str,
    aliases: &BTreeSet<&str>,
) -> Vec<Sample> {
    let callers: BTreeSet<&Who> =
        rules.flat_map(|rule| rule.from.iter().flatten()).map(|caller| &caller.who).collect();
    let mut domains: BTreeSet<&str> = aliases.clone();
    domains.insert(own);
    for who in &callers {
        if let Who::ServiceAccount { trust_domain: Some(domain), .. }
        | Who::Namespace { trust_domain: Some(domain), .. }
        | Who::TrustDomain(domain) = who
        {
            domains.insert(domain);
        }
    }
    let mut found: BTreeMap<String, CallerClass> = BTreeMap::new();
    let mut add = |principal: String, class: CallerClass| {
        // What a rule names whole is named, whatever else it is.
        let is_one = matches!(class, CallerClass::One { .. });
        if is_one || !found.contains_key(&principal) {
            found.insert(principal, class);
        }
    };
    let name = |domain: &str, namespace: &str, account: &str| {
        format!("spiffe://{domain}/ns/{namespace}/sa/{account}")
    };
    for domain in &domains {
        let trust_domain = (*domain).to_owned();
        add(
            name(domain, NOBODY, NOBODY),
            CallerClass::OthersOfTrustDomain { trust_domain: trust_domain.clone() },
        );
        add(format!("spiffe://{domain}/{NOBODY}"), CallerClass::OddNames { trust_domain });
    }
    for who in callers {
        match who {
            Who::ServiceAccount { trust_domain, namespace, service_account } => {
                for domain in
                    domains.iter().filter(|domain| trust_domain.as_deref().is_none_or(|own| own == **domain))
                {
                    let principal = name(domain, namespace, service_account);
                    add(principal.clone(), CallerClass::One { principal });
                    let (trust_domain, namespace) = ((*domain).to_owned(), namespace.clone());
                    add(
                        name(domain, &namespace, NOBODY),
                        CallerClass::OthersOfNamespace { trust_domain, namespace },
                    );
                }
                if trust_domain.is_none() {
                    let (namespace, account) = (namespace.clone(), Some(service_account.clone()));
                    add(
                        name(NOBODY, &namespace, service_account),
                        CallerClass::Elsewhere { namespace: namespace.clone(), service_account: account },
                    );
                    add(
                        name(NOBODY, &namespace, NOBODY),
                        CallerClass::Elsewhere { namespace: namespace.clone(), service_account: None },
                    );
                }
            }
            Who::Namespace { trust_domain, namespace } => {
                for domain in
                    domains.iter().filter(|domain| trust_domain.as_deref().is_none_or(|own| own == **domain))
                {
                    let (trust_domain, namespace) = ((*domain).to_owned(), namespace.clone());
                    add(
                        name(domain, &namespace, NOBODY),
                        CallerClass::OthersOfNamespace { trust_domain, namespace },
                    );
                }
                if trust_domain.is_none() {
                    add(
                        name(NOBODY, namespace, NOBODY),
                        CallerClass::Elsewhere { namespace: namespace.clone(), service_account: None },
                    );
                }
            }
            Who::Principal(principal) => {
                add(principal.clone(), CallerClass::One { principal: principal.clone() })
            }
            Who::TrustDomain(_) | Who::Authenticated | Who::Anonymous => {}
        }
    }
    add(format!("spiffe://{NOBODY}/{NOBODY}"), CallerClass::Others);
    let mut samples: Vec<Sample> =
        found.into_iter().map(|(principal, class)| Sample { class, principal: Some(principal) }).collect();
    samples.push(Sample { class: CallerClass::Anonymous, principal: None });
    samples
}

/// Callers in as few words as say the same: `all` are all classes that there are, `aliases` names that both states
/// have for the trust domain `own`.
pub(super) fn simple(
    classes: &BTreeSet<&CallerClass>,
    all: &BTreeSet<CallerClass>,
    own: &str,
    aliases: &BTreeSet<&str>,
) -> Vec<CallerClass> {
    let mut kept: BTreeSet<CallerClass> = classes.iter().map(|class| (*class).clone()).collect();
    let has_all = |is: &dyn Fn(&CallerClass) -> bool| {
        all.iter().filter(|class| is(class)).all(|class| classes.contains(class))
    };
    if classes.len() > 1 && has_all(&|class| *class != CallerClass::Anonymous) {
        kept.retain(|class| *class == CallerClass::Anonymous);
        kept.insert(CallerClass::Authenticated);
    }
    let namespaces: Vec<(String, String)> = kept
        .iter()
        .filter_map(|class| match class {
            CallerClass::OthersOfNamespace { trust_domain, namespace } => {
                Some((trust_domain.clone(), namespace.clone()))
            }
            _ => None,
        })
        .collect();
    for (trust_domain, namespace) in namespaces {
        let is_of = |class: &CallerClass| match class {
            CallerClass::One { principal } => Identity::of(principal)
                .is_some_and(|one| one.trust_domain == trust_domain && one.namespace == namespace),
            _ => false,
        };
        if has_all(&is_of) {
            kept.retain(|class| !is_of(class));
            kept.remove(&CallerClass::OthersOfNamespace {
                trust_domain: trust_domain.clone(),
                namespace: namespace.clone(),
            });
            kept.insert(CallerClass::Namespace { trust_domain, namespace });
        }
    }
    // Names of a trust domain that are no service accounts go without saying beside those that are; so do
    // others that a wider class of the same line is for, and other names of what is there.
    let is_said = |class: &CallerClass| match class {
        CallerClass::OddNames { trust_domain } => {
            kept.contains(&CallerClass::OthersOfTrustDomain { trust_domain: trust_domain.clone() })
        }
        CallerClass::Elsewhere { .. } => kept.contains(&CallerClass::Others),
        _ => {
            aliases.iter().any(|alias| *alias != own && class.is_of(alias))
                && class.renamed(own).is_some_and(|named| kept.contains(&named))
        }
    };
    let mut shown: Vec<CallerClass> = kept.iter().filter(|class| !is_said(class)).cloned().collect();
    // This mesh's own first.
    shown.sort_by_key(|class| !class.is_of(own));
    shown
}
