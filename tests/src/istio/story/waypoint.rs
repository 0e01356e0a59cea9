//! What istiod makes for a waypoint. PyPI's Envoy cannot be one (it lacks Istio's own filters), but it
//! asks for the configuration of one, and shows what it got and could not take.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::look::chains_of;
use super::manifest::{Render, render};
use super::place::is_guarded;
use super::{PATIENCE, Story};
use crate::istio::workload::Question;
use crate::istio::{Child, HUB};
use crate::places;

/// Where istiod serves configuration without TLS.
const XDS: u16 = 15010;
const ADMIN: u16 = 15999;
/// The listener behind the tunnel, where the requests are; before it is the one that ends the tunnel.
const REQUESTS: &str = "main_internal";

pub(super) fn waypoint(story: &mut Story) -> Result<(), String> {
    story.heading("A waypoint, as far as istiod makes it");
    let change = json!({
        "name": "sidegate-waypoint", "namespace": "shop", "proxies": "waypoint",
        "select": {"targetRefs": [{"kind": "Gateway", "name": "waypoint"}]},
    });
    render(story, &Render { kind: "envoyfilter", file: "waypoint", values: change })?;
    story.kubectl("apply -f waypoint.yaml")?;
    let dir = story.scene.dir().join("waypoint");
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let file = dir.join("envoy.json");
    let version = story.scene.version.clone();
    std::fs::write(&file, bootstrap(&version.istio).to_string()).map_err(|e| e.to_string())?;
    let mut command = Command::new(places::envoy_binary(&version.envoy)?);
    command.arg("-c").arg(&file).args(["--disable-hot-restart", "-l", "warning"]);
    let envoy = Child::start("envoy", command, &dir)?;

    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN));
    let question = Question::get(admin, "admin", "/config_dump");
    let ours = "shop.sidegate-waypoint.guarded";
    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        let dump = question.put().ok().and_then(|answer| serde_json::from_str::<Value>(&answer.body).ok());
        let chains = dump.map(|dump| chains_of(&dump, refused)).unwrap_or_default();
        if chains.iter().any(|(_, chain)| chain.filters.iter().any(|name| name == ours)) {
            break chains;
        }
        if Instant::now() > deadline {
            let seen: Vec<_> = chains.iter().map(|(listener, chain)| (listener, &chain.filters)).collect();
            return Err(envoy.with_log(&format!("expected {ours} in a waypoint's chains, got {seen:?}")));
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    for (listener, chain) in &found {
        let count = chain.filters.iter().filter(|name| *name == ours).count();
        let at = chain.filters.iter().position(|name| name == ours);
        let is_right = if listener == REQUESTS {
            count == 1 && at.is_some_and(|at| at + 3 == chain.filters.len() && is_guarded(&chain.filters, at))
        } else {
            count == 0
        };
        if !is_right {
            return Err(format!("{listener}: expected {ours} in {REQUESTS} alone, got {:?}", chain.filters));
        }
    }
    let first = found.iter().find(|(listener, _)| listener == REQUESTS).ok_or("expected main_internal")?;
    story.say(format!("  {REQUESTS}: {}", first.1.filters.join(" > ")));
    story
        .shown("right before its guard and the router where the requests are, and not where the tunnel ends");
    drop(envoy);
    story.kubectl("delete -f waypoint.yaml")
}

fn refused(listener: &Value) -> &Value {
    &listener["error_state"]["failed_configuration"]
}

/// A proxy that says that it is a waypoint.
fn bootstrap(istio: &str) -> Value {
    let endpoint = json!({"endpoint": {"address": {"socket_address": {
        "address": HUB, "port_value": XDS}}}});
    json!({
        "node": {
            "id": "waypoint~10.99.0.16~waypoint-1.shop~shop.svc.cluster.local", "cluster": "waypoint.shop",
            "metadata": {
                "NAMESPACE": "shop", "NAME": "waypoint-1", "SERVICE_ACCOUNT": "waypoint", "WORKLOAD_NAME": "waypoint",
                "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": format!("{istio}.0"),
                "LABELS": {"gateway.networking.k8s.io/gateway-name": "waypoint",
                    "gateway.istio.io/managed": "istio.io-mesh-controller"},
            },
        },
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN}}},
        "dynamic_resources": {
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}]},
        },
        "static_resources": {"clusters": [{
            "name": "istiod", "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": "istiod", "endpoints": [{"lb_endpoints": [endpoint]}]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                }
            },
        }]},
    })
}
