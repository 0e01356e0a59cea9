//! What decides about the requests of one plugin, at one time.

use std::rc::Rc;

use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Phase, Workload};
use sidegate_engine::config::Mode;
use sidegate_engine::decide::{Basis, Settings, Verdict, Waived};
use sidegate_engine::eval::Context;
use sidegate_engine::gate::Gate;
use sidegate_engine::log::DecisionId;
use sidegate_engine::needs::Group;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::PointerMode;

use crate::attributes::{self, Failure};
use crate::candidate;
use crate::chance;
use crate::host::{self, Map};
use crate::log::{Logger, Made};
use crate::metrics;
use crate::policy::Gates;
use crate::refuse::Refusal;

/// What does not change while a configuration holds.
#[derive(Debug)]
pub(crate) struct Fixed {
    /// What is done with decisions: the most that is.
    pub(crate) mode: Mode,
    /// Whether what is seen is marked, for the guard behind.
    pub(crate) is_guarded: bool,
    /// How policies are asked.
    pub(crate) settings: Settings,
    /// Whom this proxy stands in front of.
    pub(crate) workload: Workload,
    /// Other names of the trust domain that this proxy is in.
    pub(crate) aliases: Vec<String>,
    /// How long requests are held while there is no policy, in nanoseconds; 0 where none is to come.
    pub(crate) first_wait: i64,
    /// Logs what is decided.
    pub(crate) log: Logger,
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
    /// Whether all that the log shows is known of the request.
    is_whole: bool,
}

/// What is to be carried out, why it is not, if it is not, and the id that the log knows it by; or why there is no decision.
pub(crate) type Decided = Result<(Actions, Option<Waived>, Option<DecisionId>), Refusal>;

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
        let is_whole = fixed.log.takes_all();
        Some(Asked { fixed: Rc::clone(fixed), mode: self.mode(), gate: Rc::clone(gate), shadow, is_whole })
    }

    /// Logs that there is no policy yet.
    pub(crate) fn no_policy(&self, phase: Phase) -> Refusal {
        self.fixed.log.refused(phase, self.mode(), None, Refusal::no_policy())
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
    pub(crate) fn fetch(&mut self) -> Result<Attributes, Refusal> {
        if self.shadow.is_some() || self.is_whole {
            let mut needs = self.gate.needs().clone();
            self.shadow.iter().for_each(|shadow| needs.extend(shadow.needs()));
            if self.is_whole {
                needs.extend(self.fixed.log.whole());
            }
            // What only the candidate reads, or the log shows, must not be why a request is refused.
            match attributes::fetch(&needs) {
                Ok(attributes) => return Ok(attributes),
                Err(_) => self.is_whole = false,
            }
        }
        attributes::fetch(self.gate.needs()).map_err(|failure| self.failed(Phase::Request, failure))
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
        attributes.context = self.context(Phase::Request)?;
        let (verdict, took) = self.ask(&self.gate.request, attributes);
        let is_body_unknown = has_body && attributes.body.is_none();
        if let Some(shadow) = &self.shadow {
            candidate::compare(&verdict, shadow, attributes, is_body_unknown);
        }
        self.decided(verdict, attributes, is_body_unknown, took)
    }

    /// Whether the response is decided about too.
    pub(crate) fn has_response(&self) -> bool {
        self.gate.response.is_some()
    }

    /// Decides about the response that the callback under way is about. What is not asked for is let pass.
    pub(crate) fn judge_response(&self, mut attributes: Attributes) -> Decided {
        let Some(gate) = &self.gate.response else { return Ok((Actions::unchanged(), None, None)) };
        attributes.context = self.context(Phase::Response)?;
        attributes.phase = Phase::Response;
        if gate.needs().contains(Group::Response) {
            attributes.response = host::header_map(Map::Response).map_err(|status| {
                self.failed(Phase::Response, Failure { code: "host_response_headers", status })
            })?;
        }
        let (verdict, took) = self.ask(gate, &attributes);
        let is_body_unknown = attributes.body.is_none();
        self.decided(verdict, &attributes, is_body_unknown, took)
    }

    /// Decides about the connection that the callback under way is about.
    pub(crate) fn judge_connection(&self) -> Decided {
        let Some(gate) = &self.gate.connection else {
            return Err(
                self.refused(Phase::Connection, Refusal::new("no_network_entrypoint", self.error_status()))
            );
        };
        let mut attributes = attributes::fetch_of_connection(gate.needs())
            .map_err(|failure| self.failed(Phase::Connection, failure))?;
        attributes.context = self.context(Phase::Connection)?;
        let (verdict, took) = self.ask(gate, &attributes);
        self.decided(verdict, &attributes, true, took)
    }

    /// The header that tells the client this id, if it is to be told.
    pub(crate) fn told(&self, id: Option<DecisionId>) -> Option<(String, String)> {
        self.fixed.log.told(id)
    }

    /// Logs that there is no decision because of something outside the policy.
    pub(crate) fn refused(&self, phase: Phase, refusal: Refusal) -> Refusal {
        self.fixed.log.refused(phase, self.mode, Some(&self.gate), refusal)
    }

    fn decided(
        &self,
        verdict: Verdict,
        attributes: &Attributes,
        is_body_unknown: bool,
        took: Option<i64>,
    ) -> Decided {
        let Self { fixed, mode, gate, is_whole, .. } = self;
        let (mode, is_whole) = (*mode, *is_whole);
        let made = Made { mode, gates: gate, verdict: &verdict, attributes, is_whole, is_body_unknown, took };
        let id = fixed.log.made(&made);
        let Verdict { actions, waived, error, basis: _ } = verdict;
        match error {
            None => Ok((actions, waived, id)),
            Some(error) => {
                let refusal = Refusal::new(error.code(), error.status(self.error_status()));
                Err(Refusal { id, ..refusal })
            }
        }
    }

    /// What the policy says, and how long it took to say it, in nanoseconds, if that was measured.
    fn ask(&self, gate: &Gate, attributes: &Attributes) -> (Verdict, Option<i64>) {
        let sampled = metrics::begin();
        let began = sampled.or_else(|| if self.is_whole { host::current_time_ns().ok() } else { None });
        let verdict = gate.decide(attributes);
        let took = began.and_then(|began| Some(host::current_time_ns().ok()?.saturating_sub(began).max(0)));
        if let Some(took) = took.filter(|_| sampled.is_some()) {
            metrics::record_evaluation(took);
        }
        match verdict.basis {
            Basis::Cache => metrics::count_named("cache.", "hits"),
            Basis::Plan { .. } if gate.has_cache() => metrics::count_named("cache.", "misses"),
            Basis::Plan { .. } | Basis::Table(_) => {}
        }
        (verdict, took)
    }

    fn context(&self, phase: Phase) -> Result<Context, Refusal> {
        let any = |uses: fn(&Policy) -> bool| {
            self.gate.any(uses) || self.shadow.as_deref().is_some_and(|gates| gates.any(uses))
        };
        chance::context(any(Policy::uses_clock), any(Policy::uses_randomness))
            .map_err(|failure| self.failed(phase, failure))
    }

    fn failed(&self, phase: Phase, Failure { code, status }: Failure) -> Refusal {
        self.refused(phase, Refusal::host(code, status, self.error_status()))
    }
}
