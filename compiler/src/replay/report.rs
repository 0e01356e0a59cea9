//! What a replay has found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::outcome::Change;
use crate::declare::Effect;
use crate::declare::suggest::{LeftOut, shown};

/// Groups that are kept; more than that nobody reads.
const MAX_GROUPS: usize = 10_000;
/// Different things that are kept of what is not known.
const MAX_UNKNOWN: usize = 1_000;

/// What would be decided differently.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replay {
    /// Records of the logs.
    pub records: u64,
    /// Decisions, by what becomes of them.
    pub counts: Counts,
    /// Where two policies are compared: decisions that the old one takes otherwise than recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_otherwise: Option<u64>,
    /// Decisions that differ, the most frequent of each kind first.
    pub groups: Vec<Group>,
    /// Decisions that differ and are in no group, for there are too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub ungrouped: u64,
    /// What cannot be decided anew.
    pub unknown: Vec<Unknown>,
    /// Records that are no decisions.
    pub left_out: BTreeMap<&'static str, LeftOut>,
    /// Logs that end early.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut_off: Vec<String>,
}

/// Decisions, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As before.
    pub same: u64,
    /// Allowed now.
    pub allowed: u64,
    /// Denied now.
    pub denied: u64,
    /// Still allowed or denied, with other headers or another status.
    pub changed: u64,
    /// Without a decision now.
    pub error: u64,
    /// Nobody knows.
    pub unknown: u64,
}

/// Decisions that differ alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What is alike.
    #[serde(flatten)]
    pub key: GroupKey,
    /// How many.
    pub count: u64,
    /// The first.
    pub example: Example,
}

/// What the decisions of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupKey {
    /// How they differ.
    pub change: Change,
    /// In what: headers, a status, the code of an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<String>,
    /// The workload that was called, `NAMESPACE/NAME`; empty where that is not known.
    pub workload: String,
    /// The caller's principal; empty where it has none.
    pub caller: String,
    /// Method; empty for connections.
    pub method: String,
    /// The template of the rule, else the path with `{id}` for what looks like one.
    pub path: String,
    /// The rule of a declaration that decides; `None` where no rule does, or Rego decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleAt>,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleAt {
    /// The file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is an allow or a deny.
    pub effect: Effect,
    /// Whether it is one of the policy before.
    pub is_old: bool,
}

/// A recorded decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decision_id: String,
    /// `file:line`.
    pub place: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// Why decisions cannot be taken anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// A name that does not change.
    pub reason: &'static str,
    /// What of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// How many.
    pub count: u64,
    /// `file:line` of the first.
    pub place: String,
}

/// What one record comes to, where that is not the same as before.
#[derive(Debug)]
pub(super) enum Finding {
    Differs { key: Box<GroupKey>, decision_id: String, path: String },
    Unknown { reason: &'static str, of: String },
    LeftOut { code: &'static str, example: String },
}

/// A report that is being made.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) replay: Replay,
    groups: BTreeMap<GroupKey, (u64, Example)>,
    unknown: BTreeMap<(&'static str, String), (u64, String)>,
}

impl Counts {
    /// Decisions that were taken anew.
    pub fn decided(&self) -> u64 {
        self.same.saturating_add(self.differ())
    }

    /// Decisions that differ.
    pub fn differ(&self) -> u64 {
        let Self { same: _, allowed, denied, changed, error, unknown: _ } = self;
        [allowed, denied, changed, error].into_iter().fold(0, |sum: u64, count| sum.saturating_add(*count))
    }
}

impl Tally {
    /// Counts a finding about a record of a log.
    pub(super) fn add(&mut self, log: &str, line: u64, finding: Finding) {
        let place = || format!("{log}:{line}");
        let counts = &mut self.replay.counts;
        match finding {
            Finding::Differs { key, decision_id, path } => {
                let count = match key.change {
                    Change::Allowed => &mut counts.allowed,
                    Change::Denied => &mut counts.denied,
                    Change::Changed => &mut counts.changed,
                    Change::Error => &mut counts.error,
                };
                *count = count.saturating_add(1);
                let is_full = self.groups.len() >= MAX_GROUPS;
                match self.groups.get_mut(&*key) {
                    Some((count, _)) => *count = count.saturating_add(1),
                    None if !is_full => {
                        self.groups.insert(*key, (1, Example { decision_id, place: place(), path }));
                    }
                    None => self.replay.ungrouped = self.replay.ungrouped.saturating_add(1),
                }
            }
            Finding::Unknown { reason, of } => {
                counts.unknown = counts.unknown.saturating_add(1);
                let is_full = self.unknown.len() >= MAX_UNKNOWN;
                let key = (reason, of);
                let key =
                    if is_full && !self.unknown.contains_key(&key) { (reason, String::new()) } else { key };
                let (count, _) = self.unknown.entry(key).or_insert_with(|| (0, place()));
                *count = count.saturating_add(1);
            }
            Finding::LeftOut { code, example } => {
                let left = self.replay.left_out.entry(code).or_insert_with(|| LeftOut {
                    count: 0,
                    place: Some(place()),
                    example: shown(&example),
                });
                left.count = left.count.saturating_add(1);
            }
        }
    }

    /// The report.
    pub(super) fn finish(self) -> Replay {
        let Self { mut replay, groups, unknown } = self;
        let group = |(key, (count, example))| Group { key, count, example };
        replay.groups = groups.into_iter().map(group).collect();
        replay.groups.sort_by(|a, b| (a.key.change, b.count).cmp(&(b.key.change, a.count)));
        let entry = |((reason, of), (count, place))| Unknown { reason, of, count, place };
        replay.unknown = unknown.into_iter().map(entry).collect();
        replay.unknown.sort_by_key(|unknown| std::cmp::Reverse(unknown.count));
        replay
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(change: Change, path: String) -> Finding {
        let key = GroupKey {
            change,
            what: Vec::new(),
            workload: "a/b".to_owned(),
            caller: String::new(),
            method: "GET".to_owned(),
            path: path.clone(),
            rule: None,
        };
        Finding::Differs { key: Box::new(key), decision_id: String::new(), path }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut tally = Tally::default();
        for at in 0..u64::try_from(MAX_GROUPS).unwrap() + 5 {
            tally.add("log", at, differs(Change::Denied, format!("/{at}")));
            tally.add("log", at, Finding::Unknown { reason: "erased", of: format!("input.{at}") });
        }
        tally.add("log", 1, differs(Change::Denied, "/0".to_owned()));
        tally.add("log", 1, differs(Change::Allowed, "/0".to_owned()));
        let replay = tally.finish();
        assert_eq!((replay.groups.len(), replay.ungrouped), (MAX_GROUPS, 6));
        assert_eq!((replay.counts.denied, replay.counts.allowed), (10_006, 1));
        let first = replay.groups.first().unwrap();
        assert_eq!((first.count, first.example.place.as_str()), (2, "log:0"));
        assert_eq!((replay.unknown.len(), replay.counts.unknown), (MAX_UNKNOWN + 1, 10_005));
        assert_eq!(replay.unknown.first().map(|unknown| unknown.of.as_str()), Some(""));
    }
}
