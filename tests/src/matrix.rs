//! All tests that run on several Envoys, run on every version that is supported, and the table of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::{features, places};

/// Where the table is.
const PAGE: &str = "README.md";
const BEGIN: &str = "<!-- matrix:begin -->\n";
const END: &str = "<!-- matrix:end -->";

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

/// What came of one version.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The cases.
    pub cases: Tally,
    /// Tests that passed, the files of cases among them.
    pub passed: usize,
    /// What failed: the program, and the end of what it said.
    pub failures: Vec<(String, String)>,
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

/// What asks for an Envoy of every version: the names of test programs, and of the tests in them; none for the cases, which
/// are no functions.
pub type Chosen = BTreeMap<String, Vec<String>>;

/// All tests that run on every Envoy that tests run on, found by their sources.
///
/// # Errors
/// A folder cannot be read.
pub fn chosen() -> Result<Chosen, String> {
    let mut chosen = Chosen::new();
    for folder in ["tests/tests", "cli/tests"] {
        for path in sources(&places::root().join(folder))? {
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let asks = |part: &&str| part.contains("places::envoys()");
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
            let program = Program { name: target.name.clone(), tests: tests.clone(), path, folder };
            programs.insert(target.name, program);
        }
    }
    match chosen.keys().find(|name| !programs.contains_key(*name)) {
        Some(missing) => Err(format!("cargo built no test program `{missing}`")),
        None => Ok(programs.into_values().collect()),
    }
}

/// Runs them all on one version; what each says goes into a file of `logs`.
///
/// # Errors
/// One cannot be run.
pub fn run(version: &str, programs: &[Program], logs: &Path) -> Result<Row, String> {
    fs::create_dir_all(logs).map_err(|e| format!("{}: {e}", logs.display()))?;
    let mut row = Row::default();
    for program in programs {
        let mut command = Command::new(&program.path);
        command.current_dir(&program.folder).env("SIDEGATE_ENVOYS", version).env_remove("SIDEGATE_BLESS");
        match program.tests.is_empty() {
            true => command.arg(format!("envoy-{version}::")),
            false => command.args(&program.tests).arg("--exact"),
        };
        let output =
            command.output().map_err(|e| format!("could not run {}: {e}", program.path.display()))?;
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        let log = logs.join(format!("{}.txt", program.name));
        fs::write(&log, &said).map_err(|e| format!("{}: {e}", log.display()))?;
        let passed = passed(&said);
        row.passed += passed;
        if let Some(tally) = said.lines().find_map(Tally::from_line) {
            row.cases = tally;
        }
        // A name that is no test's would be left out without a word.
        if !output.status.success() || passed < program.tests.len().max(1) {
            let at = said.find("failures:").unwrap_or_default();
            let text: Vec<&str> = said[at..].lines().take(60).collect();
            row.failures.push((program.name.clone(), text.join("\n")));
        }
    }
    Ok(row)
}

/// The number in `test result: ok. 12 passed; …`.
fn passed(said: &str) -> usize {
    let lines = said.lines().filter(|line| line.starts_with("test result: "));
    let counts = lines
        .filter_map(|line| line.split(' ').zip(line.split(' ').skip(1)).find(|(_, word)| *word == "passed;"));
    counts.filter_map(|(count, _)| count.parse::<usize>().ok()).sum()
}

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
    fn counts_are_those_of_the_closing_lines() {
        assert_eq!(passed("test a ... ok\n\ntest result: ok. 12 passed; 0 failed; 0 ignored\n"), 12);
        assert_eq!(
            passed("test result: FAILED. 3 passed; 1 failed; 0 ignored\ntest result: ok. 4 passed; 0 failed"),
            7
        );
        assert_eq!(passed("no tests"), 0);
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
