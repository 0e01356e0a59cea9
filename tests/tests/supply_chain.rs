//! What the products are made of: no crate with a known hole, and lists of all that is in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;

use semver::{Version, VersionReq};
use sidegate_tests::places;

const ADVISORIES: &str = "scripts/advisories.tsv";

/// One line of the list.
struct Advisory {
    id: String,
    name: String,
    safe: Vec<VersionReq>,
}

/// The crates of Cargo.lock.
fn locked() -> Vec<(String, Version)> {
    let text = fs::read_to_string(places::root().join("Cargo.lock")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let pair = |pair: &[&str]| match pair {
        [name, version] => Some((value(name, "name")?, Version::parse(&value(version, "version")?).unwrap())),
        _ => None,
    };
    lines.windows(2).filter_map(pair).collect()
}

fn advisories(text: &str) -> Vec<Advisory> {
    let ranges = |text: &str| -> Vec<VersionReq> {
        let written = text.split(" || ").filter(|range| *range != "-");
        written.map(|range| VersionReq::parse(range).unwrap_or_else(|e| panic!("{range}: {e}"))).collect()
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, name, patched, never] = fields.as_slice() else { panic!("expected four fields: {line}") };
        assert!(id.starts_with("RUSTSEC-"), "{line}");
        let safe: Vec<VersionReq> = ranges(patched).into_iter().chain(ranges(never)).collect();
        assert!(!safe.is_empty(), "{line}");
        Advisory { id: (*id).to_owned(), name: (*name).to_owned(), safe }
    };
    lines.map(read).collect()
}

fn concerned(advisories: &[Advisory], crates: &[(String, Version)]) -> Vec<String> {
    let holes = |advisory: &Advisory| {
        let of = crates.iter().filter(|(name, version)| {
            *name == advisory.name && !advisory.safe.iter().any(|range| range.matches(version))
        });
        of.map(|(name, version)| format!("{name} {version}: {}", advisory.id)).collect::<Vec<_>>()
    };
    advisories.iter().flat_map(holes).collect()
}

#[test]
fn no_crate_has_a_known_hole() {
    let text = fs::read_to_string(places::root().join(ADVISORIES)).unwrap();
    let (list, crates) = (advisories(&text), locked());
    assert!(list.len() > 40 && crates.len() > 200);
    let names: BTreeSet<&String> = crates.iter().map(|(name, _)| name).collect();
    let gone: Vec<&String> = list.iter().map(|one| &one.name).filter(|name| !names.contains(name)).collect();
    assert!(gone.is_empty(), "expected advisories of crates that are used, got {gone:?}");
    assert_eq!(concerned(&list, &crates), Vec::<String>::new());
}

/// The list would find what it is for.
#[test]
fn an_older_crate_would_be_found() {
    let list = advisories(&fs::read_to_string(places::root().join(ADVISORIES)).unwrap());
    for (name, version, id) in [
        ("tar", "0.4.44", "RUSTSEC-2026-0067"),
        ("rustls", "0.23.44", "RUSTSEC-2026-0285"),
        ("ring", "0.16.20", "RUSTSEC-2025-0010"),
        ("smallvec", "1.6.0", "RUSTSEC-2021-0003"),
        ("rustls-webpki", "0.103.9", "RUSTSEC-2026-0049"),
    ] {
        let found = concerned(&list, &[(name.to_owned(), Version::parse(version).unwrap())]);
        assert!(found.iter().any(|line| line.ends_with(id)), "{name} {version}: {found:?}");
    }
    assert!(concerned(&list, &[("tar".to_owned(), Version::new(0, 4, 45))]).is_empty());
}
