//! The manifests for Istio that are shipped: from which values each is made, and what `kubectl`, a live API server and
//! `istioctl` say of them. The e2e test calls the latter with what it has built.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sidegate_compiler::render::{Asked, Kind, render};

use crate::places;

/// One of them, in `envoy-config/istio`.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// What is made.
    pub kind: Kind,
    /// The values, `values/NAME.yaml`.
    pub values: &'static str,
    /// The folder for `kubectl apply -k`.
    pub folder: &'static str,
    /// The rendered file in it; none, where the folder patches another's.
    pub file: Option<&'static str>,
}

/// All of them.
pub const ALL: [Manifest; 11] = [
    Manifest::new(Kind::EnvoyFilter, "base", "base", Some("envoyfilter.yaml")),
    Manifest::new(Kind::EnvoyFilter, "namespace", "overlays/namespace", Some("envoyfilter.yaml")),
    Manifest::new(Kind::EnvoyFilter, "workload", "overlays/workload", Some("envoyfilter.yaml")),
    Manifest::new(Kind::EnvoyFilter, "gateway", "overlays/gateway", Some("envoyfilter.yaml")),
    Manifest::new(Kind::EnvoyFilter, "waypoint", "overlays/waypoint", Some("envoyfilter.yaml")),
    Manifest::new(Kind::EnvoyFilter, "bodies", "overlays/bodies", None),
    Manifest::new(Kind::EnvoyFilter, "inline", "overlays/inline", Some("envoyfilter.yaml")),
    Manifest::new(Kind::WasmPlugin, "wasmplugin", "overlays/wasmplugin", Some("wasmplugin.yaml")),
    Manifest::new(
        Kind::TrafficExtension,
        "trafficextension",
        "overlays/trafficextension",
        Some("trafficextension.yaml"),
    ),
    Manifest::new(Kind::Bundles, "bundle-server", "overlays/bundle-server", Some("bundles.yaml")),
    Manifest::new(
        Kind::Bundles,
        "bundle-server-external",
        "overlays/bundle-server-external",
        Some("bundles.yaml"),
    ),
];

/// The folder of all this, in the repository.
pub const FOLDER: &str = "envoy-config/istio";

/// What Istio warns of whenever there is an EnvoyFilter.
const OF_EVERY_ENVOYFILTER: &str = "EnvoyFilter exposes internal implementation details";

impl Manifest {
    const fn new(kind: Kind, values: &'static str, folder: &'static str, file: Option<&'static str>) -> Self {
        Self { kind, values, folder, file }
    }

    /// The word for it that `sidegate render` takes.
    pub fn verb(&self) -> &'static str {
        match self.kind {
            Kind::EnvoyFilter => "envoyfilter",
            Kind::WasmPlugin => "wasmplugin",
            Kind::TrafficExtension => "trafficextension",
            Kind::Bundles => "bundles",
            Kind::Envoy => "envoy",
        }
    }

    /// The values, from the root of the repository.
    pub fn values_file(&self) -> String {
        format!("{FOLDER}/values/{}.yaml", self.values)
    }

    /// The rendered file, from the root of the repository.
    pub fn rendered_file(&self) -> Option<String> {
        self.file.map(|file| format!("{FOLDER}/{}/{file}", self.folder))
    }

    /// The folder for `kubectl apply -k`.
    pub fn kustomization(&self) -> PathBuf {
        places::root().join(FOLDER).join(self.folder)
    }

    /// What `sidegate render` makes of the values.
    ///
    /// # Errors
    /// It refuses them.
    pub fn objects(&self) -> Result<Vec<Value>, String> {
        let file = self.values_file();
        let text = std::fs::read_to_string(places::root().join(&file)).map_err(|e| format!("{file}: {e}"))?;
        let asked = Asked { kind: self.kind, file: &file, text: &text, wasm: None, bundle: None };
        let rendered = render(&asked).map_err(|findings| findings.to_string())?;
        parse(&rendered.yaml("made for a test")).map_err(|e| format!("{file}: {e}"))
    }
}

/// The documents of a text in YAML.
///
/// # Errors
/// It is none.
pub fn parse(yaml: &str) -> Result<Vec<Value>, String> {
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| serde::Deserialize::deserialize(document).map_err(|e| e.to_string()))
        .collect()
}

