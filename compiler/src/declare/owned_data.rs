//! Data beside declarations: what the Rego of a service reads at its own place stands in the service's own folder, so
//! that who owns the folder owns it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::beside::{MESH, SERVICES};
use crate::diagnostics::Diagnostic;

/// What of these data files is another's to say. What cannot be read is found elsewhere.
pub(crate) fn misplaced_data(dir: &Path, files: &[PathBuf]) -> Vec<Diagnostic> {
    files.iter().filter_map(|file| misplaced(dir, file)).collect()
}

fn misplaced(dir: &Path, file: &Path) -> Option<Diagnostic> {
    let inside = file.parent()?.strip_prefix(dir).ok()?;
    let folders: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let found = |message: &str, help: &str| {
        Some(Diagnostic::file(&file.display().to_string(), "declare_data", message).help(help))
    };
    const MOVE: &str = "move them to `services/<namespace>/<service>/`, or call them otherwise";
    match folders.as_slice() {
        [] if keys(file).is_some_and(|keys| keys.contains_key(SERVICES)) => {
            found("expected the data of services in their own folders, got `services`", MOVE)
        }
        [SERVICES] | [SERVICES, _] if keys(file).is_none_or(|keys| !keys.is_empty()) => {
            found("expected the data of services in their own folders, got them above", MOVE)
        }
        [SERVICES, _, _] | [MESH] => {
            let word =
                keys(file).and_then(|keys| ["allow", "deny"].into_iter().find(|key| keys.contains_key(*key)));
            let word = word?;
            let message = format!("expected `{word}` from Rego, got data of this name");
            found(&message, "data decide nothing by themselves: write a rule, or call them otherwise")
        }
        _ => None,
    }
}

/// The keys of a data file, if it is one.
fn keys(file: &Path) -> Option<Map<String, Value>> {
    let text = fs::read_to_string(file).ok()?;
    let value: Value = match file.extension().is_some_and(|ending| ending == "json") {
        true => serde_json::from_str(&text).ok()?,
        false => serde_yaml_ng::from_str(&text).ok()?,
    };
    match value {
        Value::Object(keys) => Some(keys),
        _ => None,
    }
}
