//! What becomes of a request, and why.

use regorus::Value;

use crate::actions::Actions;
use crate::decision::{DecisionError, Marks};
use crate::eval::EvalError;
use crate::input::RequestError;
use crate::limits::Limits;

/// What a decision depends on besides policy and request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Status of a deny that no decision asked for: `on_error.status`.
    pub error_status: u16,
    /// Bounds of the answer.
    pub limits: Limits,
    /// Whether a decision may say that it is only to be counted: `allow_lowering`.
    pub lets_lower: bool,
    /// Whether decisions about what nobody has declared are only counted: `undeclared: shadow`.
    pub waives_undeclared: bool,
}

/// Why a decision is counted and not carried out, in enforce mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waived {
    /// The decision says so, and may.
    Shadow,
    /// Nobody has declared the workload, and the proxy is set up to let its requests pass.
    Undeclared,
}

/// The outcome of one request, in enforce mode. What to do with it in another mode is the host's matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What to carry out, unless it is `waived`.
    pub actions: Actions,
    /// Why nothing is to be carried out. Never where there is no decision: who knows what it would have said.
    pub waived: Option<Waived>,
    /// Why there was no decision; then `actions` is a deny with an empty body, which says nothing of it.
    pub error: Option<DecideError>,
    /// What the decision was made by, for the decision log.
    pub basis: Basis,
}

/// What a decision was made by.
#[derive(Clone, Debug, PartialEq)]
pub enum Basis {
    /// A table, straight from the attributes; what the decision says of itself.
    Table(Marks),
    /// The decision about a request before, which said the same.
    Cache,
    /// The plan.
    Plan {
        /// The policy's answer; undefined where there is none.
        result: Value,
    },
}

/// Why there is no decision. Every variant is a deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// The request has no input. OPA's plugin answers 400.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The policy has no answer, or there is none yet.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The policy's answer is no decision.
    #[error(transparent)]
    Decision(#[from] DecisionError),
}

/// How the verdict of one policy differs from another's on the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The same actions.
    Same,
    /// It denies what the other allows.
    Stricter,
    /// It allows what the other denies.
    Looser,
    /// Both allow or both deny, with another status, other headers or another body.
    Changed,
    /// It has no decision where the other has one.
    Error,
}

impl Difference {
    /// The last part of the counter's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Stricter => "stricter",
            Self::Looser => "looser",
            Self::Changed => "changed",
            Self::Error => "error",
        }
    }
}

const SERVICE_UNAVAILABLE: u16 = 503;

impl Default for Settings {
    fn default() -> Self {
        Self { error_status: 403, limits: Limits::default(), lets_lower: false, waives_undeclared: false }
    }
}

impl DecideError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => error.code(),
            Self::Eval(error) => error.code(),
            Self::Decision(error) => error.code(),
        }
    }

    /// The status that answers it: 400 or 413 for a request that cannot be parsed, 503 while there is no
    /// policy, else `error_status`.
    pub fn status(&self, error_status: u16) -> u16 {
        match self {
            Self::Request(error) => error.status(error_status),
            Self::Eval(error) if *error == EvalError::NoPolicy => SERVICE_UNAVAILABLE,
            Self::Eval(_) | Self::Decision(_) => error_status,
        }
    }
}

impl Settings {
    /// Why a decision that says this of itself is not carried out, if it is not.
    pub fn waived(&self, marks: Marks) -> Option<Waived> {
        let Marks { is_shadow, is_undeclared } = marks;
        match (is_shadow && self.lets_lower, is_undeclared && self.waives_undeclared) {
            (true, _) => Some(Waived::Shadow),
            (false, true) => Some(Waived::Undeclared),
            (false, false) => None,
        }
    }
}

impl Waived {
    /// The last part of the counter's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadow => "declared",
            Self::Undeclared => "undeclared",
        }
    }
}

