//! Which parts of the input a policy reads.
//!
//! Every call over the VM's border that returns data costs about a microsecond, and so does building a value
//! that nobody looks at: the host fetches, and the input builder builds, only what [`Needs`] names.

use std::collections::BTreeSet;

use crate::input::leaves::LEAVES;

/// A part of the input that is fetched or built as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Group {
    /// What costs nothing: version, phase, workload.
    Fixed,
    /// Method, path, host and scheme, from the pseudo-headers.
    Http,
    /// The header map as a document; [`Needs::headers`] says which headers.
    Headers,
    /// The decoded path.
    ParsedPath,
    /// The decoded query.
    ParsedQuery,
    /// `request.time`.
    Time,
    /// `request.protocol`.
    Protocol,
    /// `source.address`.
    SourceAddress,
    /// `x-envoy-downstream-service-cluster`, from the headers.
    SourceService,
    /// All URI SANs of the peer.
    SourceNames,
    /// The peer's principal: its first URI SAN; its DNS SAN or subject where there is none.
    SourcePrincipal,
    /// `destination.address`.
    DestinationAddress,
    /// This proxy's own identity.
    DestinationPrincipal,
    /// `connection.tls_version`, `connection.mtls` and `connection.requested_server_name`.
    Tls,
    /// `xds.listener_direction`.
    Direction,
    /// The request's body, which the host has to wait for.
    Body,
    /// What filters before this one found out: the property `metadata`; [`Needs::metadata`] says whose.
    Metadata,
    /// What the route says: the property `xds.route_metadata`; [`Needs::route_metadata`] says for whom.
    RouteMetadata,
    /// The response's status and headers, which there are in that phase alone.
    Response,
}

/// A set of [`Group`]s, and which headers and metadata the policy reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    groups: u32,
    headers: KeyNeeds,
    metadata: KeyNeeds,
    route_metadata: KeyNeeds,
}

/// Which keys of an object the input must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNeeds {
    /// These alone.
    Named(BTreeSet<String>),
    /// Every key: the policy walks over them, or takes the object as a whole.
    All,
}

/// Envoy's own mark on a body, a header of the input alone: whether it is a piece (`CheckRequestUtils`).
pub const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// Where the mark is. It is among the headers, and comes with the body.
const MARK: (Group, &[&str]) = (Group::Body, &["attributes", "request", "http", "headers", PARTIAL_BODY]);

/// Where the namespaces are in a metadata context.
const NAMESPACES: &str = "filterMetadata";

impl Group {
    /// Every group, in the order of [`Needs::iter`].
    pub const ALL: [Self; 19] = [
        Self::Fixed,
        Self::Http,
        Self::Headers,
        Self::ParsedPath,
        Self::ParsedQuery,
        Self::Time,
        Self::Protocol,
        Self::SourceAddress,
        Self::SourceService,
        Self::SourceNames,
        Self::SourcePrincipal,
        Self::DestinationAddress,
        Self::DestinationPrincipal,
        Self::Tls,
        Self::Direction,
        Self::Body,
        Self::Metadata,
        Self::RouteMetadata,
        Self::Response,
    ];

    /// Stable name, for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Http => "http",
            Self::Headers => "headers",
            Self::ParsedPath => "parsed_path",
            Self::ParsedQuery => "parsed_query",
            Self::Time => "time",
            Self::Protocol => "protocol",
            Self::SourceAddress => "source_address",
            Self::SourceService => "source_service",
            Self::SourceNames => "source_names",
            Self::SourcePrincipal => "source_principal",
            Self::DestinationAddress => "destination_address",
            Self::DestinationPrincipal => "destination_principal",
            Self::Tls => "tls",
            Self::Direction => "direction",
            Self::Body => "body",
            Self::Metadata => "metadata",
            Self::RouteMetadata => "route_metadata",
            Self::Response => "response",
        }
    }

    /// Whether the host has to ask for a property; the other groups come from the headers, which are always
    /// fetched, from the callbacks of body and response, or from nothing.
    pub fn is_fetched(self) -> bool {
        !matches!(
            self,
            Self::Fixed
                | Self::Http
                | Self::Headers
                | Self::ParsedPath
                | Self::ParsedQuery
                | Self::SourceService
                | Self::Body
                | Self::Response
        )
    }

    fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl Default for KeyNeeds {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl KeyNeeds {
    /// Whether the input must have the key `name`.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Adds a key, or all of them where the policy names none.
    fn add(&mut self, name: Option<&String>) {
        match (name, &mut *self) {
            (Some(name), Self::Named(names)) => {
                names.insert(name.clone());
            }
            (None, all) => *all = Self::All,
            (Some(_), Self::All) => {}
        }
    }

    fn extend(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Named(mine), Self::Named(more)) => mine.extend(more.iter().cloned()),
            (mine, Self::All) => *mine = Self::All,
            (Self::All, Self::Named(_)) => {}
        }
    }
}

