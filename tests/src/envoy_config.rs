//! Envoy configurations for tests, as JSON: what an Istio sidecar's inbound listener looks like, with the
//! filter where Istio would put it.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::capabilities;
use crate::certs::Identity;

/// The id of the VM that all our plugins share.
pub const VM_ID: &str = "sidegate";

/// One inbound listener.
pub struct Listener<'a> {
    /// Its name; the address it got is asked for by it.
    pub name: &'a str,
    /// The sidecar's own certificate.
    pub identity: &'a Identity,
    /// Whether plaintext is served beside mTLS, as with Istio's PERMISSIVE mode.
    pub plaintext: bool,
    /// The filters before the router.
    pub filters: Vec<Value>,
    /// The metadata of all routes, by namespace.
    pub route_metadata: Option<Value>,
    /// A file to log each request to, and the line to write.
    pub access_log: Option<(&'a Path, &'a str)>,
    /// The name of the cluster that requests go to; Envoy answers 200 itself where there is none.
    pub cluster: Option<&'a str>,
}

/// A whole configuration: static listeners and clusters, the admin page on an ephemeral port.
pub fn bootstrap(listeners: &[Value], clusters: &[Value]) -> Value {
    json!({
        "node": {"id": "sidecar~127.0.0.1~test", "cluster": "test"},
        "admin": {"address": address("127.0.0.1", 0)},
        "static_resources": {"listeners": listeners, "clusters": clusters}
    })
}

/// An upstream on the loopback.
pub fn cluster(name: &str, to: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(&to.ip().to_string(), to.port())}}
        ]}]}
    })
}

/// The same, spoken to by HTTP/2 without TLS: a gRPC server.
pub fn grpc_cluster(name: &str, address: Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address}}
        ]}]}
    })
}

/// Envoy's filter that asks a gRPC service, as Istio configures it for a CUSTOM provider, with a failure answered as
/// Envoy does by default. `body_bytes`: how much of a body the service sees; none of it where it is `None`.
pub fn ext_authz(cluster: &str, body_bytes: Option<u32>, namespaces: &[&str]) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "include_peer_certificate": true,
        "metadata_context_namespaces": namespaces,
        "grpc_service": {"envoy_grpc": {"cluster_name": cluster}, "timeout": "10s"}
    });
    if let Some(bytes) = body_bytes {
        config["with_request_body"] = json!({"max_request_bytes": bytes, "allow_partial_message": true});
    }
    json!({"name": "ext_authz", "typed_config": config})
}

/// The wasm filter as our shipped configurations have it: its VM by id, reloaded after a trap.
pub fn wasm_filter(plugin: &str, code: &Path, configuration: &str) -> Value {
    wasm_filter_in(VM_ID, plugin, code, configuration)
}

/// The same as a network filter, which decides about connections.
pub fn network_filter(plugin: &str, code: &Path, configuration: &str) -> Value {
    let mut filter = wasm_filter(plugin, code, configuration);
    filter["typed_config"]["@type"] =
        json!("type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm");
    filter
}

/// Envoy's filter that passes a connection on as it is.
pub fn tcp_proxy(cluster: &str) -> Value {
    json!({"name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": cluster
    }})
}

/// The same in a VM of another id.
///
/// # Panics
/// There is no module at `code`.
pub fn wasm_filter_in(vm_id: &str, plugin: &str, code: &Path, configuration: &str) -> Value {
    let capabilities = capabilities::of(code).expect("a built filter");
    json!({
        "name": plugin,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": plugin,
                "root_id": plugin,
                "failure_policy": "FAIL_RELOAD",
                "capability_restriction_config": capabilities::restriction(&capabilities),
                "reload_config": {"backoff": {"base_interval": "0.1s", "max_interval": "1s"}},
                "allow_on_headers_stop_iteration": true,
                "vm_config": {
                    "vm_id": vm_id,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": code}}
                },
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration}
            }
        }
    })
}

