//! Who published what: one line of JSON for each publish, only ever added to.

use std::collections::BTreeMap;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sidegate_engine::trust::{Candidate, Layer, Lowering, Pointer};

use super::PublishError;
use super::tree::Tree;
use crate::slice::Workload;

const FILE: &str = "history.jsonl";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Slices became what decides.
    Publish,
    /// Slices became candidates.
    Candidate,
    /// Candidates became what decides.
    Promote,
    /// Candidates were taken back.
    DropCandidate,
    /// What decided before decides again.
    Rollback,
    /// Expiries were renewed.
    Refresh,
    /// A workload was lowered to shadow.
    BreakGlass,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, in seconds since 1970.
    pub time: i64,
    /// Its serial.
    pub serial: u64,
    /// Its epoch.
    pub epoch: u64,
    /// What was done.
    pub action: Action,
    /// The revision that it is called by; empty where it makes none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// Who did it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The key that signed.
    pub key: String,
    /// The workloads that changed, as they were then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workloads: BTreeMap<Workload, Entry>,
    /// The workloads whose pointers were removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Workload>,
    /// How many pointers were only signed anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renewed: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What a workload had after a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The revision of what decides.
    pub revision: String,
    /// What decides.
    pub layers: Vec<Layer>,
    /// What was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// What was lowered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowering: Option<Lowering>,
}

impl Entry {
    pub(super) fn of(pointer: &Pointer) -> Self {
        Self {
            revision: pointer.revision.clone(),
            layers: pointer.stable.layers.clone(),
            candidate: pointer.candidate.clone(),
            lowering: pointer.lowering.clone(),
        }
    }
}

/// What there is of the history.
#[derive(Debug, Default)]
pub struct History {
    /// The lines that can be read, oldest first.
    pub lines: Vec<Line>,
    /// How many cannot be: a publish that was cut off while it wrote one has published nothing.
    pub damaged: usize,
}

impl History {
    pub(super) fn read(tree: &Tree) -> Result<Self, PublishError> {
        let path = tree.book(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(PublishError::file("read", &path)(error)),
        };
        let mut history = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(line) => history.lines.push(line),
                Err(_) => history.damaged = history.damaged.saturating_add(1),
            }
        }
        Ok(history)
    }

    pub(super) fn add(&mut self, tree: &Tree, line: Line) -> Result<(), PublishError> {
        let text = serde_json::to_string(&line)
            .map_err(|error| PublishError::file("write", &tree.book(FILE))(error.into()))?;
        tree.append(&tree.book(FILE), &text)?;
        self.lines.push(line);
        Ok(())
    }

    /// What every workload had after the first `count` lines.
    pub(super) fn after(&self, count: usize) -> BTreeMap<&Workload, &Entry> {
        let mut all = BTreeMap::new();
        for line in self.lines.iter().take(count) {
            line.removed.iter().for_each(|workload| {
                all.remove(workload);
            });
            all.extend(&line.workloads);
        }
        all
    }
}
