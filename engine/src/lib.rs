//! The pure core of Sidegate.
//!
//! `Attributes` (what the host knows of a request) become an input document, a [`policy::Policy`]
//! evaluates it to a value, the value is read as a decision, and the decision becomes the
//! [`actions::Actions`] that the host carries out. Nothing here does I/O, reads a clock or calls a host:
//! the same code runs natively in tests and tools and as wasm32 in the proxy.

pub mod actions;
pub mod attributes;
pub mod bundle;
mod cache;
pub mod certificate;
mod collections;
pub mod config;
mod crypto;
pub mod decide;
pub mod decision;
pub mod eval;
pub mod gate;
pub mod grpc;
pub mod headers;
pub mod input;
pub mod limits;
pub mod log;
pub mod names;
pub mod needs;
pub mod plan;
pub mod policy;
pub mod refresh;
pub mod table;
pub mod trust;
pub mod words;

pub use regorus::Value;
