//! Good and bad declarations: what the parser finds, and that the published JSON Schema finds the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

use std::path::PathBuf;

use boon::{Compiler, SchemaIndex, Schemas};
use serde::Deserialize;
use sidegate_compiler::declare::Mesh;

/// What every file begins with where a case has only a `spec`.
const HEAD: &str = "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {name: payments, namespace: shop}\nspec:\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    spec: Option<String>,
    file: Option<String>,
    findings: Vec<String>,
    #[serde(default)]
    schema: Schema,
}

/// What the JSON Schema says.
#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Schema {
    /// What the parser says.
    #[default]
    Same,
    /// Good, though the parser knows better.
    Good,
    /// Nothing: no other YAML reader takes the file.
    Unread,
}

impl Case {
    fn text(&self) -> String {
        match (&self.spec, &self.file) {
            (Some(spec), None) => {
                format!("{HEAD}{}", spec.lines().map(|line| format!(" {line}\n")).collect::<String>())
            }
            (None, Some(file)) => file.clone(),
            _ => panic!("`{}` has either `spec` or `file`", self.name),
        }
    }
}

fn cases() -> Vec<Case> {
    serde_yaml_ng::from_str(include_str!("declare/corpus.yaml")).unwrap()
}

fn schema() -> (Schemas, SchemaIndex) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies/schema/servicepolicy.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("servicepolicy.json", schema).unwrap();
    let index = compiler.compile("servicepolicy.json", &mut schemas).unwrap();
    (schemas, index)
}

#[test]
fn every_slip_is_found_where_it_is() {
    let mut failures = Vec::new();
    for case in cases() {
        let text = case.text();
        let result = Mesh::read_one("shop/payments.yaml", &text, "shop", "payments");
        let findings = result.err().unwrap_or_default();
        // A spec is one space further in than it is written.
        let inset = u32::from(case.spec.is_some());
        let place = |line: u32, column: u32| if line > 4 { column - inset } else { column };
        let mut found: Vec<String> = findings
            .iter()
            .map(|finding| {
                format!("{}:{} {}", finding.line, place(finding.line, finding.column), finding.code)
            })
            .collect();
        let mut wanted = case.findings.clone();
        found.sort();
        wanted.sort();
        if found != wanted {
            failures.push(format!("{}:\n{text}\nwanted {wanted:#?}\ngot {found:#?}", case.name));
        }
        for finding in findings.iter().filter(|finding| finding.line > 0) {
            let line = text.lines().nth(finding.line as usize - 1).unwrap_or_default();
            assert_eq!(finding.source, line, "{}", case.name);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_schema_says_the_same() {
    let (schemas, index) = schema();
    let mut failures = Vec::new();
    for case in cases() {
        let read = serde_yaml_ng::from_str::<serde_json::Value>(&case.text());
        if case.schema == Schema::Unread || case.file.as_deref() == Some("a: [") {
            assert!(read.is_err(), "`{}` is read", case.name);
            continue;
        }
        let json = read.unwrap();
        let result = schemas.validate(&json, index);
        let is_good = case.findings.is_empty() || case.schema == Schema::Good;
        if result.is_ok() != is_good {
            let error = result.err().map(|error| format!("{error:#}")).unwrap_or_default();
            failures.push(format!("{}: expected {is_good}\n{error}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Cases with several findings: each alone is one for the schema, too.
#[test]
fn the_schema_finds_each_slip_alone() {
    let (schemas, index) = schema();
    let mut failures = Vec::new();
    for case in cases().into_iter().filter(|case| case.findings.len() > 3) {
        let text = case.text();
        let lines: Vec<&str> = text.lines().collect();
        // The items of the one list in the case that has every slip.
        let bad: Vec<usize> = (0..lines.len())
            .filter(|at| lines.get(*at).is_some_and(|line| line.starts_with("   - ")))
            .collect();
        for kept in &bad {
            let kept_lines = lines.iter().enumerate().filter(|(at, _)| at == kept || !bad.contains(at));
            let alone: String = kept_lines.map(|(_, line)| format!("{line}\n")).collect();
            let json: serde_json::Value = serde_yaml_ng::from_str(&alone).unwrap();
            let parser = Mesh::read_one("a.yaml", &alone, "shop", "payments").is_ok();
            // Bits of a host in a network are beyond a schema.
            let is_beyond = alone.contains("10.0.0.1/8") || alone.contains("10.0.0.0/33");
            if schemas.validate(&json, index).is_ok() != parser && !is_beyond {
                failures.push(alone);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