impl Listener<'_> {
    /// The listener as Envoy's configuration has it.
    pub fn to_json(&self) -> Value {
        let mut chains = vec![self.chain(true)];
        if self.plaintext {
            chains.push(self.chain(false));
        }
        json!({
            "name": self.name,
            "address": address("127.0.0.1", 0),
            "traffic_direction": "INBOUND",
            "listener_filters": [{"name": "tls_inspector", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
            }}],
            "filter_chains": chains
        })
    }

    fn chain(&self, tls: bool) -> Value {
        let mut chain = json!({
            "filter_chain_match": {"transport_protocol": if tls { "tls" } else { "raw_buffer" }},
            "filters": [{"name": "hcm", "typed_config": self.connection_manager()}]
        });
        if tls {
            chain["transport_socket"] = json!({"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": true,
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [{
                        "certificate_chain": {"filename": self.identity.cert},
                        "private_key": {"filename": self.identity.key}
                    }],
                    "validation_context": {"trusted_ca": {"filename": self.identity.ca}}
                }
            }});
        }
        chain
    }

    fn routes(&self) -> Value {
        let mut routes = match self.cluster {
            Some(cluster) => json!([
                {"match": {"connect_matcher": {}}, "route": {"cluster": cluster}},
                {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "15s"}}
            ]),
            None => json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]),
        };
        if let Some(metadata) = &self.route_metadata {
            for route in routes.as_array_mut().into_iter().flatten() {
                route["metadata"] = json!({"filter_metadata": metadata});
            }
        }
        routes
    }

    fn access_log(&self) -> Value {
        let log = |(path, line): (&Path, &str)| {
            json!({"name": "file", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": path,
                "log_format": {"text_format_source": {"inline_string": format!("{line}\n")}}
            }})
        };
        json!(self.access_log.into_iter().map(log).collect::<Vec<_>>())
    }

    fn connection_manager(&self) -> Value {
        let mut filters = self.filters.clone();
        filters.push(json!({"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
        }}));
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": self.name,
            "access_log": self.access_log(),
            // Istio's inbound settings.
            "use_remote_address": false,
            "normalize_path": true,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": true, "dns": true, "uri": true},
            // Above Envoy's defaults (60 KB, 100 headers): odd requests shall reach the filter.
            "max_request_headers_kb": 512,
            "common_http_protocol_options": {"max_headers_count": 1000},
            "upgrade_configs": [{"upgrade_type": "CONNECT"}, {"upgrade_type": "websocket"}],
            // A sidecar passes trailers on in HTTP/2; so that they are seen in HTTP/1.1 too.
            "http_protocol_options": {"enable_trailers": true},
            "route_config": {"virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": self.routes()
            }]},
            "http_filters": filters
        })
    }
}

/// A second listener turns HTTP/1.1 into HTTP/2 and sends it to the first.
pub fn add_http2_front(bootstrap: &mut Value, dir: &Path) {
    let pipe = dir.join("h2.sock");
    let resources = &mut bootstrap["static_resources"];
    let mut front = resources["listeners"][0].clone();
    let inner = &mut resources["listeners"][0];
    inner["address"] = json!({"pipe": {"path": pipe}});
    inner["name"] = json!("inner");
    for chain in front["filter_chains"].as_array_mut().expect("made by `bootstrap`") {
        let manager = &mut chain["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array_mut().expect("made by `bootstrap`");
        filters.retain(|filter| filter["name"] == "router");
        for route in
            manager["route_config"]["virtual_hosts"][0]["routes"].as_array_mut().expect("made by `bootstrap`")
        {
            route["route"]["cluster"] = json!("http2");
        }
    }
    resources["listeners"].as_array_mut().expect("made by `bootstrap`").push(front);
    resources["clusters"].as_array_mut().expect("made by `bootstrap`").push(json!({
        "name": "http2",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "http2", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"pipe": {"path": pipe}}}}
        ]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}
        }}
    }));
}

/// Where something listens.
pub fn address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}
