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
mod lower;
pub mod reference;
mod rego;
pub mod signing;
mod sources;
pub mod testing;

pub use archive::files;
pub use build::{BuildOptions, Built, EntryReport, build, check};
pub use diagnostics::{Diagnostic, Diagnostics};
pub use sources::{Manifest, Sources};
