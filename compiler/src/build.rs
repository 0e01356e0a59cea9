//! From sources to a bundle.

use serde::Serialize;
use sha2::{Digest, Sha256};
use sidegate_engine::bundle;
use sidegate_engine::grpc::Messages;
use sidegate_engine::limits::Limits;
use sidegate_engine::log;
use sidegate_engine::plan::{self, Entry, Image, Program, TableOf};

use crate::archive;
use crate::declare::table;
use crate::descriptors;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::index::{self, Note, Passes};
use crate::lower::{Place, Planner};
use crate::rego::{Modules, Node, Tree};
use crate::slice::{DataRead, Workload, is_slice, slicing};
use crate::sources::Sources;

/// The entry point where none is named: the one of OPA's Envoy plugin.
const DEFAULT_ENTRYPOINT: &str = "envoy/authz/allow";

/// What to build.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// Documents that can be asked for (`envoy/authz/allow`), besides those that annotations name
    /// (`entrypoint: true`); OPA's default where there are none.
    pub entrypoints: Vec<String>,
    /// Revision; the manifest's where there is none, else the hash of the sources.
    pub revision: Option<String>,
    /// The workload that the bundle is cut down to; all of the sources where there is none.
    pub workload: Option<Workload>,
    /// Nothing is looked up: the plan goes through everything one by one. What other plans are compared with.
    pub is_linear: bool,
    /// Every variable has a register of its own. What other plans are compared with.
    pub keeps_registers: bool,
}

/// A built bundle.
#[derive(Debug)]
pub struct Built {
    /// The bundle: a gzipped tar, the same bytes for the same sources.
    pub bundle: Vec<u8>,
    /// Its revision.
    pub revision: String,
    /// What each entry point depends on.
    pub entries: Vec<EntryReport>,
    /// Base data that a slice keeps; `None` where all are kept.
    pub reads: Option<Vec<DataRead>>,
    /// The compiled policy.
    pub image: Image,
}

/// What `build --report` shows of an entry point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryReport {
    /// Its path.
    pub entrypoint: String,
    /// Functions that it may run.
    pub functions: usize,
    /// Statements in them.
    pub statements: usize,
    /// Paths below `input` that it may read.
    pub reads: Vec<String>,
    /// Builtins that make it depend on more than its input (the clock, chance); it is pure where there are
    /// none.
    pub impure: Vec<String>,
    /// What answers: `table`, and the plan what the table leaves to it, or `plan`.
    pub form: Form,
    /// Why there is no table, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_because: Option<String>,
    /// What the plan looks up instead of going through it, and what it still goes through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<Note>,
}

/// What answers at an entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A table, straight from the attributes of a request.
    Table,
    /// The plan alone.
    Plan,
}

impl EntryReport {
    /// What each entry point of a compiled policy depends on.
    pub fn all(image: &Image) -> Vec<Self> {
        let entry = |(place, entry): (usize, &Entry)| {
            let reach = image.reach(entry.func);
            let impure = reach.builtins.iter().filter(|builtin| !builtin.is_pure());
            Self {
                entrypoint: entry.path.clone(),
                functions: reach.functions,
                statements: reach.statements,
                reads: entry.reads.iter().map(|path| path.join(".")).collect(),
                impure: impure.map(|builtin| builtin.name().to_owned()).collect(),
                form: if image.table(place).is_some() { Form::Table } else { Form::Plan },
                plan_because: None,
                lookups: Vec::new(),
            }
        };
        image.entries().iter().enumerate().map(entry).collect()
    }
}

/// Stack for parsing and planning, which recurse over what may be a long chain of operators.
pub(crate) const STACK: usize = 1 << 29;

/// Runs `work` with enough stack for any file that the parser takes.
pub(crate) fn on_large_stack<T: Send>(
    work: impl FnOnce() -> Result<T, Diagnostics> + Send,
) -> Result<T, Diagnostics> {
    let internal =
        || Diagnostics::from(Diagnostic::file("", "internal", "internal error: no thread to compile in"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.map_err(|_| internal())?.join().map_err(|_| internal())?
    })
}

