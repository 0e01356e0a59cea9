//! Answers of the builtins in [`super::table`].

pub(super) mod chance;
pub(super) mod hash;
pub(super) mod jwt;
mod keys;
pub(super) mod net;
pub(super) mod time;
pub(super) mod x509;

use regorus::Value;

use super::number::Inexact;
use super::table::Unanswered;
use crate::crypto::BadKey;

/// Why there is nothing to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    /// OPA has an error: the call is undefined.
    Error,
    /// Whether OPA has one is not certain, or something is missing.
    No(Unanswered),
}

/// What OPA would make of it is not certain.
const UNSURE: Failed = Failed::No(Unanswered::Inexact);

impl From<Unanswered> for Failed {
    fn from(why: Unanswered) -> Self {
        Self::No(why)
    }
}

impl From<BadKey> for Failed {
    fn from(why: BadKey) -> Self {
        match why {
            BadKey::Error => Self::Error,
            BadKey::Unsure => UNSURE,
        }
    }
}

impl From<Inexact> for Failed {
    fn from(_: Inexact) -> Self {
        UNSURE
    }
}

/// A builtin's answer: errors are undefined.
fn answered(result: Result<Value, Failed>) -> Result<Value, Unanswered> {
    match result {
        Ok(value) => Ok(value),
        Err(Failed::Error) => Ok(Value::Undefined),
        Err(Failed::No(why)) => Err(why),
    }
}
