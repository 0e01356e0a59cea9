//! What the host knows of one request.
//!
//! Flat, and raw bytes wherever the wire or a certificate has bytes: filling it costs the host one copy of
//! each attribute, and everything that has to be judged (UTF-8, percent escapes, SPIFFE) is judged in the
//! engine, where it is tested.

use crate::eval::Context;
use crate::headers::Headers;

/// The raw facts of one request. The host fills in the groups that the policy's
/// [`Needs`](crate::needs::Needs) name; the rest stays `None` and must not be read as "absent on the wire".
///
/// Each field says which Envoy attribute (a path of `proxy_get_property`) it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The header map (`proxy_get_header_map_pairs`, always fetched).
    pub headers: Headers,
    /// `request.time`: when the first byte arrived, nanoseconds since the Unix epoch.
    pub request_time_ns: Option<i64>,
    /// `request.protocol`: `HTTP/1.0`, `HTTP/1.1`, `HTTP/2` or `HTTP/3`.
    pub protocol: Option<Vec<u8>>,
    /// `source.address`: `ip:port` of the downstream peer, `[ip]:port` for IPv6; the path of a Unix socket;
    /// `envoy://listener/endpoint` for an internal listener.
    pub source_address: Option<Vec<u8>>,
    /// `destination.address`, in the same forms: the local address of the downstream connection.
    pub destination_address: Option<Vec<u8>>,
    /// The URI SANs of the downstream peer's certificate in their order: all of them, from
    /// `connection.peer_certificate` ([`uri_sans`](crate::certificate::uri_sans)), for a policy that needs
    /// [`SourceNames`](crate::needs::Group::SourceNames); else the first, from
    /// `connection.uri_san_peer_certificate`. Empty on plaintext.
    pub peer_uri_sans: Vec<Vec<u8>>,
    /// `connection.dns_san_peer_certificate`: the first DNS SAN; only asked for where there is no URI SAN.
    pub peer_dns_san: Option<Vec<u8>>,
    /// `connection.subject_peer_certificate`; only asked for where there is no SAN at all.
    pub peer_subject: Option<Vec<u8>>,
    /// `connection.uri_san_local_certificate`: the first URI SAN of this proxy's own certificate.
    pub local_uri_san: Option<Vec<u8>>,
    /// `connection.dns_san_local_certificate`; only asked for where there is no URI SAN.
    pub local_dns_san: Option<Vec<u8>>,
    /// `connection.subject_local_certificate`; only asked for where there is no SAN at all.
    pub local_subject: Option<Vec<u8>>,
    /// `connection.tls_version`, such as `TLSv1.3`; `None` or empty on plaintext.
    pub tls_version: Option<Vec<u8>>,
    /// `connection.requested_server_name`: the SNI of the downstream connection.
    pub requested_server_name: Option<Vec<u8>>,
    /// `connection.mtls`: whether the peer presented a certificate.
    pub mtls: Option<bool>,
    /// `xds.listener_direction`: 1 is inbound, 2 is outbound, 0 says nothing.
    pub listener_direction: Option<i64>,
    /// The request's body; `None` where none came, or the policy does not read it.
    pub body: Option<Body>,
    /// `metadata`: the dynamic metadata of the filters before this one, an `envoy.config.core.v3.Metadata`.
    pub metadata: Option<Vec<u8>>,
    /// `xds.route_metadata`: that of the route, in the same form.
    pub route_metadata: Option<Vec<u8>>,
    /// The response's header map, where it is asked about.
    pub response: Headers,
    /// The callback that asks; not an attribute.
    pub phase: Phase,
    /// Clock and randomness, where the policy uses them ([`Policy::uses_clock`], …); not attributes either.
    ///
    /// [`Policy::uses_clock`]: crate::policy::Policy::uses_clock
    pub context: Context,
}

/// A body, or the beginning of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The bytes, at most [`Limits::body_bytes`](crate::limits::Limits::body_bytes).
    pub bytes: Vec<u8>,
    /// How many have arrived.
    pub received: usize,
    /// Whether there is more of it than `bytes`.
    pub is_cut: bool,
}

/// When the policy is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Before the request goes upstream.
    #[default]
    Request,
    /// Before the response goes to the client.
    Response,
    /// On a connection, before any of its bytes go upstream.
    Connection,
}

