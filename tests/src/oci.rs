//! The filter as an OCI image: a layout in the form that Istio's agent, and whatever else pulls images, can take: one
//! layer, a gzipped tar with `plugin.wasm`. The same bytes for the same filter, version and revision.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use sidegate_engine::trust::Layer;

/// What Istio's agent looks for in the last layer.
const FILE: &str = "plugin.wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// By this Istio's agent knows the form.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The files of a layout by their paths in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What an image says about itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The version, which is its tag as well.
    pub version: String,
    /// The commit of its source, where that is known.
    pub revision: Option<String>,
}

/// What a layout has.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// Of the manifest: what registries and Istio know the image by.
    pub digest: String,
    /// The tag.
    pub tag: String,
    /// The manifest's.
    pub annotations: BTreeMap<String, String>,
    /// The filter.
    pub wasm: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Index {
    schema_version: u8,
    media_type: String,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    schema_version: u8,
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// No time of making: nothing that differs between two builds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    architecture: String,
    os: String,
    config: BTreeMap<String, String>,
    rootfs: RootFs,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<String>,
}

impl Descriptor {
    fn of(media_type: &str, blob: &[u8]) -> Self {
        let Layer { digest, size } = Layer::of(blob);
        Self { media_type: media_type.to_owned(), digest, size, annotations: BTreeMap::new() }
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replacen(':', "/", 1))
    }

    /// The blob, if it is of this type and the one that was meant.
    fn read<'a>(&self, files: &'a Files, media_type: &str) -> Result<&'a [u8], String> {
        if self.media_type != media_type {
            return Err(format!("expected the media type {media_type}, got `{}`", self.media_type));
        }
        let path = self.path();
        let blob = files.get(&path).ok_or_else(|| format!("expected `{path}`, found none"))?;
        let found = Self::of(media_type, blob);
        if (&found.digest, found.size) != (&self.digest, self.size) {
            return Err(format!(
                "expected {} bytes at `{path}`, got {} of {}",
                self.size, found.size, found.digest
            ));
        }
        Ok(blob)
    }
}

/// The files of the layout of an image with this filter.
///
/// # Errors
/// None that is known: writing to memory.
pub fn layout(wasm: &[u8], about: &About) -> Result<Files, String> {
    let io = |e: std::io::Error| e.to_string();
    let json = |e: serde_json::Error| e.to_string();
    let tar = tar_of([(FILE, wasm)].into_iter())?;
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(&tar).map_err(io)?;
    let layer = gzip.finish().map_err(io)?;
    let config = serde_json::to_vec(&Config {
        architecture: "wasm".to_owned(),
        os: "wasip1".to_owned(),
        config: BTreeMap::new(),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![Layer::of(&tar).digest] },
    })
    .map_err(json)?;
    let annotate = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
        all.iter()
            .map(|(name, value)| (format!("org.opencontainers.image.{name}"), (*value).to_owned()))
            .collect()
    };
    let mut annotations = annotate(&[
        ("title", "sidegate"),
        ("description", "Decides requests in Envoy from signed, precompiled Rego bundles"),
        ("version", &about.version),
        ("licenses", "Apache-2.0"),
    ]);
    if let Some(revision) = &about.revision {
        annotations.extend(annotate(&[("revision", revision)]));
    }
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: Descriptor::of(CONFIG, &config),
        layers: vec![Descriptor::of(LAYER, &layer)],
        annotations,
    })
    .map_err(json)?;
    let mut entry = Descriptor::of(MANIFEST, &manifest);
    entry.annotations = annotate(&[("ref.name", &about.version)]);
    let index = Index { schema_version: 2, media_type: INDEX.to_owned(), manifests: vec![entry] };
    let mut files = Files::from([
        ("oci-layout".to_owned(), LAYOUT.as_bytes().to_vec()),
        ("index.json".to_owned(), serde_json::to_vec(&index).map_err(json)?),
    ]);
    for (kind, blob) in [(CONFIG, config), (LAYER, layer), (MANIFEST, manifest)] {
        files.insert(Descriptor::of(kind, &blob).path(), blob);
    }
    Ok(files)
}

