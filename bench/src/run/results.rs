//! `bench/results/latest.json`: a section for each thing that was measured, with when, where and of what.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use sidegate_bench::machine::{self, said};
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

    /// KiB of the gzipped filter that the table was measured with.
    pub(crate) fn wasm_kib(&self) -> Option<f64> {
        Some(self.sections.get("table")?["measured"]["wasm_gzip"].as_f64()? / 1024.0)
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let at = |e: std::io::Error| format!("could not write in {}: {e}", Self::folder().display());
        std::fs::create_dir_all(Self::folder()).map_err(at)?;
        let text = serde_json::to_string_pretty(&self.sections).map_err(|e| e.to_string())?;
        std::fs::write(Self::path(), format!("{text}\n")).map_err(at)
    }
}

fn circumstances(bench: &Bench) -> Value {
    let version =
        |path: &Result<PathBuf, String>| said(&path.as_ref().ok()?.display().to_string(), &["version"]);
    let opa = version(&bench.opa)
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("Version: ").map(str::to_owned)));
    let mut all = machine::circumstances();
    all["rounds"] = json!(bench.settings.rounds);
    all["requests"] = json!(bench.settings.requests);
    all["versions"] = json!({
        "envoy": bench.envoy, "opa": opa, "fortio": version(&bench.fortio),
        "node": said("node", &["--version"]), "rustc": said("rustc", &["--version"]).and_then(|text| text.split(' ').nth(1).map(str::to_owned)),
    });
    all["wasm_gzip"] = json!(gzipped(&bench.sidegate));
    let missing =
        bench.missing().iter().map(|(what, command)| json!({"what": what, "run": command})).collect();
    all["missing"] = Value::Array(missing);
    all
}

/// Bytes of a file, gzipped as `make wasm` does it.
fn gzipped(path: &Path) -> Option<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&std::fs::read(path).ok()?).ok()?;
    encoder.finish().ok().map(|bytes| bytes.len())
}
