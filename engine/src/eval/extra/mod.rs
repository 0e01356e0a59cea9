//! Answers of the builtins in [`super::table`].

pub(super) mod chance;
