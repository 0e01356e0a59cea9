//! Checks a list of what is in a product: `check-sbom LIST TREE`, where TREE has the name and version of every crate that
//! cargo builds for it. Each is in the list, with its licence, and with the checksum of Cargo.lock unless it is ours;
//! what else is in the list is in Cargo.lock, too; and no folder of this machine is named. Exits 1 where it is not so.
#![allow(clippy::print_stdout, reason = "a program that prints what it found")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use sidegate_tests::places;

type Crate = (String, String);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, tree] = arguments.as_slice() else {
        eprintln!("usage: check-sbom LIST TREE");
        return ExitCode::from(2);
    };
    match check(Path::new(list), Path::new(tree)) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            findings.iter().for_each(|finding| eprintln!("error: {list}: {finding}"));
            ExitCode::from(1)
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn check(list: &Path, tree: &Path) -> Result<Vec<String>, String> {
    let text = read(list)?;
    let parsed: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", list.display()))?;
    let locked = locked(&read(&places::root().join("Cargo.lock"))?);
    let (mut findings, mut listed, mut licences) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    let components = parsed.get("components").and_then(Value::as_array).into_iter().flatten();
    for component in components.chain(parsed.pointer("/metadata/component")) {
        let text = |path: &str| component.pointer(path).and_then(Value::as_str);
        let field = |path: &str| text(path).unwrap_or_default().to_owned();
        let id = (field("/name"), field("/version"));
        let licence = text("/licenses/0/expression");
        match licence {
            Some(licence) => *licences.entry(licence.to_owned()).or_insert(0_usize) += 1,
            None => findings.push(format!("expected the licence of {} {}", id.0, id.1)),
        }
        let checksum = text("/hashes/0/content").map(str::to_owned);
        match locked.get(&id) {
            Some(wanted) if *wanted == checksum => {}
            wanted => {
                findings.push(format!("expected {id:?} as in Cargo.lock ({wanted:?}), got {checksum:?}"))
            }
        }
        listed.insert(id);
    }
    for line in read(tree)?.lines() {
        let id = line.split_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
        if !id.as_ref().is_some_and(|id| listed.contains(id)) {
            findings.push(format!("expected `{line}` in the list, which is built into it"));
        }
    }
    for place in ["HOME", "CARGO_HOME", "TMPDIR"].iter().filter_map(|name| std::env::var(name).ok()) {
        if place.len() > 3 && text.contains(&place) {
            findings.push(format!("expected no folder of this machine, found `{place}`"));
        }
    }
    if text.contains("file:///") {
        findings.push("expected no folder of this machine, found `file:///`".to_owned());
    }
    let ours = listed.iter().filter(|(name, _)| name.starts_with("sidegate")).count();
    println!("sbom: {}: {} crates, {ours} of them ours", list.display(), listed.len());
    for (licence, count) in licences {
        println!("sbom:   {count:3} {licence}");
    }
    Ok(findings)
}

/// The checksums of Cargo.lock; ours have none.
fn locked(text: &str) -> BTreeMap<Crate, Option<String>> {
    let packages = text.split("[[package]]").skip(1);
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let read =
        |package| Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")));
    packages.filter_map(read).collect()
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("could not read {}: {e}", path.display()))
}
