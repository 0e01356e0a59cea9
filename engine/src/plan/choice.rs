//! Which of many blocks can succeed, found by looking values up instead of running them all.
//!
//! A choice is an index and no more: a block that it leaves out is one that the compiler has shown to fail
//! without an error for these values, and one that it names is run with all of its own conditions.

use serde::{Deserialize, Serialize};

use super::{ConstId, Reg};

/// A step of a choice. Steps lead only to those after them, so every choice ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// These blocks, by their places, in order.
    Run(Vec<u32>),
    /// Goes on by where the value of a register lies among constants.
    Split(Split),
}

/// Where a value lies among constants, and the step that each place leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The register.
    pub on: Reg,
    /// What of its value is looked up.
    pub form: Form,
    /// An array in Rego's order, each value once.
    pub bounds: ConstId,
    /// The step for each place: below the first bound, at it, between it and the second one, …
    pub to: Vec<u32>,
    /// The step where the register is undefined.
    pub none: u32,
    /// The step where the value does not have the form.
    pub other: u32,
}

/// What of a value is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Form {
    /// The value.
    Plain,
    /// The number of the IP address that the text is.
    Address,
}
