//! The program as a user runs it: output, exit codes, files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde::Deserialize;

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	input.attributes.request.http.method == "GET"
	input.source_principal in data.callers
}
"#;

/// What a run of the program gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn sidegate(dir: &Path, args: &[&str]) -> Run {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with a policy in `p/`.
fn folder(rego: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("p")).unwrap();
    fs::write(dir.path().join("p/authz.rego"), rego).unwrap();
    fs::write(dir.path().join("p/data.json"), r#"{"callers": ["spiffe://cluster.local/ns/a/sa/b"]}"#)
        .unwrap();
    dir
}

#[test]
fn check_says_what_it_checked() {
    let dir = folder(POLICY);
    let run = sidegate(dir.path(), &["check", "p"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "ok: 1 rules in 1 files\n", ""));
}

#[test]
fn a_finding_shows_file_line_source_and_advice() {
    let dir =
        folder("package envoy.authz\n\nallow if {\n\tmethod == \"GET\"\n}\n\nslow if http.send({}).ok\n");
    let run = sidegate(dir.path(), &["check", "p"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.err,
        "sidegate: 2 findings
p/authz.rego:4:2: variable `method` is not bound here [rego_unsafe_var]
 4 |     method == \"GET\"
   |     ^
   help: bind it first (`method := …`, `some method in …`), or check the spelling of the rule or import
p/authz.rego:7:9: expected a builtin that policies may call here, got `http.send` [rego_function]
 7 | slow if http.send({}).ok
   |         ^
   help: a decision makes no calls: put what it needs into data, or into the token
"
    );
}

#[test]
fn a_syntax_error_shows_its_place() {
    let dir = folder("package envoy.authz\n\nallow if input.x ==\n");
    let run = sidegate(dir.path(), &["check", "p"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("p/authz.rego:"), "{}", run.err);
    assert!(run.err.contains("[rego_parse]"), "{}", run.err);
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let dir = folder(POLICY);
    for args in [&["check", "none"][..], &["inspect", "none"], &["build", "none", "-o", "b"], &["check"]] {
        let run = sidegate(dir.path(), args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.err);
        assert!(!run.err.is_empty());
    }
}

#[test]
fn build_gives_the_same_bytes_wherever_the_folder_is() {
    let (here, there) = (folder(POLICY), folder(POLICY));
    for dir in [&here, &there] {
        let run = sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz"]);
        assert_eq!(run.code, 0, "{}", run.err);
    }
    let read = |dir: &tempfile::TempDir| fs::read(dir.path().join("b.tar.gz")).unwrap();
    assert_eq!(read(&here), read(&there));
}

#[test]
fn build_reports_what_the_policy_reads() {
    let dir = folder(POLICY);
    let run = sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz", "--revision", "r1", "--report"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.starts_with("b.tar.gz: "), "{}", run.out);
    assert!(run.out.contains("revision r1\n"), "{}", run.out);
    let reads = "entry point envoy/authz/allow: 1 functions, 8 statements
  form: plan, for it is Rego of its own
  pure: the same input has the same answer
  reads
    input.attributes.request.http.method
    input.source_principal
";
    assert!(run.out.ends_with(reads), "{}", run.out);
}

#[test]
fn annotations_name_entry_points() {
    let rego =
        "# METADATA\n# entrypoint: true\npackage a.b\n\n# METADATA\n# entrypoint: true\nc if input.x\n";
    let dir = folder(rego);
    let run = sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz", "--report", "-e", "a/b/c"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let entries: Vec<_> = run.out.lines().filter(|line| line.starts_with("entry point")).collect();
    assert_eq!(entries.len(), 2, "{}", run.out);
    assert!(entries[0].starts_with("entry point a/b/c:") && entries[1].starts_with("entry point a/b:"));
}

#[test]
fn an_entry_point_that_is_not_there_is_a_finding() {
    let dir = folder(POLICY);
    let run = sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz", "--entrypoint", "envoy/authz/deny"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("expected a rule or package at `data.envoy.authz.deny`, got none"),
        "{}",
        run.err
    );
    assert!(!dir.path().join("b.tar.gz").exists());
}

/// `inspect --format json`, as users rely on it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are the contract")]
struct Inspected {
    revision: String,
    format: u16,
    functions: usize,
    blocks: usize,
    constants: usize,
    depth: u32,
    entrypoints: Vec<InspectedEntry>,
    files: Vec<InspectedFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are the contract")]
struct InspectedEntry {
    entrypoint: String,
    functions: usize,
    statements: usize,
    reads: Vec<String>,
    impure: Vec<String>,
    form: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are the contract")]
struct InspectedFile {
    name: String,
    bytes: u64,
}

#[test]
fn inspect_shows_an_opa_bundle_with_a_plan() {
    let dir = folder(POLICY);
    sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz", "--revision", "r1"]);
    let run = sidegate(dir.path(), &["inspect", "b.tar.gz", "--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let shown: Inspected = serde_json::from_str(&run.out).unwrap();
    assert_eq!(shown.revision, "r1");
    assert_eq!(shown.entrypoints[0].entrypoint, "envoy/authz/allow");
    assert_eq!(shown.entrypoints[0].form, "plan");
    assert_eq!(shown.entrypoints[0].reads, ["attributes.request.http.method", "source_principal"]);
    let names: Vec<_> = shown.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, [".manifest", "authz.rego", "data.json", "sidegate.bin"]);
}

#[test]
fn inspect_refuses_what_is_no_bundle() {
    let dir = folder(POLICY);
    let run = sidegate(dir.path(), &["inspect", "p/authz.rego"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("[bundle_archive]"), "{}", run.err);
}

#[test]
fn eval_answers_as_the_proxy_and_exits_by_the_decision() {
    let dir = folder(POLICY);
    sidegate(dir.path(), &["build", "p", "-o", "b.tar.gz"]);
    let input = |principal: &str| {
        format!(
            r#"{{"attributes":{{"request":{{"http":{{"method":"GET"}}}}}},"source_principal":"{principal}"}}"#
        )
    };
    let allowed =
        sidegate(dir.path(), &["eval", "-b", "b.tar.gz", "-i", &input("spiffe://cluster.local/ns/a/sa/b")]);
    assert_eq!((allowed.code, allowed.out.as_str()), (0, "true\n"));
    let denied = sidegate(dir.path(), &["eval", "-b", "b.tar.gz", "-i", &input("spiffe://evil/ns/a/sa/b")]);
    assert_eq!((denied.code, denied.out.as_str()), (1, "false\n"));
    fs::write(dir.path().join("in.json"), "{}").unwrap();
    let file = sidegate(dir.path(), &["eval", "-b", "b.tar.gz", "-i", "in.json", "--format", "json"]);
    assert_eq!(file.code, 1);
    assert!(file.out.contains(r#""result": false"#), "{}", file.out);
    let nonsense = sidegate(dir.path(), &["eval", "-b", "b.tar.gz", "-i", "{"]);
    assert_eq!(nonsense.code, 2);
    let path = sidegate(dir.path(), &["eval", "-b", "b.tar.gz", "-i", "{}", "--path", "a/b"]);
    assert_eq!(path.code, 2);
    assert!(
        path.err.contains("expected an entry point `a/b`, got a bundle that has `envoy/authz/allow`"),
        "{}",
        path.err
    );
}

#[test]
fn every_builtin_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let run = sidegate(dir.path(), &["check", "--builtins"]);
    assert_eq!(run.code, 0);
    assert!(run.out.lines().any(|line| line == "startswith"));
}
