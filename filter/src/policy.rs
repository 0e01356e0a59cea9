//! The engine's gates of one bundle, as the filter makes and describes them.

use sidegate_engine::Value;
use sidegate_engine::attributes::Phase;
use sidegate_engine::gate::Gate;
use sidegate_engine::needs::{Group, Needs};
use sidegate_engine::policy::{LogPolicies, Policies, Policy};

use crate::chance;
use crate::loaded::Fixed;

/// The gates of one bundle.
pub(crate) struct Gates {
    /// Decides about requests.
    pub(crate) request: Gate,
    /// Decides about responses, if anything does.
    pub(crate) response: Option<Gate>,
    /// Decides about connections, where this is a network filter.
    pub(crate) connection: Option<Gate>,
    /// What has to be known of a request, so that its response can be decided about too.
    needs: Needs,
    /// What is not logged of decisions.
    log: LogPolicies,
    /// The revision as JSON.
    revision: String,
}

impl Gates {
    /// The gates of these policies.
    pub(crate) fn new(policies: Policies, fixed: &Fixed) -> Self {
        let Policies { request, response, connection, log: log_policies } = policies;
        let revision = Value::from(request.revision()).to_string();
        let gate = |policy, phase| {
            let gate = Gate::new(policy, &fixed.workload, fixed.settings, chance::key());
            gate.in_phase(phase).with_aliases(&fixed.aliases)
        };
        let request = gate(request, Phase::Request);
        let response = response.map(|policy| gate(policy, Phase::Response));
        let connection = connection.map(|policy| gate(policy, Phase::Connection));
        let mut needs = request.needs().clone();
        response.iter().for_each(|response| needs.extend(response.needs()));
        Self { request, response, connection, needs, log: log_policies, revision }
    }

    /// The gate of this phase.
    pub(crate) fn of(&self, phase: Phase) -> Option<&Gate> {
        match phase {
            Phase::Request => Some(&self.request),
            Phase::Response => self.response.as_ref(),
            Phase::Connection => self.connection.as_ref(),
        }
    }

    /// What is not logged of decisions.
    pub(crate) fn log(&self) -> &LogPolicies {
        &self.log
    }

    /// The revision as JSON.
    pub(crate) fn revision_json(&self) -> &str {
        &self.revision
    }

    /// What has to be known of a request.
    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// How many bytes of a body the policies may see; `None` if they read no bodies.
    pub(crate) fn body_limit(&self) -> Option<usize> {
        self.needs.contains(Group::Body).then_some(self.request.settings().limits.body_bytes)
    }

    /// Whether any of the policies answers this with yes.
    pub(crate) fn any(&self, is: fn(&Policy) -> bool) -> bool {
        let others = [&self.response, &self.connection].into_iter().flatten();
        std::iter::once(&self.request).chain(others).any(|gate| is(gate.policy()))
    }
}

/// What was loaded, for the log.
pub(crate) fn describe(gates: &Gates) -> String {
    let (gate, policy) = (&gates.request, gates.request.policy());
    let reads: Vec<&str> = gates.needs.iter().map(|group| group.name()).collect();
    let reads = if reads.is_empty() { "nothing".to_owned() } else { reads.join(", ") };
    let waits = match gates.body_limit() {
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
    let form = |gate: &Gate| if gate.policy().table().is_some() { "a table" } else { "a plan" };
    let mut forms = form(gate).to_owned();
    for (gate, of) in [(&gates.response, "responses"), (&gates.connection, "connections")] {
        if let Some(gate) = gate {
            forms.push_str(&format!(", {} for {of}", form(gate)));
        }
    }
    format!(
        "revision `{}`, {signed}, {forms}; reads {reads}{waits}; {kept}",
        policy.revision().escape_default()
    )
}
