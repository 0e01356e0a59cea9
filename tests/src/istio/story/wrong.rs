//! What goes wrong: no server of bundles, a wrong configuration, a wrong module.

use std::time::Instant;

use serde_json::json;

use super::manifest::values;
use super::place::stat_of_ours;
use super::{LATE, Story, Who, until};
use crate::istio::workload::Question;

pub(super) fn late(story: &mut Story) -> Result<(), String> {
    story.heading("A pod that starts while the server of bundles is away");
    story.scene.set_bundles_down(true);
    let begin = Instant::now();
    let late = story.scene.start(LATE)?;
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
    until("a decision once the server is back", || {
        Ok(story.scene.web.client().ask(&question)?.status == 403)
    })?;
    story.shown("web GET /v1/refunds/1: 403 once the server is back, for nobody declared it");
    drop(late);
    Ok(())
}

pub(super) fn bad_config(story: &mut Story) -> Result<(), String> {
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
    let stat = stat_of_ours(story, "config_fail")?;
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

pub(super) fn bad_module(story: &mut Story) -> Result<(), String> {
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
