//! What the host answers to a call.

use std::fmt;

/// Why a host call did not give what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// There is no such value.
    NotFound,
    /// The host refused the arguments, or the call is not possible at this point.
    BadArgument,
    /// The host cannot put the value into bytes: it is missing or has no serial form.
    SerializationFailure,
    /// The host could not read or write our memory.
    InvalidMemoryAccess,
    /// Any other status of the host, by its number.
    Other(u32),
    /// The host answered with success, but what it gave does not hold together.
    Malformed,
}

impl Status {
    /// `Ok` for the host's zero, else the status.
    pub(super) fn check(raw: u32) -> Result<(), Self> {
        match raw {
            0 => Ok(()),
            1 => Err(Self::NotFound),
            2 => Err(Self::BadArgument),
            3 => Err(Self::SerializationFailure),
            5 => Err(Self::InvalidMemoryAccess),
            other => Err(Self::Other(other)),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("not found"),
            Self::BadArgument => f.write_str("bad argument"),
            Self::SerializationFailure => f.write_str("serialization failure"),
            Self::InvalidMemoryAccess => f.write_str("invalid memory access"),
            Self::Other(number) => write!(f, "status {number}"),
            Self::Malformed => f.write_str("malformed answer"),
        }
    }
}
