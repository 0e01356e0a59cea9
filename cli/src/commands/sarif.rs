//! Findings as SARIF 2.1.0, which code review shows beside the lines.

use serde_json::{Value, json};
use sidegate_compiler::Diagnostic;

/// The document; `findings` are errors.
pub(crate) fn sarif<'a>(findings: impl Iterator<Item = &'a Diagnostic>, warnings: &'a [Diagnostic]) -> Value {
    let errors = findings.map(|finding| result(finding, "error"));
    let results: Vec<Value> =
        errors.chain(warnings.iter().map(|warning| result(warning, "warning"))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "sidegate", "version": env!("CARGO_PKG_VERSION")}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Diagnostic, level: &str) -> Value {
    let Diagnostic { file, line, column, code, message, help, source: _ } = finding;
    let text = match help {
        Some(help) => format!("{message}; {help}"),
        None => message.clone(),
    };
    let mut place = json!({"artifactLocation": {"uri": file.replace('\\', "/")}});
    if let (true, Some(place)) = (*line > 0, place.as_object_mut()) {
        place.insert("region".to_owned(), json!({"startLine": line, "startColumn": column}));
    }
    json!({
        "ruleId": code,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    })
}