/// Compiles the sources and packs them.
pub fn build(sources: &Sources, options: &BuildOptions) -> Result<Built, Diagnostics> {
    match &options.workload {
        None => on_large_stack(|| build_here(sources, options)),
        Some(workload) => slicing(&own(sources, workload), options, |slicer| {
            let slice = slicer.cut(workload)?;
            Ok(Built { reads: Some(slice.reads), ..slice.built })
        }),
    }
}

/// The sources with no more of the library for declarations than a workload needs.
fn own(sources: &Sources, workload: &Workload) -> Sources {
    let variant = sources.variants(std::slice::from_ref(workload)).pop();
    variant.map_or_else(|| sources.clone(), |(sources, _)| sources)
}

fn build_here(sources: &Sources, options: &BuildOptions) -> Result<Built, Diagnostics> {
    let modules = Modules::parse(sources)?;
    let tree = Tree::new(&modules)?;
    let entrypoints = entrypoints(&modules, options);
    let mut planner = Planner::new(&modules, &tree, &sources.data);
    let mut findings = Vec::new();
    if is_slice(&sources.data) {
        // A slice compiles to itself: as it was cut, after the same check.
        check_below(
            &mut Planner::new(&modules, &tree, &sources.data),
            &tree.root,
            &mut Vec::new(),
            &mut findings,
        );
        planner = planner.choosing();
    }
    planner = planner.plain(options.is_linear, options.keeps_registers);
    for path in &entrypoints {
        let parts: Vec<&str> = path.split('/').collect();
        findings.extend(planner.entry(&parts).err());
    }
    if !findings.is_empty() {
        return Err(Diagnostics::new(findings));
    }
    assemble(sources, &modules, planner, default_revision(sources, options.revision.as_deref()))
}

/// The entry points that are asked for and those that annotations name, each once.
pub(crate) fn entrypoints(modules: &Modules, options: &BuildOptions) -> Vec<String> {
    let mut entrypoints: Vec<String> = options.entrypoints.iter().map(|path| normal(path)).collect();
    for path in modules.iter().flat_map(|module| &module.entrypoints).map(|path| path.join("/")) {
        if !entrypoints.contains(&path) {
            entrypoints.push(path);
        }
    }
    if entrypoints.is_empty() {
        entrypoints.push(DEFAULT_ENTRYPOINT.to_owned());
    }
    // What is asked for the log of decisions, whatever the policy is asked for.
    for path in [log::DROP, log::MASK, log::RULE].map(str::to_owned) {
        if modules.defines(&path) && !entrypoints.contains(&path) {
            entrypoints.push(path);
        }
    }
    entrypoints
}

/// Packs what has been planned.
pub(crate) fn assemble(
    sources: &Sources,
    modules: &Modules,
    planner: Planner<'_>,
    revision: String,
) -> Result<Built, Diagnostics> {
    let messages = descriptors::read(&sources.descriptors)?;
    let (program, passes) = planner.finish(&revision);
    pack(sources, modules, &messages, program, &passes)
}

