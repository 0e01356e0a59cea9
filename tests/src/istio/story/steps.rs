//! The steps: installed, enforced, changed, removed.

use serde_json::json;

use super::manifest::{Render, render, render_with, shipped};
use super::place::{has_guard, placed, pushes, without};
use super::waypoint::waypoint;
use super::{Story, Who, elsewhere, until, wrong};
use crate::places;

pub(super) fn all(story: &mut Story) -> Result<(), String> {
    before(story)?;
    shipped(story)?;
    shadow(story)?;
    enforce(story)?;
    bundle(story)?;
    elsewhere::status(story, true)?;
    config(story)?;
    upgrade(story)?;
    wrong::late(story)?;
    elsewhere::bytes(story)?;
    elsewhere::beside_istio(story)?;
    wrong::bad_config(story)?;
    wrong::bad_module(story)?;
    elsewhere::gateway(story)?;
    waypoint(story)?;
    elsewhere::one_namespace(story)?;
    elsewhere::plugins(story)?;
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

fn shadow(story: &mut Story) -> Result<(), String> {
    story
        .scene
        .desk
        .write("workloads.txt", "edge/gateway\npay/payments\npay/refunds\nshop/crawler\nshop/web\n")?;
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
pub(super) fn decides(story: &mut Story) -> Result<(), String> {
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
    let after = super::place::pushes(story)?;
    if pushes != after {
        return Err(format!(
            "expected no configuration from istiod meanwhile, got {pushes:?}, then {after:?}"
        ));
    }
    story.shown("istiod sent nothing to the sidecar meanwhile");
    Ok(())
}

fn config(story: &mut Story) -> Result<(), String> {
    story.heading("Another configuration, through istiod: errors are answered with 418, the log is off");
    let change = json!({"config": {"on_error": {"status": 418}, "decision_log": {"level": "off"}}});
    render(story, &Render { kind: "envoyfilter", file: "mesh", values: change })?;
    let (_, reloads) = pushes(story)?;
    story.under_load(|story| {
        story.kubectl("apply -f mesh.yaml")?;
        until("a reload", || Ok(pushes(story)?.1 > reloads))
    })?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "decided as before").map(|_| ())
}

fn removed(story: &mut Story) -> Result<(), String> {
    story.heading("Removed");
    story.expect(Who::Crawler, "/admin", 200, "nobody decides")?;
    without(&mut story.scene.web)?;
    without(&mut story.scene.payments)?;
    story.shown("no sidecar has the filter");
    elsewhere::status(story, false)?;
    Ok(())
}

/// Another build of the module, under load.
fn upgrade(story: &mut Story) -> Result<(), String> {
    story.heading("An upgrade: another build of the module");
    let mut bytes = std::fs::read(places::filter_wasm()?).map_err(|e| e.to_string())?;
    // A section that says nothing: another digest, and so another module for Envoy.
    bytes.extend_from_slice(b"\x00\x08\x07upgrade");
    let name = "sidegate-next.wasm";
    std::fs::write(story.scene.desk.dir().join(name), &bytes).map_err(|e| e.to_string())?;
    let url = story.scene.serve_module(name, bytes);
    let (_, before) = pushes(story)?;
    let change = json!({"module": {"url": url}});
    render_with(story, &Render { kind: "envoyfilter", file: "mesh", values: change }, name)?;
    story.under_load(|story| {
        story.kubectl("apply -f mesh.yaml")?;
        until("the sidecar to take it", || Ok(pushes(story)?.1 > before))
    })?;
    story.expect(Who::Web, "/v1/charges/7", 200, "decided by the new module")?;
    story.expect(Who::Crawler, "/v1/charges/7", 403, "decided by the new module")?;
    render(story, &Render { kind: "envoyfilter", file: "mesh", values: json!({}) })?;
    story.under_load(|story| story.kubectl("apply -f mesh.yaml"))?;

    // The guard comes by the listener, the filter by ECDS: whichever is first, no request is denied for want of a mark.
    story.heading("The guard, taken away and put back");
    for (change, is_there) in [(json!({"guard": false}), false), (json!({}), true)] {
        render(story, &Render { kind: "envoyfilter", file: "mesh", values: change })?;
        story.under_load(|story| {
            story.kubectl("apply -f mesh.yaml")?;
            until("the sidecar to take it", || Ok(has_guard(story)? == is_there))
        })?;
        story.expect(Who::Crawler, "/v1/charges/7", 403, "decided as before")?;
    }
    Ok(())
}
