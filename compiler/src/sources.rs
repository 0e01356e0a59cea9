//! What a policy is built from: Rego, data and a manifest, in an OPA bundle's layout.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use regorus::Value;
use serde::{Deserialize, Serialize};
use sidegate_engine::eval::{Builtin, Context};

use crate::declare::{self, FileKind, Mesh};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::rego::huge_number;
use crate::slice::Workload;

/// An OPA bundle's `.manifest`. Keys that are not listed are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the bundle is called in logs and metrics.
    #[serde(default)]
    pub revision: String,
    /// The parts of `data` it owns.
    #[serde(default = "everything", skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<String>,
    /// Version of the language of every file: 0 or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rego_version: Option<u32>,
    /// The same for files whose path, with a leading `/`, a glob pattern matches; the first in their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_rego_versions: BTreeMap<String, u32>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

fn everything() -> Vec<String> {
    vec![String::new()]
}

/// A version of the Rego language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegoVersion {
    /// Before OPA 1.0: no keywords without `import future.keywords`.
    V0,
    /// Today's.
    V1,
}

/// Sources of a policy.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The folder, for messages; empty where there is none.
    pub root: String,
    /// Path inside the folder and text of each Rego file, sorted by path.
    pub modules: Vec<(String, String)>,
    /// Path inside the folder and bytes of each descriptor set of Protocol Buffers, sorted by path.
    pub descriptors: Vec<(String, Vec<u8>)>,
    /// The data document.
    pub data: Value,
    /// The manifest, if there is one.
    pub manifest: Option<Manifest>,
    /// What `services/<namespace>/<service>.yaml` declare, if there are any; the data and the library that
    /// decides by them are among the data and the modules.
    pub declared: Option<Mesh>,
    /// The texts of the declarations by their paths inside the folder: a bundle carries them, so that an
    /// explanation can show the line that decided. Nothing decides by them.
    pub declarations: BTreeMap<String, String>,
}

impl Sources {
    /// Sources that are at hand: path and text of each Rego file, and the data document.
    pub fn from_parts(mut modules: Vec<(String, String)>, data: Value) -> Self {
        modules.sort();
        Self {
            root: String::new(),
            modules,
            descriptors: Vec::new(),
            data,
            manifest: None,
            declared: None,
            declarations: BTreeMap::new(),
        }
    }

    /// Reads a folder as OPA reads a bundle's: `*.rego` anywhere (`*_test.rego` aside), `data.json`,
    /// `data.yaml` and `data.yml` under the path of their folder, `.manifest` at the top; besides,
    /// descriptor sets of Protocol Buffers (`*.pb`).
    pub fn read_dir(dir: &Path) -> Result<Self, Diagnostics> {
        Self::read(dir, false)
    }

    /// The same with `*_test.rego`, which belong to `sidegate test` and to no bundle.
    pub fn read_dir_with_tests(dir: &Path) -> Result<Self, Diagnostics> {
        Self::read(dir, true)
    }

    /// Takes the files of a bundle, by their names in it.
    pub fn from_files(files: Vec<(String, Vec<u8>)>) -> Result<Self, Diagnostics> {
        let mut sources = Self::from_parts(Vec::new(), Value::new_object());
        let mut findings = Vec::new();
        for (name, bytes) in files {
            let parts: Vec<String> = name.split('/').map(str::to_owned).collect();
            if matches!(FileKind::of(&parts), Some(Ok(_))) {
                sources.declarations.extend(String::from_utf8(bytes).ok().map(|text| (name, text)));
                continue;
            }
            findings.extend(sources.take(&name, &parts, false, || Ok(bytes)).err());
        }
        sources.finish(findings)
    }

