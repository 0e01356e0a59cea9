//! Slices: what one workload needs of a policy, as a bundle of its own.
//!
//! In a slice `data.sidegate.workload` says whose it is. The plan is made with that, which names the data
//! that it looks at and the packages that it goes through; the slice keeps those, and is then planned again
//! from what it keeps. Both plans have to be the same, so that no answer can depend on what was left out.

mod workload;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use regorus::Value;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sidegate_engine::grpc::Messages;
use sidegate_engine::plan::Program;

use crate::build::{BuildOptions, Built, STACK, check_below, entrypoints, on_large_stack, pack};
use crate::descriptors;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::lower::{Planner, Reads};
use crate::rego::{Modules, Node, Tree, called};
use crate::sources::{Manifest, Sources};

pub use workload::{Workload, WorkloadError};

/// Where a slice says whose it is.
const PLACE: [&str; 2] = ["sidegate", "workload"];

/// Cuts slices from sources that have been checked.
pub struct Slicer<'s> {
    sources: &'s Sources,
    modules: &'s Modules,
    tree: &'s Tree<'s>,
    messages: Messages,
    entrypoints: Vec<String>,
    revision: Option<String>,
    /// For each module the packages without which OPA would not compile it.
    needs: Vec<BTreeSet<Vec<String>>>,
}

/// A slice, with what it was made from.
#[derive(Debug)]
pub struct Slice {
    /// The bundle.
    pub built: Built,
    /// Base data that it was made from.
    pub reads: Vec<DataRead>,
    /// Whether it depends on whose slice it is.
    pub reads_workload: bool,
}

/// Base data that a slice was made from. Where there is nothing at the path, that is what counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRead {
    /// Below `data`.
    pub path: Vec<String>,
    /// Whether everything from here on counts; else the keys of the object alone.
    pub whole: bool,
}

impl DataRead {
    /// Text of what counts in `data`: the same text, the same slice.
    pub fn seen(&self, data: &Value) -> String {
        let value = self.path.iter().fold(data, |value, key| &value[&Value::from(key.as_str())]);
        match (self.whole, value) {
            (_, Value::Undefined) => "undefined".to_owned(),
            (false, Value::Object(fields)) => {
                let keys: Vec<String> = fields.iter_sorted().map(|(key, _)| key.to_string()).collect();
                keys.join(",")
            }
            (false, _) => "no object".to_owned(),
            (true, value) => value.to_string(),
        }
    }

    /// The path as Rego writes it.
    pub fn shown(&self) -> String {
        let path = std::iter::once("data").chain(self.path.iter().map(String::as_str));
        let path = path.collect::<Vec<_>>().join(".");
        if self.whole { path } else { format!("{path} (keys)") }
    }
}

