//! One CPU for all of a row: client and Envoy take turns on it, and what a row takes does not depend on what else the
//! machine's other CPUs do. Two CPUs are often two threads of one core, which slow each other down by half.

use std::process::Command;

/// Runs `work` with this process, and all that it starts, on the first of its CPUs alone.
pub(crate) fn on_one<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let before = taskset(&[])?;
    let first: String = before.chars().take_while(char::is_ascii_digit).collect();
    taskset(&[&first])?;
    let done = work();
    taskset(&[&before])?;
    done
}

/// This process's CPUs, after they were set if there is something to set.
fn taskset(cpus: &[&str]) -> Result<String, String> {
    let id = std::process::id().to_string();
    let output = Command::new("taskset")
        .arg("--cpu-list")
        .arg("--pid")
        .args(cpus)
        .arg(id)
        .output()
        .map_err(|e| format!("could not run taskset: {e}; run: apt-get install util-linux"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let list = said.lines().last().and_then(|line| line.rsplit(": ").next()).unwrap_or_default();
    if !output.status.success() || list.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("expected a list of CPUs from taskset, got `{said}`\n{why}"));
    }
    Ok(list.to_owned())
}
