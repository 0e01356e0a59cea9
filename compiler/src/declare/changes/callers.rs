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
            Self::OthersOfNamespace { trust_domain, .. }
            | Self::OthersOfTrustDomain { trust_domain }
            | Self::OddNames { trust_domain } => trust_domain == own,
            Self::Elsewhere { .. } | Self::Others | Self::Anonymous => false,
        }
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
