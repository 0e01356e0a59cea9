//! Where the filter is in a sidecar, and what has come from istiod.

use serde_json::Value;

use super::look::{chains, extensions, mentions};
use super::{Story, until};
use crate::istio::Pod;

/// The HTTP filter that requests are sent on by, the last of every chain.
const ROUTER: &str = "envoy.filters.http.router";

const WASM: &str = "http.wasm.v3.Wasm";

/// The filter is once in every inbound chain, after what `before` lists, its guard behind it and right before the router;
/// and in no other.
pub(super) fn placed(story: &mut Story, before: &[&str]) -> Result<(), String> {
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
                if !after || !is_guarded(&chain.filters, *at) {
                    return Err(format!(
                        "expected {ours} after {before:?} and before its guard and the router in {shown}"
                    ));
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

/// Whether the last but the router is the guard, and the filter is before it.
pub(super) fn is_guarded(filters: &[String], at: usize) -> bool {
    let [before @ .., guard, router] = filters else { return false };
    at < before.len() && guard.ends_with(".guard") && router == ROUTER
}

/// Whether requests to a sidecar meet the guard.
pub(super) fn has_guard(story: &mut Story) -> Result<bool, String> {
    let chains = chains(&story.dump()?);
    Ok(chains
        .iter()
        .any(|chain| chain.is_inbound && chain.filters.iter().any(|name| name.ends_with(".guard"))))
}

/// The name of the filter, as istiod has it.
pub(super) fn ours(dump: &Value) -> Result<String, String> {
    let all = extensions(dump);
    let mut ours = all.iter().filter(|(_, kind)| kind.ends_with(WASM)).map(|(name, _)| name.clone());
    ours.next().ok_or_else(|| format!("expected a Wasm filter by ECDS, got {all:?}"))
}

/// Listener updates and reloads of the filter so far.
pub(super) fn pushes(story: &mut Story) -> Result<(u64, u64), String> {
    let reloads = stat_of_ours(story, "config_reload")?;
    let pod = &mut story.scene.payments;
    Ok((pod.stat("listener_manager.lds.update_success")?, pod.stat(&reloads)?))
}

/// The name of a stat about the filter's coming by ECDS.
pub(super) fn stat_of_ours(story: &mut Story, what: &str) -> Result<String, String> {
    let name = ours(&story.dump()?)?.replace('/', "_");
    Ok(format!("extension_config_discovery.http_filter.{name}.{what}"))
}

/// Waits until a sidecar has the filter no more, not even in what it drains.
pub(super) fn without(pod: &mut Pod) -> Result<(), String> {
    let what = format!("no filter in the sidecar of {}", pod.spec().workload);
    until(&what, || {
        let dump: Value = serde_json::from_str(&pod.admin("/config_dump")?).map_err(|e| e.to_string())?;
        Ok(!mentions(&dump, WASM))
    })
}
