//! Regular expressions as Go's `regexp` has them.
//!
//! An engine of its own: what matches must not depend on small differences between libraries (classes,
//! folding, empty repetitions, which version of Unicode), and it is smaller than one that can do more. A
//! pattern becomes a program of states; a search visits every state once at most at every character, in the
//! order that prefers what is written first, so its cost is known before it begins.

mod escape;
mod parse;
mod program;
mod search;
mod set;

pub(super) use parse::Node;
pub(super) use program::Regex;
pub(super) use search::TooLong;
pub(super) use set::{clean, negate};

/// Why a pattern has no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Go refuses it as well.
    Syntax,
    /// It is larger than what is compiled here.
    Large,
}

/// Deepest nesting of a pattern.
const MAX_DEPTH: u32 = 100;
/// States of the largest program.
const MAX_STATES: usize = 10_000;
/// Ranges of all classes together, and other work of compiling.
const MAX_WORK: u64 = 100_000;
