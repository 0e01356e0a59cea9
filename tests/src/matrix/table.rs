//! The table of README, of what the logs say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::logs::Row;
use crate::{features, places};

/// Where the table is.
const PAGE: &str = "README.md";
const BEGIN: &str = "<!-- matrix:begin -->\n";
const END: &str = "<!-- matrix:end -->";

/// The table of README.
pub fn table(rows: &BTreeMap<String, Row>) -> String {
    let mut text = "| Envoy | cases | all tests | what it lacks |\n|---|---|---|---|\n".to_owned();
    for version in places::envoys_supported() {
        let Some(Row { cases, passed, failures }) = rows.get(&version) else { continue };
        let missing: Vec<String> = features::MISSED
            .iter()
            .zip(1..)
            .filter(|(feature, _)| !feature.is_in(&version))
            .map(|(_, number)| format!("({number})"))
            .collect();
        let tests = match failures.len() {
            0 => format!("{passed} passed"),
            _ => format!(
                "{passed} passed, failures in {}",
                failures.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        let missing = if missing.is_empty() { "nothing".to_owned() } else { missing.join(" ") };
        let _ = writeln!(text, "| {version} | {} of {} | {tests} | {missing} |", cases.right, cases.asked);
    }
    text.push('\n');
    let names = features::MISSED.iter().zip(1..);
    let names: Vec<String> = names
        .map(|(feature, number)| format!("({number}) {}, from {} on", feature.name, feature.since))
        .collect();
    let again = places::envoys_again();
    let _ = writeln!(text, "{}.", names.join(";\n"));
    for version in places::envoys_without_wasm() {
        let _ = writeln!(text, "PyPI's {version} is built without V8: no wasm filter runs in it.");
    }
    for version in again {
        let _ =
            writeln!(text, "{version} is {} packed anew.", version.split(".post").next().unwrap_or_default());
    }
    text
}

/// Writes the table into the page, or says that it is another.
///
/// # Errors
/// The page has no place for it, cannot be written, or says something else.
pub fn keep(table: &str, is_update: bool) -> Result<(), String> {
    let path = places::root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|e| format!("{PAGE}: {e}"))?;
    let (before, rest) =
        page.split_once(BEGIN).ok_or_else(|| format!("expected `{}` in {PAGE}", BEGIN.trim()))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("expected `{END}` in {PAGE}"))?;
    let wanted = format!("{before}{BEGIN}{table}{END}{after}");
    if is_update {
        return fs::write(&path, wanted).map_err(|e| format!("{PAGE}: {e}"));
    }
    if page == wanted { Ok(()) } else { Err(format!("{PAGE} has another table; run: make matrix UPDATE=1")) }
}
