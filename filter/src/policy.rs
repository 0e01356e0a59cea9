//! The engine, as the filter uses it: made of a policy once, asked for every request.

use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::decide::{Settings, Verdict, decide};
use sidegate_engine::input::InputBuilder;
use sidegate_engine::needs::{Group, Needs};
use sidegate_engine::policy::Policy;

/// A policy with what it takes to ask it.
pub(crate) struct Gate {
    policy: Policy,
    needs: Needs,
    builder: InputBuilder,
    settings: Settings,
}

impl Gate {
    /// A gate of this policy.
    pub(crate) fn new(policy: Policy, workload: &Workload, settings: Settings) -> Self {
        let needs = Needs::from_paths(policy.reads().iter().map(Vec::as_slice));
        let builder = InputBuilder::new(workload).with_messages(policy.messages());
        Self { policy, needs, builder, settings }
    }

    /// What has to be fetched for every request.
    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// How many bytes of a body the policy may see; `None` if it reads no bodies.
    pub(crate) fn body_limit(&self) -> Option<usize> {
        self.needs.contains(Group::Body).then_some(self.settings.limits.body_bytes)
    }

    /// Whether the policy may ask for the time.
    pub(crate) fn uses_clock(&self) -> bool {
        self.policy.uses_clock()
    }

    /// Whether the policy may ask for something random.
    pub(crate) fn uses_randomness(&self) -> bool {
        self.policy.uses_randomness()
    }

    /// What was loaded, for the log.
    pub(crate) fn describe(&self) -> String {
        let reads: Vec<&str> = self.needs.iter().map(|group| group.name()).collect();
        let reads = if reads.is_empty() { "nothing".to_owned() } else { reads.join(", ") };
        let waits = match self.body_limit() {
            None => String::new(),
            Some(limit) => format!(
                " (up to {limit} bytes of bodies: to enforce it the plugin needs `{}: true`)",
                crate::body::NEEDED_SETTING
            ),
        };
        let signed = match self.policy.signed_by() {
            Some(key) => format!("signed by `{}`", key.escape_default()),
            None => "not signed".to_owned(),
        };
        format!("revision `{}`, {signed}, reads {reads}{waits}", self.policy.revision().escape_default())
    }

    /// Decides about one request, whose attributes have what [`Gate::needs`] names.
    pub(crate) fn decide(&self, attributes: &Attributes) -> Verdict {
        decide(&self.policy, &self.needs, &self.builder, attributes, &self.settings)
    }
}
