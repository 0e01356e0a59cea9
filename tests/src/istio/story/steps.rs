//! The steps.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::look::{chains, extensions, mentions};
use super::{LATE, PATIENCE, Story, Who};
use crate::istio::Pod;
use crate::istio::workload::Question;

/// The HTTP filter that requests are sent on by, the last of every chain.
const ROUTER: &str = "envoy.filters.http.router";
const JWT: &str = "envoy.filters.http.jwt_authn";
const RBAC: &str = "envoy.filters.http.rbac";
const WASM: &str = "http.wasm.v3.Wasm";

/// A manifest to be made from a values file.
struct Render {
    /// The kind, and the file's name.
    kind: &'static str,
    file: &'static str,
    values: Value,
}

pub(super) fn all(story: &mut Story) -> Result<(), String> {
    before(story)?;
    shadow(story)?;
    enforce(story)?;
    bundle(story)?;
    config(story)?;
    late(story)?;
    beside_istio(story)?;
    bad_config(story)?;
    bad_module(story)?;
    one_namespace(story)?;
    plugins(story)?;
    removed(story)
}

fn before(story: &mut Story) -> Result<(), String> {
    let istio = story.scene.version.clone();
    story.say(format!("Istio {}, Envoy {}: three pods, nothing that decides.", istio.istio, istio.envoy));
    story.heading("Before");
    let answer = story.expect(Who::Web, "/v1/charges/7", 200, "nobody decides")?;
    if !answer.echo()?.values("x-forwarded-client-cert").concat().contains("/ns/shop/sa/web") {
        return Err(format!("expected mutual TLS between the sidecars, got {answer:?}"));
    }
    story.expect(Who::Crawler, "/admin", 200, "nobody decides")?;
    story.kubectl("apply -f strict.yaml")?;
    Ok(())
}

/// The values that every manifest of this story has.
fn values(story: &Story, change: &Value) -> Result<Value, String> {
    let mut values = json!({
        "namespace": "istio-system",
        "module": {"url": story.scene.module()},
        "bundles": {"service": "sidegate-bundles.sidegate-system", "port": 8080},
        "config": {
            "version": 1,
            "bundle": {"http": {"interval": "1s"}},
            "entrypoint": "sidegate/authz/decision",
            "network_entrypoint": "sidegate/authz/network_decision",
            "mode": "enforce",
            "verify": {"keys": story.scene.desk.key()?},
        },
    });
    merge(&mut values, change);
    Ok(values)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key.clone()).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

fn render(story: &mut Story, what: &Render) -> Result<(), String> {
    let Render { kind, file, values: change } = what;
    let values = values(story, change)?;
    let wasm = crate::places::filter_wasm()?;
    let desk = &story.scene.desk;
    desk.write(&format!("{file}.values.yaml"), &format!("{values:#}"))?;
    let link = desk.dir().join("sidegate.wasm");
    if !link.exists() {
        std::fs::copy(&wasm, &link).map_err(|e| e.to_string())?;
    }
    story.sidegate(&format!("render {kind} {file}.values.yaml --wasm sidegate.wasm -o {file}.yaml"))
}

fn shadow(story: &mut Story) -> Result<(), String> {
    story.scene.desk.write("workloads.txt", "pay/payments\npay/refunds\nshop/crawler\nshop/web\n")?;
    story.heading("Sidegate in shadow, for the whole mesh: an EnvoyFilter, the module by ECDS");
    story.sidegate("publish policies --to tree --sign-key net.key.pem --key-id net-2026 --by ada --workloads workloads.txt --revision r1")?;
    render(
        story,
        &Render { kind: "envoyfilter", file: "mesh", values: json!({"config": {"mode": "shadow"}}) },
    )?;
    story.under_load(|story| {
        story.kubectl("apply -f mesh.yaml")?;
        story.wait("a denied request that passes", |pod| Ok(pod.stat("wasmcustom.sidegate.mode")? == 1))
    })?;
    story.wait("a policy", |pod| Ok(pod.stat("wasmcustom.sidegate.bundle.serial")? > 0))?;
    let so_far = story.scene.payments.stat("wasmcustom.sidegate.shadow.denied")?;
    for _ in 0..200 {
        story.ask(Who::Crawler, "/admin")?;
        if story.scene.payments.stat("wasmcustom.sidegate.shadow.denied")? > so_far {
            break;
        }
    }
    story.expect(Who::Crawler, "/admin", 200, "shadow changes nothing")?;
    let counted = story.scene.payments.stat("wasmcustom.sidegate.shadow.denied")?;
    if counted <= so_far {
        return Err("expected `shadow.denied` to count".to_owned());
    }
    story.shown("`wasmcustom.sidegate.shadow.denied` counts what would be denied");
    placed(story, &[])
}

