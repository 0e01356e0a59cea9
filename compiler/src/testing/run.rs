//! Running the tests.

use std::time::Instant;

use regex::Regex;
use regorus::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::{Context, EvalError};
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use super::compare::{Cases, Verdict, compare, reason, shown};
use super::coverage::coverage;
use super::discover::{Found, Shape, discover};
use super::explain::{Solutions, beginnings, body, failed_at, solutions, stages};
use super::known::known;
use super::report::{FailedAt, Outcome, Summary, TestError, TestReport, TestResult};
use crate::build::{assemble, on_large_stack};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::lower::Planner;
use crate::reference::{Interpreter, Lines};
use crate::rego::{Modules, Tree};
use crate::sources::Sources;

/// Deepest nesting of a test. More than a proxy allows: a test stands around what it calls.
const DEPTH: u32 = 4096;
/// What is spent on saying why a test failed.
const EXPLAIN_STEPS: u64 = 10_000_000;

/// How to run.
pub struct TestOptions<'a> {
    /// Runs tests whose full name (`data.storefront.authz_test.test_x`) it matches.
    pub filter: Option<Regex>,
    /// Step limit of each test.
    pub steps: u64,
    /// Whether to say which lines the tests went through.
    pub coverage: bool,
    /// Clock and chance of a test.
    pub context: &'a (dyn Fn() -> Context + Sync),
}

/// Runs the tests of the sources. An error where the tests, or what they ask for, cannot be compiled.
pub fn run(sources: &Sources, options: &TestOptions<'_>) -> Result<TestReport, Diagnostics> {
    on_large_stack(|| run_here(sources, options))
}

fn run_here(sources: &Sources, options: &TestOptions<'_>) -> Result<TestReport, Diagnostics> {
    let written = Modules::parse(sources)?;
    let (mut tests, sources) = discover(sources, &written)?;
    let modules = Modules::parse(&sources)?;
    let tree = Tree::new(&modules)?;
    if let Some(filter) = &options.filter {
        tests.retain(|test| filter.is_match(&test.full_name()));
    }
    let bench = Bench { sources: &sources, modules: &modules, tree: &tree, coverage: options.coverage };
    let mut policy = bench.plan(&tests, options.steps)?;
    let interpreter = Interpreter::new(&sources);
    let (mut interpreter, broken) = match interpreter {
        Ok(interpreter) => (Some(interpreter), None),
        Err(error) => (None, Some(format!("the interpreter cannot load the policies: {}", reason(&error)))),
    };
    let mut lines = Lines::new();
    let mut results = Vec::new();
    for (at, test) in tests.iter().enumerate() {
        let mut result = blank(test, &written);
        if matches!(test.shape, Shape::Single | Shape::Cases) {
            let context = (options.context)();
            let answer = ask(&mut policy, &test.path.join("/"), &context, &mut result);
            match interpreter.as_mut().filter(|_| !matches!(answer, Err(EvalError::Steps(_)))) {
                Some(interpreter) => {
                    let seen = bench.compare(interpreter, test, &context, &answer, &mut result);
                    seen.into_iter().for_each(|(file, seen)| lines.entry(file).or_default().extend(seen));
                }
                None => {
                    result.not_compared =
                        broken.clone().or_else(|| Some("the plan ran out of steps".to_owned()))
                }
            }
            judge(test, &answer, &mut result);
            if test.shape == Shape::Cases && answer.is_ok() {
                let begun = bench.begun(at, &mut policy, &context);
                cases(&answer, &begun, &mut result);
            }
            bench.explain(test, &answer, &context, &mut result);
        }
        results.push(result);
    }
    let summary = Summary::of(&results);
    let coverage = options.coverage.then(|| coverage(&written, &lines));
    Ok(TestReport { tests: results, summary, coverage })
}

/// What tests are run on.
struct Bench<'a> {
    sources: &'a Sources,
    modules: &'a Modules,
    tree: &'a Tree<'a>,
    /// Whether it matters which lines are gone through.
    coverage: bool,
}

