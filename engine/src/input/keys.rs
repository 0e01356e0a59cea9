//! Object keys, made once: a key in an input costs a reference count, not an allocation.

use regorus::Value;

/// Declares a struct of one [`Value`] for each key, and its constructor.
macro_rules! keys {
    ($($field:ident = $text:literal),* $(,)?) => {
        /// Every key of the input that is not a header name or a query parameter.
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
    attributes = "attributes",
    body = "body",
    destination = "destination",
    direction = "direction",
    encoding = "encoding",
    endpoint_id = "endpointId",
    envoy_internal_address = "envoyInternalAddress",
    ext_authz = "ext_authz",
    filter_metadata = "filterMetadata",
    headers = "headers",
    host = "host",
    http = "http",
    metadata_context = "metadataContext",
    method = "method",
    mtls = "mtls",
    name = "name",
    namespace = "namespace",
    nanos = "nanos",
    parsed_body = "parsed_body",
    parsed_path = "parsed_path",
    parsed_query = "parsed_query",
    path = "path",
    phase = "phase",
    pipe = "pipe",
    port_value = "portValue",
    principal = "principal",
    protocol = "protocol",
    request = "request",
    route_metadata_context = "routeMetadataContext",
    scheme = "scheme",
    seconds = "seconds",
    server_listener_name = "serverListenerName",
    service = "service",
    service_account = "service_account",
    sidegate = "sidegate",
    size = "size",
    sni = "sni",
    socket_address = "socketAddress",
    source = "source",
    source_principal = "source_principal",
    time = "time",
    tls = "tls",
    truncated_body = "truncated_body",
    trust_domain = "trust_domain",
    uri_sans = "uri_sans",
    version = "version",
    workload = "workload",
}

/// Header names that most requests have; others are made as they come.
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
