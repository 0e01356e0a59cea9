//! Sidegate as an Envoy filter: what binds the engine to the proxy.
//!
//! The host calls in [`host::exports`]; a request goes from there to [`request`], which fetches
//! [`attributes`], asks the [`policy`] and carries out its verdict. Everything that can be judged without
//! the proxy is in the engine. The proxy's ABI exists on wasm32 alone, so elsewhere this crate holds the
//! little that can be tested without it.

pub mod pairs;
