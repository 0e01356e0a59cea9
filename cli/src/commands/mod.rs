//! One file per verb.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod eval;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod sarif;
pub(crate) mod test;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sidegate_engine::bundle::{self, Bundle};
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;

use crate::output::{Failure, read};

/// Opens the bundle at `path`; its bytes come along.
fn open(path: &Path) -> Result<(Vec<u8>, Bundle), Failure> {
    let bytes = read(path)?;
    let bundle = bundle::open(&bytes, &Limits::default())
        .map_err(|error| Failure::other(format!("`{}`: {error} [{}]", path.display(), error.code())))?;
    Ok((bytes, bundle))
}

/// A clock, and randomness from where the standard library has that of its hash tables.
fn context(now: Option<i64>) -> Context {
    let clock = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok();
    let drawn = [0, 1, 2, 3].map(|part: u64| RandomState::new().hash_one(part).to_le_bytes());
    Context {
        now_ns: now.or_else(clock),
        seed: Some(Context::seed_from(&drawn.each_ref().map(<[u8; 8]>::as_slice))),
    }
}