impl Verdict {
    /// How `other` differs from this verdict. No decision is a deny, unless only `other` has none: that is an error
    /// of it, whatever the actions.
    pub fn compare(&self, other: &Self) -> Difference {
        if other.error.is_some() && other.error != self.error {
            return Difference::Error;
        }
        // Two that are not carried out are compared by what they say, else by what becomes of the request.
        let pass = Actions::unchanged();
        let (own, others) = match (self.waived, other.waived) {
            (Some(_), None) => (&pass, &other.actions),
            (None, Some(_)) => (&self.actions, &pass),
            _ => (&self.actions, &other.actions),
        };
        match (own.is_allow(), others.is_allow()) {
            _ if own == others => Difference::Same,
            (true, false) => Difference::Stricter,
            (false, true) => Difference::Looser,
            _ => Difference::Changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::HeaderOp;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn verdicts_are_compared_by_what_they_do() {
        let of =
            |actions, error| Verdict { actions, waived: None, error, basis: Basis::Table(Marks::default()) };
        let allow = |headers: &[&str]| {
            let request_headers = headers.iter().map(|name| HeaderOp::Remove((*name).to_owned())).collect();
            let response_headers = Vec::new();
            of(Actions::Allow { request_headers, path: None, response_headers, dynamic_metadata: None }, None)
        };
        let deny = |status| of(Actions::deny(status), None);
        let waived = |verdict| Verdict { waived: Some(Waived::Shadow), ..verdict };
        let failed = || of(Actions::deny(403), Some(DecideError::from(DecisionError::Undefined)));
        let cases = [
            (allow(&[]), allow(&[]), Difference::Same),
            (allow(&[]), allow(&["a"]), Difference::Changed),
            (allow(&[]), deny(403), Difference::Stricter),
            (deny(403), allow(&[]), Difference::Looser),
            (deny(403), deny(403), Difference::Same),
            (deny(403), deny(401), Difference::Changed),
            (allow(&[]), failed(), Difference::Error),
            (deny(403), failed(), Difference::Error),
            (failed(), failed(), Difference::Same),
            (failed(), deny(403), Difference::Same),
            (failed(), allow(&[]), Difference::Looser),
            (waived(deny(403)), deny(403), Difference::Stricter),
            (waived(deny(403)), allow(&[]), Difference::Same),
            (waived(allow(&["a"])), allow(&["a"]), Difference::Changed),
            (deny(403), waived(deny(403)), Difference::Looser),
            (waived(deny(403)), waived(deny(403)), Difference::Same),
            (waived(deny(403)), waived(allow(&[])), Difference::Looser),
            (waived(deny(403)), failed(), Difference::Error),
        ];
        for (one, other, expected) in cases {
            assert_eq!(one.compare(&other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_decision_is_waived_only_where_the_configuration_lets_it() {
        let (none, both) = (
            Settings::default(),
            Settings { lets_lower: true, waives_undeclared: true, ..Settings::default() },
        );
        let marks = |is_shadow, is_undeclared| Marks { is_shadow, is_undeclared };
        for marks in [marks(false, false), marks(true, false), marks(false, true), marks(true, true)] {
            assert_eq!(none.waived(marks), None);
        }
        assert_eq!(both.waived(marks(false, false)), None);
        assert_eq!(both.waived(marks(true, true)), Some(Waived::Shadow));
        let lowers = Settings { lets_lower: true, ..Settings::default() };
        let undeclared = Settings { waives_undeclared: true, ..Settings::default() };
        assert_eq!(lowers.waived(marks(true, false)), Some(Waived::Shadow));
        assert_eq!(lowers.waived(marks(false, true)), None);
        assert_eq!(undeclared.waived(marks(true, false)), None);
        assert_eq!(undeclared.waived(marks(false, true)), Some(Waived::Undeclared));
    }

    #[test]
    fn other_errors_have_the_configured_status() {
        let error = DecideError::from(DecisionError::Undefined);
        assert_eq!(error.status(403), 403);
        assert_eq!(error.status(500), 500);
        assert_eq!(error.code(), "decision_undefined");
    }
}