    /// The declarations, read: those of a folder, or those that a bundle carries.
    ///
    /// # Errors
    /// What is wrong with the files of a bundle, as with those of a folder.
    pub fn mesh(&self) -> Result<Option<Cow<'_, Mesh>>, Diagnostics> {
        if let Some(mesh) = &self.declared {
            return Ok(Some(Cow::Borrowed(mesh)));
        }
        let file = |(path, text): (&String, &String)| {
            let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
            let source = declare::Source::new(path, text);
            Some(declare::File { kind: FileKind::of(&parts)?.ok()?, source })
        };
        let files: Vec<declare::File> = self.declarations.iter().filter_map(file).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let mut mesh = Mesh::read(&files).map_err(Diagnostics::new)?;
        self.beside(&mut mesh).map_err(Diagnostics::new)?;
        Ok(Some(Cow::Owned(mesh)))
    }

    /// The texts of the declarations that a workload is decided by.
    pub(crate) fn declarations_of(&self, workload: &Workload) -> BTreeMap<String, String> {
        let keys = ["sidegate", "workloads", workload.namespace(), workload.name()].map(Value::from);
        let service = keys.iter().fold(&self.data, |value, key| &value[key]);
        let own =
            service.as_string().ok().map(|name| format!("services/{}/{name}.yaml", workload.namespace()));
        let paths = own.into_iter().chain(std::iter::once("mesh.yaml".to_owned()));
        paths
            .filter_map(|path| self.declarations.get_key_value(&path))
            .map(|(path, text)| (path.clone(), text.clone()))
            .collect()
    }

    fn read(dir: &Path, tests: bool) -> Result<Self, Diagnostics> {
        let root = dir.display().to_string();
        let mut sources = Self { root: root.clone(), ..Self::from_parts(Vec::new(), Value::new_object()) };
        let mut findings = Vec::new();
        let (mut declarations, mut data_files) = (Vec::new(), Vec::new());
        let walk = walkdir::WalkDir::new(dir).sort_by_file_name().follow_links(true);
        // Hidden folders (`.git`) are no policies.
        for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden_dir(entry)) {
            let result = match entry {
                Ok(entry) if entry.file_type().is_file() => match declaration(dir, entry.path()) {
                    Some(Ok(file)) => {
                        declarations.push(file);
                        Ok(())
                    }
                    Some(Err(finding)) => Err(finding),
                    None => {
                        if is_data(entry.file_name()) {
                            data_files.push(entry.path().to_owned());
                        }
                        sources.read_file(dir, entry.path(), tests)
                    }
                },
                Ok(_) => Ok(()),
                Err(error) => Err(Diagnostic::file(
                    &root,
                    "source_read",
                    format!("expected a folder with policies, got an error: {error}"),
                )),
            };
            findings.extend(result.err());
        }
        if !declarations.is_empty() {
            let inside = |file: &declare::File| (file.kind.path(), file.source.text.clone());
            sources.declarations = declarations.iter().map(inside).collect();
            findings.extend(declare::misplaced_data(dir, &data_files));
            findings.extend(sources.declare(&declarations, tests).err().into_iter().flatten());
        }
        sources.finish(findings)
    }

    fn finish(mut self, mut findings: Vec<Diagnostic>) -> Result<Self, Diagnostics> {
        if findings.is_empty() && self.modules.is_empty() {
            let message = "expected `*.rego` files or `services/<namespace>/<service>.yaml`, got none";
            findings.push(Diagnostic::file(&self.root, "source_empty", message));
        }
        self.modules.sort();
        self.descriptors.sort();
        if findings.is_empty() { Ok(self) } else { Err(Diagnostics::new(findings)) }
    }

    /// Adds what declarations say: data below `sidegate`, and the library that decides by them.
    /// Tests get all of it: they may ask for more than the declarations need.
    fn declare(&mut self, files: &[declare::File], tests: bool) -> Result<(), Vec<Diagnostic>> {
        let mut mesh = Mesh::read(files)?;
        self.modules.retain(|(_, text)| !declare::library::is_copy(text));
        self.beside(&mut mesh)?;
        let one = |finding| vec![finding];
        self.own_names(&mesh).map_err(one)?;
        let data = Value::from(BTreeMap::from([(Value::from("sidegate"), mesh.data()?)]));
        merge(&mut self.data, &data, &mut Vec::new()).map_err(|path| {
            let message = format!("expected `data.{}` once, got it twice", path.join("."));
            one(Diagnostic::file(&self.root, "data_conflict", message))
        })?;
        // Nobody says here whose slice it is to be, so the rules of all may name the library.
        let is_all = tests || self.modules.iter().any(|(_, text)| declare::names_library(text));
        self.modules.extend(if is_all { declare::library::all() } else { mesh.modules() });
        self.declared = Some(mesh);
        Ok(())
    }

    /// What declarations mean is not for other files to change.
    fn own_names(&self, mesh: &Mesh) -> Result<(), Diagnostic> {
        let own = Value::from("sidegate");
        if self.data.as_object().is_ok_and(|data| data.get(&own).is_some()) {
            let message = "expected nothing at `data.sidegate`, which declarations are read to";
            return Err(Diagnostic::file(&self.root, "declare_reserved", message));
        }
        let prefix = format!("{}/", declare::library::FOLDER);
        match self.modules.iter().find(|(path, _)| path.starts_with(&prefix)) {
            Some((path, _)) if !mesh.services.is_empty() => {
                let message =
                    format!("expected no files in `{prefix}`, where the library for declarations goes");
                Err(Diagnostic::file(&self.shown(path), "declare_reserved", message))
            }
            _ => Ok(()),
        }
    }

    /// The version of the language that a module is written in, as OPA's bundle loader finds it.
    pub(crate) fn version(&self, module: &str) -> Result<RegoVersion, Diagnostic> {
        let Some(manifest) = &self.manifest else { return Ok(RegoVersion::V1) };
        let path = format!("/{}", module.trim_start_matches('/'));
        let mut own = manifest.file_rego_versions.iter().filter(|(pattern, _)| matches_glob(pattern, &path));
        let version = own.next().map(|(_, version)| *version).or(manifest.rego_version);
        match version {
            Some(0) => Ok(RegoVersion::V0),
            Some(1) | None => Ok(RegoVersion::V1),
            Some(other) => {
                let message = format!("expected version 0 or 1 of the language for `{module}`, got {other}");
                Err(Diagnostic::file(&self.shown(".manifest"), "rego_version", message))
            }
        }
    }

    /// A module's path as a person would write it.
    pub fn shown(&self, module: &str) -> String {
        Path::new(&self.root).join(module).display().to_string()
    }

    fn read_file(&mut self, dir: &Path, path: &Path, tests: bool) -> Result<(), Diagnostic> {
        let shown = path.display().to_string();
        let inside = path.strip_prefix(dir).unwrap_or(path);
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let read = || {
            fs::read(path).map_err(|error| {
                Diagnostic::file(&shown, "source_read", format!("expected a readable file: {error}"))
            })
        };
        self.take(&shown, &parts, tests, read)
    }

    /// Takes a file, by its path inside the folder or bundle; `read` is asked only for what is of use.
    fn take(
        &mut self,
        shown: &str,
        parts: &[String],
        tests: bool,
        read: impl FnOnce() -> Result<Vec<u8>, Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let Some((name, folders)) = parts.split_last() else { return Ok(()) };
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|_| {
                Diagnostic::file(shown, "source_read", "expected a text file, got bytes that are not UTF-8")
            })
        };
        match name.as_str() {
            ".manifest" if folders.is_empty() => {
                let manifest = serde_json::from_str(&text(read()?)?).map_err(|error| {
                    Diagnostic::file(shown, "manifest", format!("expected an OPA manifest: {error}"))
                })?;
                self.manifest = Some(manifest);
            }
            "data.json" => {
                let text = text(read()?)?;
                if huge_number(&text) {
                    let message = "expected numbers of at most 999 digits, got one with a larger exponent";
                    return Err(Diagnostic::file(shown, "data_json", message));
                }
                let value = Value::from_json_str(&text).map_err(|error| {
                    Diagnostic::file(shown, "data_json", format!("expected JSON: {error}"))
                })?;
                self.add_data(shown, folders, value)?;
            }
            "data.yaml" | "data.yml" => {
                let value: serde_json::Value = serde_yaml_ng::from_str(&text(read()?)?).map_err(|error| {
                    Diagnostic::file(shown, "data_yaml", format!("expected YAML: {error}"))
                })?;
                self.add_data(shown, folders, Value::from(value))?;
            }
            _ if name.ends_with("_test.rego") && !tests => {}
            _ if name.ends_with(".pb") => self.descriptors.push((parts.join("/"), read()?)),
            _ if name.ends_with(".rego") => self.modules.push((parts.join("/"), text(read()?)?)),
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, file: &str, folders: &[String], value: Value) -> Result<(), Diagnostic> {
        let conflict = |at: &str| {
            let message = format!("expected one value for `data.{at}`, got another from another file");
            Diagnostic::file(file, "data_conflict", message)
        };
        if folders.is_empty() && !matches!(value, Value::Object(_)) {
            return Err(Diagnostic::file(file, "data_root", "expected an object at the root of the data"));
        }
        let nested = folders.iter().rev().fold(value, |value, folder| {
            Value::from(BTreeMap::from([(Value::from(folder.as_str()), value)]))
        });
        merge(&mut self.data, &nested, &mut Vec::new()).map_err(|path| conflict(&path.join(".")))
    }
}

