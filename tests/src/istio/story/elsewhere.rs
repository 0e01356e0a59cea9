//! Beside Istio's own policies, in one workload alone, as other resources, in a gateway, on ports that are not HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use super::manifest::{Render, for_requests_alone, render};
use super::place::{placed, without};
use super::steps::decides;
use super::{GATEWAY, PATIENCE, Story, Who, question};
use crate::istio::workload::{Answer, Question};

const JWT: &str = "envoy.filters.http.jwt_authn";
const RBAC: &str = "envoy.filters.http.rbac";

pub(super) fn beside_istio(story: &mut Story) -> Result<(), String> {
    story.heading("Beside Istio's own: a RequestAuthentication and an AuthorizationPolicy");
    story.kubectl("apply -f istio.yaml")?;
    story.settle(Who::Web, "/v1/charges/13", 403)?;
    placed(story, &[JWT, RBAC])?;
    story.expect(Who::Web, "/v1/charges/13", 403, "Istio denies what Sidegate allows")?;
    story.expect(Who::Web, "/admin", 403, "Sidegate denies what Istio allows")?;
    story.expect(Who::Web, "/v1/charges/7", 200, "both allow it")?;
    story.kubectl("delete -f istio.yaml")?;
    story.settle(Who::Web, "/v1/charges/13", 200)?;
    placed(story, &[])
}

pub(super) fn one_namespace(story: &mut Story) -> Result<(), String> {
    story.heading("One workload alone, the module from a file of the pod");
    let change = json!({
        "name": "sidegate-payments", "namespace": "pay", "select": {"labels": {"app": "payments"}},
        "delivery": "inline", "module": {"url": "file:///var/lib/istio/wasm/sidegate.wasm"},
    });
    render(story, &Render { kind: "envoyfilter", file: "payments", values: change })?;
    story.kubectl("delete -f mesh.yaml")?;
    story.kubectl("apply -f payments.yaml")?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "decided")?;
    story.expect(Who::Web, "/v1/charges/7", 200, "decided")?;
    without(&mut story.scene.web)?;
    story.shown("the other workloads' sidecars have no filter");
    story.kubectl("delete -f payments.yaml")?;
    story.expect(Who::Crawler, "/admin", 200, "nobody decides")?;
    Ok(())
}

pub(super) fn plugins(story: &mut Story) -> Result<(), String> {
    for (kind, name) in [("wasmplugin", "WasmPlugin"), ("trafficextension", "TrafficExtension")] {
        story.heading(&format!("The same as a {name}"));
        render(story, &Render { kind, file: kind, values: for_requests_alone() })?;
        story.kubectl(&format!("apply -f {kind}.yaml"))?;
        let after = story.settle(Who::Crawler, "/admin", 403)?;
        story.say(format!(
            "  every request is decided after {:.1} s (open connections are drained first)",
            after.as_secs_f64()
        ));
        decides(story)?;
        placed(story, &[])?;
        story.kubectl(&format!("delete -f {kind}.yaml"))?;
        story.settle(Who::Crawler, "/admin", 200)?;
    }
    Ok(())
}