/// The workload that this proxy stands in front of, known when the plugin is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Kubernetes namespace; empty if unknown.
    pub namespace: String,
    /// Canonical name of the workload; empty if unknown.
    pub name: String,
}

impl Attributes {
    /// The first value of the header `name` (in lower case), raw. For pseudo-headers, which cannot repeat.
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.headers.first(name)
    }

    /// Whether what follows the headers is no body but another protocol's bytes, which end when the
    /// connection does: `CONNECT`, and WebSocket. ext_authz does not wait for these either
    /// (`Filter::initiateCall`; `Utility::isWebSocketUpgradeRequest`).
    pub fn is_tunnel(&self) -> bool {
        let connection = self.headers.values(b"connection");
        let is_upgrade = connection
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        self.header(b":method") == Some(b"CONNECT")
            || is_upgrade && self.header(b"upgrade").is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
    }

    /// Whether the source address comes from `x-forwarded-for` and not from the connection: then it has no
    /// port. With `use_remote_address: false`, as Istio sets it on inbound listeners, Envoy gives its filters
    /// what the header says, while ext_authz is told the connection's own address.
    pub fn source_is_forwarded(&self) -> bool {
        let address = self.source_address.as_deref();
        address.is_some_and(|address| !address.starts_with(b"envoy:") && address.ends_with(b":0"))
    }

    /// What Envoy takes for the peer's principal (`setAttrContextPeer`): its first URI SAN, else its first
    /// DNS SAN, else its subject; `None` on plaintext.
    pub fn peer_principal(&self) -> Option<&[u8]> {
        first_filled([self.peer_uri_sans.first(), self.peer_dns_san.as_ref(), self.peer_subject.as_ref()])
    }

    /// The principal of this proxy's own certificate, chosen as the peer's.
    pub fn local_principal(&self) -> Option<&[u8]> {
        first_filled([self.local_uri_san.as_ref(), self.local_dns_san.as_ref(), self.local_subject.as_ref()])
    }
}

impl Phase {
    /// The value of `input.sidegate.phase`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Connection => "connection",
        }
    }
}

fn first_filled(candidates: [Option<&Vec<u8>>; 3]) -> Option<&[u8]> {
    candidates.into_iter().flatten().map(Vec::as_slice).find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn principal_prefers_uri_then_dns_then_subject() {
        let mut attributes = Attributes { peer_subject: Some(b"CN=a".to_vec()), ..Default::default() };
        assert_eq!(attributes.peer_principal(), Some(b"CN=a".as_slice()));
        attributes.peer_dns_san = Some(b"a.example".to_vec());
        assert_eq!(attributes.peer_principal(), Some(b"a.example".as_slice()));
        attributes.peer_uri_sans = vec![b"spiffe://td/ns/n/sa/s".to_vec(), b"spiffe://other".to_vec()];
        assert_eq!(attributes.peer_principal(), Some(b"spiffe://td/ns/n/sa/s".as_slice()));
        assert_eq!(attributes.local_principal(), None);
    }

    #[test]
    fn tunnels_have_no_body() {
        let with = |headers: &[(&str, &str)]| Attributes {
            headers: headers.iter().copied().collect(),
            ..Default::default()
        };
        assert!(with(&[(":method", "CONNECT")]).is_tunnel());
        assert!(with(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]).is_tunnel());
        assert!(!with(&[("connection", "upgrade"), ("upgrade", "h2c")]).is_tunnel());
        assert!(!with(&[("upgrade", "websocket")]).is_tunnel());
        assert!(!with(&[(":method", "POST")]).is_tunnel());
    }

    #[test]
    fn an_address_without_a_port_is_not_the_connections() {
        let source = |text: &[u8]| {
            Attributes { source_address: Some(text.to_vec()), ..Default::default() }.source_is_forwarded()
        };
        assert!(source(b"10.0.0.1:0") && source(b"[::1]:0"));
        assert!(!source(b"10.0.0.1:40000") && !source(b"10.0.0.1:10") && !source(b"/run/a:0x"));
    }

    #[test]
    fn an_empty_attribute_is_no_principal() {
        let attributes = Attributes { peer_uri_sans: vec![Vec::new()], ..Default::default() };
        assert_eq!(attributes.peer_principal(), None);
    }
}
