//! Publishing: slices and signed pointers as a tree of files that any web server serves.
//!
//! Blobs are named by what is in them and written first; a pointer is replaced in one step. So whoever
//! fetches finds the old policy or the new one, whenever a publish ends. The serial of a publish is
//! written down before its first pointer: no two pointers of a workload have the same.

mod books;
mod commit;
mod error;
mod gc;
mod history;
mod list;
mod names;
mod slices;
#[cfg(test)]
mod tests;
mod tree;
mod verbs;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};
use sidegate_engine::trust::{PointerMode, TrustedKey};

use self::books::Books;
use self::tree::Tree;
use crate::signing::Signer;
use crate::slice::Workload;
use crate::sources::Sources;

pub use error::PublishError;
pub use gc::{Freed, collect};
pub use history::{Action, Entry, History, Line};
pub use list::{Listed, Listing, date, history, list};
pub use names::declared;

/// Longest text of a revision, a reason or a name of a person, in characters.
const MAX_TEXT: usize = 256;
/// Bytes of a slice from which on the operator is told.
const LARGE: u64 = 262_144;
/// Longest time that a workload may be lowered for, in seconds.
const MAX_LOWERING: i64 = 7 * 86_400;

/// Who publishes, and how pointers are made.
pub struct Publisher<'a> {
    /// What signs.
    pub signer: &'a dyn Signer,
    /// What checks each signature before it is published, if it is at hand.
    pub verifier: Option<TrustedKey>,
    /// Who publishes, for the history.
    pub by: String,
    /// Why, for the history.
    pub reason: String,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// How long pointers are good for, in seconds.
    pub expires_in: i64,
    /// The mesh they are for; the tree's where none is named.
    pub mesh: Option<String>,
    /// The epoch; the tree's where none is named.
    pub epoch: Option<u64>,
}

/// What is published.
pub struct Release<'a> {
    /// The sources.
    pub sources: &'a Sources,
    /// For whom.
    pub workloads: BTreeSet<Workload>,
    /// What can be asked for.
    pub entrypoints: Vec<String>,
    /// What the release is called.
    pub revision: String,
    /// What happens to all other workloads.
    pub others: Others,
    /// Told how many slices of how many are made.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// What is done with pointers of workloads that a release does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing: the release names some on purpose.
    Untouched,
    /// They are named, so that somebody may remove them.
    Named,
    /// They are removed.
    Removed,
}

/// What a publish did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was done.
    pub action: Action,
    /// The serial; `None` where nothing changed.
    pub serial: Option<u64>,
    /// The epoch.
    pub epoch: u64,
    /// What it is called.
    pub revision: String,
    /// Slices that were made; the others are as they were.
    pub made: usize,
    /// Workloads whose pointers changed.
    pub changed: Vec<Workload>,
    /// How many pointers did not.
    pub unchanged: usize,
    /// Workloads whose pointers were removed.
    pub removed: Vec<Workload>,
    /// Workloads that have a pointer and are not in the sources any more.
    pub orphans: Vec<Workload>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// A candidate beside what decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// How many of a hundred sidecars try it.
    pub percent: u8,
    /// What they do with its decisions.
    pub mode: PointerMode,
}

impl Publisher<'_> {
    /// Makes the slices of the release and publishes those that changed: as what decides, or as candidates
    /// beside it.
    ///
    /// # Errors
    /// [`PublishError`]; nothing is published then, or all that is was whole before the error.
    pub fn publish(
        &self,
        tree: &Path,
        release: &Release<'_>,
        candidate: Option<Try>,
    ) -> Result<Report, PublishError> {
        text("a revision", &release.revision)?;
        let mut books = self.open(tree)?;
        let (slices, made) = slices::slices(
            &mut books,
            release.sources,
            &release.entrypoints,
            &release.workloads,
            release.progress,
        )?;
        let report = match candidate {
            None => self.stable(&mut books, release, &slices)?,
            Some(tried) => self.candidates(&mut books, release, &slices, tried)?,
        };
        let mut report = Report { made, ..report };
        let largest = slices.iter().max_by_key(|(_, layer)| layer.size);
        if let Some((workload, layer)) = largest.filter(|(_, layer)| layer.size > LARGE) {
            report.notes.push(format!(
                "the slice of `{workload}` has {} bytes; `sidegate build --workload {workload} --report` shows which data it keeps",
                layer.size
            ));
        }
        Ok(report)
    }

    fn open(&self, tree: &Path) -> Result<Books, PublishError> {
        text("a name", &self.by)?;
        text("a reason", &self.reason)?;
        if self.by.is_empty() {
            return Err(PublishError::request(
                "expected a name of who publishes, got none; write `--by NAME`",
            ));
        }
        if let Some(mesh) = &self.mesh {
            text("a mesh", mesh)?;
        }
        if self.signer.algorithm().starts_with("HS") {
            return Err(PublishError::request(
                "expected a key pair to sign pointers with, got a secret: proxies refuse those for what they fetch, since who can check could sign",
            ));
        }
        if self.expires_in <= 0 {
            return Err(PublishError::request("expected pointers that are good for some time, got none"));
        }
        let who = format!("{} since {} (process {})", self.by, list::date(self.now), std::process::id());
        let mut books = Books::open(Tree::new(tree)?, &who)?;
        if let Some(epoch) = self.epoch {
            if epoch < books.state.epoch {
                let tree = books.state.epoch;
                let message =
                    format!("expected an epoch of at least {tree}, which the tree has, got {epoch}");
                return Err(PublishError::Request(message));
            }
            books.state.epoch = epoch;
        }
        if let Some(mesh) = &self.mesh {
            books.state.mesh.clone_from(mesh);
        } else if let Some(first) = books.state.pointers.values().next() {
            books.state.mesh.clone_from(&first.pointer.mesh);
        }
        Ok(books)
    }
}

/// Refuses text that would not fit into a line of the log.
fn text(what: &str, text: &str) -> Result<(), PublishError> {
    let fits = text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
    let message = || format!("expected {what} of at most {MAX_TEXT} characters in one line, got other text");
    if fits { Ok(()) } else { Err(PublishError::Request(message())) }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
