//! A publish that is cut off anywhere leaves a tree that can be served, and the next one goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use regorus::Value;
use sidegate_engine::attributes;
use sidegate_engine::bundle::open_layer;
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Pointer, Trust};

use super::tree::BREAKS_AFTER;
use super::*;
use crate::signing::KeySigner;

const KEY: &[u8] = include_bytes!("../../tests/fixtures/keys/p256-pkcs8.pem");
const POLICY: &str = "package envoy.authz

mine := data.sidegate.workload

default allow := false

allow if input.source_principal in data.services[mine.namespace][mine.name].callers
";

fn signer() -> KeySigner {
    KeySigner::new(KEY, "k", None).unwrap()
}

fn publisher(signer: &KeySigner, now: i64) -> Publisher<'_> {
    Publisher {
        signer,
        verifier: Some(signer.trusted().clone()),
        by: "tester".to_owned(),
        reason: "a test".to_owned(),
        now,
        expires_in: 1000,
        mesh: None,
        epoch: None,
    }
}

fn sources(services: &str) -> Sources {
    let data = format!(r#"{{"services": {services}}}"#);
    let modules = vec![("authz.rego".to_owned(), POLICY.to_owned())];
    Sources::from_parts(modules, Value::from_json_str(&data).unwrap())
}

fn publish(tree: &Path, services: &str, revision: &str, now: i64) -> Result<Report, PublishError> {
    let sources = sources(services);
    let release = Release {
        sources: &sources,
        workloads: declared(&sources)?,
        entrypoints: vec![],
        revision: revision.to_owned(),
        others: Others::Removed,
        progress: &|_, _| {},
    };
    publisher(&signer(), now).publish(tree, &release, None)
}

/// Every pointer of a tree, each verified, with its blobs.
fn served(tree: &Path) -> BTreeMap<String, Pointer> {
    let key = signer().trusted().clone();
    let trust = Trust { required: true, keys: vec![key], ..Trust::nothing_required() };
    let mut found = BTreeMap::new();
    for namespace in fs::read_dir(tree.join("v1")).unwrap() {
        let namespace = namespace.unwrap();
        for file in fs::read_dir(namespace.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let Some(name) = name.strip_suffix(".json").filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let own = attributes::Workload {
                namespace: namespace.file_name().into_string().unwrap(),
                name: name.to_owned(),
            };
            let pointer = trust.pointer(&fs::read(file.path()).unwrap(), &own).unwrap();
            for layer in &pointer.stable.layers {
                let blob = fs::read(tree.join("blobs/sha256").join(layer.hex().unwrap())).unwrap();
                open_layer(&blob, layer, &Limits::default()).unwrap();
            }
            found.insert(format!("{}/{}", own.namespace, own.name), pointer);
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

const BEFORE: &str =
    r#"{"a": {"x": {"callers": ["p"]}, "y": {"callers": []}, "z": {}}, "b": {"x": {"callers": ["q"]}}}"#;
const AFTER: &str =
    r#"{"a": {"x": {"callers": ["p", "r"]}, "y": {"callers": []}, "new": {}}, "b": {"x": {"callers": []}}}"#;

#[test]
fn wherever_a_publish_ends_the_tree_is_whole_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    let report = publish(&first, BEFORE, "one", 100).unwrap();
    assert_eq!((report.serial, report.changed.len(), report.made), (Some(1), 4, 4));
    let before = served(&first);
    let mut cut = 0;
    loop {
        let tree = dir.path().join(cut.to_string());
        copy(&first, &tree);
        BREAKS_AFTER.set(Some(cut));
        let result = publish(&tree, AFTER, "two", 200);
        BREAKS_AFTER.set(None);
        let meanwhile = served(&tree);
        for (workload, pointer) in &meanwhile {
            let known = before.get(workload);
            assert!(known.is_none_or(|known| known.order() <= pointer.order()), "{cut}: {workload}");
            let same = known.is_some_and(|known| known == pointer);
            assert!(same || (pointer.serial, pointer.revision.as_str()) == (2, "two"), "{cut}: {workload}");
        }
        if result.is_ok() {
            break;
        }
        publish(&tree, AFTER, "two", 300).unwrap();
        let after = served(&tree);
        assert_eq!(after.keys().collect::<Vec<_>>(), ["a/new", "a/x", "a/y", "b/x"], "{cut}");
        assert_eq!(after["a/y"], before["a/y"], "{cut}: what did not change");
        for (workload, pointer) in &after {
            let known = meanwhile.get(workload);
            assert!(known.is_none_or(|known| known == pointer || known.order() < pointer.order()), "{cut}");
        }
        let again = publish(&tree, AFTER, "two", 400).unwrap();
        assert_eq!(again.serial, None, "{cut}: {again:?}");
        let lines = history(&tree).unwrap().lines;
        assert!(lines.windows(2).all(|pair| pair[0].serial < pair[1].serial), "{cut}");
        cut += 1;
    }
    // Three blobs, the serial, the history, three pointers, one that goes, the state.
    assert_eq!(cut, 10);
}

#[test]
fn what_is_damaged_is_made_anew_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path();
    publish(tree, BEFORE, "one", 100).unwrap();
    let pointers = served(tree);
    fs::write(tree.join(".sidegate/state.json"), "{").unwrap();
    let report = publish(tree, BEFORE, "one", 200).unwrap();
    assert_eq!((report.serial, report.made), (None, 4));
    assert!(report.notes.iter().any(|note| note.contains("`state.json` cannot be used")), "{report:?}");
    assert_eq!(served(tree), pointers);
    // A history without its end, as a crash leaves it.
    let path = tree.join(".sidegate/history.jsonl");
    let history = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{history}{{\"time\": 1")).unwrap();
    let report = publish(tree, AFTER, "two", 300).unwrap();
    assert_eq!(report.serial, Some(2));
    assert!(report.notes.iter().any(|note| note.contains("1 lines of the history")), "{report:?}");
    let read = super::history(tree).unwrap();
    assert_eq!((read.lines.len(), read.damaged), (2, 1));
    // A blob that is cut off, a pointer that is gone, one that is none, and one that is another's.
    let layer = served(tree)["a/x"].stable.layers[0].clone();
    fs::write(tree.join("blobs/sha256").join(layer.hex().unwrap()), "short").unwrap();
    fs::remove_file(tree.join("v1/a/y.json")).unwrap();
    fs::copy(tree.join("v1/b/x.json"), tree.join("v1/a/new.json")).unwrap();
    fs::write(tree.join("v1/b/x.json"), "{}").unwrap();
    let report = publish(tree, AFTER, "two", 400).unwrap();
    let changed: Vec<String> = report.changed.iter().map(ToString::to_string).collect();
    assert_eq!((changed, report.made), (["a/new", "a/y", "b/x"].map(str::to_owned).to_vec(), 1));
    assert_eq!(served(tree).len(), 4);
}

#[test]
fn a_serial_is_never_given_twice_whatever_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), BEFORE, "one", 100).unwrap();
    let first = publish(dir.path(), AFTER, "two", 200).unwrap().serial.unwrap();
    fs::remove_file(dir.path().join(".sidegate/state.json")).unwrap();
    let second = publish(dir.path(), BEFORE, "one", 300).unwrap().serial.unwrap();
    fs::remove_dir_all(dir.path().join(".sidegate")).unwrap();
    let third = publish(dir.path(), AFTER, "two", 400).unwrap().serial.unwrap();
    assert!(first < second && second < third);
}

