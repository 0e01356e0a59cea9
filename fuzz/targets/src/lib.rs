//! What is fuzzed, one function of bytes a target. libFuzzer calls them (`make fuzz`), and `tests/corpus.rs` calls them
//! with every input that is kept: so what was found once is a test.
//!
//! A target fails by panicking: in the engine, which must never, or here, where what must hold does not.
//! docs/fuzzing.md says of each what it reaches and what must hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a target that fails panics"
)]

#[path = "../../../compiler/tests/kept/requests.rs"]
mod asked;
mod builtin;
mod bundle;
mod certificate;
mod config;
mod decision;
#[path = "../../../compiler/tests/declare/mod.rs"]
#[allow(dead_code, reason = "the tests of the compiler use more of it")]
mod declare;
mod feed;
mod input;
mod packed;
mod path;
mod plan;
mod plan_edit;
mod pointer;
#[path = "../../../compiler/tests/kept/policies.rs"]
#[allow(dead_code, reason = "the tests of the compiler use more of it")]
mod policies;
mod proto;
#[path = "../../../engine/tests/recorded/mod.rs"]
mod recorded;
mod regex;
pub mod seeds;
mod signature;
mod table;
mod value;

pub use builtin::builtin;
pub use bundle::bundle;
pub use certificate::certificate;
pub use config::config;
pub use decision::decision;
pub use input::input;
pub use path::path;
pub use plan::plan;
pub use pointer::pointer;
pub use proto::proto;
pub use regex::regex;
pub use signature::signature;
pub use table::table;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by their names.
pub const TARGETS: [(&str, Target); 13] = [
    ("bundle", bundle),
    ("builtin", builtin),
    ("certificate", certificate),
    ("config", config),
    ("decision", decision),
    ("input", input),
    ("path", path),
    ("plan", plan),
    ("pointer", pointer),
    ("proto", proto),
    ("regex", regex),
    ("signature", signature),
    ("table", table),
];
