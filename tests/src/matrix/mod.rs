//! All tests that run on several Envoys, run on every version that is supported, and the table of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

mod logs;
mod table;

pub use self::logs::Logs;
pub use self::table::{keep, table};
use crate::certs::{Authority, spiffe};
use crate::envoy::validate;
use crate::envoy_config::{Listener, bootstrap, wasm_filter};
use crate::places;

/// What a run of the cases says of one Envoy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// The version.
    pub version: String,
    /// Requests that were asked.
    pub asked: usize,
    /// Those of files without a wrong answer.
    pub right: usize,
    /// Those that newer Envoys answer otherwise.
    pub older: usize,
}

/// A program of tests.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    tests: Vec<String>,
    path: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
}

/// A line of cargo's, about something it has built.
#[derive(Deserialize)]
struct Built {
    target: Option<Target>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Tally {
    /// As the runner of the cases prints it.
    pub fn to_line(&self) -> String {
        let Self { version, asked, right, older } = self;
        format!("cases: envoy {version}: {right} of {asked} as wanted, {older} other than newer Envoys")
    }

    /// What [`Tally::to_line`] made.
    pub fn from_line(line: &str) -> Option<Self> {
        let (version, rest) = line.strip_prefix("cases: envoy ")?.split_once(": ")?;
        let numbers: Vec<usize> = rest.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [right, asked, older] = numbers[..] else { return None };
        Some(Self { version: version.to_owned(), asked, right, older })
    }
}

/// Where tests are that run on Envoys.
const FOLDERS: [&str; 2] = ["tests/tests", "cli/tests"];

/// How a test asks for the Envoys that tests run on.
const ASKS: &str = "places::envoys()";

/// What asks for an Envoy of every version: the names of test programs, and of the tests in them; none for the cases, which
/// are no functions.
pub type Chosen = BTreeMap<String, Vec<String>>;

/// All tests that run on every Envoy that tests run on, found by their sources.
///
/// # Errors
/// A folder cannot be read.
pub fn chosen() -> Result<Chosen, String> {
    let mut chosen = Chosen::new();
    for folder in FOLDERS {
        for path in sources(&places::root().join(folder))? {
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let asks = |part: &&str| part.contains(ASKS);
            let mut parts = text.split("#[test]");
            let is_cases = parts.next().as_ref().is_some_and(asks);
            let names = parts.filter(asks).filter_map(|part| part.split_once("fn ")?.1.split_once('('));
            let tests: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
            if is_cases || !tests.is_empty() {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                chosen.insert(name, if is_cases { Vec::new() } else { tests });
            }
        }
    }
    Ok(chosen)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect())
}

/// Builds the programs; `crates` are cargo's arguments that say of which crates.
///
/// # Errors
/// They do not build.
pub fn build(chosen: &Chosen, crates: &[String]) -> Result<Vec<Program>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(places::root()).args([
        "test",
        "--locked",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    command.args(crates);
    for name in chosen.keys() {
        command.args(["--test", name]);
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("could not run cargo: {e}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let mut programs = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(Built { target: Some(target), executable: Some(path), manifest_path: Some(manifest) }) =
            serde_json::from_str(line)
        else {
            continue;
        };
        // Programs that are tested are built, too, and may have the name of a test.
        if let Some(tests) = chosen.get(&target.name).filter(|_| target.kind == ["test"]) {
            let folder = manifest.parent().unwrap_or(&manifest).to_owned();
            // Another crate may have a test of the same name, be it one that is looked at or not.
            let asks = fs::read_to_string(&target.src_path).is_ok_and(|text| text.contains(ASKS));
            if !asks
                || !FOLDERS.iter().any(|tests| places::root().join(tests).parent() == Some(folder.as_path()))
            {
                continue;
            }
            let program = Program { name: target.name.clone(), tests: tests.clone(), path, folder };
            programs.insert(target.name, program);
        }
    }
    match chosen.keys().find(|name| !programs.contains_key(*name)) {
        Some(missing) => Err(format!("cargo built no test program `{missing}`")),
        None => Ok(programs.into_values().collect()),
    }
}

/// Finds that an Envoy has no V8, as it is said of it.
///
/// # Errors
/// It has, or does not say that it has none.
pub fn runs_no_wasm(version: &str) -> Result<(), String> {
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let own = Authority::new(dir.path()).identity("service", &spiffe("default", "service"));
    let listener = Listener {
        name: "inbound",
        identity: &own,
        plaintext: true,
        filters: vec![wasm_filter("sidegate", &places::filter_wasm()?, "{}")],
        route_metadata: None,
        access_log: None,
        cluster: None,
    };
    let said = validate(version, &bootstrap(&[listener.to_json()], &[]), dir.path())?;
    if !said.accepted && said.log.contains("compiled without support for it") {
        return Ok(());
    }
    Err(format!(
        "expected envoy {version} to be built without V8; if it is not, it belongs into ENVOYS\n{}",
        said.log
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let tally = Tally { version: "1.37.0".to_owned(), asked: 12, right: 11, older: 3 };
        assert_eq!(Tally::from_line(&tally.to_line()), Some(tally));
        assert_eq!(Tally::from_line("cases: envoy 1.37.0: none"), None);
    }

    #[test]
    fn tests_that_run_on_every_envoy_are_found() {
        let chosen = chosen().unwrap();
        assert_eq!(chosen["cases"], Vec::<String>::new());
        assert_eq!(chosen["features"], ["a_filter_is_told_all_names", "a_tcp_proxy_can_wait"]);
        assert_eq!(chosen["connection"], ["every_connection_has_its_own_callers"]);
        assert!(chosen.contains_key("status") && !chosen.contains_key("supply_chain"));
    }
}
