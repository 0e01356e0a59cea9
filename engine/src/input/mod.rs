//! [`Attributes`] to the input document.
//!
//! The document is what OPA's Envoy plugin (1.14) makes of Envoy's v3 `CheckRequest`: JSON names, unset and
//! default fields absent, messages that are set but empty as `{}`, 64-bit integers as numbers. Checked
//! against the plugin's `envoyauth.RequestToInput` and Envoy's `CheckRequestUtils::createHttpCheck`.
//!
//! What cannot be had from inside a proxy-wasm filter is absent, never guessed: `request.http.id` (Envoy's
//! stream id; the attribute `request.id` is the header `x-request-id`, which a client may choose),
//! `contextExtensions` and destination labels (configuration of ext_authz), certificate and TLS session
//! (which ext_authz sends on demand), `typedFilterMetadata`. The body is there as text (ext_authz without
//! `pack_as_bytes`), `size` counts the bytes that arrived before the check, and a default is absent. Without
//! a body `parsed_body` is null and `truncated_body` false whatever `content-length` says: the plugin looks
//! at the length only to judge a body, and Envoy drops a client's own `x-envoy-auth-partial-body`.

mod address;
mod body;
mod error;
mod identity;
pub(crate) mod json;
mod keys;
mod media;
pub(crate) mod metadata;
mod multipart;
mod text;
pub(crate) mod uri;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use regorus::value::Object;
use regorus::{Rc, Value};

use crate::attributes::{Attributes, Workload};
use crate::grpc::Messages;
use crate::needs::{Group, KeyNeeds, Needs, PARTIAL_BODY};
pub(crate) use address::Address;
pub use error::RequestError;
use identity::Spiffe;
use keys::{COMMON_HEADERS, Keys};
use text::sanitize;

/// The headers that say what a body is.
const CONTENT_TYPE: &[u8] = b"content-type";
const CONTENT_LENGTH: &[u8] = b"content-length";
/// The header that Envoy copies to `source.service`.
const DOWNSTREAM_CLUSTER: &[u8] = b"x-envoy-downstream-service-cluster";
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Builds inputs. Holds what is the same for every request: keys, constants, the workload.
#[derive(Debug)]
pub struct InputBuilder {
    keys: Keys,
    header_names: HashMap<&'static [u8], Value>,
    version: Value,
    workload: Value,
    messages: Arc<Messages>,
    inbound: Value,
    outbound: Value,
}

/// The fields of an object under construction.
#[derive(Default)]
struct Fields(Object);

impl InputBuilder {
    /// A builder for the proxy of `workload`.
    pub fn new(workload: &Workload) -> Self {
        let keys = Keys::new();
        let mut version = Fields::default();
        version.put(&keys.ext_authz, Value::from("v3"));
        version.put(&keys.encoding, Value::from("protojson"));
        let mut identity = Fields::default();
        identity.put_filled(&keys.namespace, &workload.namespace);
        identity.put_filled(&keys.name, &workload.name);
        let header_names = COMMON_HEADERS.iter().map(|name| (name.as_bytes(), Value::from(*name)));
        Self {
            header_names: header_names.collect(),
            version: version.into_value(),
            workload: identity.into_value(),
            messages: Arc::default(),
            inbound: Value::from("inbound"),
            outbound: Value::from("outbound"),
            keys,
        }
    }

    /// The same, reading gRPC bodies of these messages.
    #[must_use]
    pub fn with_messages(self, messages: Arc<Messages>) -> Self {
        Self { messages, ..self }
    }