impl<'a> Bench<'a> {
    /// One bundle with an entry point for every test, and one that names the cases of each that has some.
    fn plan(&self, tests: &[Found], steps: u64) -> Result<Policy, Diagnostics> {
        let mut planner = Planner::new(self.modules, self.tree, &self.sources.data);
        let mut findings = Vec::new();
        for (at, test) in tests.iter().enumerate() {
            if !matches!(test.shape, Shape::Single | Shape::Cases) {
                continue;
            }
            let path: Vec<&str> = test.path.iter().map(String::as_str).collect();
            findings.extend(planner.entry(&path).err());
            if let (Shape::Cases, Some((module, rule))) = (test.shape, test.rule(self.modules)) {
                // The shortest part that can be planned: the next ones bind what it lacks.
                let name = entry(at, "cases");
                let _ =
                    beginnings(test, module, rule).iter().any(|part| planner.solutions(&name, part).is_ok());
            }
        }
        if !findings.is_empty() {
            return Err(Diagnostics::new(findings));
        }
        self.load(planner, steps)
    }

    /// Through the bundle's bytes, as the proxy gets them.
    fn load(&self, planner: Planner<'a>, steps: u64) -> Result<Policy, Diagnostics> {
        let built = assemble(self.sources, self.modules, planner, "test".to_owned())?;
        let internal = |error: &dyn std::fmt::Display| {
            Diagnostics::from(Diagnostic::file(
                &self.sources.root,
                "internal",
                format!("expected a bundle that loads, got: {error}"),
            ))
        };
        let limits = Limits { steps, depth: DEPTH, ..Limits::default() };
        let first = built.image.entries().first().map(|entry| entry.path.clone());
        let Some(first) = first else { return Ok(Policy::none()) };
        let opened = Trust::nothing_required()
            .bundle(&built.bundle, &limits, &Workload::default())
            .map_err(|error| internal(&error))?;
        Policy::load(opened, &first, limits).map_err(|error| internal(&error))
    }

    /// Asks the interpreter too; the lines that it went through, where they matter.
    fn compare(
        &self,
        interpreter: &mut Interpreter,
        test: &Found,
        context: &Context,
        answer: &Result<Value, EvalError>,
        result: &mut TestResult,
    ) -> Lines {
        let path: Vec<&str> = test.path.iter().map(String::as_str).collect();
        let (other, printed) = interpreter.evaluate(&path, context);
        result.printed = printed;
        match compare(answer, &other) {
            Verdict::Same => {}
            Verdict::NotCompared(why) => result.not_compared = Some(why),
            Verdict::Differ(difference) => match known(self.modules, self.tree, &interpreter.covered()) {
                Some(what) => {
                    result.not_compared = Some(format!(
                        "the interpreter says {}, and is known to differ from OPA in this: {what}",
                        difference.interpreter
                    ));
                }
                None => result.difference = Some(difference),
            },
        }
        let lines = if self.coverage { interpreter.covered() } else { Lines::new() };
        if other.is_err() {
            interpreter.reset();
        }
        lines
    }

    /// Keys of the cases that a test began.
    fn begun(&self, at: usize, policy: &mut Policy, context: &Context) -> Vec<Vec<String>> {
        let value = turned(policy, &entry(at, "cases"))
            .and_then(|policy| policy.evaluate(&Value::Undefined, context).ok());
        value.map(|value| solutions(&value).into_iter().map(|(keys, _)| keys).collect()).unwrap_or_default()
    }

