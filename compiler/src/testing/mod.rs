//! `sidegate test`: runs the tests of a policy as `opa test` does, each through the plan that the proxy
//! runs and through regorus's interpreter.
//!
//! The plan's answer is the test's result. Where the interpreter answers otherwise, the test has found a
//! difference, which is a failure of its own kind; where the interpreter has no answer, or is known to
//! differ from OPA in what the test went through (docs/upstream.md), the test was not compared.

mod compare;
mod coverage;
mod discover;
mod explain;
mod known;
mod report;
mod run;
mod written;

pub use coverage::{Coverage, FileCoverage, Position, Range};
pub use report::{Case, Difference, FailedAt, Outcome, Summary, TestError, TestReport, TestResult};
pub use run::{TestOptions, run};
