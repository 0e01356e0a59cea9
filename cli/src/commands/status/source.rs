//! Where what is looked at comes from: admin pages and saved files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::dump::{self, Chains, Node};
use super::figures::Figures;
use super::http;
use crate::output::{Failure, read};

/// How many admin pages are asked at a time.
const AT_A_TIME: usize = 16;

/// A sidecar that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Its admin page.
    Address(String),
    /// What was saved of it.
    Files {
        /// What it is called.
        name: String,
        /// Its stats.
        stats: PathBuf,
        /// Its configuration dump.
        dump: Option<PathBuf>,
    },
}

/// What was seen of a sidecar.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) figures: Figures,
    pub(super) node: Option<Node>,
    pub(super) chains: Option<Chains>,
}

/// The sidecars that an argument stands for.
pub(super) fn expand(argument: &str) -> Result<Vec<Source>, Failure> {
    if let Some(file) = argument.strip_prefix('@') {
        let text = String::from_utf8_lossy(&read(Path::new(file))?).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut sources = Vec::new();
        for line in lines {
            if line.starts_with('@') {
                return Err(Failure::other(format!("expected no list in the list `{file}`, got `{line}`")));
            }
            sources.extend(expand(line)?);
        }
        return Ok(sources);
    }
    let path = Path::new(argument);
    if path.is_dir() {
        let failed =
            |error: std::io::Error| Failure::other(format!("expected a folder at `{argument}`: {error}"));
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        files.sort();
        let sources: Vec<Source> = files
            .iter()
            .filter(|file| file.is_file() && !is_dump_name(file))
            .map(|file| Source::saved(file))
            .collect();
        if sources.is_empty() {
            return Err(Failure::other(format!("expected saved stats in `{argument}`, got none")));
        }
        return Ok(sources);
    }
    if path.is_file() {
        return Ok(vec![Source::saved(path)]);
    }
    let address = argument.strip_prefix("http://").unwrap_or(argument).trim_end_matches('/');
    let has_port =
        address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if has_port {
        return Ok(vec![Source::Address(address.to_owned())]);
    }
    Err(Failure::other(format!(
        "expected `HOST:PORT` of an admin page, a file or folder of saved stats, or `@FILE`, got `{argument}`"
    )))
}

/// What was seen of sidecars, by name, or why nothing was.
pub(super) type Looked = Vec<(String, Result<Seen, String>)>;

/// What was seen later, with what has happened since what was seen before.
pub(super) fn since(before: Looked, mut later: Looked) -> Looked {
    for ((_, before), (_, later)) in before.into_iter().zip(&mut later) {
        if let (Ok(before), Ok(later)) = (before, later) {
            later.figures = std::mem::take(&mut later.figures).since(&before.figures);
        }
    }
    later
}

/// Looks at all of them; those that do not answer have a reason.
pub(super) fn look(sources: &[Source], wanted: &str, timeout: Duration) -> Looked {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(sources.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(at) else { return };
                    let seen = source.look(wanted, timeout);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((at, source.name(), seen));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(at, ..)| *at);
    found.into_iter().map(|(_, name, seen)| (name, seen)).collect()
}

impl Source {
    fn saved(stats: &Path) -> Self {
        let name = stem(stats);
        let beside = ["json", "txt"].map(|ext| stats.with_file_name(format!("{name}.config_dump.{ext}")));
        let dump = beside.into_iter().find(|path| path.is_file());
        Self::Files { name, stats: stats.to_owned(), dump }
    }

    /// Whether it is not asked, but was saved.
    pub(super) fn is_saved(&self) -> bool {
        matches!(self, Self::Files { .. })
    }

    fn name(&self) -> String {
        match self {
            Self::Address(address) => address.clone(),
            Self::Files { name, .. } => name.clone(),
        }
    }

    fn look(&self, wanted: &str, timeout: Duration) -> Result<Seen, String> {
        match self {
            Self::Address(address) => {
                let figures = Figures::read(&http::get(address, "/stats?format=json", timeout)?);
                let info = parsed(&http::get(address, "/server_info", timeout)?)?;
                let dump = parsed(&http::get(address, "/config_dump", timeout)?)?;
                let node = info.get("node").and_then(dump::node_of).or_else(|| dump::node(&dump));
                Ok(Seen { figures, node, chains: Some(dump::chains(&dump, wanted)) })
            }
            Self::Files { stats, dump, .. } => {
                let read = |path: &Path| fs::read(path).map_err(|e| format!("expected a readable file: {e}"));
                let figures = Figures::read(&read(stats)?);
                let Some(dump) = dump else { return Ok(Seen { figures, node: None, chains: None }) };
                let json = parsed(&read(dump)?)?;
                if !dump::is_dump(&json) {
                    return Err(format!("expected a configuration dump at `{}`", dump.display()));
                }
                Ok(Seen { figures, node: dump::node(&json), chains: Some(dump::chains(&json, wanted)) })
            }
        }
    }
}

fn parsed(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("expected JSON: {error}"))
}

/// A file's name without what says what is in it.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = [".json", ".txt", ".prom"].iter().find_map(|ext| name.strip_suffix(ext)).unwrap_or(&name);
    let plain = [".stats", ".config_dump"].iter().find_map(|what| plain.strip_suffix(what)).unwrap_or(plain);
    plain.to_owned()
}

fn is_dump_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains(".config_dump.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn arguments_are_addresses_files_or_lists_of_them() {
        let address = |text: &str| vec![Source::Address(text.to_owned())];
        assert_eq!(expand("127.0.0.1:15000").unwrap(), address("127.0.0.1:15000"));
        assert_eq!(expand("http://[::1]:15000/").unwrap(), address("[::1]:15000"));
        for wrong in ["nowhere", "host:", ":15000", "host:99999", "@/nowhere"] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_belongs_together_has_one_name() {
        let names = ["10.0.0.7.stats.json", "10.0.0.7.config_dump.json", "10.0.0.7.txt", "10.0.0.7.stats"];
        assert_eq!(names.map(|name| stem(Path::new(name))), ["10.0.0.7"; 4]);
    }
}
