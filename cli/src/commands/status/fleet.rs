//! What is known of each sidecar, and what is amiss among all of them.

use std::collections::BTreeMap;

use serde::Serialize;
use sidegate_compiler::stats::{CANDIDATE, Code, ERRORS, REFUSALS, code};

use super::dump::Chains;
use super::figures::Figures;
use super::source::{Looked, Seen};
use super::tree::Tree;

/// A sidecar.
#[derive(Debug, Serialize)]
pub(super) struct Sidecar {
    pub(super) name: String,
    pub(super) id: Option<String>,
    /// Namespace and name of its workload, if known.
    pub(super) workload: Option<String>,
    /// What is done with decisions now.
    pub(super) mode: Option<&'static str>,
    /// Whether a pointer has lowered it.
    pub(super) is_lowered: bool,
    /// How a candidate is used.
    pub(super) candidate: Option<&'static str>,
    pub(super) epoch: Option<u64>,
    pub(super) serial: Option<u64>,
    /// The first 12 digits of the SHA-256 of what decides.
    pub(super) digest: Option<String>,
    /// What the operator calls it, as the tree says.
    pub(super) revision: Option<String>,
    pub(super) expires_in_s: Option<u64>,
    /// Since the source last answered.
    pub(super) last_success_age_s: Option<u64>,
    pub(super) decisions: BTreeMap<String, u64>,
    pub(super) shadow: BTreeMap<String, u64>,
    pub(super) waived: BTreeMap<String, u64>,
    pub(super) differences: BTreeMap<String, u64>,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) refused: BTreeMap<String, u64>,
    /// Where the filter is, if there is a configuration dump.
    pub(super) chains: Option<Chains>,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) sidecar: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Fleet {
    pub(super) sidecars: Vec<Sidecar>,
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
}

impl Fleet {
    /// Of what was seen, or not, at a time in seconds since 1970.
    pub(super) fn new(seen: Looked, tree: Option<&Tree>, now: u64) -> Self {
        let mut fleet = Self { sidecars: Vec::new(), findings: Vec::new(), notes: Vec::new() };
        for (name, seen) in seen {
            match seen {
                Ok(seen) => fleet.sidecars.push(Sidecar::new(name, seen, tree, now)),
                Err(message) => fleet.find(&name, "unreachable", message),
            }
        }
        fleet.look_at_each();
        fleet.compare(tree);
        if let Some(tree) = tree {
            fleet.notes.extend(tree.notes.iter().cloned());
        }
        fleet
    }

    fn find(&mut self, sidecar: &str, code: &'static str, message: String) {
        self.findings.push(Finding { sidecar: sidecar.to_owned(), code, message });
    }

    fn look_at_each(&mut self) {
        let mut findings = Vec::new();
        for sidecar in &self.sidecars {
            let found = |code, message| Finding { sidecar: sidecar.name.clone(), code, message };
            if sidecar.is_silent() {
                let message = "expected stats below `wasmcustom.sidegate.`, got none: the filter is not there, or \
                               the proxy keeps its stats from being made (docs/observability.md#stats)";
                findings.push(found("no_stats", message.to_owned()));
            }
            for place in sidecar.chains.iter().flat_map(|chains| &chains.without) {
                findings.push(found("no_filter", format!("a listener without the filter: {place}")));
            }
            if sidecar.expires_in_s == Some(0) {
                findings.push(found("expired", "the pointer in force has expired".to_owned()));
            }
            for (name, times) in &sidecar.refused {
                let plain = name.strip_prefix(CANDIDATE).unwrap_or(name);
                findings.push(found("refused", told(name, *times, code(REFUSALS, plain))));
            }
            for (name, times) in &sidecar.errors {
                let known = code(ERRORS, name);
                let message = told(name, *times, known);
                if known.is_some_and(Code::is_of_clients) {
                    self.notes.push(format!("{}: {message}", sidecar.name));
                } else {
                    findings.push(found("errors", message));
                }
            }
        }
        self.findings.extend(findings);
    }

