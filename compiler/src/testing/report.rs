//! What a run of the tests found. Its fields are the contract of `sidegate test --format json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::coverage::Coverage;

/// All results, in the order of files and lines.
#[derive(Clone, Debug, Serialize)]
pub struct TestReport {
    /// One for each test.
    pub tests: Vec<TestResult>,
    /// How many of what; cases are counted one by one, as `opa test` does.
    pub summary: Summary,
    /// Lines that the tests went through, as `opa test --coverage` has it.
    #[serde(flatten)]
    pub coverage: Option<Coverage>,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Defined and true.
    Pass,
    /// Undefined, or a value that is not `true`.
    Fail,
    /// The evaluation had an error.
    Error,
    /// Plan and interpreter give different answers.
    Differs,
    /// `todo_test_…`: not run.
    Skipped,
}

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All.
    pub total: usize,
    /// Defined and true.
    pub passed: usize,
    /// Undefined, or not `true`.
    pub failed: usize,
    /// Ended in an error.
    pub errors: usize,
    /// Answered in two ways.
    pub differs: usize,
    /// Not run.
    pub skipped: usize,
    /// Tests (not cases) that ran through the plan alone.
    pub not_compared: usize,
}

/// One test.
#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    /// `data.storefront.authz_test`
    pub package: String,
    /// `test_x`; the second of one name is `test_x#01`.
    pub name: String,
    /// The file, as given.
    pub file: String,
    /// The rule's first line.
    pub line: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Nanoseconds that the plan took.
    pub duration_ns: u64,
    /// Steps that the plan took.
    pub steps: u64,
    /// Cases of a test with parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Case>,
    /// What `print` gave, by the interpreter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub printed: Vec<String>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TestError>,
    /// The value of a test that failed and is defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The first expressions that did not hold: one, or one for each case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_at: Vec<FailedAt>,
    /// The two answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// Why the interpreter's answer does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
    /// The rule as written.
    pub source: String,
}

/// One case of a test, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Its key.
    pub name: String,
    /// Whether it, or one below it, failed.
    pub failed: bool,
    /// Cases below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Case>,
}

/// An error of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestError {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub message: String,
}

/// An expression that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedAt {
    /// Keys of the case; none for a test without cases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case: Vec<String>,
    /// Where it is.
    pub file: String,
    /// Its first line.
    pub line: u32,
    /// Its first column, in characters.
    pub column: u32,
    /// The expression as written.
    pub text: String,
    /// What its variables were, in one solution of what stands before it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// Two answers to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the proxy answers.
    pub plan: String,
    /// What regorus's interpreter answers.
    pub interpreter: String,
}

impl TestResult {
    /// `data.storefront.authz_test.test_x`
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.package, self.name)
    }

    /// The cases that have none below them, with their keys; none for a test without cases.
    pub fn leaves(&self) -> Vec<(Vec<&str>, &Case)> {
        let mut found = Vec::new();
        self.cases.iter().for_each(|case| case.leaves(&mut Vec::new(), &mut found));
        found
    }
}

impl Case {
    fn leaves<'c>(&'c self, above: &mut Vec<&'c str>, found: &mut Vec<(Vec<&'c str>, &'c Case)>) {
        above.push(&self.name);
        if self.cases.is_empty() {
            found.push((above.clone(), self));
        }
        self.cases.iter().for_each(|case| case.leaves(above, found));
        above.pop();
    }
}

impl Summary {
    /// Counts.
    pub fn of(tests: &[TestResult]) -> Self {
        let mut summary = Self::default();
        for test in tests {
            let leaves = test.leaves();
            let (passed, failed) = match test.outcome {
                Outcome::Pass | Outcome::Fail if leaves.is_empty() => {
                    let passed = usize::from(test.outcome == Outcome::Pass);
                    (passed, 1_usize.saturating_sub(passed))
                }
                Outcome::Pass | Outcome::Fail => {
                    let failed = leaves.iter().filter(|(_, case)| case.failed).count();
                    (leaves.len().saturating_sub(failed), failed)
                }
                Outcome::Error | Outcome::Differs | Outcome::Skipped => (0, 0),
            };
            let count = |n: &mut usize, more: usize| *n = n.saturating_add(more);
            let is = |outcome| usize::from(test.outcome == outcome);
            count(&mut summary.passed, passed);
            count(&mut summary.failed, failed);
            count(&mut summary.errors, is(Outcome::Error));
            count(&mut summary.differs, is(Outcome::Differs));
            count(&mut summary.skipped, is(Outcome::Skipped));
            count(&mut summary.not_compared, usize::from(test.not_compared.is_some()));
        }
        let Self { passed, failed, errors, differs, skipped, .. } = summary;
        summary.total = [passed, failed, errors, differs, skipped].iter().sum();
        summary
    }
}