/// A gateway of the mesh: its own filter decides, and then that of the sidecar behind it.
pub(super) fn gateway(story: &mut Story) -> Result<(), String> {
    story.heading("A gateway");
    let mut pod = story.scene.start(GATEWAY)?;
    story.kubectl("apply -f gateway.yaml")?;
    let change = json!({
        "name": "sidegate-front", "namespace": "edge", "proxies": "gateway",
        "select": {"labels": {"istio": "ingressgateway"}},
        // Its listeners are all HTTP.
        "config": {"network_entrypoint": null},
    });
    render(story, &Render { kind: "envoyfilter", file: "front", values: change })?;
    story.kubectl("apply -f front.yaml")?;
    let to = SocketAddr::from((GATEWAY.address(), 8080));
    let ask = |path: &str| Question::get(to, "shop.example", path).put();
    let deadline = Instant::now() + PATIENCE;
    let wanted = [("/v1/charges/7", 200), ("/admin", 403), ("/v1/receipts/7", 403)];
    // From outside, until every worker of the gateway has it all.
    let mut row = 0;
    while row < 10 {
        let got = wanted.map(|(path, _)| ask(path).map_or(0, |answer| answer.status));
        // The sidecar behind it denies as much: the gateway's own filter has to have come, too.
        let denies = pod.stat("wasmcustom.sidegate.decisions.denied")? > 0;
        row = if denies && got == wanted.map(|(_, status)| status) { row + 1 } else { 0 };
        if Instant::now() > deadline {
            return Err(format!("expected {wanted:?} from the gateway, got {got:?}\n{}", pod.log()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    story.shown("from outside GET /v1/charges/7: 200, allowed by the gateway's declaration and by payments'");
    story.shown("from outside GET /admin: 403, denied in the gateway");
    story.shown(
        "from outside GET /v1/receipts/7: 403, allowed by the gateway, denied by the sidecar of payments",
    );
    let seen = ask("/v1/charges/7")?.echo()?.values("x-caller").concat();
    if seen != "spiffe://cluster.local/ns/edge/sa/gateway" {
        return Err(format!("expected the gateway as the caller, got `{seen}`"));
    }
    story.shown("for the sidecar the caller is the gateway");
    story.kubectl("delete -f front.yaml")?;
    story.kubectl("delete -f gateway.yaml")
}

/// A port that Istio takes for TCP has no HTTP filter; the network filter of the same EnvoyFilter is asked.
pub(super) fn bytes(story: &mut Story) -> Result<(), String> {
    story.heading("A port that is not HTTP for Istio");
    let protocol = |story: &mut Story, name: &str| {
        let patch = format!(r#"[{{"op":"add","path":"/spec/ports/0/appProtocol","value":"{name}"}}]"#);
        story.kubectl(&format!("patch service payments -n pay --type=json -p {patch}"))
    };
    protocol(story, "tcp")?;
    let deadline = Instant::now() + PATIENCE;
    let question = question("/v1/charges/7");
    let closed = |answer: Result<Answer, String>| answer.is_err();
    let mut row = 0;
    while row < 10 {
        row = if closed(story.scene.web.client().ask(&question)) { row + 1 } else { 0 };
        if Instant::now() > deadline {
            return Err("expected connections to be closed".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    story.wait("a denied connection", |pod| Ok(pod.stat("wasmcustom.sidegate.connections.denied")? > 0))?;
    story.shown("connections are closed: the declaration allows requests, and bytes may be anything");
    protocol(story, "http")?;
    story.expect(Who::Web, "/v1/charges/7", 200, "HTTP again")?;
    Ok(())
}

/// `sidegate status` on what a sidecar's admin page says, saved as people save it.
pub(super) fn status(story: &mut Story, is_there: bool) -> Result<(), String> {
    for (name, path) in [("stats", "/stats?format=json"), ("config_dump", "/config_dump")] {
        let text = story.scene.payments.admin(path)?;
        story.say(format!(
            "$ kubectl exec -n pay payments-1 -c istio-proxy -- pilot-agent request GET {} > payments.{name}.json",
            path.trim_start_matches('/')
        ));
        story.scene.desk.write(&format!("payments.{name}.json"), &text)?;
    }
    let line = "status payments.stats.json --tree tree";
    // Errors of the first moment, before there was a policy, are among what it finds.
    let text = story.ran(line)?.text;
    if text.contains("the filter is in 2 chains of inbound listeners") != is_there {
        return Err(format!("expected the filter to be found in two chains: {is_there}"));
    }
    story.shown(if is_there {
        "`sidegate status` finds the filter in every inbound chain"
    } else {
        "`sidegate status` does not find it any more"
    });
    Ok(())
}