    /// The input document, with those parts that `needs` names. Path and query are checked in any case: a
    /// request that OPA answers with 400 has no input, whatever the policy reads. A body is checked where
    /// any of it is needed.
    pub fn build(&self, needs: &Needs, attributes: &Attributes) -> Result<Value, RequestError> {
        let keys = &self.keys;
        let target = sanitize(attributes.header(b":path").unwrap_or_default());
        let (path, query) = uri::cut(&target);
        uri::check(path, query)?;

        let mut input = Fields::default();
        let body = attributes.body.as_ref().filter(|_| needs.contains(Group::Body));
        let text = body.map(|body| sanitize(&body.bytes)).unwrap_or_default();
        input.put_object(&keys.attributes, self.attributes(needs, attributes, &target, &text)?);
        if needs.contains(Group::ParsedPath) {
            let segments = uri::segments(path)?.into_iter().map(Value::from).collect::<Vec<_>>();
            input.put(&keys.parsed_path, Value::from(segments));
        }
        if needs.contains(Group::ParsedQuery) {
            input.put(&keys.parsed_query, uri::parameter_object(query)?);
        }
        if needs.contains(Group::SourcePrincipal) {
            input.put_filled(&keys.source_principal, &principal(attributes.peer_principal()));
        }
        input.put_object(&keys.sidegate, self.sidegate(needs, attributes));
        if needs.contains(Group::Fixed) {
            input.put(&keys.version, self.version.clone());
        }
        if needs.contains(Group::Body) {
            let (content_type, content_length) =
                (joined(attributes, CONTENT_TYPE), joined(attributes, CONTENT_LENGTH));
            let parsed = body::parse(body::Source {
                content_type: content_type.as_deref(),
                content_length: content_length.as_deref(),
                text: &text,
                bytes: body.map_or(&[], |body| body.bytes.as_slice()),
                path,
                messages: &self.messages,
                is_cut: body.is_some_and(|body| body.is_cut),
            })?;
            input.put(&keys.parsed_body, parsed.value);
            input.put(&keys.truncated_body, Value::Bool(parsed.is_cut));
        }
        Ok(input.into_value())
    }

    fn attributes(
        &self,
        needs: &Needs,
        attributes: &Attributes,
        target: &str,
        body: &str,
    ) -> Result<Fields, RequestError> {
        let keys = &self.keys;
        let mut source = Fields::default();
        if needs.contains(Group::SourceAddress) {
            if attributes.source_is_forwarded() {
                return Err(RequestError::SourceAddress);
            }
            source.put_some(&keys.address, self.address(attributes.source_address.as_deref()));
        }
        if needs.contains(Group::SourcePrincipal) {
            source.put_filled(&keys.principal, &principal(attributes.peer_principal()));
        }
        if needs.contains(Group::SourceService) {
            source.put_filled(&keys.service, &joined(attributes, DOWNSTREAM_CLUSTER).unwrap_or_default());
        }
        let mut destination = Fields::default();
        if needs.contains(Group::DestinationAddress) {
            destination.put_some(&keys.address, self.address(attributes.destination_address.as_deref()));
        }
        if needs.contains(Group::DestinationPrincipal) {
            destination.put_filled(&keys.principal, &principal(attributes.local_principal()));
        }
        let mut request = Fields::default();
        if needs.contains(Group::Time) {
            request.put_some(&keys.time, attributes.request_time_ns.map(|nanos| self.timestamp(nanos)));
        }
        request.put_object(&keys.http, self.http(needs, attributes, target, body));

        let mut fields = Fields::default();
        fields.put_object(&keys.source, source);
        fields.put_object(&keys.destination, destination);
        fields.put_object(&keys.request, request);
        if needs.contains(Group::Metadata) {
            let context = self.metadata(attributes.metadata.as_deref(), needs.metadata())?;
            fields.put(&keys.metadata_context, context);
        }
        if needs.contains(Group::RouteMetadata) {
            let context = self.metadata(attributes.route_metadata.as_deref(), needs.route_metadata())?;
            fields.put(&keys.route_metadata_context, context);
        }
        Ok(fields)
    }

    /// A metadata context: a message that is always set, and empty without namespaces.
    fn metadata(&self, message: Option<&[u8]>, needs: &KeyNeeds) -> Result<Value, RequestError> {
        let namespaces = metadata::filter_metadata(message.unwrap_or_default(), needs)?;
        let mut context = Fields::default();
        context.put_object(&self.keys.filter_metadata, Fields(namespaces));
        Ok(context.into_value())
    }

