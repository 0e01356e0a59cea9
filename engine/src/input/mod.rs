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
pub(crate) mod leaves;
mod media;
pub(crate) mod metadata;
mod multipart;
pub(crate) mod request;
mod text;
pub(crate) mod uri;

use std::sync::Arc;

use regorus::value::Object;
use regorus::{Rc, Value};

use crate::attributes::{Attributes, Workload};
use crate::grpc::Messages;
use crate::needs::{KeyNeeds, Needs};
pub(crate) use address::Address;
pub use error::RequestError;
use keys::{COMMON_HEADERS, Keys};
use leaves::LEAVES;
pub use request::Request;
use text::sanitize;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Builds inputs. Holds what is the same for every request: keys, constants, the workload.
#[derive(Debug)]
pub struct InputBuilder {
    keys: Keys,
    /// Sorted.
    header_names: Vec<(&'static str, Value)>,
    version: Value,
    workload: Value,
    messages: Arc<Messages>,
    aliases: Vec<String>,
    inbound: Value,
    outbound: Value,
    /// The keys on the way to each leaf, in the order of [`LEAVES`].
    paths: Vec<Vec<Value>>,
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
        let header_names = COMMON_HEADERS.iter().map(|name| (*name, Value::from(*name)));
        let path = |path: &[&str]| path.iter().map(|key| Value::from(*key)).collect();
        Self {
            header_names: header_names.collect(),
            version: version.into_value(),
            workload: identity.into_value(),
            messages: Arc::default(),
            aliases: Vec::new(),
            inbound: Value::from("inbound"),
            outbound: Value::from("outbound"),
            paths: LEAVES.iter().map(|(_, _, location)| path(location)).collect(),
            keys,
        }
    }

    /// The same, reading gRPC bodies of these messages.
    #[must_use]
    pub fn with_messages(self, messages: Arc<Messages>) -> Self {
        Self { messages, ..self }
    }

    /// The same, taking these for other names of the trust domain that the proxy is in.
    #[must_use]
    pub fn with_aliases(self, aliases: Vec<String>) -> Self {
        Self { aliases, ..self }
    }

    fn is_alias(&self, trust_domain: &str) -> bool {
        self.aliases.iter().any(|alias| alias == trust_domain)
    }

    /// The input document, with those parts that `needs` names. Path and query are checked in any case: a
    /// request that OPA answers with 400 has no input, whatever the policy reads. A body is checked where
    /// any of it is needed.
    pub fn build(&self, needs: &Needs, attributes: &Attributes) -> Result<Value, RequestError> {
        Ok(self.request(needs, attributes)?.document().clone())
    }

    /// The same without the document: its parts are made when they are asked for.
    pub fn request<'a>(
        &'a self,
        needs: &'a Needs,
        attributes: &'a Attributes,
    ) -> Result<Request<'a>, RequestError> {
        Request::new(self, needs, attributes)
    }

    /// A metadata context: a message that is always set, and empty without namespaces.
    fn metadata(&self, message: Option<&[u8]>, needs: &KeyNeeds) -> Result<Value, RequestError> {
        let namespaces = metadata::filter_metadata(message.unwrap_or_default(), needs)?;
        let mut context = Fields::default();
        if !namespaces.is_empty() {
            context.put(&self.keys.filter_metadata, Fields(namespaces).into_value());
        }
        Ok(context.into_value())
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
}

impl Fields {
    fn put(&mut self, key: &Value, value: Value) {
        self.0.insert(key.clone(), value);
    }

    /// A string; the empty one is protobuf's default, and absent.
    fn put_filled(&mut self, key: &Value, text: &str) {
        if !text.is_empty() {
            self.put(key, Value::from(text));
        }
    }

    fn into_value(self) -> Value {
        Value::Object(Rc::new(self.0))
    }
}

#[cfg(test)]
mod tests;
