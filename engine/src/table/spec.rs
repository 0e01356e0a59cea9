//! What a table is to say, before it is written: attributes and conditions on them, of no particular kind of policy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A table. A request is allowed where a clause of `allow` matches and none of `deny` and `base` does; else it is denied
/// with 403. On a path that could mean more than it says nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// What is done with its decisions.
    pub status: Status,
    /// Other names of the trust domain of the proxy's own certificate.
    pub own_names: BTreeSet<String>,
    /// What allows: where all that is asked is certain.
    pub allow: Option<Side>,
    /// What denies: unless something that is asked is certainly not so.
    pub deny: Option<Side>,
    /// What denies and is carried out, whatever `status` says; on a path that could mean more than it says it may be any
    /// path's.
    pub base: Option<Side>,
    /// What happens to headers of allowed requests.
    pub changes: Option<Changes>,
}

/// What is done with decisions; [`Marks`](crate::decision::Marks) say so to the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Status {
    /// They are carried out.
    #[default]
    Enforced,
    /// They are counted, unless `base` denies.
    Shadow,
    /// There are none, for nobody has declared whom they are about.
    Undeclared,
}

/// Clauses, and what they are looked up by. A clause may match where a caller and a path lead to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The clauses; they are named by their place.
    pub clauses: Vec<Clause>,
    /// The clauses of each caller.
    pub callers: BTreeMap<Caller, BTreeSet<u32>>,
    /// The clauses of each path.
    pub paths: BTreeMap<Paths, BTreeSet<u32>>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Namespace and service account, in the proxy's own trust domain.
    OwnAccount(String, String),
    /// A namespace of the proxy's own trust domain.
    OwnNamespace(String),
    /// Trust domain, namespace and service account.
    Account(String, String, String),
    /// Trust domain and namespace.
    Namespace(String, String),
    /// A trust domain. Of denies: whatever the form of the name.
    TrustDomain(String),
    /// A principal, whole.
    Principal(String),
    /// Anybody with a name.
    Authenticated,
    /// Anybody without one.
    Anonymous,
    /// Anybody.
    Everyone,
}

/// Paths, cut at slashes: the part before the first one is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paths {
    /// Every one.
    Every,
    /// This one.
    Exact(String),
    /// Those that look like this.
    Shape(Shape),
}

/// Paths of which parts are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// The parts from the first on; `None` is any that is not empty. At most [`MAX_PARTS`](super::MAX_PARTS).
    pub parts: Vec<Option<String>>,
    /// How many parts a path must at least have, where more may follow; else it has as many as there are.
    pub open: Option<usize>,
}

/// What has to be so besides caller and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clause {
    /// The method is one of these; of denies in upper case.
    pub methods: Option<BTreeSet<String>>,
    /// All of these.
    pub tests: Vec<Test>,
}

/// A condition. Header names are in lower case; several values of one header are one, parted by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The value of a header begins with this text. Of allows only.
    HeaderBegins(String, String),
    /// A header is this text, or, of denies, one of its values is.
    HeaderExact(String, String),
    /// Every value of a header begins with this text, or, of denies, any.
    HeaderPrefix(String, String),
    /// A header is there.
    HeaderPresent(String),
    /// A header is not there.
    HeaderAbsent(String),
    /// The host, in lower case without port and dot at its end, is one of these or ends in one of those.
    Host(BTreeSet<String>, Vec<String>),
    /// The port of the connection's own address.
    Port(BTreeSet<u16>),
    /// The connection comes from one of these networks: address and length of the prefix.
    Source(Vec<(IpAddr, u8)>),
    /// What a filter's metadata has at a path of keys, which are at least two, is one of these texts, or a list that has
    /// one.
    Metadata(String, Vec<String>, BTreeSet<String>),
}

/// What happens to headers: of the request, and of the response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names and values, for both.
    pub set: [BTreeMap<String, Vec<Piece>>; 2],
    /// Names, for both.
    pub remove: [Vec<String>; 2],
}

/// A part of a value. A header of which a part cannot be said is removed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Piece {
    /// Text.
    Text(String),
    /// The caller's principal.
    Principal,
    /// The namespace of a caller of the proxy's own trust domain.
    Namespace,
    /// The service account of such a caller.
    ServiceAccount,
    /// The value of a header.
    Header(String),
}