fn is_data(name: &OsStr) -> bool {
    ["data.json", "data.yaml", "data.yml"].iter().any(|data| name == *data)
}

/// The declaration that a file is, if it is one.
fn declaration(dir: &Path, path: &Path) -> Option<Result<declare::File, Diagnostic>> {
    let inside = path.strip_prefix(dir).unwrap_or(path);
    let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let shown = path.display().to_string();
    let kind = match FileKind::of(&parts)? {
        Ok(kind) => kind,
        Err(message) => return Some(Err(Diagnostic::file(&shown, "declare_path", message))),
    };
    let read = fs::read_to_string(path).map_err(|error| {
        Diagnostic::file(&shown, "source_read", format!("expected a readable text file: {error}"))
    });
    Some(read.map(|text| declare::File { kind, source: declare::Source::new(shown, text) }))
}

/// Whether a pattern of the manifest matches a path; no character separates.
fn matches_glob(pattern: &str, path: &str) -> bool {
    let args = [Value::from(pattern), Value::Null, Value::from(path)];
    Builtin::find("glob.match").and_then(|glob| glob.call(&args, &Context::default()).ok())
        == Some(Value::Bool(true))
}

fn is_hidden_dir(entry: &walkdir::DirEntry) -> bool {
    entry.file_type().is_dir() && entry.file_name().to_string_lossy().starts_with('.')
}