    fn http(&self, needs: &Needs, attributes: &Attributes, target: &str, body: &str) -> Fields {
        let keys = &self.keys;
        let mut http = Fields::default();
        if needs.contains(Group::Http) {
            http.put_filled(&keys.path, target);
            for (key, name) in
                [(&keys.method, ":method"), (&keys.host, ":authority"), (&keys.scheme, ":scheme")]
            {
                http.put_filled(key, &sanitize(attributes.header(name.as_bytes()).unwrap_or_default()));
            }
        }
        if needs.contains(Group::Protocol) {
            http.put_filled(&keys.protocol, &sanitize(attributes.protocol.as_deref().unwrap_or_default()));
        }
        if needs.contains(Group::Headers) {
            http.put_some(&keys.headers, self.headers(needs, attributes));
        }
        if needs.contains(Group::Body) {
            http.put_filled(&keys.body, body);
            let received = attributes.body.as_ref().map_or(0, |body| body.received);
            http.put_some(&keys.size, (received != 0).then(|| Value::from(received)));
        }
        http
    }

    /// Name to value, several values of one name joined by `,` in their order; with a body, Envoy's mark
    /// on it.
    fn headers(&self, needs: &Needs, attributes: &Attributes) -> Option<Value> {
        let mut headers = BTreeMap::<Value, Value>::new();
        if let Some(body) = &attributes.body
            && needs.contains(Group::Body)
            && needs.headers().contains(PARTIAL_BODY)
        {
            let is_cut = if body.is_cut { "true" } else { "false" };
            headers.insert(Value::from(PARTIAL_BODY), Value::from(is_cut));
        }
        for (name, value) in &attributes.headers {
            // One from the client is not passed on.
            if name == PARTIAL_BODY.as_bytes() || !is_needed(needs.headers(), name) {
                continue;
            }
            let key = match self.header_names.get(name) {
                Some(key) => key.clone(),
                None => Value::from(sanitize(name).as_ref()),
            };
            let value = sanitize(value);
            headers
                .entry(key)
                .and_modify(|present| {
                    if let Value::String(first) = present {
                        *present = Value::from([first.as_ref(), value.as_ref()].join(","));
                    }
                })
                .or_insert_with(|| Value::from(value.as_ref()));
        }
        (!headers.is_empty()).then(|| Value::from(headers))
    }

    /// `google.protobuf.Timestamp`: whole seconds, and nanoseconds from 0 to 999,999,999.
    fn timestamp(&self, nanos: i64) -> Value {
        let mut time = Fields::default();
        for (key, part) in [
            (&self.keys.seconds, nanos.div_euclid(NANOS_PER_SECOND)),
            (&self.keys.nanos, nanos.rem_euclid(NANOS_PER_SECOND)),
        ] {
            if part != 0 {
                time.put(key, Value::from(part));
            }
        }
        time.into_value()
    }

    /// `envoy.config.core.v3.Address`, from Envoy's text form. The port is a member of a `oneof`, hence
    /// present even where it is 0.
    fn address(&self, address: Option<&[u8]>) -> Option<Value> {
        let keys = &self.keys;
        let text = sanitize(address?);
        let mut inner = Fields::default();
        let kind = match Address::read(&text)? {
            Address::Internal { listener, endpoint } => {
                inner.put_filled(&keys.server_listener_name, listener);
                inner.put_filled(&keys.endpoint_id, endpoint);
                &keys.envoy_internal_address
            }
            Address::Pipe(path) => {
                inner.put(&keys.path, Value::from(path));
                &keys.pipe
            }
            Address::Socket { ip, port } => {
                inner.put_filled(&keys.address, ip);
                inner.put(&keys.port_value, Value::from(u64::from(port)));
                &keys.socket_address
            }
        };
        let mut address = Fields::default();
        address.put(kind, inner.into_value());
        Some(address.into_value())
    }