/// The filter is once in every inbound chain, after what `before` lists and right before the router, and in no other.
fn placed(story: &mut Story, before: &[&str]) -> Result<(), String> {
    let dump = story.dump()?;
    let ours = ours(&dump)?;
    let mut inbound = 0;
    for chain in chains(&dump) {
        let places: Vec<usize> =
            chain.filters.iter().enumerate().filter(|(_, name)| **name == ours).map(|(at, _)| at).collect();
        let shown = chain.filters.join(" > ");
        match (chain.is_inbound, places.as_slice()) {
            (false, []) => {}
            (true, [at]) => {
                let position = |name: &str| chain.filters.iter().position(|filter| filter == name);
                let after = before.iter().all(|name| position(name).is_some_and(|other| other < *at));
                if !after || position(ROUTER).is_none_or(|router| router < *at) {
                    return Err(format!("expected {ours} after {before:?} and before the router in {shown}"));
                }
                if inbound == 0 {
                    story.say(format!("  {}: {shown}", chain.name));
                }
                inbound += 1;
            }
            _ => {
                return Err(format!(
                    "expected {ours} once inbound and never outbound, got {}: {shown}",
                    chain.name
                ));
            }
        }
    }
    if inbound == 0 {
        return Err("expected inbound chains".to_owned());
    }
    story.shown(format!("in all {inbound} inbound chains, in no outbound one"));
    Ok(())
}

/// The name of the filter, as istiod has it.
fn ours(dump: &Value) -> Result<String, String> {
    let all = extensions(dump);
    let mut ours = all.iter().filter(|(_, kind)| kind.ends_with(WASM)).map(|(name, _)| name.clone());
    ours.next().ok_or_else(|| format!("expected a Wasm filter by ECDS, got {all:?}"))
}

fn enforce(story: &mut Story) -> Result<(), String> {
    story.heading("Enforced");
    render(story, &Render { kind: "envoyfilter", file: "mesh", values: json!({}) })?;
    story.under_load(|story| {
        story.kubectl("apply -f mesh.yaml")?;
        story.settle(Who::Crawler, "/admin", 403).map(|_| ())
    })?;
    decides(story)
}

/// What the first policy means.
fn decides(story: &mut Story) -> Result<(), String> {
    let answer = story.expect(Who::Web, "/v1/charges/7", 200, "declared")?;
    let echo = answer.echo()?;
    let caller = echo.values("x-caller").concat();
    if caller != "spiffe://cluster.local/ns/shop/sa/web" || !echo.values("x-internal-debug").is_empty() {
        return Err(format!("expected changed request headers, got {answer:?}"));
    }
    if answer.header("x-frame-options") != Some("DENY") {
        return Err(format!("expected x-frame-options, got {answer:?}"));
    }
    story.shown(
        "the service gets `x-caller: spiffe://cluster.local/ns/shop/sa/web` and no x-internal-debug, the \
                 client `x-frame-options: DENY`",
    );
    story.expect(Who::Web, "/admin", 403, "not declared")?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "not a declared caller")?;
    let logged = story.scene.payments.access_log()?;
    let line =
        logged.iter().rev().find(|line| line["status"].as_str() == Some("403") || line["status"] == 403);
    let line = line.ok_or("expected a denied request in the access log")?;
    if line["details"] != "sidegate_denied" || !line["sidegate"].to_string().contains("denied") {
        return Err(format!("expected the decision in the access log, got {line}"));
    }
    story.say(format!("  access log: {line}"));
    story.shown("the access log says who was denied and by what");
    Ok(())
}