/// Merges objects; on two values for one path returns the path.
fn merge(into: &mut Value, from: &Value, path: &mut Vec<String>) -> Result<(), Vec<String>> {
    let (Ok(target), Ok(fields)) = (into.as_object_mut(), from.as_object()) else {
        return Err(path.clone());
    };
    for (key, value) in fields.iter_sorted() {
        path.push(key.as_string().map_or_else(|_| key.to_string(), |s| s.to_string()));
        match target.get_mut(key) {
            Some(before) => merge(before, value, path)?,
            None => {
                target.insert(key.clone(), value.clone());
            }
        }
        path.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_files_is_merged_and_a_conflict_is_named() {
        let mut sources = Sources::from_parts(vec![], Value::new_object());
        let folders = ["a".to_owned(), "b".to_owned()];
        let value = |text| Value::from_json_str(text).unwrap();
        sources.add_data("x/data.json", &folders, value(r#"{"c":1}"#)).unwrap();
        sources.add_data("data.json", &[], value(r#"{"a":{"d":2}}"#)).unwrap();
        assert_eq!(sources.data, value(r#"{"a":{"b":{"c":1},"d":2}}"#));
        let error = sources.add_data("data.json", &[], value(r#"{"a":{"b":{"c":3}}}"#)).unwrap_err();
        assert!(error.message.contains("`data.a.b.c`"), "{error}");
    }
}