    fn sidegate(&self, needs: &Needs, attributes: &Attributes) -> Fields {
        let keys = &self.keys;
        let mut sidegate = Fields::default();
        if needs.contains(Group::SourceNames) {
            sidegate.put(&keys.source, self.caller(attributes));
        }
        if needs.contains(Group::Tls) {
            sidegate.put_object(&keys.tls, self.tls(attributes));
        }
        if needs.contains(Group::Direction) {
            let direction = match attributes.listener_direction {
                Some(1) => Some(self.inbound.clone()),
                Some(2) => Some(self.outbound.clone()),
                _ => None,
            };
            sidegate.put_some(&keys.direction, direction);
        }
        if needs.contains(Group::Fixed) {
            sidegate.put(&keys.phase, Value::from(attributes.phase.name()));
            sidegate.put(&keys.workload, self.workload.clone());
        }
        sidegate
    }

    /// All URI SANs, and the parts of the SPIFFE identity where there is exactly one: a certificate with
    /// several is no SPIFFE identity (X509-SVID, section 2).
    fn caller(&self, attributes: &Attributes) -> Value {
        let keys = &self.keys;
        let sans: Vec<_> =
            attributes.peer_uri_sans.iter().filter(|san| !san.is_empty()).map(|san| sanitize(san)).collect();
        let mut source = Fields::default();
        if let [only] = sans.as_slice()
            && let Some(identity) = Spiffe::parse(only)
        {
            let Spiffe { trust_domain, namespace, service_account } = identity;
            source.put_filled(&keys.trust_domain, trust_domain);
            source.put_filled(&keys.namespace, namespace);
            source.put_filled(&keys.service_account, service_account);
        }
        let sans: Vec<_> = sans.iter().map(|san| Value::from(san.as_ref())).collect();
        source.put(&keys.uri_sans, Value::from(sans));
        source.into_value()
    }

    /// Empty, and so absent, on plaintext.
    fn tls(&self, attributes: &Attributes) -> Fields {
        let mut tls = Fields::default();
        let version = attributes.tls_version.as_deref().unwrap_or_default();
        if !version.is_empty() {
            let server_name = attributes.requested_server_name.as_deref().unwrap_or_default();
            tls.put_filled(&self.keys.version, &sanitize(version));
            tls.put_filled(&self.keys.sni, &sanitize(server_name));
            tls.put_some(&self.keys.mtls, attributes.mtls.map(Value::Bool));
        }
        tls
    }
}

impl Fields {
    fn put(&mut self, key: &Value, value: Value) {
        self.0.insert(key.clone(), value);
    }

    fn put_some(&mut self, key: &Value, value: Option<Value>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// A string; the empty one is protobuf's default, and absent.
    fn put_filled(&mut self, key: &Value, text: &str) {
        if !text.is_empty() {
            self.put(key, Value::from(text));
        }
    }

    /// An object, if anything of it is needed.
    fn put_object(&mut self, key: &Value, fields: Fields) {
        if !fields.0.is_empty() {
            self.put(key, fields.into_value());
        }
    }

    fn into_value(self) -> Value {
        Value::Object(Rc::new(self.0))
    }
}

fn is_needed(needs: &KeyNeeds, name: &[u8]) -> bool {
    matches!(needs, KeyNeeds::All) || std::str::from_utf8(name).is_ok_and(|name| needs.contains(name))
}

fn principal(bytes: Option<&[u8]>) -> std::borrow::Cow<'_, str> {
    sanitize(bytes.unwrap_or_default())
}

/// All values of a header; `None` where there is none.
fn joined(attributes: &Attributes, name: &[u8]) -> Option<String> {
    let values: Vec<_> = attributes.headers.values(name).map(sanitize).collect();
    (!values.is_empty()).then(|| values.join(","))
}

#[cfg(test)]
mod tests;