fn bundle(story: &mut Story) -> Result<(), String> {
    story.heading("Another policy, without istiod");
    let pushes = pushes(story)?;
    let path = "policies/services/pay/payments.yaml";
    let file = story.scene.desk.dir().join(path);
    let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let edited = text.replace("[{serviceAccount: shop/web}]", "[{namespace: shop}]");
    story.say(format!("$ sed -i 's/serviceAccount: shop\\/web/namespace: shop/' {path}"));
    story.scene.desk.write(path, &edited)?;
    story.under_load(|story| {
        story.sidegate("publish policies --to tree --sign-key net.key.pem --key-id net-2026 --by ada --workloads workloads.txt --revision r2")?;
        story.settle(Who::Crawler, "/v1/charges/7", 200).map(|_| ())
    })?;
    story.expect(Who::Crawler, "/v1/charges/7", 200, "declared now")?;
    story.expect(Who::Crawler, "/admin", 403, "still not declared")?;
    story.under_load(|story| {
        story
            .sidegate("publish --rollback r1 --to tree --sign-key net.key.pem --key-id net-2026 --by ada")?;
        story.settle(Who::Crawler, "/v1/charges/7", 403).map(|_| ())
    })?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "rolled back")?;
    let after = self::pushes(story)?;
    if pushes != after {
        return Err(format!(
            "expected no configuration from istiod meanwhile, got {pushes:?}, then {after:?}"
        ));
    }
    story.shown("istiod sent nothing to the sidecar meanwhile");
    Ok(())
}

/// Listener updates and reloads of the filter so far.
fn pushes(story: &mut Story) -> Result<(u64, u64), String> {
    let name = ours(&story.dump()?)?;
    let pod = &mut story.scene.payments;
    let reloads = format!("extension_config_discovery.http_filter.{}.config_reload", name.replace('/', "_"));
    Ok((pod.stat("listener_manager.lds.update_success")?, pod.stat(&reloads)?))
}

fn config(story: &mut Story) -> Result<(), String> {
    story.heading("Another configuration, through istiod: errors are answered with 418, the log is off");
    let change = json!({"config": {"on_error": {"status": 418}, "decision_log": {"level": "off"}}});
    render(story, &Render { kind: "envoyfilter", file: "mesh", values: change })?;
    let (_, reloads) = pushes(story)?;
    story.under_load(|story| {
        story.kubectl("apply -f mesh.yaml")?;
        let name = ours(&story.dump()?)?;
        let stat = format!("extension_config_discovery.http_filter.{}.config_reload", name.replace('/', "_"));
        story.wait("a reload", |pod| Ok(pod.stat(&stat)? > reloads))
    })?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "decided as before").map(|_| ())
}