    /// Who is behind the newest of its own workload.
    fn compare(&mut self, tree: Option<&Tree>) {
        let mut newest: BTreeMap<&str, (u64, u64)> = tree.map(Tree::newest).unwrap_or_default();
        for sidecar in &self.sidecars {
            if let (Some(workload), Some(order)) = (&sidecar.workload, sidecar.order()) {
                let known = newest.entry(workload).or_default();
                *known = order.max(*known);
            }
        }
        let mut findings = Vec::new();
        let mut unknown = 0_usize;
        for sidecar in &self.sidecars {
            let Some(order) = sidecar.order() else { continue };
            let Some(workload) = &sidecar.workload else {
                unknown = unknown.saturating_add(1);
                continue;
            };
            if let Some(wanted) = newest.get(workload.as_str()).filter(|wanted| **wanted > order) {
                let message = format!(
                    "lags: {} has (epoch, serial) ({}, {}), and this sidecar ({}, {})",
                    workload, wanted.0, wanted.1, order.0, order.1
                );
                findings.push(Finding { sidecar: sidecar.name.clone(), code: "lags", message });
            }
        }
        self.findings.extend(findings);
        if unknown > 0 {
            self.notes.push(format!(
                "{unknown} not compared with others of their workload, for nothing says which that is: save \
                 `/config_dump` beside the stats"
            ));
        }
    }
}

impl Sidecar {
    fn new(name: String, seen: Seen, tree: Option<&Tree>, now: u64) -> Self {
        let Seen { figures, node, chains } = seen;
        let workload = node.as_ref().and_then(|node| node.workload.clone());
        let digest = figures.get("bundle.digest_prefix").map(|prefix| format!("{prefix:012x}"));
        let mut sidecar = Self {
            name,
            id: node.map(|node| node.id).filter(|id| !id.is_empty()),
            workload,
            mode: mode(&figures),
            is_lowered: figures.get("bundle.lowered") == Some(1),
            candidate: match figures.get("bundle.candidate") {
                Some(1) => Some("shadow"),
                Some(2) => Some("enforce"),
                _ => None,
            },
            epoch: figures.get("bundle.epoch"),
            serial: figures.get("bundle.serial"),
            digest,
            revision: None,
            expires_in_s: figures.get("bundle.expires_in_s"),
            last_success_age_s: figures.get("bundle.last_success_s").map(|at| now.saturating_sub(at)),
            decisions: figures.family("decisions"),
            shadow: figures.family("shadow"),
            waived: figures.family("waived"),
            differences: figures.family("candidate"),
            errors: figures.family("errors"),
            refused: figures.family("refused"),
            chains,
        };
        if figures.is_empty() {
            sidecar.mode = None;
        }
        sidecar.revision = tree.and_then(|tree| {
            tree.revision(sidecar.workload.as_deref(), sidecar.order(), sidecar.digest.as_deref())
        });
        sidecar
    }

    /// Epoch and serial of its pointer.
    pub(super) fn order(&self) -> Option<(u64, u64)> {
        self.epoch.zip(self.serial)
    }

    /// Whether there is no figure of the filter's at all.
    fn is_silent(&self) -> bool {
        let Self { mode, epoch, decisions, errors, refused, .. } = self;
        mode.is_none() && epoch.is_none() && decisions.is_empty() && errors.is_empty() && refused.is_empty()
    }
}

fn mode(figures: &Figures) -> Option<&'static str> {
    match figures.get("mode")? {
        0 => Some("off"),
        1 => Some("shadow"),
        2 => Some("enforce"),
        _ => None,
    }
}

fn told(name: &str, times: u64, known: Option<&Code>) -> String {
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    match known {
        Some(Code { meaning, remedy, .. }) => format!("`{name}`, {times}: {meaning}; {remedy}"),
        None => format!("`{name}`, {times}"),
    }
}
