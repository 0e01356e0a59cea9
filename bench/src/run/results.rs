//! `bench/results/latest.json`: a section for each thing that was measured, with when, where and of what.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};
use sidegate_tests::places;

use super::bench::Bench;

/// All sections.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) sections: Map<String, Value>,
}

impl Results {
    pub(crate) fn folder() -> PathBuf {
        places::root().join("bench/results")
    }

    fn path() -> PathBuf {
        Self::folder().join("latest.json")
    }

    pub(crate) fn read() -> Result<Self, String> {
        let path = Self::path();
        let text = std::fs::read_to_string(&path)
            .map_err(|e| format!("could not read {}: {e}; run: make bench", path.display()))?;
        let sections = serde_json::from_str(&text)
            .map_err(|e| format!("expected an object in {}: {e}", path.display()))?;
        Ok(Self { sections })
    }

    pub(crate) fn put(&mut self, section: &str, mut measured: Value, bench: &Bench) {
        measured["measured"] = circumstances(bench);
        self.sections.insert(section.to_owned(), measured);
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let at = |e: std::io::Error| format!("could not write in {}: {e}", Self::folder().display());
        std::fs::create_dir_all(Self::folder()).map_err(at)?;
        let text = serde_json::to_string_pretty(&self.sections).map_err(|e| e.to_string())?;
        std::fs::write(Self::path(), format!("{text}\n")).map_err(at)
    }
}

fn circumstances(bench: &Bench) -> Value {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(places::root()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let fortio = bench.fortio.as_ref().ok().and_then(|path| said(&path.display().to_string(), &["version"]));
    let opa = bench.opa.as_ref().ok().and_then(|path| said(&path.display().to_string(), &["version"]));
    let opa =
        opa.and_then(|text| text.lines().find_map(|line| line.strip_prefix("Version: ").map(str::to_owned)));
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "date": said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        "cpu": model.map(|(_, name)| name),
        "cores": std::thread::available_parallelism().map(usize::from).ok(),
        "kernel": said("uname", &["-r"]),
        "commit": said("git", &["describe", "--always", "--dirty", "--exclude=*"]),
        "rounds": bench.settings.rounds,
        "requests": bench.settings.requests,
        "versions": {
            "envoy": bench.envoy, "opa": opa, "fortio": fortio,
            "node": said("node", &["--version"]), "rustc": said("rustc", &["--version"]),
        },
        "missing": bench.missing().iter().map(|(what, command)| json!({"what": what, "run": command})).collect::<Vec<_>>(),
    })
}
