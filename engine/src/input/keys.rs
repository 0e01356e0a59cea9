//! Object keys, made once: a key in an input costs a reference count, not an allocation.

use regorus::Value;

/// Declares a struct of one [`Value`] for each key, and its constructor.
macro_rules! keys {
    ($($field:ident = $text:literal),* $(,)?) => {
        /// The keys inside the input's parts.
        #[derive(Debug)]
        pub(super) struct Keys {
            $(pub(super) $field: Value,)*
        }

        impl Keys {
            pub(super) fn new() -> Self {
                Self { $($field: Value::from($text),)* }
            }
        }
    };
}

keys! {
    address = "address",
    encoding = "encoding",
    endpoint_id = "endpointId",
    envoy_internal_address = "envoyInternalAddress",
    ext_authz = "ext_authz",
    filter_metadata = "filterMetadata",
    name = "name",
    namespace = "namespace",
    nanos = "nanos",
    path = "path",
    pipe = "pipe",
    port_value = "portValue",
    seconds = "seconds",
    server_listener_name = "serverListenerName",
    service_account = "service_account",
    socket_address = "socketAddress",
    trust_domain = "trust_domain",
    uri_sans = "uri_sans",
}

/// Header names that most requests have, sorted; others are made as they come.
pub(super) const COMMON_HEADERS: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "grpc-accept-encoding",
    "grpc-timeout",
    "origin",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "x-envoy-attempt-count",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];
