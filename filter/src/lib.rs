//! Sidegate as an Envoy filter: what binds the engine to the proxy.
//!
//! The host calls in [`host::exports`]; a request goes from there to [`request`], which fetches
//! [`attributes`], asks the [`policy`] and carries out its verdict. Everything that can be judged without
//! the proxy is in the engine. The proxy's ABI exists on wasm32 alone, so elsewhere this crate is empty.

#[cfg(target_arch = "wasm32")]
mod attributes;
#[cfg(target_arch = "wasm32")]
mod body;
#[cfg(target_arch = "wasm32")]
mod candidate;
#[cfg(target_arch = "wasm32")]
mod chance;
#[cfg(target_arch = "wasm32")]
mod configure;
#[cfg(target_arch = "wasm32")]
mod connection;
#[cfg(target_arch = "wasm32")]
mod contexts;
#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "the ABI is raw pointers and exported names; this is the one place that has them"
)]
mod host;
#[cfg(target_arch = "wasm32")]
mod loaded;
#[cfg(target_arch = "wasm32")]
mod log;
#[cfg(target_arch = "wasm32")]
mod metrics;
#[cfg(target_arch = "wasm32")]
mod network;
#[cfg(target_arch = "wasm32")]
mod peer;
#[cfg(target_arch = "wasm32")]
mod policy;
#[cfg(target_arch = "wasm32")]
mod refresh;
#[cfg(target_arch = "wasm32")]
mod refuse;
#[cfg(target_arch = "wasm32")]
mod request;
#[cfg(target_arch = "wasm32")]
mod response;
#[cfg(target_arch = "wasm32")]
mod send;