#[test]
fn a_second_publisher_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let books = Books::open(Tree::new(dir.path()).unwrap(), "ann since noon").unwrap();
    let error = publish(dir.path(), BEFORE, "one", 100).unwrap_err();
    assert_eq!(error.code(), "publish_locked");
    assert!(error.to_string().contains("ann since noon"), "{error}");
    drop(books);
    publish(dir.path(), BEFORE, "one", 100).unwrap();
}

#[test]
fn a_pointer_that_the_key_does_not_verify_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let other = KeySigner::new(include_bytes!("../../tests/fixtures/keys/p384-sec1.pem"), "k", None).unwrap();
    let signer = signer();
    let publisher = Publisher { verifier: Some(other.trusted().clone()), ..publisher(&signer, 100) };
    let sources = sources(BEFORE);
    let release = Release {
        sources: &sources,
        workloads: declared(&sources).unwrap(),
        entrypoints: vec![],
        revision: "one".to_owned(),
        others: Others::Named,
        progress: &|_, _| {},
    };
    let error = publisher.publish(dir.path(), &release, None).unwrap_err();
    assert_eq!(error.code(), "publish_verify");
    assert!(error.to_string().contains("[signature_algorithm]"), "{error}");
    assert!(!dir.path().join("v1").exists());
}

#[test]
fn names_that_are_no_workloads_are_refused() {
    for services in
        [r#"{"a": {"../x": {}}}"#, r#"{"..": {"x": {}}}"#, r#"{"a": {"X": {}}}"#, r#"{"a": []}"#, "1", "{}"]
    {
        let error = declared(&sources(services)).unwrap_err();
        assert_eq!(error.code(), "publish_request", "{services}");
    }
}
