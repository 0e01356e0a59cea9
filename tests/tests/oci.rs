//! The filter as an OCI image: the layout's structure, and that it is the same each time. What Istio's own code makes of
//! it is `make test-oci`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sidegate_engine::trust::Layer;
use sidegate_tests::oci::{self, About, Files};
use sidegate_tests::places;

fn about() -> About {
    About { version: "1.2.3".to_owned(), revision: Some("0123abcd".to_owned()) }
}

fn files() -> (Vec<u8>, Files) {
    let wasm = fs::read(places::filter_wasm().unwrap()).unwrap();
    let files = oci::layout(&wasm, &about()).unwrap();
    (wasm, files)
}

fn json_at(files: &Files, path: &str) -> Value {
    serde_json::from_slice(&files[path]).unwrap()
}

/// Where a descriptor points, with its digest and size found right.
fn blob(files: &Files, descriptor: &Value) -> String {
    let digest = descriptor["digest"].as_str().unwrap();
    let path = format!("blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap());
    let found = Layer::of(&files[&path]);
    assert_eq!((found.digest.as_str(), Some(found.size)), (digest, descriptor["size"].as_u64()));
    path
}

#[test]
fn the_layout_is_that_of_an_image_with_one_layer() {
    let (wasm, files) = files();
    assert_eq!(json_at(&files, "oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
    let index = json_at(&files, "index.json");
    let entry = &index["manifests"][0];
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(entry["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(entry["annotations"], json!({"org.opencontainers.image.ref.name": "1.2.3"}));
    let manifest = json_at(&files, &blob(&files, entry));
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(
        manifest["annotations"],
        json!({
            "org.opencontainers.image.title": "sidegate",
            "org.opencontainers.image.description": "Decides requests in Envoy from signed, precompiled Rego bundles",
            "org.opencontainers.image.version": "1.2.3",
            "org.opencontainers.image.revision": "0123abcd",
            "org.opencontainers.image.licenses": "Apache-2.0",
        })
    );
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let mut tar = Vec::new();
    let layer = &files[&blob(&files, &layers[0])];
    std::io::copy(&mut flate2::read::GzDecoder::new(layer.as_slice()), &mut tar).unwrap();
    let inside = oci::from_tar(&tar).unwrap();
    assert!(inside == Files::from([("plugin.wasm".to_owned(), wasm)]), "{:?}", inside.keys());
    let config = json_at(&files, &blob(&files, &manifest["config"]));
    assert_eq!(
        config,
        json!({
            "architecture": "wasm",
            "os": "wasip1",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Layer::of(&tar).digest]},
        })
    );
    assert_eq!(files.len(), 5);
}

#[test]
fn it_is_the_same_each_time_as_a_folder_and_as_a_tar() {
    let (wasm, files) = files();
    assert!(files == oci::layout(&wasm, &about()).unwrap());
    let dir = tempfile::TempDir::new().unwrap();
    let mut tars = Vec::new();
    // The second is written over the first.
    for place in ["a", "b/c", "a"] {
        let place = dir.path().join(place);
        fs::create_dir_all(place.join("old")).unwrap();
        fs::write(place.join("old/file"), "old").unwrap();
        oci::write(&files, &place).unwrap();
        let mut found = Files::new();
        read_dir(&place, &place, &mut found);
        assert!(found == files, "{:?}", found.keys());
        tars.push(fs::read(format!("{}.tar", place.display())).unwrap());
    }
    assert!(tars.windows(2).all(|two| two[0] == two[1]));
    assert!(oci::from_tar(&tars[0]).unwrap() == files);
    // Other content, version or revision is another image.
    let digest = |wasm: &[u8], about: &About| oci::read(&oci::layout(wasm, about).unwrap()).unwrap().digest;
    let first = digest(&wasm, &about());
    assert_ne!(first, digest(&wasm[1..], &about()));
    assert_ne!(first, digest(&wasm, &About { version: "1.2.4".to_owned(), ..about() }));
    assert_ne!(first, digest(&wasm, &About { revision: None, ..about() }));
}

#[test]
fn what_is_not_as_it_was_written_is_noticed() {
    let (wasm, files) = files();
    let contents = oci::read(&files).unwrap();
    assert_eq!(contents.tag, "1.2.3");
    assert!(contents.wasm == wasm);
    for path in files.keys() {
        let mut missing = files.clone();
        missing.remove(path);
        assert!(oci::read(&missing).is_err(), "without {path}");
        let mut changed = files.clone();
        let content = changed.get_mut(path).unwrap();
        let at = content.len() / 2;
        content[at] ^= 1;
        assert!(oci::read(&changed).is_err(), "{path} changed");
    }
    let mut more = files.clone();
    more.insert("blobs/sha256/00".to_owned(), Vec::new());
    assert_eq!(oci::read(&more).unwrap_err(), "expected nothing besides the image, found `blobs/sha256/00`");
}

fn read_dir(root: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_dir(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}
