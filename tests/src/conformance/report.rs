//! The committed report: totals, and every case that is not right, with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::exclusions::Exclusions;
use super::run::{Judged, Outcome};
use super::wasm::Agreement;

/// The report.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of OPA whose cases these are.
    pub opa: String,
    /// All of them.
    pub totals: Totals,
    /// By folder, both versions of the language together.
    pub folders: BTreeMap<String, Totals>,
    /// What is neither right nor excluded, by id.
    pub not_right: BTreeMap<String, Finding>,
}

/// How many became what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// As OPA.
    pub right: usize,
    /// The build says why not.
    pub refused: usize,
    /// Refused by the evaluation (`eval_inexact`).
    pub inexact: usize,
    /// Another error where a value is wanted.
    pub error: usize,
    /// Another answer.
    pub wrong: usize,
    /// Left out, with a reason.
    pub excluded: usize,
    /// Of the refused, those in a syntax that the pinned parser does not know.
    #[serde(default)]
    pub beyond_parser: usize,
    /// Of those that were evaluated, how many came to the same in the built filter.
    pub in_wasm: usize,
    /// Of those that count, how many the interpreter has right.
    pub interpreter_right: usize,
}

/// Why a case is not right; one line in the report, `outcome: reason`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Finding {
    /// `refused`, `inexact`, `error` or `wrong`.
    pub outcome: String,
    /// The diagnostic's code and message, or what was expected and came.
    pub reason: String,
}

impl TryFrom<String> for Finding {
    type Error = String;

    fn try_from(line: String) -> Result<Self, String> {
        let (outcome, reason) =
            line.split_once(": ").ok_or_else(|| format!("expected `outcome: reason`, got `{line}`"))?;
        Ok(Self { outcome: outcome.to_owned(), reason: reason.to_owned() })
    }
}

impl From<Finding> for String {
    fn from(Finding { outcome, reason }: Finding) -> Self {
        format!("{outcome}: {reason}")
    }
}

impl Totals {
    /// Those that count.
    pub fn counted(&self) -> usize {
        self.right + self.refused + self.inexact + self.error + self.wrong
    }

    /// How many of a hundred that count are right, rounded down to a tenth.
    pub fn right_percent(&self) -> f64 {
        self.percent_of(self.counted())
    }

    /// The same of those whose syntax the parser knows.
    pub fn right_percent_parsed(&self) -> f64 {
        self.percent_of(self.counted() - self.beyond_parser)
    }

    fn percent_of(&self, cases: usize) -> f64 {
        let thousands = (self.right * 1000).checked_div(cases).unwrap_or(0);
        f64::from(u32::try_from(thousands).unwrap_or(0)) / 10.0
    }

    fn add(&mut self, judged: &Judged) {
        let slot = match judged.counted() {
            Outcome::Right => &mut self.right,
            Outcome::Refused { .. } => &mut self.refused,
            Outcome::Inexact(_) => &mut self.inexact,
            Outcome::Error(_) => &mut self.error,
            Outcome::Wrong(_) => &mut self.wrong,
        };
        *slot += 1;
        let later = |outcome: &Outcome| matches!(outcome, Outcome::Refused { message, .. } if message.starts_with("`import "));
        self.beyond_parser += usize::from(later(&judged.counted()));
        self.in_wasm += usize::from(judged.wasm == Agreement::Agrees);
        self.interpreter_right += usize::from(judged.interpreter == Outcome::Right);
    }
}

impl Finding {
    /// The finding of an outcome that is not right.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let (outcome, reason) = match outcome {
            Outcome::Right => return None,
            Outcome::Refused { code, message } => ("refused", format!("{code}: {message}")),
            Outcome::Inexact(what) => ("inexact", what.clone()),
            Outcome::Error(why) => ("error", why.clone()),
            Outcome::Wrong(why) => ("wrong", why.clone()),
        };
        Some(Self { outcome: outcome.to_owned(), reason })
    }
}

impl Report {
    /// Sums up; `judged` are the cases that are not excluded, in the order of `cases`.
    pub fn new(opa: &str, cases: &[Case], exclusions: &Exclusions, judged: &[(&Case, Judged)]) -> Self {
        let mut report = Self {
            opa: opa.to_owned(),
            totals: Totals::default(),
            folders: BTreeMap::new(),
            not_right: BTreeMap::new(),
        };
        for case in cases.iter().filter(|case| exclusions.reason(case).is_some()) {
            report.totals.excluded += 1;
            report.folders.entry(case.folder.clone()).or_default().excluded += 1;
        }
        for (case, judged) in judged {
            report.totals.add(judged);
            report.folders.entry(case.folder.clone()).or_default().add(judged);
            if let Some(finding) = Finding::of(&judged.counted()) {
                report.not_right.insert(case.id.clone(), finding);
            }
        }
        report
    }

    /// Reads a committed report.
    ///
    /// # Errors
    /// It cannot be read or is not well-formed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("could not read {}: {e}", path.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("expected a report in {}: {e}", path.display()))
    }

    /// What was right in `before` and no longer is, or has turned from refused into wrong.
    pub fn worse_than(&self, before: &Self) -> Vec<String> {
        let worse = |(id, now): (&String, &Finding)| match before.not_right.get(id) {
            None => Some(format!("{id}: was right, now {}: {}", now.outcome, now.reason)),
            Some(was) if rank(now) > rank(was) => {
                Some(format!("{id}: was {}, now {}: {}", was.outcome, now.outcome, now.reason))
            }
            Some(_) => None,
        };
        let mut worse: Vec<String> = self.not_right.iter().filter_map(worse).collect();
        if self.totals.excluded > before.totals.excluded {
            worse.push(format!("excluded: were {}, now {}", before.totals.excluded, self.totals.excluded));
        }
        worse
    }
}

fn rank(finding: &Finding) -> u8 {
    match finding.outcome.as_str() {
        "refused" | "inexact" => 0,
        "error" => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(not_right: &[(&str, &str)]) -> Report {
        let finding = |line: &str| Finding::try_from(line.to_owned()).unwrap();
        Report {
            opa: "1".into(),
            totals: Totals::default(),
            folders: BTreeMap::new(),
            not_right: not_right.iter().map(|(id, line)| ((*id).to_owned(), finding(line))).collect(),
        }
    }

    #[test]
    fn worse_is_what_was_right_or_only_refused() {
        let before =
            report(&[("a", "refused: rego_unsupported: x"), ("b", "wrong: x"), ("c", "inexact: sum")]);
        let better = report(&[("a", "inexact: sum"), ("b", "refused: y: z")]);
        assert_eq!(better.worse_than(&before), Vec::<String>::new());
        let worse = report(&[("a", "wrong: 1"), ("d", "refused: y: z"), ("c", "error: eval_steps")]);
        assert_eq!(worse.worse_than(&before).len(), 3);
    }

    #[test]
    fn leaving_out_more_is_worse() {
        let before = report(&[]);
        let mut now = report(&[]);
        now.totals.excluded = 1;
        assert_eq!(now.worse_than(&before).len(), 1);
    }

    #[test]
    fn a_line_of_the_report_reads_as_it_was_written() {
        let finding = Finding { outcome: "refused".into(), reason: "rego_parse: a: b".into() };
        assert_eq!(Finding::try_from(String::from(finding.clone())), Ok(finding));
        assert!(Finding::try_from("refused".to_owned()).is_err());
    }
}
