//! What decides about the requests of one plugin, at one time.

use std::rc::Rc;

use sidegate_engine::actions::Actions;
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::config::Mode;
use sidegate_engine::decide::{Basis, Settings, Waived};
use sidegate_engine::eval::Context;
use sidegate_engine::gate::Gate;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::PointerMode;

use crate::attributes::{self, Failure};
use crate::candidate;
use crate::chance;
use crate::host;
use crate::metrics;
use crate::policy;
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
    /// How long requests are held while there is no policy, in nanoseconds; 0 where none is to come.
    pub(crate) first_wait: i64,
}

/// What decides. Requests share it and never change it: it is replaced whole, and each request keeps what it began
/// with.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) fixed: Rc<Fixed>,
    /// What decides; `None` before the first policy.
    pub(crate) gate: Option<Rc<Gate>>,
    /// What is tried beside it, or instead of it.
    pub(crate) candidate: Option<(Rc<Gate>, PointerMode)>,
    /// Until when decisions are only counted, in nanoseconds since 1970.
    pub(crate) lowered: Option<i64>,
}

/// The gates of one request: at least one, and what is done with what it says.
#[derive(Clone)]
pub(crate) struct Asked {
    fixed: Rc<Fixed>,
    pub(crate) mode: Mode,
    gate: Rc<Gate>,
    /// Asked too, and its answer only compared.
    shadow: Option<Rc<Gate>>,
}

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
        policy::body_limit(&self.gate)
    }

    /// HTTP status where there is no decision because of an error.
    pub(crate) fn error_status(&self) -> u16 {
        self.fixed.settings.error_status
    }

    /// The decision's actions and why they are not carried out, if they are not; or why there is none. `has_body`: whether a body came or is to come.
    pub(crate) fn judge(
        &self,
        attributes: &mut Attributes,
        has_body: bool,
    ) -> Result<(Actions, Option<Waived>), Refusal> {
        attributes.context = self.context()?;
        let verdict = self.gate.decide(attributes);
        match verdict.basis {
            Basis::Cache => metrics::count_named("cache.", "hits"),
            Basis::Plan { .. } if self.gate.has_cache() => metrics::count_named("cache.", "misses"),
            Basis::Plan { .. } | Basis::Table => {}
        }
        if let Some(shadow) = &self.shadow {
            candidate::compare(&verdict, shadow, attributes, has_body && attributes.body.is_none());
        }
        match verdict.error {
            None => Ok((verdict.actions, verdict.waived)),
            Some(error) => Err(Refusal::new(error.code(), error.status(self.error_status()))),
        }
    }

    fn context(&self) -> Result<Context, Refusal> {
        let any = |uses: fn(&Policy) -> bool| {
            uses(self.gate.policy()) || self.shadow.as_deref().is_some_and(|gate| uses(gate.policy()))
        };
        chance::context(any(Policy::uses_clock), any(Policy::uses_randomness))
            .map_err(|failure| self.failed(failure))
    }

    fn failed(&self, Failure { code, status }: Failure) -> Refusal {
        Refusal::host(code, status, self.error_status())
    }
}
