//! The border to the proxy, its own text, with a host in Rust on the other side: for Miri, which sees every byte that is
//! read or written where it must not be (`make miri`), and for plain runs. What only a real host can show, that it keeps
//! to the ABI, the tests with Envoy do.
#![allow(unsafe_code, reason = "the other side of the border")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod host {
    pub(crate) mod abi;
    #[path = "../../src/host/calls.rs"]
    #[allow(dead_code, reason = "not every call returns data")]
    pub(crate) mod calls;
    #[path = "../../src/host/memory.rs"]
    pub(crate) mod memory;
    #[path = "../../src/host/status.rs"]
    pub(crate) mod status;
    mod tests;
}
