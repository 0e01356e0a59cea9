//! What test programs said, a file for each version and program: versions can be run one by one, and the table is of all.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sidegate_engine::trust::Layer;

use super::{Chosen, Program, Tally};
use crate::places;

/// How many lines of a failure are shown.
const SHOWN: usize = 40;

/// The folder of the logs, and the filter that they are about.
#[derive(Clone, Debug)]
pub struct Logs {
    dir: PathBuf,
    filter: String,
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

impl Logs {
    /// Those about the built filter.
    ///
    /// # Errors
    /// There is none.
    pub fn of_filter() -> Result<Self, String> {
        let path = places::filter_wasm()?;
        let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { dir: places::root().join("target/matrix"), filter: Layer::of(&bytes).digest })
    }

    /// Runs a program on one version and keeps what it says.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn run(&self, version: &str, program: &Program) -> Result<(), String> {
        let mut command = Command::new(&program.path);
        command.current_dir(&program.folder).env("SIDEGATE_ENVOYS", version);
        command.env("RUST_BACKTRACE", "0").env_remove("SIDEGATE_BLESS");
        match program.tests.is_empty() {
            true => command.arg(format!("envoy-{version}::")),
            false => command.args(&program.tests).arg("--exact"),
        };
        let output =
            command.output().map_err(|e| format!("could not run {}: {e}", program.path.display()))?;
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let end = if output.status.success() { "passed" } else { "failed" };
        let path = self.path(version, &program.name);
        let at = |e: std::io::Error| format!("{}: {e}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(&self.dir)).map_err(at)?;
        fs::write(&path, format!("filter {}\n{}\n{end}\n", self.filter, said.join("\n"))).map_err(at)
    }

    fn path(&self, version: &str, program: &str) -> PathBuf {
        self.dir.join(version).join(format!("{program}.txt"))
    }

    /// What the logs say of one version.
    pub fn row(&self, version: &str, chosen: &Chosen) -> Row {
        let mut row = Row::default();
        for (name, tests) in chosen {
            let said = fs::read_to_string(self.path(version, name)).unwrap_or_default();
            let Some(said) = said.strip_prefix(&format!("filter {}\n", self.filter)) else {
                row.failures.push((name.clone(), "not run with the filter that is built".to_owned()));
                continue;
            };
            let passed = passed(said);
            row.passed += passed;
            if let Some(tally) = said.lines().find_map(Tally::from_line) {
                row.cases = tally;
            }
            // A name that is no test's would be left out without a word.
            if !said.ends_with("\npassed\n") || passed < tests.len().max(1) {
                row.failures.push((name.clone(), excerpt(said)));
            }
        }
        row
    }
}

/// The number in `test result: ok. 12 passed; …`.
fn passed(said: &str) -> usize {
    let lines = said.lines().filter(|line| line.starts_with("test result: "));
    let counts = lines
        .filter_map(|line| line.split(' ').zip(line.split(' ').skip(1)).find(|(_, word)| *word == "passed;"));
    counts.filter_map(|(count, _)| count.parse::<usize>().ok()).sum()
}

/// What a failing program said of why.
fn excerpt(said: &str) -> String {
    let at = ["panicked at", "failures:"].iter().find_map(|word| said.find(word)).unwrap_or_default();
    let lines: Vec<&str> = said[at..].lines().take(SHOWN).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(dir: &tempfile::TempDir, filter: &str) -> Logs {
        Logs { dir: dir.path().to_owned(), filter: filter.to_owned() }
    }

    fn program(name: &str, script: &str) -> Program {
        let path = PathBuf::from("/bin/sh");
        Program {
            name: name.to_owned(),
            tests: vec!["-c".to_owned(), script.to_owned()],
            path,
            folder: "/".into(),
        }
    }

    #[test]
    fn what_programs_say_is_what_the_row_has() {
        let dir = tempfile::TempDir::new().unwrap();
        let (logs, other) = (logs(&dir, "a"), logs(&dir, "b"));
        logs.run("1", &program("good", "echo 'test result: ok. 2 passed; 0 failed'; echo $SIDEGATE_ENVOYS"))
            .unwrap();
        logs.run("1", &program("bad", "echo 'test result: ok. 2 passed;'; echo 'x panicked at y'; exit 1"))
            .unwrap();
        logs.run("1", &program("short", "echo 'test result: ok. 1 passed;'")).unwrap();
        let two = vec![String::new(); 2];
        let chosen =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), two.clone())).collect::<Chosen>();
        let row = logs.row("1", &chosen(&["good"]));
        assert_eq!((row.passed, row.failures), (2, Vec::new()));
        let row = logs.row("1", &chosen(&["bad", "good", "none", "short"]));
        let names: Vec<&str> = row.failures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((row.passed, names), (5, vec!["bad", "none", "short"]));
        assert!(row.failures[0].1.starts_with("panicked at y"), "{:?}", row.failures);
        assert_eq!(other.row("1", &chosen(&["good"])).failures.len(), 1);
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
}
