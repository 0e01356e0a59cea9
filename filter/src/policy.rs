//! The engine's gate, as the filter makes and describes it.

use sidegate_engine::attributes::Workload;
use sidegate_engine::decide::Settings;
use sidegate_engine::gate::Gate;
use sidegate_engine::needs::Group;
use sidegate_engine::policy::Policy;

use crate::chance;

/// A gate of this policy.
pub(crate) fn gate(policy: Policy, workload: &Workload, settings: Settings) -> Gate {
    Gate::new(policy, workload, settings, chance::key())
}

/// How many bytes of a body the policy may see; `None` if it reads no bodies.
pub(crate) fn body_limit(gate: &Gate) -> Option<usize> {
    gate.needs().contains(Group::Body).then_some(gate.settings().limits.body_bytes)
}

/// What was loaded, for the log.
pub(crate) fn describe(gate: &Gate) -> String {
    let policy = gate.policy();
    let reads: Vec<&str> = gate.needs().iter().map(|group| group.name()).collect();
    let reads = if reads.is_empty() { "nothing".to_owned() } else { reads.join(", ") };
    let waits = match body_limit(gate) {
        None => String::new(),
        Some(limit) => format!(
            " (up to {limit} bytes of bodies: to enforce it the plugin needs `{}: true`)",
            crate::body::NEEDED_SETTING
        ),
    };
    let signed = match policy.signed_by() {
        Some(key) => format!("signed by `{}`", key.escape_default()),
        None => "not signed".to_owned(),
    };
    let kept = match gate.keeps() {
        Ok(()) => "decisions are kept".to_owned(),
        Err(why) => format!("no decisions are kept: {why}"),
    };
    format!("revision `{}`, {signed}, reads {reads}{waits}; {kept}", policy.revision().escape_default())
}
