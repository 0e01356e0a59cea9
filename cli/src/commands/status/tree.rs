//! What a published tree says about what sidecars have.

use std::collections::BTreeMap;
use std::path::Path;

use sidegate_compiler::publish::{self, Entry, Line};

use crate::output::Failure;

/// A published tree and its history.
pub(super) struct Tree {
    /// Revision, epoch and serial by workload.
    pointers: BTreeMap<String, (String, (u64, u64))>,
    /// Oldest first.
    history: Vec<Line>,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

impl Tree {
    /// Reads the one at `path`, at a time in seconds since 1970.
    pub(super) fn open(path: &Path, now: i64) -> Result<Self, Failure> {
        let failed = |error: publish::PublishError| Failure::other(error.to_string());
        let listing = publish::list(path, now).map_err(failed)?;
        let history = publish::history(path).map_err(failed)?;
        let pointers = listing
            .workloads
            .into_iter()
            .map(|it| (it.workload.to_string(), (it.revision, (it.epoch, it.serial))));
        Ok(Self { pointers: pointers.collect(), history: history.lines, notes: listing.notes })
    }

    /// Epoch and serial that each workload is to have.
    pub(super) fn newest(&self) -> BTreeMap<&str, (u64, u64)> {
        self.pointers.iter().map(|(workload, (_, order))| (workload.as_str(), *order)).collect()
    }

    /// What a sidecar has is called: by its serial, else by the digest of what decides.
    pub(super) fn revision(
        &self,
        workload: Option<&str>,
        order: Option<(u64, u64)>,
        digest: Option<&str>,
    ) -> Option<String> {
        if let Some((revision, known)) = workload.and_then(|workload| self.pointers.get(workload))
            && order == Some(*known)
        {
            return Some(revision.clone());
        }
        let entries = || {
            self.history.iter().rev().flat_map(|line| {
                line.workloads
                    .iter()
                    .map(move |(own, entry)| (own.to_string(), (line.epoch, line.serial), entry))
            })
        };
        let is_own = |own: &str| workload.is_none_or(|workload| workload == own);
        let by_serial = entries().find(|(own, at, _)| workload == Some(own.as_str()) && order == Some(*at));
        let by_digest = || {
            let digest = digest?;
            entries().find(|(own, _, entry)| is_own(own) && has(entry, digest))
        };
        by_serial.or_else(by_digest).map(|(_, _, entry)| entry.revision.clone())
    }
}

/// Whether what decides has this digest, of which the begin is known.
fn has(entry: &Entry, digest: &str) -> bool {
    entry.layers.last().and_then(|layer| layer.hex()).is_some_and(|hex| hex.starts_with(digest))
}