/// Reads a layout as strictly as it is written: every digest, size and media type, and nothing besides.
///
/// # Errors
/// Something is not as [`layout`] makes it; the message says what.
pub fn read(files: &Files) -> Result<Contents, String> {
    let file = |path: &str| files.get(path).ok_or_else(|| format!("expected `{path}`, found none"));
    if file("oci-layout")? != LAYOUT.as_bytes() {
        return Err(format!("expected `{LAYOUT}` in `oci-layout`"));
    }
    let index: Index = parse("index.json", file("index.json")?)?;
    let [entry] = index.manifests.as_slice() else {
        return Err("expected one image in `index.json`".to_owned());
    };
    let manifest: Manifest = parse("the manifest", entry.read(files, MANIFEST)?)?;
    if (index.schema_version, index.media_type.as_str()) != (2, INDEX)
        || (manifest.schema_version, manifest.media_type.as_str()) != (2, MANIFEST)
    {
        return Err("expected an index and a manifest of schema version 2".to_owned());
    }
    let [layer] = manifest.layers.as_slice() else { return Err("expected one layer".to_owned()) };
    let config: Config = parse("the image's configuration", manifest.config.read(files, CONFIG)?)?;
    let mut tar = Vec::new();
    let mut gzip = GzDecoder::new(layer.read(files, LAYER)?);
    gzip.read_to_end(&mut tar).map_err(|e| format!("the layer is no gzip: {e}"))?;
    if config.rootfs.diff_ids != [Layer::of(&tar).digest] {
        return Err("expected the configuration to name the layer's tar".to_owned());
    }
    let known = [entry, &manifest.config, layer].map(Descriptor::path);
    let is_known =
        |path: &String| ["oci-layout", "index.json"].contains(&path.as_str()) || known.contains(path);
    if let Some(other) = files.keys().find(|path| !is_known(path)) {
        return Err(format!("expected nothing besides the image, found `{other}`"));
    }
    let mut inside = from_tar(&tar)?;
    let wasm = inside.remove(FILE).ok_or_else(|| format!("expected `{FILE}` in the layer, found none"))?;
    if let Some(other) = inside.keys().next() {
        return Err(format!("expected `{FILE}` alone in the layer, found `{other}`"));
    }
    Ok(Contents {
        digest: entry.digest.clone(),
        tag: entry.annotations.get("org.opencontainers.image.ref.name").cloned().unwrap_or_default(),
        annotations: manifest.annotations,
        wasm,
    })
}

fn parse<'a, T: Deserialize<'a>>(what: &str, text: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|e| format!("{what}: {e}"))
}

/// A tar of files in their order, without times and owners.
///
/// # Errors
/// A name is too long.
pub fn tar_of<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, String> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(|e| e.to_string())?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        tar.append(&header, bytes).map_err(|e| e.to_string())?;
    }
    tar.into_inner().map_err(|e| e.to_string())
}

/// The files of a tar.
///
/// # Errors
/// It is none.
pub fn from_tar(bytes: &[u8]) -> Result<Files, String> {
    let mut files = Files::new();
    for entry in tar::Archive::new(bytes).entries().map_err(|e| e.to_string())? {
        let mut entry = entry.map_err(|e| e.to_string())?;
        let path = entry.path().map_err(|e| e.to_string())?.display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|e| e.to_string())?;
        files.insert(path, content);
    }
    Ok(files)
}

/// Writes a layout as a folder, in place of the one that is there, and as a tar beside it.
///
/// # Errors
/// Something cannot be written.
pub fn write(files: &Files, dir: &Path) -> Result<(), String> {
    let at = |e: std::io::Error| format!("{}: {e}", dir.display());
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(at)?;
    }
    for (path, content) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(at)?;
        fs::write(&path, content).map_err(at)?;
    }
    let tar = tar_of(files.iter().map(|(path, content)| (path.as_str(), content.as_slice())))?;
    let mut path = dir.as_os_str().to_owned();
    path.push(".tar");
    fs::write(path, tar).map_err(at)
}
