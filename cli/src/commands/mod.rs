//! One file per verb.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod publish;
pub(crate) mod render;
pub(crate) mod replay;
pub(crate) mod sarif;
pub(crate) mod status;
pub(crate) mod suggest;
pub(crate) mod test;
pub(crate) mod verify;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle::VerifiedBundle;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::Trust;

use crate::output::{Failure, read};

/// Opens the bundle at `path`, trusted or not; its bytes come along.
fn open(path: &Path) -> Result<(Vec<u8>, VerifiedBundle), Failure> {
    let bytes = read(path)?;
    let bundle = Trust::nothing_required()
        .bundle(&bytes, &Limits::default(), &Workload::default())
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
