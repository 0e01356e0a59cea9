//! Builds and evaluates each case, and judges the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use sidegate_compiler::{BuildOptions, Diagnostics, build, reference};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::{Context, EvalError};
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use super::case::Case;
use super::compare::same_solutions;
use super::question::{ENTRYPOINT, Question};
use super::recorded::{Answer, Recorded};
use super::wasm::{Agreement, Wasm};
use crate::wasm_host::Filter;

/// What became of one case on one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As OPA.
    Right,
    /// The build says why not.
    Refused {
        /// The diagnostic's code.
        code: String,
        /// Its message.
        message: String,
    },
    /// The evaluation ended with `eval_inexact`: a refusal that only the input decides.
    Inexact(String),
    /// Another error where a value is wanted: a wrong deny.
    Error(String),
    /// Another answer than OPA's, an answer where OPA has an error, or a panic.
    Wrong(String),
}

/// A case with what became of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The plan, evaluated natively.
    pub plan: Outcome,
    /// The same in the built filter; what was refused is not asked.
    pub wasm: Agreement,
    /// regorus's interpreter; it is shown and does not count.
    pub interpreter: Outcome,
}

/// What is wanted.
enum Want {
    Solutions { list: Vec<Json>, sort: bool },
    Error { code: Option<String> },
}

/// The codes of diagnostics that say "OPA refuses this too", by OPA's code.
const SAME_REFUSAL: &[(&str, &[&str])] = &[
    ("rego_recursion_error", &["rego_recursion"]),
    ("rego_type_error", &["rego_type", "rego_arguments", "rego_function"]),
    ("rego_compile_error", &["rego_compile", "rego_redeclared", "data_conflict"]),
    ("rego_unsafe_var_error", &["rego_unsafe_var"]),
    ("rego_parse_error", &["rego_parse"]),
    ("eval_conflict_error", &["rego_conflict", "data_conflict"]),
];

impl Judged {
    /// What counts: where the filter has another answer than the same plan natively, that is wrong.
    pub fn counted(&self) -> Outcome {
        match &self.wasm {
            Agreement::Differs(why) => Outcome::Wrong(why.clone()),
            Agreement::Agrees | Agreement::NotAsked(_) => self.plan.clone(),
        }
    }
}

/// Runs all cases on `threads` threads, in the filter too if there is one; the results are in the order of
/// the cases.
pub fn run_all(cases: &[&Case], recorded: &Recorded, filter: Option<&Filter>, threads: usize) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Judged>>> = Mutex::new(vec![None; cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                let mut wasm = filter.map(Wasm::new);
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { return };
                    let judged = run(case, recorded, wasm.as_mut());
                    results.lock().expect("no thread panics while it writes")[at] = Some(judged);
                }
            };
            // The interpreter recurses.
            std::thread::Builder::new().stack_size(1 << 28).spawn_scoped(scope, work).expect("a thread");
        }
    });
    let results = results.into_inner().expect("no thread panics while it writes");
    results.into_iter().map(|judged| judged.expect("every case was run")).collect()
}

fn run(case: &Case, recorded: &Recorded, wasm: Option<&mut Wasm<'_>>) -> Judged {
    let not_asked = |why: &str| Agreement::NotAsked(why.to_owned());
    let (question, want) = match (Question::new(case), want(case, recorded)) {
        (Ok(question), Ok(want)) => (question, want),
        (Err(why), _) | (_, Err(why)) => {
            let wasm = not_asked(&why);
            return Judged { plan: Outcome::Wrong(why.clone()), wasm, interpreter: Outcome::Error(why) };
        }
    };
    let (plan, evaluated) = guarded(|| plan(&question, &want))
        .unwrap_or_else(|panic| (Outcome::Wrong(format!("a panic: {panic}")), None));
    let wasm = match (wasm, &evaluated) {
        (None, _) => not_asked("without the filter"),
        (_, None) => not_asked("not evaluated natively"),
        (Some(wasm), Some(Evaluated { reads_input, answer })) => {
            wasm.ask(&question, *reads_input, answer.as_ref())
        }
    };
    let interpreter = guarded(|| match reference::evaluate(&question.sources, ENTRYPOINT, &question.input) {
        Ok(value) => judge(&value, &want),
        Err(_) if matches!(want, Want::Error { .. }) => Outcome::Right,
        Err(error) => Outcome::Error(error),
    });
    Judged { plan, wasm, interpreter: interpreter.unwrap_or_else(Outcome::Error) }
}

