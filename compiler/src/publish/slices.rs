//! The slices of a publish: those whose sources are as they were are not made again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread::available_parallelism;

use sha2::{Digest, Sha256};
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;
use sidegate_engine::plan;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Layer;

use super::books::{Books, Made};
use super::tree::Tree;
use super::{PublishError, hex};
use crate::build::BuildOptions;
use crate::diagnostics::Diagnostics;
use crate::slice::{DataRead, Slice, Workload, slicing};
use crate::sources::Sources;

/// Makes what is missing of the slices of `workloads`, writes their blobs, and says which each has and how
/// many were made.
pub(super) fn slices(
    books: &mut Books,
    sources: &Sources,
    entrypoints: &[String],
    workloads: &BTreeSet<Workload>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(BTreeMap<Workload, Layer>, usize), PublishError> {
    let code = code(sources, entrypoints)?;
    let mut seen = Seen { sources, known: BTreeMap::new() };
    let mut all = BTreeMap::new();
    let mut missing = Vec::new();
    let same_code = books.state.code == code;
    for workload in workloads {
        let made = books.state.slices.get(workload).filter(|_| same_code);
        match made.filter(|made| books.tree.has(&made.layer) && seen.of(workload, &made.reads) == made.seen) {
            Some(made) => {
                all.insert(workload.clone(), made.layer.clone());
            }
            None => missing.push(workload.clone()),
        }
    }
    if !same_code {
        books.state.slices.clear();
        books.state.code = code;
    }
    let made = make(&books.tree, sources, entrypoints, &missing, progress)?;
    let count = made.len();
    for (workload, (layer, reads)) in made {
        let made = Made { seen: seen.of(&workload, &reads), reads, layer: layer.clone() };
        books.state.slices.insert(workload.clone(), made);
        all.insert(workload, layer);
    }
    Ok((all, count))
}

type Results = Vec<(Workload, Result<(Layer, Vec<DataRead>), PublishError>)>;

fn make(
    tree: &Tree,
    sources: &Sources,
    entrypoints: &[String],
    missing: &[Workload],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<BTreeMap<Workload, (Layer, Vec<DataRead>)>, PublishError> {
    let options = BuildOptions { entrypoints: entrypoints.to_vec(), ..BuildOptions::default() };
    let results: Mutex<Results> = Mutex::default();
    let threads = available_parallelism().map_or(1, usize::from);
    // The sources are checked, whether there is a slice to make or not.
    for (sources, group) in sources.variants(missing) {
        let each = |at: usize, slice: Result<Slice, Diagnostics>| {
            let Some(workload) = group.get(at) else { return };
            let kept = slice.map_err(PublishError::from).and_then(|slice| keep(tree, workload, slice));
            if let Ok(mut results) = results.lock() {
                results.push((workload.clone(), kept));
                progress(results.len(), missing.len());
            }
        };
        slicing(&sources, &options, |slicer| slicer.all(&group, threads, &each))?;
    }
    let mut made = BTreeMap::new();
    let mut findings = Vec::new();
    for (workload, result) in results.into_inner().unwrap_or_default() {
        match result {
            Ok(slice) => {
                made.insert(workload, slice);
            }
            Err(PublishError::Findings(found)) => findings.extend(found.iter().cloned()),
            Err(other) => return Err(other),
        }
    }
    if !findings.is_empty() {
        return Err(Diagnostics::new(findings).into());
    }
    if made.len() < missing.len() {
        return Err(PublishError::request("internal error: not every slice was made"));
    }
    Ok(made)
}

/// Loads a slice as a proxy would, and writes its blob if it is not there.
fn keep(tree: &Tree, workload: &Workload, slice: Slice) -> Result<(Layer, Vec<DataRead>), PublishError> {
    let bytes = slice.built.bundle;
    let layer = Layer::of(&bytes);
    let limits = Limits::default();
    let refused = |error: &bundle::BundleError| PublishError::Slice {
        workload: workload.clone(),
        why: error.to_string(),
        code: error.code(),
    };
    let mut opened = Some(bundle::open_layer(&bytes, &layer, &limits).map_err(|error| refused(&error))?);
    let mut policy = Policy::none();
    for entry in &slice.built.entries {
        match opened.take() {
            Some(first) => {
                policy = Policy::load(first, &entry.entrypoint, limits).map_err(|error| refused(&error))?;
            }
            None => policy.turn_to(&entry.entrypoint).map_err(|error| refused(&error))?,
        }
    }
    if let Some(path) = tree.blob(&layer).filter(|_| !tree.has(&layer)) {
        tree.write(&path, &bytes)?;
    }
    Ok((layer, slice.reads))
}

/// Hash of all that every slice is made from: modules, descriptors, manifest, entry points, this version.
fn code(sources: &Sources, entrypoints: &[String]) -> Result<String, PublishError> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(&plan::FORMAT.to_le_bytes());
    for (name, text) in sources.code() {
        part(name.as_bytes());
        part(text.as_bytes());
    }
    part(b"descriptors");
    for (name, bytes) in &sources.descriptors {
        part(name.as_bytes());
        part(bytes);
    }
    let manifest = serde_json::to_vec(&sources.manifest);
    part(&manifest.map_err(|error| PublishError::request(format!("internal error: {error}")))?);
    entrypoints.iter().for_each(|path| part(path.as_bytes()));
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Hashes of what slices are made from: base data, each path once, and the declarations that they carry.
struct Seen<'s> {
    sources: &'s Sources,
    known: BTreeMap<DataRead, String>,
}

impl Seen<'_> {
    fn of(&mut self, workload: &Workload, reads: &[DataRead]) -> String {
        let mut all = String::new();
        for (path, text) in self.sources.declarations_of(workload) {
            all.push_str(&hex(path.as_bytes()));
            all.push_str(&hex(text.as_bytes()));
        }
        for read in reads {
            let data = &self.sources.data;
            let one = match self.known.get(read) {
                Some(known) => known,
                None => self.known.entry(read.clone()).or_insert_with(|| hex(read.seen(data).as_bytes())),
            };
            all.push_str(one);
        }
        hex(all.as_bytes())
    }
}
