//! A published tree: every pointer, and every blob that one names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Candidate, Layer, Pointer, Release, Trust};

use super::{Finding, Report, compiled};
use crate::output::{Failure, read};

/// Checks the tree at `root`, as of `now_s` (seconds since 1970).
pub(super) fn verify(root: &Path, trust: &Trust, now_s: i64, report: &mut Report) -> Result<(), Failure> {
    let pointers = pointers(&root.join("v1"))?;
    if pointers.is_empty() {
        let expected = root.join("v1").join("NAMESPACE").join("WORKLOAD.json");
        return Err(Failure::other(format!("expected pointers at `{}`, got none", expected.display())));
    }
    let mut named = BTreeMap::new();
    for (path, workload) in &pointers {
        let bytes = read(path)?;
        match trust.pointer(&bytes, workload) {
            Ok(pointer) => one(path, pointer, now_s, &mut named, report),
            Err(error) => report.findings.push(Finding::new(path, error.code(), &error)),
        }
    }
    for layer in named.values() {
        blob(root, layer, report);
    }
    let names: BTreeSet<&str> = named.keys().map(String::as_str).collect();
    let unnamed = unnamed(&root.join("blobs").join("sha256"), &names)?;
    report.checked.extend([count(pointers.len(), "pointer"), count(named.len(), "blob")]);
    if unnamed > 0 {
        let verb = if unnamed == 1 { "is" } else { "are" };
        report.notes.push(format!(
            "{} {verb} named by no pointer (`publish --gc` removes old ones)",
            count(unnamed, "blob")
        ));
    }
    Ok(())
}

fn one(path: &Path, pointer: Pointer, now_s: i64, named: &mut BTreeMap<String, Layer>, report: &mut Report) {
    if let Err(error) = pointer.check(now_s, None, 0) {
        report.findings.push(Finding::new(path, error.code(), &error));
    }
    let Pointer { stable: Release { layers }, candidate, lowering, .. } = pointer;
    if let Some(Candidate { revision, percent, .. }) = &candidate {
        report.notes.push(format!("{}: {percent} % try `{}`", path.display(), revision.escape_debug()));
    }
    if let Some(lowering) = lowering {
        let over = if now_s < lowering.until { "until" } else { "over since" };
        let reason = lowering.reason.escape_debug();
        report.notes.push(format!("{}: lowered {over} {}: {reason}", path.display(), lowering.until));
    }
    for layer in layers.into_iter().chain(candidate.map(|it| it.layers).unwrap_or_default()) {
        let Some(hex) = layer.hex().map(str::to_owned) else { continue };
        match named.get(&hex) {
            Some(same) if *same != layer => {
                let message =
                    format!("expected one size for `{}`, got {} and {}", layer.digest, same.size, layer.size);
                report.findings.push(Finding::new(path, "pointer_layers", &message));
            }
            Some(_) => {}
            None => drop(named.insert(hex, layer)),
        }
    }
}

fn blob(root: &Path, layer: &Layer, report: &mut Report) {
    let path = root.join("blobs").join("sha256").join(layer.hex().unwrap_or_default());
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("expected the blob that a pointer names: {error}");
            report.findings.push(Finding::new(&path, "blob_missing", &message));
            return;
        }
    };
    let found = match bundle::open_layer(&bytes, layer, &Limits::default()) {
        Ok(bundle) => compiled(&path, &bytes, &bundle),
        Err(error) => Some(Finding::new(&path, error.code(), &error)),
    };
    report.findings.extend(found);
}

/// The pointers of a tree, with the workload that each one's path names.
fn pointers(v1: &Path) -> Result<Vec<(PathBuf, Workload)>, Failure> {
    let mut found = Vec::new();
    for (namespace, folder) in entries(v1)? {
        if !folder.is_dir() {
            continue;
        }
        for (file, path) in entries(&folder)? {
            if let Some(name) = file.strip_suffix(".json") {
                let workload = Workload { namespace: namespace.clone(), name: name.to_owned() };
                found.push((path, workload));
            }
        }
    }
    Ok(found)
}

/// How many blobs no pointer names.
fn unnamed(folder: &Path, named: &BTreeSet<&str>) -> Result<usize, Failure> {
    Ok(entries(folder)?.iter().filter(|(name, _)| !named.contains(name.as_str())).count())
}

/// What a folder holds, in order; nothing where it is not there.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::other(format!("expected a folder at `{}`: {error}", folder.display()))
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