/// That `kubectl kustomize` makes the same objects of every folder as `sidegate render` of its values.
///
/// # Errors
/// What differs.
pub fn check_kustomizations(kubectl: &Path) -> Result<(), String> {
    for manifest in ALL {
        let folder = manifest.kustomization();
        let built = run(Command::new(kubectl).arg("kustomize").arg(&folder))?;
        let sorted = |mut all: Vec<Value>| {
            all.sort_by_key(|object| object["kind"].to_string());
            all
        };
        let (got, wanted) = (sorted(parse(&built)?), sorted(manifest.objects()?));
        if got != wanted {
            return Err(format!("{}: expected {wanted:#?}, got {got:#?}", folder.display()));
        }
    }
    Ok(())
}

/// That an API server takes every folder, without anything being applied. `kubectl` is the command with all that it needs to
/// find the server; the namespaces of the manifests have to be there.
///
/// # Errors
/// What it does not take, and what it warns of.
pub fn check_with_server(kubectl: impl Fn() -> Command) -> Result<(), String> {
    for manifest in ALL {
        let folder = manifest.kustomization();
        let mut command = kubectl();
        command.args(["apply", "--dry-run=server", "--validate=strict", "-k"]).arg(&folder);
        let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
        let (out, err) = texts(&output);
        // istiod's webhook warns of every EnvoyFilter.
        let warned =
            err.lines().any(|line| !line.contains("EnvoyFilter exposes internal implementation details"));
        if !output.status.success() || warned {
            return Err(format!("{}: {out}{err}", folder.display()));
        }
    }
    Ok(())
}

/// That `istioctl` finds nothing wrong in any of them: `validate` each, `analyze` all that can be there together.
///
/// # Errors
/// What it found.
pub fn check_with_istioctl(istioctl: &Path) -> Result<(), String> {
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    for manifest in ALL {
        let file = dir.path().join(format!("{}.yaml", manifest.values));
        let documents: Vec<String> = manifest.objects()?.iter().map(ToString::to_string).collect();
        std::fs::write(&file, documents.join("\n---\n")).map_err(|e| e.to_string())?;
        let mut command = Command::new(istioctl);
        command.arg("validate").arg("-f").arg(&file);
        let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
        let (out, err) = texts(&output);
        // What it has to say of every EnvoyFilter; a key that it does not know is a warning, too.
        let mut warned = out.lines().chain(err.lines()).filter(|line| line.trim_start().starts_with("* "));
        if !output.status.success() || warned.any(|line| !line.contains(OF_EVERY_ENVOYFILTER)) {
            return Err(format!("{}: {out}{err}", manifest.values));
        }
        let mut command = Command::new(istioctl);
        command.args(["analyze", "--use-kube=false", "--failure-threshold", "Warning"]);
        run(command.arg(&file)).map_err(|e| format!("{}: {e}", manifest.values))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let (out, err) = texts(&output);
    if output.status.success() { Ok(out) } else { Err(format!("{command:?}: {out}{err}")) }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The guards as they are shipped, for a filter in this mode: behind the filter for HTTP, and behind that for the rest.
///
/// # Errors
/// They are not rendered.
pub fn guards(mode: &str) -> Result<(Value, Value), String> {
    let base = ALL[0];
    let (file, path) = (base.values_file(), places::root().join(base.values_file()));
    let shipped = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let text = shipped.replace("  version: 1\n", &format!("  version: 1\n  mode: {mode}\n"));
    if text == shipped {
        return Err(format!("expected `config.version` in {file}, where the mode is put"));
    }
    let asked = Asked { kind: base.kind, file: &file, text: &text, wasm: None, bundle: None };
    let rendered = render(&asked).map_err(|findings| findings.to_string())?;
    let object: Value = serde_json::from_str(&rendered.json()).map_err(|e| e.to_string())?;
    let named = |end: &str| {
        let mut patches = object["spec"]["configPatches"].as_array().into_iter().flatten();
        let value = patches.find_map(|patch| {
            let value = &patch["patch"]["value"];
            value["name"].as_str().is_some_and(|name| name.ends_with(end)).then_some(value)
        });
        value.cloned().ok_or_else(|| format!("expected a filter `…{end}` in {file}"))
    };
    Ok((named(".sidegate.guard")?, named(".network.guard")?))
}