/// Checks the sources as `check` does and lends what cuts slices from them to `work`.
pub fn slicing<T: Send>(
    sources: &Sources,
    options: &BuildOptions,
    work: impl FnOnce(&Slicer<'_>) -> Result<T, Diagnostics> + Send,
) -> Result<T, Diagnostics> {
    on_large_stack(|| {
        let modules = Modules::parse(sources)?;
        let tree = Tree::new(&modules)?;
        let messages = descriptors::read(&sources.descriptors)?;
        vacant(sources, &tree)?;
        let mut planner = Planner::new(&modules, &tree, &sources.data);
        let mut findings = Vec::new();
        check_below(&mut planner, &tree.root, &mut Vec::new(), &mut findings);
        if !findings.is_empty() {
            return Err(Diagnostics::new(findings));
        }
        let needs = modules.iter().map(|module| functions(&modules, &tree, module)).collect();
        let entrypoints = entrypoints(&modules, options);
        let revision = options.revision.clone();
        work(&Slicer { sources, modules: &modules, tree: &tree, messages, entrypoints, revision, needs })
    })
}

/// Refuses sources that say themselves what a slice says.
fn vacant(sources: &Sources, tree: &Tree<'_>) -> Result<(), Diagnostics> {
    let [outer, inner] = PLACE.map(Value::from);
    let outer = &sources.data[&outer];
    let data = !matches!(outer, Value::Object(_) | Value::Undefined) || outer[&inner] != Value::Undefined;
    let rules = tree.at(&PLACE).is_some() || tree.at(&["sidegate"]).is_some_and(Node::has_rules);
    if data || rules {
        let message =
            "expected nothing at `data.sidegate.workload`, where a slice says whose it is, got data or rules";
        let file = sources.shown("data.json");
        return Err(Diagnostic::file(&file, "slice_workload", message).help("call it otherwise").into());
    }
    Ok(())
}

/// The packages of the functions that a module names.
fn functions(modules: &Modules, tree: &Tree<'_>, module: &crate::rego::Module) -> BTreeSet<Vec<String>> {
    let nodes = called(modules, module).into_iter().map(|path| tree.deepest(&path).0);
    let functions = nodes.filter(|node| node.is_function());
    functions
        .flat_map(|node| {
            let clauses = node.clauses.iter().map(|clause| clause.module);
            clauses.chain(node.default.map(|(module, ..)| module)).map(|module| module.package.clone())
        })
        .collect()
}

impl Slicer<'_> {
    /// The entry points of every slice.
    pub fn entrypoints(&self) -> &[String] {
        &self.entrypoints
    }

    /// The slices of `workloads` by `threads` at a time; each is handed to `each` when it is done, together
    /// with its place among them.
    pub fn all(
        &self,
        workloads: &[Workload],
        threads: usize,
        each: &(dyn Fn(usize, Result<Slice, Diagnostics>) + Sync),
    ) -> Result<(), Diagnostics> {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((at, workload)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                workloads.get(at).map(|workload| (at, workload))
            } {
                each(at, self.cut(workload));
            }
        };
        let internal = || Diagnostics::from(Diagnostic::file("", "internal", "internal error: no thread"));
        std::thread::scope(|scope| {
            let spawn = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            let threads = (0..threads.max(1)).map(spawn).collect::<Result<Vec<_>, _>>();
            let threads = threads.map_err(|_| internal())?;
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| internal()))
        })
    }

    /// The slice of one workload. Its caller's stack must be a large one.
    pub(crate) fn cut(&self, workload: &Workload) -> Result<Slice, Diagnostics> {
        let data = with_workload(&self.sources.data, workload);
        let mut planner = Planner::new(self.modules, self.tree, &data).choosing();
        self.entries(&mut planner)?;
        let (reads, packages) = planner.made_from();
        let (reads, packages) = (reads.clone(), self.compilable(packages));
        let (whole, _) = planner.finish("");
        let kept = self.kept(workload, &data, &reads, &packages)?;
        let modules = self.modules.of(&packages);
        let tree = Tree::new(&modules)?;
        let mut planner = Planner::new(&modules, &tree, &kept.data).choosing();
        self.entries(&mut planner)?;
        let (program, passes) = planner.finish("");
        if program != whole {
            let message = format!("internal error: the slice of `{workload}` is not planned as the whole is");
            return Err(Diagnostic::file(&self.sources.root, "internal", message).into());
        }
        let revision = self.revision.clone().unwrap_or_else(|| self.revision(&kept));
        let program = Program { revision, ..program };
        let built = pack(&kept, &modules, &self.messages, program, &passes)?;
        let meets = |path: &[String]| path.iter().zip(PLACE).all(|(key, own)| key == own);
        let reads_workload = reads.paths().iter().any(|(path, _)| meets(path));
        let reads = reads.paths().into_iter();
        let reads = reads.map(|(path, whole)| DataRead { path: path.to_vec(), whole });
        let reads = reads.filter(|read| !is_own(&read.path)).collect();
        Ok(Slice { built, reads, reads_workload })
    }

    fn entries(&self, planner: &mut Planner<'_>) -> Result<(), Diagnostics> {
        let mut findings = Vec::new();
        for path in &self.entrypoints {
            let parts: Vec<&str> = path.split('/').collect();
            findings.extend(planner.entry(&parts).err());
        }
        if findings.is_empty() { Ok(()) } else { Err(Diagnostics::new(findings)) }
    }

    /// The packages with all that OPA needs to compile them.
    fn compilable(&self, packages: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
        let mut all = packages.clone();
        loop {
            let before = all.len();
            let named = self.modules.iter().zip(&self.needs);
            let needed: Vec<_> = named
                .filter(|(module, _)| all.contains(&module.package))
                .flat_map(|(_, needs)| needs.iter().filter(|package| !all.contains(*package)))
                .cloned()
                .collect();
            all.extend(needed);
            if all.len() == before {
                return all;
            }
        }
    }

    /// The sources of a slice.
    fn kept(
        &self,
        workload: &Workload,
        data: &Value,
        reads: &Reads,
        packages: &BTreeSet<Vec<String>>,
    ) -> Result<Sources, Diagnostics> {
        let mut reads = reads.clone();
        reads.whole(PLACE.map(str::to_owned).to_vec());
        let named = self.sources.modules.iter().zip(self.modules.iter());
        let modules = named.filter(|(_, module)| packages.contains(&module.package));
        let manifest = self.sources.manifest.as_ref();
        let kept = Sources {
            root: self.sources.root.clone(),
            modules: modules.map(|(file, _)| file.clone()).collect(),
            descriptors: self.sources.descriptors.clone(),
            data: reads.cut(data),
            manifest: manifest.map(|manifest| rooted(manifest.clone())),
            declared: None,
            declarations: self.sources.declarations_of(workload),
        };
        if kept.modules.is_empty() {
            let message = format!("internal error: the slice of `{workload}` has no module");
            return Err(Diagnostic::file(&self.sources.root, "internal", message).into());
        }
        Ok(kept)
    }

    /// A hash of all that is in the slice.
    fn revision(&self, kept: &Sources) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        for (name, text) in &kept.modules {
            part(name.as_bytes());
            part(text.as_bytes());
        }
        part(b"descriptors");
        for (name, bytes) in &kept.descriptors {
            part(name.as_bytes());
            part(bytes);
        }
        for (name, text) in &kept.declarations {
            part(name.as_bytes());
            part(text.as_bytes());
        }
        part(kept.data.to_string().as_bytes());
        let manifest = kept.manifest.as_ref().map(|m| Manifest { revision: String::new(), ..m.clone() });
        part(serde_json::to_string(&manifest).unwrap_or_default().as_bytes());
        self.entrypoints.iter().for_each(|path| part(path.as_bytes()));
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether data say whose slice they are.
pub(crate) fn is_slice(data: &Value) -> bool {
    let [outer, inner] = PLACE.map(Value::from);
    matches!(data[&outer][&inner], Value::Object(_))
}

fn with_workload(data: &Value, workload: &Workload) -> Value {
    let [outer, inner] = PLACE.map(Value::from);
    let mut sidegate = data[&outer].clone();
    if sidegate == Value::Undefined {
        sidegate = Value::new_object();
    }
    if let Ok(fields) = sidegate.as_object_mut() {
        fields.insert(inner, workload.document());
    }
    let mut data = data.clone();
    if let Ok(fields) = data.as_object_mut() {
        fields.insert(outer, sidegate);
    }
    data
}

fn is_own(path: &[String]) -> bool {
    path.iter().zip(PLACE).filter(|(key, own)| *key == own).count() == PLACE.len()
}

/// The manifest, with a root for what a slice says of itself.
fn rooted(mut manifest: Manifest) -> Manifest {
    let place = PLACE.join("/");
    let covers = |root: &String| {
        let root = root.trim_matches('/');
        root.is_empty() || place == root || place.starts_with(&format!("{root}/"))
    };
    if !manifest.roots.iter().any(covers) {
        manifest.roots.push(place);
    }
    manifest
}
