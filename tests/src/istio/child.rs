//! A program that runs beside the test, with its output in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);
const TAIL: usize = 30;

/// A running program. Dropping it ends it.
pub struct Child {
    name: String,
    log: PathBuf,
    child: process::Child,
}

impl Child {
    /// Starts `command`, what it prints going to `NAME.log` in `dir`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, mut command: Command, dir: &Path) -> Result<Self, String> {
        let log = dir.join(format!("{name}.log"));
        let to = File::create(&log).map_err(|e| format!("could not write {}: {e}", log.display()))?;
        let and = to.try_clone().map_err(|e| e.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(to)
            .stderr(and)
            .spawn()
            .map_err(|e| format!("could not run {name}: {e}"))?;
        Ok(Self { name: name.to_owned(), log, child })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until `is_so`.
    ///
    /// # Errors
    /// The program ends before, or it takes more than a minute and a half; the message has the end of the log.
    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&str) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if is_so(&self.log()) {
                return Ok(());
            }
            let over = self.child.try_wait().map_err(|e| e.to_string())?;
            if over.is_some() || Instant::now() > deadline {
                let how = over.map_or("it goes on".to_owned(), |status| status.to_string());
                return Err(self.with_log(&format!("expected {what} of {}: {how}", self.name)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `message` with the end of the log below it.
    pub fn with_log(&self, message: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        format!("{message}\n--- the end of {} ---\n{tail}\n---", self.log.display())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, and gives what it prints.
///
/// # Errors
/// It cannot be run or fails; the message has what it printed.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let shown: Vec<String> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let output = command.output().map_err(|e| format!("could not run {name}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{name} {}`: {}\n{text}{errors}", shown.join(" "), output.status))
}
