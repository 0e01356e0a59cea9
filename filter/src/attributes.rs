//! Fetches what the policy reads, and nothing else: a property costs about a microsecond.

use sidegate_engine::attributes::{Attributes, Phase, Workload};
use sidegate_engine::needs::{Group, Needs};

use crate::connection;
use crate::host::{self, Map, Status};

/// A host call that did not give what the policy needs.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Stable code: metric label and log field.
    pub(crate) code: &'static str,
    /// What the host answered.
    pub(crate) status: Status,
}

/// The attributes of the request that is being held. Header names, and attributes and their encodings, are
/// Envoy's: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>.
pub(crate) fn fetch(needs: &Needs) -> Result<Attributes, Failure> {
    let headers =
        host::header_map(Map::Request).map_err(|status| Failure { code: "host_headers", status })?;
    let failed = |status| Failure { code: "host_property", status };
    let mut attributes = Attributes { headers, ..connection::fetch(needs).map_err(failed)? };
    fetch_groups(needs, &mut attributes).map_err(failed)?;
    Ok(attributes)
}

/// The attributes of a connection, of which there is no request.
pub(crate) fn fetch_of_connection(needs: &Needs) -> Result<Attributes, Failure> {
    let failed = |status| Failure { code: "host_property", status };
    let mut attributes = Attributes { phase: Phase::Connection, ..connection::fetch(needs).map_err(failed)? };
    fetch_groups(needs, &mut attributes).map_err(failed)?;
    Ok(attributes)
}

fn fetch_groups(needs: &Needs, attributes: &mut Attributes) -> Result<(), Status> {
    needs.iter().filter(|group| group.is_fetched()).try_for_each(|group| fetch_group(group, attributes))
}

/// The workload by its labels, as Istio writes them into the node's metadata; only readable while the
/// plugin is being configured. Outside Istio there is none.
pub(crate) fn workload() -> Workload {
    let text = |path: &[u8]| {
        let value = host::property(path).ok().flatten().unwrap_or_default();
        String::from_utf8(value).unwrap_or_default()
    };
    let canonical = text(b"xds\0node\0metadata\0LABELS\0service.istio.io/canonical-name");
    let name = if canonical.is_empty() { text(b"xds\0node\0metadata\0WORKLOAD_NAME") } else { canonical };
    Workload { namespace: text(b"xds\0node\0metadata\0NAMESPACE"), name }
}

/// The proxy's node id.
pub(crate) fn node_id() -> String {
    let id = host::property(b"xds\0node\0id").ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&id).into_owned()
}

fn fetch_group(group: Group, attributes: &mut Attributes) -> Result<(), Status> {
    match group {
        Group::Fixed
        | Group::Http
        | Group::Headers
        | Group::ParsedPath
        | Group::ParsedQuery
        | Group::SourceService
        | Group::Body
        | Group::Response
        // Of the connection.
        | Group::SourceNames
        | Group::SourcePrincipal
        | Group::DestinationPrincipal
        | Group::Tls => {}
        Group::Time => attributes.request_time_ns = number(b"request\0time")?,
        Group::Protocol => attributes.protocol = host::property(b"request\0protocol")?,
        Group::SourceAddress => attributes.source_address = host::property(b"source\0address")?,
        Group::DestinationAddress => {
            attributes.destination_address = host::property(b"destination\0address")?
        }
        // The whole message: its parts come without the types of their values.
        Group::Metadata => attributes.metadata = host::property(b"metadata")?,
        Group::RouteMetadata => attributes.route_metadata = host::property(b"xds\0route_metadata")?,
        Group::Direction => attributes.listener_direction = number(b"xds\0listener_direction")?,
    }
    Ok(())
}

/// A property that is there and not empty.
pub(crate) fn filled(path: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    Ok(host::property(path)?.filter(|value| !value.is_empty()))
}

/// A whole number, or a time in nanoseconds: eight bytes, little-endian.
pub(crate) fn number(path: &[u8]) -> Result<Option<i64>, Status> {
    let Some(value) = host::property(path)? else { return Ok(None) };
    let bytes = <[u8; 8]>::try_from(value.as_slice()).map_err(|_| Status::Malformed)?;
    Ok(Some(i64::from_le_bytes(bytes)))
}

/// A truth value: one byte.
pub(crate) fn flag(path: &[u8]) -> Result<Option<bool>, Status> {
    match host::property(path)?.as_deref() {
        None => Ok(None),
        Some([byte]) => Ok(Some(*byte != 0)),
        Some(_) => Err(Status::Malformed),
    }
}
