//! From Rego to a bundle: read the sources, parse, plan, pack.
//!
//! [`Sources`] are what a folder holds; [`build`] turns them into a bundle that OPA and the proxy both
//! load; [`reference::evaluate`] asks regorus's interpreter the same question, for tests. What cannot be
//! planned exactly as OPA answers is a [`Diagnostic`] that names the place, never a silent difference.

mod archive;
mod build;
pub mod declare;
mod descriptors;
mod diagnostics;
pub mod graph;
pub mod import;
mod index;
mod log;
mod lower;
pub mod publish;
mod recompile;
pub mod reference;
mod rego;
pub mod render;
pub mod replay;
pub mod signing;
mod slice;
mod sources;
pub mod stats;
pub mod testing;

pub use archive::{files, pack};
pub use build::{BuildOptions, Built, EntryReport, Form, build, check, default_revision};
pub use diagnostics::{Diagnostic, Diagnostics};
pub use index::Note;
pub use recompile::{RecompileError, recompile};
pub use slice::{DataRead, Slice, Slicer, Workload, WorkloadError, slicing};
pub use sources::{Manifest, Sources};
