//! Logs as people keep them: decision logs and access logs, read a record at a time.

mod envoy;
mod records;

pub(crate) use records::{Piece, Records, What};