/// Packs a program with the sources that it was made from, which are `modules` when they are parsed.
pub(crate) fn pack(
    sources: &Sources,
    modules: &Modules,
    messages: &Messages,
    program: Program,
    passes: &Passes,
) -> Result<Built, Diagnostics> {
    let internal = |error: &dyn std::fmt::Display| {
        Diagnostics::from(Diagnostic::file(&sources.root, "internal", format!("internal error: {error}")))
    };
    let (program, notes) = passes.run(program).map_err(|error| internal(&error))?;
    let names =
        sources.modules.iter().map(|(name, _)| name).chain(sources.descriptors.iter().map(|(name, _)| name));
    let named =
        names.filter_map(|name| Some(Diagnostic::file(name, "source_name", archive::refuse_name(name)?)));
    let named: Vec<Diagnostic> = named.collect();
    if !named.is_empty() {
        return Err(Diagnostics::new(named));
    }
    let made = tables(sources, modules, &program);
    let tables: Vec<TableOf<Vec<u8>>> =
        (0..).zip(&made).filter_map(|(entry, made)| Some((entry, made.clone().ok()?))).collect();
    let plan = plan::encode_with(&program, messages, &tables).map_err(|error| internal(&error))?;
    // What cannot be loaded must not be shipped.
    let image = plan::decode(&plan).map_err(|error| internal(&error))?;
    let bundle = archive::bundle(sources, &program.revision, plan).map_err(|error| internal(&error))?;
    bundle::check(&bundle, &Limits::default())
        .map_err(|error| Diagnostic::file(&sources.root, error.code(), error.to_string()))?;
    let mut entries = EntryReport::all(&image);
    for ((shown, made), entry) in entries.iter_mut().zip(made).zip(&program.entries) {
        shown.plan_because = made.err();
        let rules = index::rules(&program, entry.func);
        shown.lookups = notes.iter().filter(|note| rules.contains(note.rule.as_str())).cloned().collect();
    }
    Ok(Built { bundle, revision: program.revision, entries, reads: None, image })
}

/// The table of each entry point, or why it has none.
fn tables(sources: &Sources, modules: &Modules, program: &Program) -> Vec<Result<Vec<u8>, String>> {
    let named = sources.modules.iter().zip(modules.iter());
    let named: Vec<(&str, &str, &[String])> = named
        .map(|((path, text), module)| (path.as_str(), text.as_str(), module.package.as_slice()))
        .collect();
    program.entries.iter().map(|entry| table::make(&entry.path, &named, &sources.data)).collect()
}

/// Compiles every rule of the sources, whether an entry point reaches it or not.
pub fn check(sources: &Sources) -> Result<usize, Diagnostics> {
    on_large_stack(|| check_here(sources))
}

fn check_here(sources: &Sources) -> Result<usize, Diagnostics> {
    let modules = Modules::parse(sources)?;
    let tree = Tree::new(&modules)?;
    descriptors::read(&sources.descriptors)?;
    let mut planner = Planner::new(&modules, &tree, &sources.data);
    let mut findings = Vec::new();
    let rules = check_below(&mut planner, &tree.root, &mut Vec::new(), &mut findings);
    if findings.is_empty() { Ok(rules) } else { Err(Diagnostics::new(findings)) }
}

pub(crate) fn check_below<'a>(
    planner: &mut Planner<'a>,
    node: &'a Node<'a>,
    path: &mut Vec<&'a str>,
    findings: &mut Vec<Diagnostic>,
) -> usize {
    let mut rules = usize::from(node.has_rules());
    if node.has_rules() {
        findings.extend(planner.document(&Place::plain(path), Some(node), None).err());
    }
    for (key, child) in &node.children {
        path.push(key);
        rules = rules.saturating_add(check_below(planner, child, path, findings));
        path.pop();
    }
    rules
}

/// `data.envoy.authz.allow` and `/envoy/authz/allow` are written too.
fn normal(entrypoint: &str) -> String {
    match entrypoint.strip_prefix("data.") {
        Some(dotted) => dotted.replace('.', "/"),
        None => entrypoint.trim_matches('/').to_owned(),
    }
}

/// What a build of the sources is called: as named, else as the manifest says, else by a hash of them.
pub fn default_revision(sources: &Sources, named: Option<&str>) -> String {
    let named = named.map(str::to_owned).or_else(|| sources.manifest.as_ref().map(|m| m.revision.clone()));
    named.filter(|revision| !revision.is_empty()).unwrap_or_else(|| {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        for (name, text) in &sources.modules {
            part(name.as_bytes());
            part(text.as_bytes());
        }
        for (name, bytes) in &sources.descriptors {
            part(name.as_bytes());
            part(bytes);
        }
        for (name, text) in &sources.declarations {
            part(name.as_bytes());
            part(text.as_bytes());
        }
        part(sources.data.to_string().as_bytes());
        let digest = hash.finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    })
}
