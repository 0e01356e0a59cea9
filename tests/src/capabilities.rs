//! What a filter has to be allowed in Envoy's `capability_restriction_config`: what it imports, and the callbacks that
//! it exports. A callback that is left out is never called, and nobody is told: without `proxy_on_request_headers` every
//! request passes. So no list is written without being compared with the filter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

/// The key in the configuration of a plugin.
pub const RESTRICTION: &str = "capability_restriction_config";

/// Imports and callbacks of the module at `wasm`.
///
/// # Errors
/// It cannot be read, or is no module.
pub fn of(wasm: &Path) -> Result<BTreeSet<String>, String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", wasm.display());
    let bytes = std::fs::read(wasm).map_err(|e| at(&e))?;
    let mut found = BTreeSet::new();
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.map_err(|e| at(&e))? {
            Payload::ImportSection(imports) => {
                for import in imports {
                    found.insert(import.map_err(|e| at(&e))?.name.to_owned());
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let name = export.map_err(|e| at(&e))?.name;
                    if name.starts_with("proxy_on_") {
                        found.insert(name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The list as Envoy's configuration has it.
pub fn restriction<'a>(capabilities: impl IntoIterator<Item = &'a String>) -> Value {
    let allowed: serde_json::Map<String, Value> =
        capabilities.into_iter().map(|name| (name.clone(), json!({}))).collect();
    json!({ "allowed_capabilities": allowed })
}

/// What is wrong with the lists of one file of shipped configuration, a line each.
///
/// # Errors
/// The file cannot be read or is no YAML.
pub fn differences(file: &Path, wanted: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| at(&e))?;
    let mut found = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let document: Value = serde::Deserialize::deserialize(document).map_err(|e| at(&e))?;
        compare(&document, wanted, &mut found);
    }
    Ok(found)
}

/// Every file of shipped configuration that has a plugin in it.
///
/// # Errors
/// The folder cannot be read.
pub fn shipped(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml")
                && std::fs::read_to_string(&path).is_ok_and(|text| text.contains("vm_config"))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Looks for plugins, wherever they are, and at the list of each.
fn compare(node: &Value, wanted: &BTreeSet<String>, found: &mut Vec<String>) {
    match node {
        Value::Object(fields) => {
            if fields.contains_key("vm_config") {
                let allowed =
                    fields.get(RESTRICTION).and_then(|list| list["allowed_capabilities"].as_object());
                let Some(allowed) = allowed else {
                    found.push(format!("expected `{RESTRICTION}` beside `vm_config`, found none"));
                    return;
                };
                let allowed: BTreeSet<String> = allowed.keys().cloned().collect();
                let lacking =
                    wanted.difference(&allowed).map(|name| format!("expected `{name}`, found none"));
                found.extend(lacking);
                let more = allowed.difference(wanted);
                found.extend(more.map(|name| format!("expected no `{name}`: the filter has no use for it")));
            }
            fields.values().for_each(|field| compare(field, wanted, found));
        }
        Value::Array(items) => items.iter().for_each(|item| compare(item, wanted, found)),
        _ => {}
    }
}
