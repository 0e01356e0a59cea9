//! Whether a bundle's compiled policy is what its own Rego compiles to.

use sidegate_engine::bundle::{self, BundleError, PLAN_FILE};
use sidegate_engine::limits::Limits;
use sidegate_engine::plan::Image;

use crate::build::{BuildOptions, build};
use crate::diagnostics::Diagnostics;
use crate::sources::Sources;

/// Why the compiled policy of a bundle is not believed.
#[derive(Debug, thiserror::Error)]
pub enum RecompileError {
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// What is in it does not compile.
    #[error("expected sources that compile, got\n{0}")]
    Sources(Diagnostics),
    /// It compiles to something else.
    #[error(
        "expected the `{PLAN_FILE}` that its Rego compiles to, got another: it was changed, or built by another \
         version of sidegate"
    )]
    Differs,
}

impl RecompileError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle(error) => error.code(),
            Self::Sources(_) => "recompile_sources",
            Self::Differs => "recompile_differs",
        }
    }
}

/// Compiles what is in the bundle again, with the entry points and the revision that `image`, its compiled
/// policy, has, and compares the bytes. So what OPA was asked in CI is what the proxy runs.
///
/// # Errors
/// [`RecompileError`], where they differ.
pub fn recompile(packed: &[u8], image: &Image, limits: &Limits) -> Result<(), RecompileError> {
    let files = bundle::files(packed, limits)?;
    let plan = |files: Vec<(String, Vec<u8>)>| files.into_iter().find(|(name, _)| name == PLAN_FILE);
    let sources = Sources::from_files(files.clone()).map_err(RecompileError::Sources)?;
    let options = BuildOptions {
        entrypoints: image.entries().iter().map(|entry| entry.path.clone()).collect(),
        revision: Some(image.revision().to_owned()),
        // A slice compiles to itself: what it was cut from is not needed.
        workload: None,
        is_linear: false,
        keeps_registers: false,
    };
    let built = build(&sources, &options).map_err(RecompileError::Sources)?;
    let again = plan(bundle::files(&built.bundle, limits)?);
    if again.is_some() && again == plan(files) { Ok(()) } else { Err(RecompileError::Differs) }
}
