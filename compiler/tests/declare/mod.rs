//! Declarations and requests, made up, and what they mean: for the tests, and for the tool that asks OPA.

pub(crate) mod beside;
mod changes;
pub(crate) mod generate;
pub(crate) mod model;
pub(crate) mod paths;
pub(crate) mod requests;
#[allow(dead_code, reason = "not every user asks every side")]
pub(crate) mod sides;
#[allow(dead_code, reason = "not every user asks with bytes")]
pub(crate) mod wire;
mod write;
