//! What the benchmarks have in common: policies of any size, the request that all are asked about, and medians.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tools that measure: what fails may panic"
)]

pub mod border;
pub mod machine;
pub mod page;
pub mod paths;
pub mod policy;
pub mod rbac;
pub mod request;
pub mod sim;
pub mod summary;
