//! The manifests that are shipped are what `sidegate render` makes of their values.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::Command;
use serde_json::Value;
use sidegate_tests::manifests::{ALL, FOLDER, Manifest, parse};
use sidegate_tests::{docs, places};

fn rendered(manifest: &Manifest) -> String {
    let args = ["render", manifest.verb(), &manifest.values_file()];
    let output =
        Command::cargo_bin("sidegate").unwrap().current_dir(places::root()).args(args).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {err}", manifest.values);
    // What is shipped has nothing doubtful, but for what a WasmPlugin cannot do.
    let is_plugin = ["wasmplugin", "trafficextension"].contains(&manifest.verb());
    assert!(err.is_empty() || is_plugin && err.contains("connections that are not HTTP"), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_shipped_is_what_render_makes() {
    let mut files = 0;
    for manifest in ALL {
        let Some(file) = manifest.rendered_file() else { continue };
        docs::assert_written_by("make manifests UPDATE=1", &file, &rendered(&manifest));
        files += 1;
    }
    assert_eq!(files, 10);
}

/// Where a folder patches another's file, the patch makes the same of it as its values.
#[test]
fn patches_say_what_values_say() {
    for manifest in ALL.iter().filter(|manifest| manifest.file.is_none()) {
        let text = std::fs::read_to_string(manifest.kustomization().join("kustomization.yaml")).unwrap();
        let kustomization = &parse(&text).unwrap()[0];
        assert_eq!(kustomization["resources"], serde_json::json!(["../../base"]), "{}", manifest.folder);
        let mut objects = ALL[0].objects().unwrap();
        let patches = kustomization["patches"].as_array().unwrap();
        assert_eq!(patches.len(), 1);
        for operation in parse(patches[0]["patch"].as_str().unwrap()).unwrap()[0].as_array().unwrap() {
            assert_eq!(operation["op"], "add");
            let (parent, key) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
            let parent = objects[0].pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            assert!(parent.insert(key.to_owned(), operation["value"].clone()).is_none());
        }
        assert_eq!(objects, manifest.objects().unwrap(), "{}", manifest.folder);
    }
}

/// Nothing lies there that no test looks at.
#[test]
fn every_file_is_one_of_them() {
    let root = places::root().join(FOLDER);
    let names = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let mut values: Vec<String> = ALL.iter().map(|manifest| format!("{}.yaml", manifest.values)).collect();
    values.sort();
    assert_eq!(names("values"), values);
    let mut folders: Vec<&str> =
        ALL.iter().filter_map(|manifest| manifest.folder.strip_prefix("overlays/")).collect();
    folders.sort_unstable();
    assert_eq!(names("overlays"), folders);
    for manifest in ALL {
        let mut files: Vec<&str> = manifest.file.into_iter().chain(["kustomization.yaml"]).collect();
        files.sort_unstable();
        assert_eq!(names(manifest.folder), files);
    }
}
