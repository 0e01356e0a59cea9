//! Where in the input everything is that a request can say.
//!
//! One list: the document is made of it, what a policy needs is found by it, and a plan that asks for one path gets that
//! leaf without the document. So all three agree.

use regorus::Value;

use crate::needs::{Group, PARTIAL_BODY};

/// A part of the input that is made on its own. The list below says where each is, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    Version,
    Phase,
    Workload,
    SourceNames,
    TlsVersion,
    Sni,
    Mtls,
    Direction,
    ParsedPath,
    ParsedQuery,
    ParsedBody,
    TruncatedBody,
    Principal,
    Method,
    Path,
    Host,
    Scheme,
    Protocol,
    Headers,
    Body,
    Size,
    Time,
    SourceAddress,
    SourceService,
    SourcePrincipal,
    DestinationAddress,
    DestinationPrincipal,
    Metadata,
    RouteMetadata,
    ResponseStatus,
    ResponseHeaders,
}

/// Every leaf with the group that it is of, and its path. No path is the beginning of another.
pub(crate) const LEAVES: &[(Leaf, Group, &[&str])] = &[
    (Leaf::Version, Group::Fixed, &["version"]),
    (Leaf::Phase, Group::Fixed, &["sidegate", "phase"]),
    (Leaf::Workload, Group::Fixed, &["sidegate", "workload"]),
    (Leaf::SourceNames, Group::SourceNames, &["sidegate", "source"]),
    (Leaf::TlsVersion, Group::Tls, &["sidegate", "tls", "version"]),
    (Leaf::Sni, Group::Tls, &["sidegate", "tls", "sni"]),
    (Leaf::Mtls, Group::Tls, &["sidegate", "tls", "mtls"]),
    (Leaf::Direction, Group::Direction, &["sidegate", "direction"]),
    (Leaf::ParsedPath, Group::ParsedPath, &["parsed_path"]),
    (Leaf::ParsedQuery, Group::ParsedQuery, &["parsed_query"]),
    (Leaf::ParsedBody, Group::Body, &["parsed_body"]),
    (Leaf::TruncatedBody, Group::Body, &["truncated_body"]),
    (Leaf::Principal, Group::SourcePrincipal, &["source_principal"]),
    (Leaf::Method, Group::Http, &["attributes", "request", "http", "method"]),
    (Leaf::Path, Group::Http, &["attributes", "request", "http", "path"]),
    (Leaf::Host, Group::Http, &["attributes", "request", "http", "host"]),
    (Leaf::Scheme, Group::Http, &["attributes", "request", "http", "scheme"]),
    (Leaf::Protocol, Group::Protocol, &["attributes", "request", "http", "protocol"]),
    (Leaf::Headers, Group::Headers, HEADERS),
    (Leaf::Body, Group::Body, &["attributes", "request", "http", "body"]),
    (Leaf::Size, Group::Body, &["attributes", "request", "http", "size"]),
    (Leaf::Time, Group::Time, &["attributes", "request", "time"]),
    (Leaf::SourceAddress, Group::SourceAddress, &["attributes", "source", "address"]),
    (Leaf::SourceService, Group::SourceService, &["attributes", "source", "service"]),
    (Leaf::SourcePrincipal, Group::SourcePrincipal, &["attributes", "source", "principal"]),
    (Leaf::DestinationAddress, Group::DestinationAddress, &["attributes", "destination", "address"]),
    (Leaf::DestinationPrincipal, Group::DestinationPrincipal, &["attributes", "destination", "principal"]),
    (Leaf::Metadata, Group::Metadata, &["attributes", "metadataContext"]),
    (Leaf::RouteMetadata, Group::RouteMetadata, &["attributes", "routeMetadataContext"]),
    (Leaf::ResponseStatus, Group::Response, &["response", "status"]),
    (Leaf::ResponseHeaders, Group::Response, &["response", "headers"]),
];

const HEADERS: &[&str] = &["attributes", "request", "http", "headers"];

/// A path below `input`, and where it leads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) at: At,
    /// The keys that are left from there on.
    pub(crate) below: Vec<Value>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// To a leaf, or into it.
    Leaf(Leaf),
    /// To the values of one header, without those of all others.
    Header(String),
    /// To the names of all headers.
    Names,
    /// To something that several leaves are in.
    Document,
    /// To nothing that an input ever has.
    Nothing,
}

