//! The evaluator: runs a plan on one input, within bounds.

mod builtins;
mod choose;
mod collect;
mod context;
mod extra;
mod format;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod hostile;
mod machine;
mod number;
mod ops;
mod order;
mod print;
mod regex;
mod steps;
mod strings;
mod table;
mod template;
mod unicode;
mod values;
mod walk;
mod wide;
mod worlds;
mod written;

pub use builtins::Builtin;
pub use context::Context;
pub(crate) use extra::chance::uuid_of;
pub use extra::net::network;
pub(crate) use extra::time::time_text;
pub(crate) use machine::{Asked, Machine};
pub use ops::in_base;
pub(crate) use ops::{json_weight, key_times};
pub use order::compare;
pub(crate) use strings::base64_bytes;

/// Why an evaluation has no value. In enforce mode each is a deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// No bundle has been loaded yet.
    #[error("no policy is loaded")]
    NoPolicy,
    /// Two rules, or two solutions of one, give different values for the same document; OPA's
    /// `eval_conflict_error`.
    #[error("conflicting values in {0}")]
    Conflict(String),
    /// An operator or builtin was given what is not certain to be answered as OPA answers it.
    #[error("`{0}` was given arguments for which the answer is not certain to be OPA's")]
    Inexact(&'static str),
    /// A builtin depends on what this evaluation was not given: a clock, randomness.
    #[error("the evaluation was given no {0}")]
    Missing(&'static str),
    /// The step budget is used up.
    #[error("evaluation needs more than {0} steps")]
    Steps(u64),
    /// The plan breaks a rule that loading should have caught.
    #[error("compiled policy is not well-formed")]
    Malformed,
}

impl EvalError {
    /// Stable code: metric label and log field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::Conflict(_) => "eval_conflict",
            Self::Inexact(_) => "eval_inexact",
            Self::Missing(_) => "eval_missing",
            Self::Steps(_) => "eval_steps",
            Self::Malformed => "eval_malformed",
        }
    }
}
