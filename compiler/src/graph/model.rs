//! The graph: what there is, and who may call whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Who may call whom, as a mesh's declarations say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Services and callers, in the order of [`Kind`].
    pub nodes: Vec<Node>,
    /// What the files say of each service, by the place of its node in `nodes`.
    pub services: BTreeMap<usize, Service>,
    /// Who may call whom, by callers and services.
    pub edges: Vec<Edge>,
}

/// What can call, or be called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a node is. Trust domains are named where a declaration names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// Anyone who has no identity.
    Anonymous,
    /// Anyone who has one.
    Authenticated,
    /// Whoever the Rego beside a service's declaration allows more than that does.
    Rego {
        /// The service's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// One identity, whole.
    Principal {
        /// A SPIFFE ID.
        principal: String,
    },
    /// Everyone of a trust domain.
    TrustDomain {
        /// Its name.
        trust_domain: String,
    },
    /// Everyone in a namespace.
    Namespace {
        /// Trust domain, if not the mesh's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        trust_domain: Option<String>,
        /// Namespace.
        namespace: String,
    },
    /// A service account that no declared service has.
    Account {
        /// Trust domain, if not the mesh's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        trust_domain: Option<String>,
        /// Namespace.
        namespace: String,
        /// Service account.
        name: String,
    },
    /// A service that a file declares.
    Service {
        /// Namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// What a file says of its service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The file, inside the folder.
    pub file: String,
    /// Who answers for it.
    pub owner: String,
    /// Its workloads.
    pub workloads: Vec<String>,
    /// Whether callers of it may have been left out: it is here as a neighbour of what was chosen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
    /// Whether its denies are only counted, where the proxy lets a declaration say so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_shadow: bool,
    /// Rego that has a say in it: its own, and that of the mesh-wide base.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rego: Vec<String>,
    /// What `allow` and `deny` say, and then the denies of the mesh-wide base.
    pub rules: Vec<Rule>,
}

/// An entry of `allow` or `deny`, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Whether it denies.
    pub is_deny: bool,
    /// Whether it stands in `mesh.yaml`, and not in the service's own file.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_base: bool,
    /// Where it stands in the file.
    pub line: u32,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who; nobody named is everybody.
    pub from: Vec<String>,
    /// What; nothing is everything.
    pub to: Vec<String>,
    /// On which conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
}

/// That one may call another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// The caller's place in [`Graph::nodes`].
    pub from: usize,
    /// The service's.
    pub to: usize,
    /// The rules of `allow` that say so: places in [`Service::rules`].
    pub rules: Vec<usize>,
    /// The rules of `deny` that may take some of it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denies: Vec<usize>,
    /// Whether a deny, or Rego, takes something back.
    pub limit: Limit,
}

/// How much of an edge denies take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Nothing.
    Nothing,
    /// Some of it, as far as can be seen without a request.
    Some,
    /// All: nothing is left.
    All,
}

impl Kind {
    /// The namespace in which it is drawn: of this mesh's own trust domain.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Service { namespace, .. }
            | Self::Namespace { trust_domain: None, namespace }
            | Self::Account { trust_domain: None, namespace, .. } => Some(namespace),
            _ => None,
        }
    }

    /// What it is called, as in `pay/payments`.
    pub fn label(&self) -> String {
        let of =
            |domain: &Option<String>| domain.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        match self {
            Self::Anonymous => "anyone without an identity".to_owned(),
            Self::Authenticated => "anyone with an identity".to_owned(),
            Self::Rego { namespace, name } => format!("whoever the Rego of {namespace}/{name} allows"),
            Self::Principal { principal } => principal.clone(),
            Self::TrustDomain { trust_domain } => format!("everyone of {trust_domain}"),
            Self::Namespace { trust_domain, namespace } => {
                format!("everyone in {namespace}{}", of(trust_domain))
            }
            Self::Account { trust_domain, namespace, name } => {
                format!("{namespace}/{name}{}", of(trust_domain))
            }
            Self::Service { namespace, name } => format!("{namespace}/{name}"),
        }
    }

    /// A name that nothing else in the graph has, as in `service:pay/payments`.
    pub fn id(&self) -> String {
        let of = |domain: &Option<String>| domain.as_ref().map(|name| format!("@{name}")).unwrap_or_default();
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Authenticated => "authenticated".to_owned(),
            Self::Rego { namespace, name } => format!("rego:{namespace}/{name}"),
            Self::Principal { principal } => format!("principal:{principal}"),
            Self::TrustDomain { trust_domain } => format!("trust-domain:{trust_domain}"),
            Self::Namespace { trust_domain, namespace } => {
                format!("namespace:{namespace}{}", of(trust_domain))
            }
            Self::Account { trust_domain, namespace, name } => {
                format!("account:{namespace}/{name}{}", of(trust_domain))
            }
            Self::Service { namespace, name } => format!("service:{namespace}/{name}"),
        }
    }

    /// Whether a file declares it.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service { .. })
    }
}

impl Service {
    /// Where a rule stands, as in `services/pay/payments.yaml:12`.
    pub fn place(&self, rule: &Rule) -> String {
        format!("{}:{}", if rule.is_base { "mesh.yaml" } else { &self.file }, rule.line)
    }
}

impl Rule {
    /// What it is called, or what it is.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(if self.is_deny { "deny" } else { "allow" })
    }

    /// What it lets, or does not let, do, in a line.
    pub fn what(&self) -> String {
        let to = if self.to.is_empty() { "everything".to_owned() } else { self.to.join("; ") };
        if self.when.is_empty() { to } else { format!("{to}, when {}", self.when.join(" and ")) }
    }
}

impl Graph {
    /// The kind of a node.
    pub fn kind(&self, node: usize) -> Option<&Kind> {
        self.nodes.get(node).map(|node| &node.kind)
    }

    /// What a node is called; nothing for one that is not there.
    pub fn label(&self, node: usize) -> String {
        self.kind(node).map(Kind::label).unwrap_or_default()
    }

    /// How much there is, as in `12 services, 6 namespaces, 22 edges`.
    pub fn summary(&self) -> String {
        let many = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let services = self.services.keys().filter_map(|at| self.kind(*at));
        let namespaces: BTreeSet<&str> = services.filter_map(Kind::namespace).collect();
        let (services, edges) = (many(self.services.len(), "service"), many(self.edges.len(), "edge"));
        format!("{services}, {}, {edges}", many(namespaces.len(), "namespace"))
    }

    /// The rules behind an edge, those of `allow` before those of `deny`.
    pub fn rules<'g>(&'g self, edge: &'g Edge) -> impl Iterator<Item = &'g Rule> {
        let rules = self.services.get(&edge.to).map(|service| service.rules.as_slice()).unwrap_or_default();
        edge.rules.iter().chain(&edge.denies).filter_map(|at| rules.get(*at))
    }
}
