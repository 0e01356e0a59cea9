//! The built filter in an interpreter, without Envoy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;

use super::{Observed, echo, local_reply, readable, status, upstream_response};
use crate::bytes::escape;
use crate::case::{CaseFile, RequestCase, SERVICE};
use crate::certs;
use crate::proto;
use crate::wasm_host::{Filter, Outcome, Plugin, Seen, Vm};

/// One VM with one file's configuration.
pub struct Wasm {
    vm: Vm,
    plugin: Plugin,
    route_metadata: Option<Value>,
}

impl Wasm {
    /// A VM that has the file's bundle.
    ///
    /// # Errors
    /// The filter refuses the configuration, or traps.
    pub fn new(filter: &Filter, file: &CaseFile, bundle: &[u8]) -> Result<Self, String> {
        let mut vm = Vm::new(filter)?;
        let plugin = vm.configure(file.configuration(bundle).as_bytes())?;
        Ok(Self { vm, plugin, route_metadata: file.route_metadata.clone() })
    }

    /// Asks it one request.
    ///
    /// # Errors
    /// The filter traps.
    pub fn ask(&mut self, request: &RequestCase) -> Result<Observed, String> {
        let body = request.body()?.filter(|body| !body.is_announced_empty());
        let seen = Seen {
            headers: request.to_header_map()?,
            has_trailers: body.as_ref().is_some_and(|body| !body.trailers.is_empty()),
            body: body.map(|body| body.pieces().into_iter().map(<[u8]>::to_vec).collect()),
            properties: properties(request, self.route_metadata.as_ref()),
        };
        let Outcome { local, request: sent, body, response, filter_state } =
            self.vm.request(self.plugin, seen, &|_| upstream_response())?;
        let state = filter_state.iter().find(|(name, _)| name == "sidegate.dynamic_metadata");
        let observed = Observed {
            status: status(&response),
            upstream: if local.is_some() { None } else { Some(echo(&sent, &body)) },
            response_headers: readable(response.iter().filter(|(name, _)| !name.starts_with(b":"))),
            body: local.map(|local| escape(&local.body)).unwrap_or_default(),
            dynamic_metadata: Some(state.map_or("-".to_owned(), |(_, text)| escape(text))),
        };
        Ok(local_reply(observed, &request.to_header_map()?))
    }

    /// Whether the filter called what the mock host does not have.
    ///
    /// # Errors
    /// It did; the message names the functions.
    pub fn finish(&self) -> Result<(), String> {
        let called = self.vm.unimplemented();
        if called.is_empty() {
            Ok(())
        } else {
            Err(format!("the filter called what the mock host lacks: {called:?}"))
        }
    }
}

static NEXT_CONNECTION: AtomicI64 = AtomicI64::new(1);

/// The attributes that Envoy has for such a request, in its encoding.
fn properties(request: &RequestCase, route_metadata: Option<&Value>) -> BTreeMap<String, Vec<u8>> {
    let mut properties = BTreeMap::new();
    for (path, metadata) in [("metadata", request.metadata.as_ref()), ("xds.route_metadata", route_metadata)]
    {
        // Envoy has a message even where it is empty.
        let message = metadata.map(proto::metadata).unwrap_or_default();
        properties.insert(path.to_owned(), message);
    }
    let mut put = |path: &str, value: &[u8]| properties.insert(path.to_owned(), value.to_vec());
    put("source.address", b"127.0.0.1:40000");
    put("source.port", &40000_i64.to_le_bytes());
    put("destination.address", b"127.0.0.1:15006");
    put("destination.port", &15006_i64.to_le_bytes());
    put("request.protocol", b"HTTP/1.1");
    put("request.time", &1_767_323_045_678_901_000_i64.to_le_bytes());
    put("xds.listener_direction", &1_i64.to_le_bytes());
    // Each request is the first of its connection.
    put("connection.id", &NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let Some(principal) = request.principal() else {
        put("connection.mtls", &[0]);
        return properties;
    };
    let own = certs::spiffe(SERVICE.0, SERVICE.1);
    put("connection.mtls", &[1]);
    put("connection.tls_version", b"TLSv1.3");
    put("connection.requested_server_name", b"localhost");
    put("connection.uri_san_peer_certificate", principal.as_bytes());
    let (certificate, digest) = certs::shown(&request.uri_sans());
    put("connection.peer_certificate", certificate.as_bytes());
    put("connection.sha256_peer_certificate_digest", digest.as_bytes());
    put("connection.dns_san_peer_certificate", b"localhost");
    put("connection.uri_san_local_certificate", own.as_bytes());
    put("connection.dns_san_local_certificate", b"localhost");
    properties
}
