//! When and where something was measured.

use std::process::Command;

use serde_json::{Value, json};
use sidegate_tests::places;

/// Date, processor, kernel, and the commit of what is measured.
pub fn circumstances() -> Value {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "date": said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        "cpu": model.map(|(_, name)| name),
        "cores": std::thread::available_parallelism().map(usize::from).ok(),
        "kernel": said("uname", &["-r"]),
        "commit": said("git", &["describe", "--always", "--dirty", "--exclude=*"]),
    })
}

/// What a program says, run in the repository.
pub fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(places::root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Date, processor and number of cores in words.
pub fn in_words(circumstances: &Value) -> String {
    let word = |name: &str| circumstances[name].as_str().unwrap_or("unknown");
    format!("{}, {} with {} cores", word("date"), word("cpu"), circumstances["cores"])
}
