//! `sidegate graph`: what is written where.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// Exit code, output, errors.
fn sidegate(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn policies() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

#[test]
fn the_ending_says_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let policies = policies();
    let policies = policies.to_str().unwrap();
    for (name, begins) in [
        ("x.svg", "<svg xmlns="),
        ("x.html", "<!doctype html>"),
        ("x.dot", "digraph \"who may call whom\""),
        ("x.json", "{\n  \"nodes\": ["),
        ("x.txt", "backoffice/refunds  (services/backoffice/refunds.yaml)\n"),
    ] {
        let (code, out, err) = sidegate(dir.path(), &["graph", policies, "-o", name]);
        let wanted = format!("{name}: written, 12 services, 6 namespaces, 22 edges\n");
        assert_eq!((code, out), (0, wanted), "{err}");
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.starts_with(begins), "{name}: {text}");
    }
    let (code, out, _) = sidegate(dir.path(), &["graph", policies, "-o", "-", "--format", "svg"]);
    assert_eq!((code, out), (0, std::fs::read_to_string(dir.path().join("x.svg")).unwrap()));
    let (code, out, _) =
        sidegate(dir.path(), &["graph", policies, "--format", "svg", "--collapse", "namespaces"]);
    assert!(code == 0 && !out.contains("checkout-api</text>") && out.contains("2 services"), "{out}");
    let (code, _, err) = sidegate(dir.path(), &["graph", policies, "-o", "x.png"]);
    assert!(code == 2 && err.contains("got `x.png`"), "{err}");
}

#[test]
fn the_list_for_the_terminal_is_as_it_was() {
    let (code, out, err) =
        sidegate(&policies(), &["graph", ".", "--service", "pay/payments", "--service", "edge/gateway"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/graph.txt");
    if std::env::var_os("SIDEGATE_UPDATE").is_some() {
        std::fs::write(path, &out).unwrap();
    }
    assert_eq!(out, std::fs::read_to_string(path).unwrap_or_default(), "SIDEGATE_UPDATE=1 writes it anew");
}

#[test]
fn programs_get_ids() {
    let (code, out, _) = sidegate(&policies(), &["graph", ".", "--namespace", "pay", "--format", "json"]);
    assert_eq!(code, 0);
    let graph: serde_json::Value = serde_json::from_str(&out).unwrap();
    let edges = graph.get("edges").unwrap().as_array().unwrap();
    let callers: Vec<&str> = edges
        .iter()
        .filter(|edge| edge.get("to").unwrap() == "service:pay/payments")
        .map(|edge| edge.get("from").unwrap().as_str().unwrap())
        .collect();
    let wanted = [
        "namespace:backoffice",
        "account:hooks/notify@bank.example",
        "service:backoffice/refunds",
        "service:checkout/checkout-api",
    ];
    assert_eq!(callers, wanted);
}

#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = sidegate(&policies(), &["graph", ".", "--service", "pay/payment"]);
    assert_eq!(code, 2);
    assert_eq!(
        err,
        "sidegate: expected a service that a file declares, got `pay/payment`; did you mean `pay/payments`?\n"
    );
    std::fs::write(dir.path().join("x.rego"), "package x\n\na := 1\n").unwrap();
    let (code, _, err) = sidegate(dir.path(), &["graph", "."]);
    assert!(code == 2 && err.contains("expected declarations"), "{err}");
    std::fs::create_dir_all(dir.path().join("services/a")).unwrap();
    std::fs::write(dir.path().join("services/a/b.yaml"), "a: b\n").unwrap();
    assert_eq!(sidegate(dir.path(), &["graph", "."]).0, 1);
}