fn late(story: &mut Story) -> Result<(), String> {
    story.heading("A pod that starts while the server of bundles is away");
    story.scene.set_bundles_down(true);
    let begin = Instant::now();
    story.scene.start_late()?;
    story.say(format!(
        "  refunds, of the same namespace, is ready after {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    let question = Question::get(LATE.service(), &LATE.host(), "/v1/refunds/1");
    let answer = story.scene.web.client().ask(&question)?;
    if answer.status != 503 {
        return Err(format!("expected 503, got {answer:?}"));
    }
    story.shown("web GET /v1/refunds/1: 503, held for a policy and then refused; payments decides on");
    story.expect(Who::Web, "/v1/charges/7", 200, "by the policy that it has")?;
    story.scene.set_bundles_down(false);
    let deadline = Instant::now() + PATIENCE;
    while story.scene.web.client().ask(&question)?.status != 403 {
        if Instant::now() > deadline {
            return Err("expected a decision once the server is back".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    story.shown("web GET /v1/refunds/1: 403 once the server is back, for nobody declared it");
    story.scene.stop_late();
    Ok(())
}

fn beside_istio(story: &mut Story) -> Result<(), String> {
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

fn bad_config(story: &mut Story) -> Result<(), String> {
    story.heading("A configuration that is wrong");
    let values = values(story, &json!({"config": {"mode": "enforced"}}))?;
    story.scene.desk.write("wrong.values.yaml", &format!("{values:#}"))?;
    story.refused("render envoyfilter wrong.values.yaml --wasm sidegate.wasm -o wrong.yaml")?;
    story.shown("`sidegate render` refuses it");
    let good =
        std::fs::read_to_string(story.scene.desk.dir().join("mesh.yaml")).map_err(|e| e.to_string())?;
    story.say("$ sed 's/\"mode\": \"enforce\"/\"mode\": \"enforced\"/' mesh.yaml > wrong.yaml");
    let wrong = good.replace("\"mode\": \"enforce\"", "\"mode\": \"enforced\"");
    if wrong == good {
        return Err("expected the mode in mesh.yaml".to_owned());
    }
    story.scene.desk.write("wrong.yaml", &wrong)?;
    let name = ours(&story.dump()?)?;
    let stat = format!("extension_config_discovery.http_filter.{}.config_fail", name.replace('/', "_"));
    let so_far = story.scene.payments.stat(&stat)?;
    story.under_load(|story| {
        story.kubectl("apply -f wrong.yaml")?;
        story.wait("a refusal", |pod| {
            Ok(pod.stat(&stat)? > so_far && pod.log().contains("configuration refused: "))
        })
    })?;
    let log = story.scene.payments.log();
    let line = log.lines().rev().find_map(|line| line.split_once("configuration refused: "));
    let (_, reason) = line.ok_or("expected the reason in the sidecar's log")?;
    let reason = reason.split('\t').next().unwrap_or_default();
    story.say(format!("  sidecar's log: configuration refused: {reason}"));
    story.shown("the sidecar refuses it and says why");
    story.expect(Who::Crawler, "/v1/charges/7", 403, "the configuration before it decides on")?;
    story.kubectl("apply -f mesh.yaml")
}

fn bad_module(story: &mut Story) -> Result<(), String> {
    story.heading("A module that is not the one that was meant");
    let good =
        std::fs::read_to_string(story.scene.desk.dir().join("mesh.yaml")).map_err(|e| e.to_string())?;
    let at = good.find("sha256: ").ok_or("expected a digest in mesh.yaml")? + "sha256: ".len();
    let digest: String = good[at..].chars().take_while(|c| !c.is_whitespace()).collect();
    let other = "ab".repeat(32);
    story.say("$ sed 's/sha256: .*/sha256: abab…/' mesh.yaml > other.yaml");
    story.scene.desk.write("other.yaml", &good.replace(&digest, &other))?;
    story.kubectl("apply -f other.yaml")?;
    story.expect(
        Who::Web,
        "/v1/charges/7",
        403,
        "Istio's agent denies everything in the place of the filter",
    )?;
    story.kubectl("apply -f mesh.yaml")?;
    story.expect(Who::Web, "/v1/charges/7", 200, "the right module is back")?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "and decides")?;
    Ok(())
}

fn one_namespace(story: &mut Story) -> Result<(), String> {
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

fn plugins(story: &mut Story) -> Result<(), String> {
    for (kind, name) in [("wasmplugin", "WasmPlugin"), ("trafficextension", "TrafficExtension")] {
        story.heading(&format!("The same as a {name}"));
        // These have no filter for connections.
        let change = json!({"config": {"network_entrypoint": null}});
        render(story, &Render { kind, file: kind, values: change })?;
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

fn removed(story: &mut Story) -> Result<(), String> {
    story.heading("Removed");
    story.expect(Who::Crawler, "/admin", 200, "nobody decides")?;
    without(&mut story.scene.web)?;
    without(&mut story.scene.payments)?;
    story.shown("no sidecar has the filter");
    Ok(())
}

/// Waits until a sidecar has the filter no more, not even in what it drains.
fn without(pod: &mut Pod) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let dump: Value = serde_json::from_str(&pod.admin("/config_dump")?).map_err(|e| e.to_string())?;
        if !mentions(&dump, WASM) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("expected no filter in the sidecar of {}", pod.spec().workload));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
