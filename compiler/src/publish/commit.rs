//! Signing, and writing in the order that leaves a tree that can be served at every point.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use sidegate_engine::attributes;
use sidegate_engine::trust::{Pointer, Trust, TrustedKey};

use super::books::{Books, Published};
use super::history::{Action, Entry, Line};
use super::{PublishError, Publisher, Report, hex};
use crate::signing::sign_pointer;
use crate::slice::Workload;

/// What is to be published.
pub(super) struct Changes {
    action: Action,
    pub(super) revision: String,
    pub(super) pointers: BTreeMap<Workload, Pointer>,
    pub(super) removed: Vec<Workload>,
    pub(super) orphans: Vec<Workload>,
    pub(super) notes: Vec<String>,
}

impl Changes {
    pub(super) fn new(action: Action, revision: &str) -> Self {
        Self {
            action,
            revision: revision.to_owned(),
            pointers: BTreeMap::new(),
            removed: Vec::new(),
            orphans: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, workload: &Workload, pointer: Pointer) {
        self.pointers.insert(workload.clone(), pointer);
    }
}

/// A pointer with its file.
type Signed = (Workload, Pointer, Vec<u8>);

impl Publisher<'_> {
    /// Signs and writes. Blobs are there already; the serial is written down before anything has it, and the
    /// history says what is about to be published, so that it never lacks what was.
    pub(super) fn commit(&self, books: &mut Books, changes: Changes) -> Result<Report, PublishError> {
        let Changes { action, revision, pointers, removed, orphans, mut notes } = changes;
        notes.splice(0..0, std::mem::take(&mut books.notes));
        let unchanged = books.state.pointers.keys().filter(|workload| !pointers.contains_key(*workload));
        let unchanged = unchanged.count().saturating_sub(removed.len());
        let changed: Vec<Workload> = pointers.keys().cloned().collect();
        let epoch = books.state.epoch;
        let mut report = Report {
            action,
            serial: None,
            epoch,
            revision,
            made: 0,
            changed,
            unchanged,
            removed,
            orphans,
            notes,
        };
        if report.changed.is_empty() && report.removed.is_empty() {
            books.save()?;
            return Ok(report);
        }
        let serial = books.state.serial.checked_add(1);
        let serial = serial.ok_or_else(|| PublishError::request("expected a serial below 2^64"))?;
        report.serial = Some(serial);
        let stamped = pointers.into_iter().map(|(w, pointer)| (w, self.stamped(pointer, books, serial)));
        let signed = self.all_signed(&stamped.collect::<Vec<_>>())?;
        books.state.serial = serial;
        books.save()?;
        let line = self.line(&report, serial, epoch, &signed);
        books.history.add(&books.tree, line)?;
        for (workload, pointer, bytes) in signed {
            books.tree.write(&books.tree.pointer(&workload), &bytes)?;
            books.state.pointers.insert(workload, Published { file: hex(&bytes), pointer });
        }
        for workload in &report.removed {
            books.tree.remove(&books.tree.pointer(workload))?;
            books.state.pointers.remove(workload);
            books.state.slices.remove(workload);
        }
        books.save()?;
        Ok(report)
    }

    /// The pointer with what every pointer of this publish has.
    fn stamped(&self, pointer: Pointer, books: &Books, serial: u64) -> Pointer {
        let lowering = pointer.lowering.filter(|lowering| lowering.until > self.now);
        let until = lowering.as_ref().map_or(0, |lowering| lowering.until);
        Pointer {
            mesh: books.state.mesh.clone(),
            epoch: books.state.epoch,
            serial,
            issued: self.now,
            expires: self.now.saturating_add(self.expires_in).max(until),
            lowering,
            ..pointer
        }
    }

    /// The files of pointers, by as many threads as there are processors: a signature with its check takes
    /// longer than the slice.
    fn all_signed(&self, pointers: &[(Workload, Pointer)]) -> Result<Vec<Signed>, PublishError> {
        let threads = available_parallelism().map_or(1, usize::from);
        let share = pointers.len().div_ceil(threads).max(1);
        let sign = |share: &[(Workload, Pointer)]| {
            let signed = share.iter().map(|(workload, pointer)| {
                let bytes = self.signed(workload, pointer)?;
                Ok((workload.clone(), pointer.clone(), bytes))
            });
            signed.collect::<Result<Vec<Signed>, PublishError>>()
        };
        std::thread::scope(|scope| {
            let running: Vec<_> =
                pointers.chunks(share).map(|share| scope.spawn(move || sign(share))).collect();
            let mut all = Vec::with_capacity(pointers.len());
            for thread in running {
                let internal = |_| PublishError::request("internal error: a signing thread ended");
                all.extend(thread.join().map_err(internal)??);
            }
            Ok(all)
        })
    }

    /// The file of a pointer, verified as a proxy would.
    fn signed(&self, workload: &Workload, pointer: &Pointer) -> Result<Vec<u8>, PublishError> {
        let bytes = sign_pointer(pointer, self.signer)
            .map_err(|error| PublishError::Sign { workload: workload.clone(), error })?;
        if let Some(key) = &self.verifier {
            verify(key, pointer, workload, &bytes, self.now)?;
        }
        Ok(bytes)
    }

    fn line(&self, report: &Report, serial: u64, epoch: u64, signed: &[Signed]) -> Line {
        let renews = report.action == Action::Refresh;
        let named = signed.iter().filter(|_| !renews);
        Line {
            time: self.now,
            serial,
            epoch,
            action: report.action,
            revision: report.revision.clone(),
            by: self.by.clone(),
            reason: self.reason.clone(),
            key: self.signer.key_id().to_owned(),
            workloads: named.map(|(workload, pointer, _)| (workload.clone(), Entry::of(pointer))).collect(),
            removed: report.removed.clone(),
            renewed: if renews { signed.len() } else { 0 },
        }
    }
}

fn verify(
    key: &TrustedKey,
    pointer: &Pointer,
    workload: &Workload,
    bytes: &[u8],
    now: i64,
) -> Result<(), PublishError> {
    let trust = Trust {
        required: true,
        keys: vec![key.clone()],
        mesh: pointer.mesh.clone(),
        ..Trust::nothing_required()
    };
    let own =
        attributes::Workload { namespace: workload.namespace().to_owned(), name: workload.name().to_owned() };
    let refused = |why: String, code| PublishError::Verify { workload: workload.clone(), why, code };
    let read = trust.pointer(bytes, &own).and_then(|read| read.check(now, None, 0).map(|()| read));
    match read {
        Ok(read) if read == *pointer => Ok(()),
        Ok(_) => Err(refused("it says something else".to_owned(), "internal")),
        Err(error) => Err(refused(error.to_string(), error.code())),
    }
}