impl Needs {
    /// Nothing of the input.
    pub fn none() -> Self {
        Self::default()
    }

    /// The whole input.
    pub fn all() -> Self {
        let groups = Group::ALL.into_iter().fold(0, |bits, group| bits | group.bit());
        Self { groups, headers: KeyNeeds::All, metadata: KeyNeeds::All, route_metadata: KeyNeeds::All }
    }

    /// The same without this group.
    #[must_use]
    pub fn without(self, group: Group) -> Self {
        Self { groups: self.groups & !group.bit(), ..self }
    }

    /// These groups, the metadata of these filters, and no header.
    pub(crate) fn of_groups(groups: impl IntoIterator<Item = Group>, filters: BTreeSet<String>) -> Self {
        let groups = groups.into_iter().fold(0, |bits, group| bits | group.bit());
        Self { groups, metadata: KeyNeeds::Named(filters), ..Self::default() }
    }

    /// Whether `other` has every group that is needed.
    pub(crate) fn are_within(&self, other: &Self) -> bool {
        self.groups & !other.groups == 0
    }

    /// Whether all metadata that `other` needs is needed.
    pub(crate) fn has_metadata_of(&self, other: &Self) -> bool {
        match (&self.metadata, &other.metadata) {
            (KeyNeeds::All, _) => true,
            (KeyNeeds::Named(mine), KeyNeeds::Named(more)) => more.is_subset(mine),
            (KeyNeeds::Named(_), KeyNeeds::All) => false,
        }
    }

    /// What the input references `paths` need; a path has no leading `input`, and ends where the policy
    /// stops to follow it by constant keys. A group is needed where its location lies under a path or a path
    /// lies under its location; the empty path is the whole input.
    pub fn from_paths<'a>(paths: impl Iterator<Item = &'a [String]>) -> Self {
        let mut needs = Self::none();
        for path in paths {
            for (group, location) in locations() {
                if overlap(path, location) && !is_every_header(group, path, location) {
                    needs.groups |= group.bit();
                    let rest = path.get(location.len()..).unwrap_or_default();
                    match group {
                        Group::Headers => needs.headers.add(rest.first()),
                        Group::Metadata => add_namespace(&mut needs.metadata, rest),
                        Group::RouteMetadata => add_namespace(&mut needs.route_metadata, rest),
                        _ => {}
                    }
                }
            }
        }
        needs
    }

    /// Adds what `other` needs, as for a policy with several entry points.
    pub fn extend(&mut self, other: &Self) {
        self.groups |= other.groups;
        self.headers.extend(&other.headers);
        self.metadata.extend(&other.metadata);
        self.route_metadata.extend(&other.route_metadata);
    }

    /// Adds what the host needs besides what the policy reads.
    pub fn add(&mut self, group: Group) {
        self.groups |= group.bit();
    }

    /// Whether `group` is needed.
    pub fn contains(&self, group: Group) -> bool {
        self.groups & group.bit() != 0
    }

    /// Which headers are needed in the input, in lower case.
    pub fn headers(&self) -> &KeyNeeds {
        &self.headers
    }

    /// Whose metadata is needed in `metadataContext`, by the names of filters.
    pub fn metadata(&self) -> &KeyNeeds {
        &self.metadata
    }

    /// Whose metadata is needed in `routeMetadataContext`.
    pub fn route_metadata(&self) -> &KeyNeeds {
        &self.route_metadata
    }

    /// The groups that are needed, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Group> + '_ {
        Group::ALL.into_iter().filter(|group| self.contains(*group))
    }
}

/// Where in the input each group is found.
fn locations() -> impl Iterator<Item = (Group, &'static [&'static str])> {
    LEAVES.iter().map(|(_, group, location)| (*group, *location)).chain([MARK])
}

/// `path` is what follows a metadata context; other keys of it than the namespaces are always absent.
fn add_namespace(needs: &mut KeyNeeds, path: &[String]) {
    if path.first().is_none_or(|key| key == NAMESPACES) {
        needs.add(path.get(1));
    }
}

/// A policy that takes all headers does not ask for the mark on a body: without it there is none to wait for.
fn is_every_header(group: Group, path: &[String], location: &[&str]) -> bool {
    group == Group::Body && location.last() == Some(&PARTIAL_BODY) && path.len() < location.len()
}

/// Whether one of the two is a prefix of the other.
fn overlap(path: &[String], location: &[&str]) -> bool {
    path.iter().zip(location).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests;
