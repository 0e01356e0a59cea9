//! What decides about the requests of one plugin, at one time.

use std::rc::Rc;

use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase, Workload};
use sidegate_engine::config::Mode;
use sidegate_engine::decide::{Basis, Settings, Verdict, Waived};
use sidegate_engine::eval::Context;
use sidegate_engine::gate::Gate;
use sidegate_engine::needs::Group;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::PointerMode;

use crate::attributes::{self, Failure};
use crate::candidate;
use crate::chance;
use crate::host::{self, Map};
use crate::metrics;
use crate::policy::Gates;
use crate::refuse::Refusal;

/// What does not change while a configuration holds.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// What is done with decisions: the most that is.
    pub(crate) mode: Mode,
    /// How policies are asked.
    pub(crate) settings: Settings,
    /// Whom this proxy stands in front of.
    pub(crate) workload: Workload,
    /// Other names of the trust domain that this proxy is in.
    pub(crate) aliases: Vec<String>,
    /// How long requests are held while there is no policy, in nanoseconds; 0 where none is to come.
    pub(crate) first_wait: i64,
}

/// What decides. Requests share it and never change it: it is replaced whole, and each request keeps what it began
/// with.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) fixed: Rc<Fixed>,
    /// What decides; `None` before the first policy.
    pub(crate) gate: Option<Rc<Gates>>,
    /// What is tried beside it, or instead of it.
    pub(crate) candidate: Option<(Rc<Gates>, PointerMode)>,
    /// Until when decisions are only counted, in nanoseconds since 1970.
    pub(crate) lowered: Option<i64>,
}

/// The gates of one request: at least one, and what is done with what it says.
#[derive(Clone)]
pub(crate) struct Asked {
    fixed: Rc<Fixed>,
    pub(crate) mode: Mode,
    gate: Rc<Gates>,
    /// Asked about the request too, and its answer only compared.
    shadow: Option<Rc<Gates>>,
}

/// What is to be carried out and why it is not, if it is not; or why there is no decision.
pub(crate) type Decided = Result<(Actions, Option<Waived>), Refusal>;

impl Loaded {
    /// Before the first policy.
    pub(crate) fn new(fixed: Fixed) -> Self {
        Self { fixed: Rc::new(fixed), gate: None, candidate: None, lowered: None }
    }

    /// What to ask about a request that begins now; `None` where there is no policy.
    pub(crate) fn asked(&self) -> Option<Asked> {
        let Self { fixed, gate, candidate, .. } = self;
        let (gate, shadow) = match (gate, candidate) {
            (Some(_), Some((candidate, PointerMode::Enforce))) => (candidate, None),
            (Some(gate), Some((candidate, PointerMode::Shadow))) => (gate, Some(Rc::clone(candidate))),
            (Some(gate), None) => (gate, None),
            (None, _) => return None,
        };
        Some(Asked { fixed: Rc::clone(fixed), mode: self.mode(), gate: Rc::clone(gate), shadow })
    }

    /// Until when what came before the first policy may wait for it, in nanoseconds since 1970; `None` if it may not.
    pub(crate) fn may_wait(&self) -> Option<i64> {
        let first_wait = self.fixed.first_wait;
        let is_held = self.mode() == Mode::Enforce && first_wait > 0;
        if is_held { host::current_time_ns().ok().map(|now| now.saturating_add(first_wait)) } else { None }
    }

    /// What is done with decisions now.
    pub(crate) fn mode(&self) -> Mode {
        match self.lowered {
            // The ticks end it too, but may be late. A clock that cannot be read lowers nothing.
            Some(until) if self.fixed.mode == Mode::Enforce => match host::current_time_ns() {
                Ok(now) if now < until => Mode::Shadow,
                _ => Mode::Enforce,
            },
            _ => self.fixed.mode,
        }
    }
}

impl Asked {
    /// The attributes of the request that is being held, as far as they are asked for.
    pub(crate) fn fetch(&self) -> Result<Attributes, Refusal> {
        let fetched = match &self.shadow {
            None => attributes::fetch(self.gate.needs()),
            Some(shadow) => {
                let mut needs = self.gate.needs().clone();
                needs.extend(shadow.needs());
                // What only the candidate reads must not be why a request is refused.
                attributes::fetch(&needs).or_else(|_| attributes::fetch(self.gate.needs()))
            }
        };
        fetched.map_err(|failure| self.failed(failure))
    }

    /// How many bytes of the body are to be awaited. What is only compared waits for none: it must not hold up a
    /// request that would not be held without it.
    pub(crate) fn body_limit(&self) -> Option<usize> {
        self.gate.body_limit()
    }

    /// HTTP status where there is no decision because of an error.
    pub(crate) fn error_status(&self) -> u16 {
        self.fixed.settings.error_status
    }

    /// Decides about a request. `has_body`: whether a body came or is to come.
    pub(crate) fn judge(&self, attributes: &mut Attributes, has_body: bool) -> Decided {
        attributes.context = self.context()?;
        let verdict = ask(&self.gate.request, attributes);
        if let Some(shadow) = &self.shadow {
            candidate::compare(&verdict, shadow, attributes, has_body && attributes.body.is_none());
        }
        self.decided(verdict)
    }

    /// Whether the response is decided about too.
    pub(crate) fn has_response(&self) -> bool {
        self.gate.response.is_some()
    }

    /// Decides about the response that the callback under way is about. What is not asked for is let pass.
    pub(crate) fn judge_response(&self, mut attributes: Attributes) -> Decided {
        let Some(gate) = &self.gate.response else { return Ok((Actions::unchanged(), None)) };
        attributes.context = self.context()?;
        attributes.phase = Phase::Response;
        if gate.needs().contains(Group::Response) {
            attributes.response = host::header_map(Map::Response)
                .map_err(|status| self.failed(Failure { code: "host_response_headers", status }))?;
        }
        self.decided(ask(gate, &attributes))
    }

    /// Decides about the connection that the callback under way is about.
    pub(crate) fn judge_connection(&self) -> Decided {
        let Some(gate) = &self.gate.connection else {
            return Err(Refusal::new("no_network_entrypoint", self.error_status()));
        };
        let mut attributes =
            attributes::fetch_of_connection(gate.needs()).map_err(|failure| self.failed(failure))?;
        attributes.context = self.context()?;
        self.decided(ask(gate, &attributes))
    }

    fn decided(&self, verdict: Verdict) -> Decided {
        match verdict.error {
            None => Ok((verdict.actions, verdict.waived)),
            Some(error) => Err(Refusal::new(error.code(), error.status(self.error_status()))),
        }
    }

    fn context(&self) -> Result<Context, Refusal> {
        let any = |uses: fn(&Policy) -> bool| {
            self.gate.any(uses) || self.shadow.as_deref().is_some_and(|gates| gates.any(uses))
        };
        chance::context(any(Policy::uses_clock), any(Policy::uses_randomness))
            .map_err(|failure| self.failed(failure))
    }

    fn failed(&self, Failure { code, status }: Failure) -> Refusal {
        Refusal::host(code, status, self.error_status())
    }
}

fn ask(gate: &Gate, attributes: &Attributes) -> Verdict {
    let verdict = gate.decide(attributes);
    match verdict.basis {
        Basis::Cache => metrics::count_named("cache.", "hits"),
        Basis::Plan { .. } if gate.has_cache() => metrics::count_named("cache.", "misses"),
        Basis::Plan { .. } | Basis::Table => {}
    }
    verdict
}
