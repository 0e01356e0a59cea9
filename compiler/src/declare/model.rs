//! What a declaration says, checked: the model that the data document, and later tables, explanations and
//! plans are made from. A value of these types cannot hold what is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::beside::Beside;
use super::source::{Place, Source};

/// One service's declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePolicy {
    /// Path of the file, as a person would write it.
    pub file: String,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Name of the service.
    pub name: String,
    /// The team that answers for it.
    pub owner: String,
    /// Where the file says so.
    pub owner_place: Place,
    /// What is done with decisions about it.
    pub mode: Mode,
    /// Names of the workloads that the service is; its own name where the file says nothing.
    pub workloads: Vec<String>,
    /// Who may call what.
    pub allow: Vec<Rule>,
    /// Who may not, whatever `allow` says.
    pub deny: Vec<Rule>,
    /// What happens to headers of allowed requests.
    pub headers: HeaderRules,
    /// The Rego in the service's own folder, if there is any.
    pub rego: Option<Beside>,
    /// The text of the file, for messages.
    pub(crate) source: Arc<Source>,
}

/// What is done with decisions about a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are carried out.
    #[default]
    Enforce,
    /// They are only counted, where the proxy is set up to let a declaration say so. A deny of the mesh-wide base
    /// is carried out in any case.
    Shadow,
}

/// One entry of `allow` or `deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// What it is called.
    pub name: Option<String>,
    /// Any of these callers; `None`, which only a deny can say, is everybody.
    pub from: Option<Vec<Caller>>,
    /// Any of these targets; everything where there is none.
    pub to: Vec<Target>,
    /// All of these conditions.
    pub when: Vec<Condition>,
}

/// One kind of caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Where it stands.
    pub place: Place,
    /// Who.
    pub who: Who,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A service account; of this mesh's trust domain where none is named.
    ServiceAccount {
        /// Trust domain.
        trust_domain: Option<String>,
        /// Namespace.
        namespace: String,
        /// Service account.
        service_account: String,
    },
    /// Every service account of a namespace.
    Namespace {
        /// Trust domain.
        trust_domain: Option<String>,
        /// Namespace.
        namespace: String,
    },
    /// Every service account of a trust domain.
    TrustDomain(String),
    /// One principal, whole.
    Principal(String),
    /// Everybody with an identity.
    Authenticated,
    /// Everybody without one.
    Anonymous,
}

/// What is called: all that is said must hold; what is not said is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Where it stands.
    pub place: Place,
    /// Any of these methods.
    pub methods: Vec<String>,
    /// Any of these paths.
    pub paths: Vec<Template>,
    /// Any of these gRPC methods; then there are neither methods nor paths.
    pub grpc: Vec<GrpcMethod>,
    /// Any of these hosts.
    pub hosts: Vec<HostPattern>,
    /// Any of these ports.
    pub ports: Vec<u16>,
}

/// A path template, as segments after the leading `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template {
    /// Its segments; one empty one is `/`, and an empty last one a trailing slash.
    pub segments: Vec<Segment>,
    /// Whether `{**}` ends it.
    pub is_open: bool,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// `{id}`: anything that is not empty.
    Any(String),
}

/// `pkg.Service/Method`, or every method where there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrpcMethod {
    /// Full name of the service.
    pub service: String,
    /// The method; `None` is `*`.
    pub method: Option<String>,
}

/// A host, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// Whatever ends in this, which begins with a dot.
    Suffix(String),
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Where it stands.
    pub place: Place,
    /// What it asks.
    pub test: Test,
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// About a header, named in lower case.
    Header(String, HeaderTest),
    /// The claim below jwt_authn's payload is one of these, or a list that has one of them.
    Claim(Vec<String>, Vec<String>),
    /// The connection comes from one of these networks.
    Source(Vec<String>),
}

/// What is asked about a header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeaderTest {
    /// It is this.
    Exact(String),
    /// It begins with this.
    Prefix(String),
    /// It is there.
    Present,
    /// It is not.
    Absent,
}

/// What happens to headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Of the request, on its way to the service.
    pub request: HeaderChanges,
    /// Of the response, on its way to the caller.
    pub response: HeaderChanges,
}

/// Changes of one side's headers; names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Names and values.
    pub set: BTreeMap<String, Vec<Part>>,
    /// Names.
    pub remove: Vec<String>,
}

/// A part of a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(String),
    /// What the request says.
    Variable(Variable),
}

/// What can be put into a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The caller's principal.
    Principal,
    /// The caller's namespace.
    Namespace,
    /// The caller's service account.
    ServiceAccount,
    /// The header `x-request-id`.
    RequestId,
}

impl Variable {
    /// Every one, by the name that it has in a declaration.
    pub const ALL: [(&'static str, Self); 4] = [
        ("source.principal", Self::Principal),
        ("source.namespace", Self::Namespace),
        ("source.service_account", Self::ServiceAccount),
        ("request.id", Self::RequestId),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, variable)| *variable == self).map_or("", |(name, _)| name)
    }
}

impl HeaderRules {
    /// Whether nothing happens to headers.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }
}

impl HeaderChanges {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}