/// The message of a panic is an outcome too.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
    })
}

fn want(case: &Case, recorded: &Recorded) -> Result<Want, String> {
    let sort = case.sort_bindings;
    match (recorded.answers.get(&case.id), case.solutions()) {
        (Some(Answer::Value(Json::Array(list))), _) => Ok(Want::Solutions { list: list.clone(), sort }),
        (Some(Answer::Value(other)), _) => Err(format!("expected recorded solutions, got {other}")),
        (Some(Answer::Error { code, .. }), _) => Ok(Want::Error { code: Some(code.clone()) }),
        (None, _) if case.strict_error => {
            Err("OPA's answer in non-strict mode is not recorded; run: make conformance-record".into())
        }
        (None, _) if case.wants_error() => Ok(Want::Error { code: case.want_error_code.clone() }),
        (None, Some(list)) => Ok(Want::Solutions { list, sort }),
        (None, None) => Err("the case does not say what it wants".into()),
    }
}

/// What an evaluation came to.
struct Evaluated {
    reads_input: bool,
    /// Nothing where it ended in an error.
    answer: Option<Value>,
}

fn plan(question: &Question, want: &Want) -> (Outcome, Option<Evaluated>) {
    let options = BuildOptions { entrypoints: vec![ENTRYPOINT.into()], ..BuildOptions::default() };
    let built = match build(&question.sources, &options) {
        Ok(built) => built,
        Err(found) => return (refusal(&found, want), None),
    };
    let limits = Limits::default();
    let policy = Trust::nothing_required()
        .bundle(&built.bundle, &limits, &Workload::default())
        .and_then(|opened| Policy::load(opened, ENTRYPOINT, limits));
    let policy = match policy {
        Ok(policy) => policy,
        Err(error) => return (Outcome::Error(format!("the bundle cannot be loaded: {error}")), None),
    };
    let result = policy.evaluate(&question.input, &context());
    let outcome = match (&result, want) {
        (Ok(value), want) => judge(value, want),
        (Err(EvalError::Inexact(what)), _) => Outcome::Inexact(what.to_string()),
        (Err(EvalError::Conflict(what)), Want::Error { code }) => match code.as_deref() {
            Some("eval_conflict_error") => Outcome::Right,
            other => Outcome::Error(format!("expected {other:?}, got a conflict in {what}")),
        },
        // A conflict that OPA does not see is another answer.
        (Err(error @ EvalError::Conflict(_)), Want::Solutions { .. }) => Outcome::Wrong(error.to_string()),
        (Err(error), _) => Outcome::Error(format!("{}: {error}", error.code())),
    };
    (outcome, Some(Evaluated { reads_input: !policy.reads().is_empty(), answer: result.ok() }))
}

/// A clock that stands still, so that a report is the same whenever it is made.
fn context() -> Context {
    Context { now_ns: Some(1_767_323_045_678_901_000), seed: Some([7; 32]) }
}

fn refusal(found: &Diagnostics, want: &Want) -> Outcome {
    if let Want::Error { code: Some(code) } = want {
        let same = SAME_REFUSAL.iter().find(|(theirs, _)| theirs == code).map_or(&[][..], |(_, ours)| ours);
        if found.iter().any(|finding| same.contains(&finding.code)) {
            return Outcome::Right;
        }
    }
    match found.iter().next() {
        Some(first) => Outcome::Refused { code: first.code.to_owned(), message: first.message.clone() },
        None => Outcome::Wrong("refused without a diagnostic".into()),
    }
}

fn judge(got: &Value, want: &Want) -> Outcome {
    let solutions: Option<Vec<&Value>> = match got {
        Value::Set(solutions) => Some(solutions.iter().collect()),
        Value::Undefined => Some(Vec::new()),
        _ => None,
    };
    match want {
        Want::Error { code } => {
            let code = code.as_deref().unwrap_or("an error");
            Outcome::Wrong(format!("expected {code}, got {got}"))
        }
        Want::Solutions { list, sort } if solutions.is_some_and(|got| same_solutions(&got, list, *sort)) => {
            Outcome::Right
        }
        Want::Solutions { list, .. } => {
            Outcome::Wrong(format!("expected {}, got {got}", Json::from(list.clone())))
        }
    }
}
