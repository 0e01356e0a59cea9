//! `sidegate test` as a user runs it, on the folders in `fixtures/test`.
//!
//! `NAME.txt` is what `sidegate test NAME -v` prints, with durations as `(…)`; a run with `BLESS=1` writes
//! them anew. `opa.json` is what OPA 1.22.2 made of the same folders (`opa test NAME --format json`, reduced
//! to outcomes).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde::Deserialize;

/// What a run of the program gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/test")
}

fn sidegate(args: &[&str]) -> Run {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(fixtures()).args(args).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The output without what differs from run to run.
fn steady(text: &str) -> String {
    let duration = regex::Regex::new(r"\([0-9.]+(ns|µs|ms|s)\)").unwrap();
    let seconds = regex::Regex::new(r#"time="[0-9.]+""#).unwrap();
    let text = duration.replace_all(text, "(…)");
    seconds.replace_all(&text, r#"time="…""#).into_owned()
}

fn snapshot(name: &str, got: &str) {
    let file = fixtures().join(name);
    let got = steady(got);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &got).unwrap();
    }
    let want = fs::read_to_string(&file).unwrap();
    assert_eq!(got, want, "{name} (`BLESS=1 cargo test -p sidegate --test test` writes it anew)");
}

#[test]
fn what_people_see() {
    let codes = [
        ("passing", 0),
        ("failing", 1),
        ("erroring", 1),
        ("todo", 1),
        ("cases", 1),
        ("mocks", 0),
        ("print", 1),
        ("differs", 1),
        ("known", 0),
        ("none", 1),
        ("names", 1),
    ];
    for (name, code) in codes {
        let run = sidegate(&["test", name, "-v"]);
        assert_eq!((run.code, run.err.as_str()), (code, ""), "{name}\n{}", run.out);
        snapshot(&format!("{name}.txt"), &run.out);
    }
}

#[test]
fn without_verbose_only_what_did_not_pass_is_shown() {
    let run = sidegate(&["test", "passing"]);
    assert_eq!((run.code, run.out.as_str()), (0, "PASS: 9/9\nresult: ok\n"));
    let run = sidegate(&["test", "print"]);
    assert!(!run.out.contains("test_quiet_when_it_passes"), "{}", run.out);
    assert!(
        run.out.contains("print/authz_test.rego:10: got: 4 {\"of\": [1, \"a\"]} <undefined>\n"),
        "{}",
        run.out
    );
    assert!(run.out.ends_with("PASS: 1/2\nFAIL: 1/2\nresult: not ok: 1 failed\n"), "{}", run.out);
    // Not a terminal: no colours.
    assert!(!run.out.contains('\u{1b}'), "{}", run.out);
}

/// `test --format json`, as users rely on it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are the contract")]
struct Report {
    ok: bool,
    tests: Vec<Test>,
    summary: Summary,
    files: Option<BTreeMap<String, File>>,
    covered_lines: Option<usize>,
    not_covered_lines: Option<usize>,
    coverage: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are the contract")]
struct Test {
    package: String,
    name: String,
    file: String,
    line: u32,
    outcome: String,
    duration_ns: u64,
    steps: u64,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    printed: Vec<String>,
    error: Option<Error>,
    value: Option<String>,
    #[serde(default)]
    failed_at: Vec<FailedAt>,
    difference: Option<Difference>,
    not_compared: Option<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    failed: bool,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are the contract")]
struct Error {
    code: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailedAt {
    #[serde(default)]
    case: Vec<String>,
    file: String,
    line: u32,
    column: u32,
    text: String,
    #[serde(default)]
    values: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    plan: String,
    interpreter: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Summary {
    total: usize,
    passed: usize,
    failed: usize,
    errors: usize,
    differs: usize,
    skipped: usize,
    not_compared: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    covered: Vec<Range>,
    #[serde(default)]
    not_covered: Vec<Range>,
    covered_lines: usize,
    not_covered_lines: usize,
    coverage: f64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Position {
    row: u32,
    col: u32,
}

fn report(args: &[&str]) -> Report {
    let run = sidegate(&[&["test", "--format", "json"], args].concat());
    assert!(run.code < 2, "{}", run.err);
    serde_json::from_str(&run.out).unwrap()
}

/// OPA's result of one test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opa {
    outcome: String,
    line: u32,
    #[serde(default)]
    cases: BTreeMap<String, bool>,
}

fn leaves(cases: &[Case], above: &str) -> BTreeMap<String, bool> {
    let one = |case: &Case| {
        let name = format!("{above}{}", case.name);
        if case.cases.is_empty() {
            BTreeMap::from([(name, !case.failed)])
        } else {
            leaves(&case.cases, &format!("{name}/"))
        }
    };
    cases.iter().flat_map(one).collect()
}

#[test]
fn the_results_are_those_of_opa_test() {
    let opa = fs::read_to_string(fixtures().join("opa.json")).unwrap();
    let opa: BTreeMap<String, BTreeMap<String, Opa>> = serde_json::from_str(&opa).unwrap();
    let mut compared = 0;
    for (name, want) in &opa {
        let got = report(&[name]);
        let names: Vec<String> =
            got.tests.iter().map(|test| format!("{}.{}", test.package, test.name)).collect();
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(sorted, want.keys().cloned().collect::<Vec<_>>(), "{name}");
        for (test, full) in got.tests.iter().zip(names) {
            let opa = &want[&full];
            // OPA has no interpreter to differ from: there the plan's answer is the result.
            let outcome = if test.outcome == "differs" { "pass" } else { &test.outcome };
            assert_eq!((outcome, test.line), (opa.outcome.as_str(), opa.line), "{name}: {full}");
            assert_eq!(leaves(&test.cases, ""), opa.cases, "{name}: {full}");
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared} tests");
}

#[test]
fn json_says_why() {
    let failing = report(&["failing"]);
    assert!(!failing.ok);
    let undefined = failing.tests.iter().find(|test| test.name == "test_undefined").unwrap();
    let at = &undefined.failed_at[0];
    assert_eq!((at.file.as_str(), at.line, at.column), ("failing/authz_test.rego", 8, 2));
    assert_eq!(at.text, "authz.allow with input as request");
    assert_eq!(at.values["request"], r#"{"method": "GET", "user": "eve"}"#);
    let cases = report(&["cases"]);
    let double = cases.tests.iter().find(|test| test.name == "test_double").unwrap();
    assert_eq!(double.failed_at[0].case, ["two"]);
    let differs = report(&["differs"]);
    let order = differs.tests.iter().find(|test| test.outcome == "differs").unwrap();
    let Difference { plan, interpreter } = order.difference.as_ref().unwrap();
    assert_eq!((plan.as_str(), interpreter.as_str()), ("true", "undefined"));
    let summary =
        Summary { total: 2, passed: 1, failed: 0, errors: 0, differs: 1, skipped: 0, not_compared: 0 };
    assert_eq!(differs.summary, summary);
    let known = report(&["known"]);
    assert!(known.ok);
    assert!(known.tests[0].not_compared.as_ref().unwrap().contains("`not` of a call"));
}

#[test]
fn a_pattern_chooses_by_full_name() {
    let some = report(&["passing", "-r", "^data\\.authz_test\\.test_t"]);
    let names: Vec<&str> = some.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["test_twice", "test_twice#01", "test_template"]);
    let none = sidegate(&["test", "passing", "-r", "nothing"]);
    assert_eq!((none.code, none.out.as_str()), (1, "result: not ok: no tests found\n"));
    assert_eq!(sidegate(&["test", "passing", "-r", "("]).code, 2);
}

#[test]
fn skipped_tests_are_a_no_unless_told_otherwise() {
    assert_eq!(sidegate(&["test", "todo"]).code, 1);
    let run = sidegate(&["test", "todo", "-z"]);
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn what_cannot_be_compiled_or_read_is_no_answer() {
    let run = sidegate(&["test", "broken"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(
        run.err.contains("broken/authz.rego:3:10:") && run.err.contains("[rego_function]"),
        "{}",
        run.err
    );
    assert_eq!(sidegate(&["test", "nowhere"]).code, 2);
}

#[test]
fn steps_are_the_proxys_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let list = (0..400).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    fs::write(dir.path().join("data.json"), format!("{{\"list\": [{list}]}}")).unwrap();
    let rego =
        "package t\n\ntest_long if count([1 | some x in data.list; some y in data.list; x < y]) == 79800\n";
    fs::write(dir.path().join("t_test.rego"), rego).unwrap();
    let path = dir.path().to_str().unwrap();
    let few = report(&[path]);
    assert_eq!(few.tests[0].error.as_ref().unwrap().code, "eval_steps");
    let many = report(&[path, "--steps", "10000000"]);
    assert_eq!(many.tests[0].outcome, "pass");
}

#[test]
fn coverage_is_by_file_and_has_a_threshold() {
    let got = report(&["passing", "--coverage", "-r", "nobody"]);
    let files = got.files.unwrap();
    let policy = &files["passing/authz.rego"];
    let range = |row, from, to| Range { start: Position { row, col: from }, end: Position { row, col: to } };
    assert_eq!(policy.covered, [range(3, 18, 23), range(6, 2, 23), range(7, 2, 28), range(11, 26, 67)]);
    assert_eq!((policy.not_covered.len(), policy.covered_lines, policy.not_covered_lines), (0, 4, 0));
    assert!((policy.coverage - 100.0).abs() < 1e-9);
    let tests = &files["passing/authz_test.rego"];
    assert_eq!((tests.covered_lines, tests.coverage), (0, 0.0));
    assert_eq!(got.not_covered_lines, Some(tests.not_covered_lines));
    snapshot("coverage.txt", &sidegate(&["test", "failing", "--coverage", "-r", "false|undefined"]).out);
    let enough = sidegate(&["test", "passing", "--threshold", "100"]);
    assert_eq!(enough.code, 0, "{}", enough.out);
    let little = sidegate(&["test", "passing", "--threshold", "90", "-r", "nobody"]);
    assert_eq!(little.code, 1);
    assert!(
        little.out.contains("result: not ok: coverage ") && little.out.contains(" is below 90.00 %\n"),
        "{}",
        little.out
    );
}

#[test]
fn junit_is_written_beside_the_output() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cases", "differs", "erroring", "print", "todo"] {
        let file = dir.path().join("out.xml");
        let run = sidegate(&["test", name, "--junit", file.to_str().unwrap()]);
        assert_eq!(run.code, 1, "{}", run.err);
        assert!(run.out.contains("result: not ok"), "{}", run.out);
        snapshot(&format!("{name}.xml"), &fs::read_to_string(&file).unwrap());
    }
    let run = sidegate(&["test", "passing", "--junit", dir.path().join("no/such/out.xml").to_str().unwrap()]);
    assert_eq!(run.code, 2);
}