    /// Says which expressions of a failed test did not hold.
    fn explain(
        &self,
        test: &Found,
        answer: &Result<Value, EvalError>,
        context: &Context,
        result: &mut TestResult,
    ) {
        let failed = matches!(result.outcome, Outcome::Fail | Outcome::Differs) && answer.is_ok();
        let Some((module, rule)) = test.rule(self.modules).filter(|_| failed) else { return };
        let stmts = body(rule);
        let mut planner = Planner::new(self.modules, self.tree, &self.sources.data);
        let parts = stages(test, module, rule);
        let planned: Vec<bool> = parts
            .iter()
            .enumerate()
            .map(|(n, part)| planner.solutions(&entry(n, "stage"), part).is_ok())
            .collect();
        let Ok(mut policy) = self.load(planner, EXPLAIN_STEPS) else { return };
        let mut stage = |(n, planned): (usize, bool)| -> Option<Solutions> {
            let policy = turned(&mut policy, &entry(n, "stage")).filter(|_| planned)?;
            Some(solutions(&policy.evaluate(&Value::Undefined, context).ok()?))
        };
        let found: Vec<Option<Solutions>> = planned.into_iter().enumerate().map(&mut stage).collect();
        let wanted: Vec<Vec<String>> = if test.shape == Shape::Cases {
            let failed = result.leaves().into_iter().filter(|(_, case)| case.failed);
            failed.map(|(keys, _)| keys.into_iter().map(str::to_owned).collect()).collect()
        } else {
            vec![Vec::new()]
        };
        let at = |case: &Vec<String>| -> Option<FailedAt> { failed_at(case, stmts, &found) };
        result.failed_at = wanted.iter().filter_map(at).collect();
    }
}

/// A name that no rule has.
fn entry(n: usize, what: &str) -> String {
    format!("\u{0}{what} {n}")
}

fn turned<'p>(policy: &'p mut Policy, entrypoint: &str) -> Option<&'p Policy> {
    policy.turn_to(entrypoint).ok()?;
    Some(policy)
}

fn ask(
    policy: &mut Policy,
    entrypoint: &str,
    context: &Context,
    result: &mut TestResult,
) -> Result<Value, EvalError> {
    let Some(policy) = turned(policy, entrypoint) else { return Err(EvalError::Malformed) };
    let began = Instant::now();
    let (answer, steps) = policy.measure(&Value::Undefined, context);
    result.duration_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    result.steps = steps;
    answer
}

/// The result of a test that has not run.
fn blank(test: &Found, written: &Modules) -> TestResult {
    let error = (test.shape == Shape::Function).then(|| TestError {
        code: "test_function".to_owned(),
        message: "expected a rule without arguments, got a function: nothing calls it".to_owned(),
    });
    let source = test.rule(written).map(|(_, rule)| rule.span().text().trim_end().to_owned());
    TestResult {
        package: test.package.clone(),
        name: test.name.clone(),
        file: test.file.clone(),
        line: test.line,
        outcome: if error.is_some() { Outcome::Error } else { Outcome::Skipped },
        duration_ns: 0,
        steps: 0,
        cases: Vec::new(),
        printed: Vec::new(),
        error,
        value: None,
        failed_at: Vec::new(),
        difference: None,
        not_compared: None,
        source: source.unwrap_or_default(),
    }
}

/// What the plan's answer means.
fn judge(test: &Found, answer: &Result<Value, EvalError>, result: &mut TestResult) {
    result.outcome = match answer {
        _ if result.difference.is_some() => Outcome::Differs,
        Ok(Value::Bool(true)) => Outcome::Pass,
        Ok(Value::Object(_)) if test.shape == Shape::Cases => Outcome::Pass,
        Ok(value) => {
            result.value = (*value != Value::Undefined).then(|| shown(value));
            Outcome::Fail
        }
        Err(error) => {
            result.error = Some(TestError { code: error.code().to_owned(), message: error.to_string() });
            Outcome::Error
        }
    };
}

/// The cases of a test: those that its value names, and those that were begun and are not in it.
fn cases(answer: &Result<Value, EvalError>, begun: &[Vec<String>], result: &mut TestResult) {
    let Ok(value) = answer else { return };
    let (mut cases, mut failed) = Cases::of(value);
    for case in begun {
        failed |= cases.begun(case);
    }
    result.cases = cases.into_list();
    if failed && result.outcome == Outcome::Pass {
        result.outcome = Outcome::Fail;
    }
}
