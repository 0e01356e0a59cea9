//! Cases that make no sense in a proxy: a frozen list, each with its reason.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::case::Case;

/// The list.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Exclusions(Vec<Exclusion>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exclusion {
    /// A folder, in both versions; or
    folder: Option<String>,
    /// ids of cases.
    #[serde(default)]
    cases: Vec<String>,
    reason: String,
}

impl Exclusions {
    /// Reads the list.
    ///
    /// # Errors
    /// It cannot be read or is not well-formed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("could not read {}: {e}", path.display()))?;
        serde_yaml_ng::from_str(&text).map_err(|e| format!("expected exclusions in {}: {e}", path.display()))
    }

    /// Why the case is left out, if it is.
    pub fn reason(&self, case: &Case) -> Option<&str> {
        let Self(list) = self;
        list.iter()
            .find(|entry| entry.folder.as_ref() == Some(&case.folder) || entry.cases.contains(&case.id))
            .map(|entry| entry.reason.as_str())
    }

    /// What the list names and no case has: it would hide a spelling mistake.
    pub fn unknown(&self, cases: &[Case]) -> Vec<String> {
        let Self(list) = self;
        let folders: BTreeSet<&str> = cases.iter().map(|case| case.folder.as_str()).collect();
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        list.iter()
            .flat_map(|Exclusion { folder, cases, reason: _ }| {
                let folder = folder.iter().filter(|folder| !folders.contains(folder.as_str()));
                folder.chain(cases.iter().filter(|id| !ids.contains(id.as_str()))).cloned()
            })
            .collect()
    }
}
