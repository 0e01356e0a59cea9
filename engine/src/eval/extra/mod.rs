//! Answers of the builtins in [`super::table`].

pub(super) mod chance;
pub(super) mod hash;
pub(super) mod net;
pub(super) mod time;
