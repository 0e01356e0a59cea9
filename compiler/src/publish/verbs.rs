//! What each kind of publish makes of the pointers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sidegate_engine::trust::{Candidate, Layer, Lowering, Pointer, PointerMode, Release as Layers};

use super::books::Books;
use super::commit::Changes;
use super::history::Action;
use super::{MAX_LOWERING, Others, PublishError, Publisher, Release, Report, Try, text};
use crate::slice::Workload;

/// Workloads that a message names.
const NAMED: usize = 5;

impl Publisher<'_> {
    /// The slices become what decides.
    pub(super) fn stable(
        &self,
        books: &mut Books,
        release: &Release<'_>,
        slices: &BTreeMap<Workload, Layer>,
    ) -> Result<Report, PublishError> {
        let tried: Vec<&Workload> = slices
            .keys()
            .filter(|workload| pointer(books, workload).is_some_and(|pointer| pointer.candidate.is_some()))
            .collect();
        if !tried.is_empty() {
            let message = format!(
                "expected no candidates, got some of {}; write `--promote` or `--drop-candidate` first, or `--candidate` to replace them",
                some(&tried)
            );
            return Err(PublishError::Request(message));
        }
        let mut changes = Changes::new(Action::Publish, &release.revision);
        for (workload, layer) in slices {
            let layers = vec![layer.clone()];
            match pointer(books, workload) {
                Some(before) if before.stable.layers == layers => {
                    if !self.is_current(books, before) {
                        changes.put(workload, before.clone());
                    }
                }
                before => {
                    let pointer = self.fresh(workload, &release.revision, layers, before);
                    changes.put(workload, pointer);
                }
            }
        }
        self.others(books, release, &mut changes);
        self.commit(books, changes)
    }

    /// The slices become candidates.
    pub(super) fn candidates(
        &self,
        books: &mut Books,
        release: &Release<'_>,
        slices: &BTreeMap<Workload, Layer>,
        tried: Try,
    ) -> Result<Report, PublishError> {
        let mut changes = Changes::new(Action::Candidate, &release.revision);
        let mut first = Vec::new();
        for (workload, layer) in slices {
            let layers = vec![layer.clone()];
            let Some(before) = pointer(books, workload) else {
                // Without anything that decides there would be nothing to try it beside.
                first.push(workload);
                changes.put(workload, self.fresh(workload, &release.revision, layers, None));
                continue;
            };
            let candidate = (before.stable.layers != layers).then(|| Candidate {
                revision: release.revision.clone(),
                layers,
                percent: tried.percent,
                mode: tried.mode,
            });
            let same = match (&before.candidate, &candidate) {
                (Some(a), Some(b)) => a.layers == b.layers && a.percent == b.percent && a.mode == b.mode,
                (None, None) => true,
                _ => false,
            };
            if !same || !self.is_current(books, before) {
                changes.put(workload, Pointer { candidate, ..before.clone() });
            }
        }
        if !first.is_empty() {
            changes.notes.push(format!("published without a trial, as the first policy of {}", some(&first)));
        }
        self.others(books, release, &mut changes);
        self.commit(books, changes)
    }

    /// Candidates become what decides.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn promote(&self, tree: &Path) -> Result<Report, PublishError> {
        let mut books = self.open(tree)?;
        let mut changes = Changes::new(Action::Promote, "");
        let mut revisions = BTreeSet::new();
        for (workload, published) in &books.state.pointers {
            if let Some(Candidate { revision, layers, .. }) = published.pointer.candidate.clone() {
                revisions.insert(revision.clone());
                let stable = Layers { layers };
                changes.put(
                    workload,
                    Pointer { revision, stable, candidate: None, ..published.pointer.clone() },
                );
            }
        }
        expected_some(&changes, "candidates to promote")?;
        // Of several revisions none names what is there now.
        if let (Some(only), true) = (revisions.pop_first(), revisions.is_empty()) {
            changes.revision = only;
        }
        self.commit(&mut books, changes)
    }

    /// Candidates are taken back.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn drop_candidates(&self, tree: &Path) -> Result<Report, PublishError> {
        let mut books = self.open(tree)?;
        let mut changes = Changes::new(Action::DropCandidate, "");
        for (workload, published) in &books.state.pointers {
            if published.pointer.candidate.is_some() {
                changes.put(workload, Pointer { candidate: None, ..published.pointer.clone() });
            }
        }
        expected_some(&changes, "candidates to drop")?;
        self.commit(&mut books, changes)
    }

    /// Every workload gets back what decided after the publish of a revision.
    ///
    /// # Errors
    /// As [`Publisher::publish`]; besides where there was no such publish, or a blob is gone.
    pub fn rollback(&self, tree: &Path, revision: &str) -> Result<Report, PublishError> {
        let mut books = self.open(tree)?;
        let decided = |action: Action| !matches!(action, Action::Candidate | Action::DropCandidate);
        let lines = books.history.lines.iter().enumerate().rev();
        let named = lines.filter(|(_, line)| line.revision == revision && !revision.is_empty());
        let named: Vec<(usize, Action)> = named.map(|(at, line)| (at, line.action)).collect();
        let Some((at, _)) = named.iter().find(|(_, action)| decided(*action)) else {
            let message = if named.is_empty() {
                format!("expected the revision of a publish, got `{revision}`; `--history` shows them")
            } else {
                format!(
                    "expected a revision that decided, got `{revision}`, which was only a candidate; `--promote` makes it decide"
                )
            };
            return Err(PublishError::Request(message));
        };
        let then = books.history.after(at.saturating_add(1));
        let mut changes = Changes::new(Action::Rollback, revision);
        let (mut gone, mut later) = (Vec::new(), Vec::new());
        for (workload, Pointer { stable, candidate, revision: now, .. }) in
            books.state.pointers.iter().map(|(workload, published)| (workload, &published.pointer))
        {
            let Some(entry) = then.get(workload) else {
                later.push(workload);
                continue;
            };
            if stable.layers == entry.layers && *now == entry.revision && candidate.is_none() {
                continue;
            }
            gone.extend(entry.layers.iter().filter(|layer| !books.tree.has(layer)).map(|_| workload));
            changes.put(
                workload,
                self.fresh(workload, &entry.revision, entry.layers.clone(), pointer(&books, workload)),
            );
        }
        if !gone.is_empty() {
            let message = format!(
                "expected the blobs of `{revision}`, got a tree without those of {}: `--gc` removed them; publish the sources again",
                some(&gone)
            );
            return Err(PublishError::Request(message));
        }
        if !later.is_empty() {
            changes.notes.push(format!("left as it is, having come later: {}", some(&later)));
        }
        let missing: Vec<&Workload> =
            then.keys().copied().filter(|workload| !books.state.pointers.contains_key(*workload)).collect();
        if !missing.is_empty() {
            changes.notes.push(format!("not brought back, having no pointer any more: {}", some(&missing)));
        }
        self.commit(&mut books, changes)
    }

    /// All pointers are signed anew.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn refresh(&self, tree: &Path) -> Result<Report, PublishError> {
        let mut books = self.open(tree)?;
        let mut changes = Changes::new(Action::Refresh, "");
        for (workload, published) in &books.state.pointers {
            changes.put(workload, published.pointer.clone());
        }
        expected_some(&changes, "pointers to renew")?;
        self.commit(&mut books, changes)
    }

    /// A workload is lowered to shadow for some seconds.
    ///
    /// # Errors
    /// As [`Publisher::publish`]; besides where it has no pointer, or no reason is given.
    pub fn break_glass(
        &self,
        tree: &Path,
        workload: &Workload,
        seconds: i64,
    ) -> Result<Report, PublishError> {
        if self.reason.trim().is_empty() {
            return Err(PublishError::request(
                "expected a reason for the history, got none; write `--reason TEXT`",
            ));
        }
        text("a reason", &self.reason)?;
        if !(1..=MAX_LOWERING).contains(&seconds) {
            let message =
                "expected a lowering of at most 7 days; write `--for 1h`, and again when it is over";
            return Err(PublishError::request(message));
        }
        let mut books = self.open(tree)?;
        let Some(before) = pointer(&books, workload) else {
            let message =
                format!("expected a workload that has a pointer, got `{workload}`; `--list` shows them");
            return Err(PublishError::Request(message));
        };
        let lowering = Lowering {
            mode: PointerMode::Shadow,
            until: self.now.saturating_add(seconds),
            reason: self.reason.clone(),
        };
        let mut changes = Changes::new(Action::BreakGlass, "");
        changes.put(workload, Pointer { lowering: Some(lowering), ..before.clone() });
        self.commit(&mut books, changes)
    }

    /// What is done with pointers of workloads that the release does not name.
    fn others(&self, books: &Books, release: &Release<'_>, changes: &mut Changes) {
        let others = books.state.pointers.keys().filter(|workload| !release.workloads.contains(*workload));
        match release.others {
            Others::Untouched => {}
            Others::Named => changes.orphans.extend(others.cloned()),
            Others::Removed => changes.removed.extend(others.cloned()),
        }
    }

    /// Whether a pointer is for the mesh and the epoch of the tree.
    fn is_current(&self, books: &Books, pointer: &Pointer) -> bool {
        pointer.mesh == books.state.mesh && pointer.epoch == books.state.epoch
    }

    /// A pointer to layers, without a candidate; times and serial are given when it is signed.
    fn fresh(
        &self,
        workload: &Workload,
        revision: &str,
        layers: Vec<Layer>,
        before: Option<&Pointer>,
    ) -> Pointer {
        Pointer {
            mesh: String::new(),
            namespace: workload.namespace().to_owned(),
            workload: workload.name().to_owned(),
            revision: revision.to_owned(),
            epoch: 0,
            serial: 0,
            issued: 0,
            expires: 0,
            stable: Layers { layers },
            candidate: None,
            lowering: before.and_then(|before| before.lowering.clone()),
        }
    }
}

fn pointer<'b>(books: &'b Books, workload: &Workload) -> Option<&'b Pointer> {
    books.state.pointers.get(workload).map(|published| &published.pointer)
}

fn expected_some(changes: &Changes, what: &str) -> Result<(), PublishError> {
    if changes.pointers.is_empty() {
        return Err(PublishError::Request(format!("expected {what}, got none in the tree")));
    }
    Ok(())
}

/// The first of some workloads, and how many more there are.
fn some(workloads: &[&Workload]) -> String {
    let first: Vec<String> = workloads.iter().take(NAMED).map(|workload| format!("`{workload}`")).collect();
    let more = workloads.len().saturating_sub(NAMED);
    let first = first.join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}
