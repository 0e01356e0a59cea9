//! A loaded policy.

use regorus::Value;

/// Why an evaluation has no value. Each is a deny in enforce mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// No bundle has been loaded yet.
    #[error("no policy is loaded")]
    NoPolicy,
}

impl EvalError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
        }
    }
}

/// A policy that answers for every request; made from a verified bundle or as "none yet".
#[derive(Debug)]
pub struct Policy {}

impl Policy {
    /// The policy that has no answer: every evaluation is [`EvalError::NoPolicy`].
    pub fn none() -> Self {
        Self {}
    }

    /// The value of the entry point for `input`; [`Value::Undefined`] where the policy has none.
    pub fn evaluate(&self, _input: &Value) -> Result<Value, EvalError> {
        Err(EvalError::NoPolicy)
    }
}
