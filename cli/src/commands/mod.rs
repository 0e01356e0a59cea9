//! One file per verb.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod eval;
pub(crate) mod inspect;

use std::path::Path;

use sidegate_engine::bundle::{self, Bundle};
use sidegate_engine::limits::Limits;

use crate::output::{Failure, read};

/// Opens the bundle at `path`; its bytes come along.
fn open(path: &Path) -> Result<(Vec<u8>, Bundle), Failure> {
    let bytes = read(path)?;
    let bundle = bundle::open(&bytes, &Limits::default())
        .map_err(|error| Failure::other(format!("`{}`: {error} [{}]", path.display(), error.code())))?;
    Ok((bytes, bundle))
}
