//! The cases as files have them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// One case. The fields are those of OPA's `v1/test/cases/cases.go`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Version, folder, and the note; made unique. Not in the file.
    #[serde(skip)]
    pub id: String,
    /// The folder it is in. Not in the file.
    #[serde(skip)]
    pub folder: String,
    /// Version of the language: 0 or 1. Not in the file.
    #[serde(skip)]
    pub version: u32,
    /// What it is about.
    pub note: String,
    /// What is asked: the body of a rule.
    pub query: String,
    /// The policy.
    #[serde(default)]
    pub modules: Option<Vec<String>>,
    /// The data document.
    #[serde(default)]
    pub data: Option<Value>,
    /// The input.
    #[serde(default)]
    pub input: Option<Value>,
    /// The input as a term of the language, before `input`.
    #[serde(default)]
    pub input_term: Option<String>,
    /// Whether the query is defined.
    #[serde(default)]
    pub want_defined: Option<bool>,
    /// The bindings of the query's variables, one object for each solution.
    #[serde(default)]
    pub want_result: Option<Vec<BTreeMap<String, Value>>>,
    /// The code of the error that it ends in.
    #[serde(default)]
    pub want_error_code: Option<String>,
    /// Part of the error's message.
    #[serde(default)]
    pub want_error: Option<String>,
    /// Whether a binding that is an array has its elements in any order.
    #[serde(default)]
    pub sort_bindings: bool,
    /// Whether variables that the compiler made are not looked at; only those in `want_result` are, here.
    #[serde(default)]
    pub ignore_generated_vars: bool,
    /// Whether what is wanted depends on strict errors of builtins.
    #[serde(default)]
    pub strict_error: bool,
    /// Whether it uses words of a language to come.
    #[serde(default)]
    pub experimental_keywords: bool,
    /// Environment variables that it reads.
    #[serde(default)]
    pub env: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Vec<Case>,
}

impl Case {
    /// Whether it wants an error, in the mode that it is written for.
    pub fn wants_error(&self) -> bool {
        self.want_error.is_some() || self.want_error_code.is_some()
    }

    /// The solutions that it wants, an object each.
    pub fn solutions(&self) -> Option<Vec<Value>> {
        let object =
            |solution: &BTreeMap<String, Value>| Value::Object(solution.clone().into_iter().collect());
        self.want_result
            .as_ref()
            .filter(|_| !self.wants_error())
            .map(|list| list.iter().map(object).collect())
    }
}

/// Reads `v0` and `v1` below `dir`, sorted by id.
///
/// # Errors
/// A file cannot be read, or has a field that this does not know.
pub fn load(dir: &Path) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for (version, name) in [(0, "v0"), (1, "v1")] {
        let below = dir.join(name);
        let before = cases.len();
        read_below(&below, &below, version, &mut cases)?;
        if cases.len() == before {
            return Err(format!("expected conformance cases in {}, found none", below.display()));
        }
    }
    name(&mut cases);
    Ok(cases)
}

fn read_below(root: &Path, dir: &Path, version: u32, cases: &mut Vec<Case>) -> Result<(), String> {
    let unreadable =
        |path: &Path, error: std::io::Error| format!("could not read {}: {error}", path.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        entries.push(entry.map_err(|e| unreadable(dir, e))?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read_below(root, &path, version, cases)?;
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
        let file: File = serde_yaml_ng::from_str(&text)
            .map_err(|e| format!("expected conformance cases in {}: {e}", path.display()))?;
        let inside = path.parent().and_then(|dir| dir.strip_prefix(root).ok()).unwrap_or(root);
        let folder = inside.display().to_string();
        cases.extend(file.cases.into_iter().map(|case| Case { folder: folder.clone(), version, ..case }));
    }
    Ok(())
}

/// Notes are unique but for a few: those get a number, in the order of the files.
fn name(cases: &mut [Case]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let note = case.note.strip_prefix(&format!("{}/", case.folder)).unwrap_or(&case.note);
        let id = format!("v{}/{}/{note}", case.version, case.folder);
        let times = seen.entry(id.clone()).or_default();
        *times += 1;
        case.id = if *times == 1 { id } else { format!("{id} #{times}") };
    }
}