impl Leaf {
    /// The group that it is of.
    pub(crate) fn group(self) -> Group {
        LEAVES.get(self as usize).map_or(Group::Fixed, |(_, group, _)| *group)
    }
}

impl Place {
    /// The place at `path`.
    pub(crate) fn of(path: Vec<Value>) -> Self {
        let is_at = |length: usize, location: &[&str]| {
            path.iter().zip(location).take(length).all(|(key, name)| is_text(key, name))
        };
        for (leaf, _, location) in LEAVES {
            if path.len() < location.len() || !is_at(location.len(), location) {
                continue;
            }
            let mut below = path.get(location.len()..).unwrap_or_default().to_vec();
            if *leaf == Leaf::Headers
                && let Some(Value::String(name)) = below.first()
                && is_plain(name)
            {
                let name = name.as_ref().to_owned();
                below.remove(0);
                return Self { at: At::Header(name), below };
            }
            return Self { at: At::Leaf(*leaf), below };
        }
        let is_above = LEAVES.iter().any(|(_, _, location)| is_at(path.len(), location));
        Self { at: if is_above { At::Document } else { At::Nothing }, below: path }
    }

    /// The same, where nothing but the keys of what is there will be read.
    pub(crate) fn keys_of(path: Vec<Value>) -> Self {
        match Self::of(path) {
            Self { at: At::Leaf(Leaf::Headers), below } if below.is_empty() => Self { at: At::Names, below },
            place => place,
        }
    }

    /// What is left of the way, from what [`at`](Self::at) leads to.
    pub(crate) fn down<'v>(&self, whole: &'v Value) -> &'v Value {
        self.below.iter().fold(whole, |value, key| &value[key])
    }
}

/// Whether one name in the input is one name on the wire: `!` may stand for bytes that are not UTF-8, and the mark on a
/// body is no header.
fn is_plain(name: &str) -> bool {
    !name.contains('!') && name != PARTIAL_BODY
}

fn is_text(value: &Value, text: &str) -> bool {
    matches!(value, Value::String(own) if own.as_ref() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn place(path: &[&str]) -> Place {
        Place::of(path.iter().map(|key| Value::from(*key)).collect())
    }

    #[test]
    fn no_leaf_is_in_another() {
        for (place, (one, group, path)) in LEAVES.iter().enumerate() {
            assert_eq!((*one as usize, one.group()), (place, *group), "{one:?}");
            assert_eq!(LEAVES.iter().filter(|(leaf, ..)| leaf == one).count(), 1, "{one:?}");
            let starts = LEAVES.iter().filter(|(_, _, other)| other.starts_with(path)).count();
            assert_eq!(starts, 1, "{path:?}");
        }
    }

    #[test]
    fn paths_lead_to_leaves_or_what_holds_several() {
        let at = |path: &[&str]| place(path).at;
        assert_eq!(place(&["source_principal"]), Place { at: At::Leaf(Leaf::Principal), below: Vec::new() });
        let namespace = Place { at: At::Leaf(Leaf::SourceNames), below: vec![Value::from("namespace")] };
        assert_eq!(place(&["sidegate", "source", "namespace"]), namespace);
        for whole in [&[][..], &["attributes"], &["attributes", "request", "http"], &["sidegate", "tls"]] {
            assert_eq!(at(whole), At::Document, "{whole:?}");
        }
        for nothing in [&["other"][..], &["attributes", "x"], &["sidegate", "tls", "x"]] {
            assert_eq!(at(nothing), At::Nothing, "{nothing:?}");
        }
        let odd = Place::of(vec![Value::from("attributes"), Value::from(1_u64)]);
        assert_eq!(odd.at, At::Nothing);
    }

    #[test]
    fn a_header_is_alone_where_its_name_is_one_on_the_wire() {
        let header = |name: &str| {
            let mut path = HEADERS.to_vec();
            path.push(name);
            place(&path).at
        };
        assert_eq!(header("x-role"), At::Header("x-role".to_owned()));
        assert_eq!(header("x-!"), At::Leaf(Leaf::Headers));
        assert_eq!(header(PARTIAL_BODY), At::Leaf(Leaf::Headers));
        assert_eq!(place(HEADERS).at, At::Leaf(Leaf::Headers));
    }
}
