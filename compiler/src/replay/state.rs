//! Policies that are asked anew: a bundle as it is, or what each workload would get of a whole mesh.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::{Builder, Scope, scope};

use regorus::Value;
use sidegate_engine::attributes::Workload as Own;
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use crate::build::{BuildOptions, build};
use crate::declare::Mesh;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::slice::{Workload, is_slice, slicing};
use crate::sources::Sources;

/// A state of the policies: a folder, or a bundle.
#[derive(Debug)]
pub struct State {
    sources: Sources,
    mesh: Option<Mesh>,
    /// Entry points that are asked for besides those that the sources name.
    entrypoints: Vec<String>,
    /// What decides about everybody, where it is not cut for each workload.
    whole: Option<Whole>,
    /// Whether there is something to cut.
    is_cut: bool,
}

/// One policy for everybody, or for the one workload that it was cut for.
#[derive(Debug)]
struct Whole {
    loaded: Loaded,
    only: Option<Workload>,
}

/// One policy, at all of its entry points.
#[derive(Debug)]
struct Loaded {
    policy: Policy,
    entrypoints: Vec<String>,
}

/// Why a policy cannot be asked about an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Miss {
    /// Whom the event is about has to be known, and is not.
    NoWorkload,
    /// It is another workload's policy.
    OtherWorkload(String),
    /// It does not answer there.
    NoEntrypoint(String),
    /// It does not compile.
    Failed(Diagnostics),
}

/// What cuts slices of one variant of the sources; it runs in a thread of its own, for a slicer borrows what it parsed.
type Cutter = Sender<(Workload, Sender<Made>)>;
/// What was made of a workload, and whether that is its own.
type Made = Result<(Arc<Loaded>, bool), Diagnostics>;

/// A state that can be asked.
pub(crate) trait Policies: Sync {
    /// What answers about a workload at an entry point; at the first one where the event names none.
    fn policy(&self, workload: Option<&Workload>, path: Option<&str>) -> Result<Policy, Miss>;

    /// The entry point that answers where `path` is asked for.
    fn entrypoint(&self, workload: Option<&Workload>, path: Option<&str>) -> String;

    /// What it declares.
    fn mesh(&self) -> Option<&Mesh>;
}

struct Asking<'s, 'e> {
    state: &'s State,
    scope: &'s Scope<'s, 'e>,
    /// The sources of each variant of the library.
    variants: Vec<Sources>,
    /// The variant of each declared workload; the others have that of `other`.
    variant_of: HashMap<Workload, usize>,
    other: usize,
    cutters: Mutex<HashMap<usize, Cutter>>,
    cut: RwLock<HashMap<Workload, Arc<Loaded>>>,
    /// What decides about every workload, where none has a slice of its own.
    common: OnceLock<Arc<Loaded>>,
}

impl State {
    /// A folder. `entrypoints` are asked for besides those that it names.
    ///
    /// # Errors
    /// What does not compile.
    pub fn of_folder(sources: Sources, entrypoints: &[String]) -> Result<Self, Diagnostics> {
        let mesh = sources.mesh()?.map(std::borrow::Cow::into_owned);
        let entrypoints = entrypoints.to_vec();
        // Who declares asks about workloads; others may, and then their events name them.
        let is_cut = !is_slice(&sources.data);
        let whole = match mesh {
            Some(_) if is_cut => None,
            _ => {
                let options = BuildOptions { entrypoints: entrypoints.clone(), ..BuildOptions::default() };
                let built = build(&sources, &options)?;
                Some(Whole { loaded: Loaded::new(&built.bundle, &sources.root)?, only: owner(&sources.data) })
            }
        };
        Ok(Self { sources, mesh, entrypoints, whole, is_cut })
    }

    /// A bundle, trusted or not, whose name for messages is `name`. It decides as it is, but for that of a whole mesh, of
    /// which each workload's slice is what decides.
    ///
    /// # Errors
    /// What is no bundle, and what does not compile.
    pub fn of_bundle(bytes: &[u8], name: &str) -> Result<Self, Diagnostics> {
        let files = bundle::files(bytes, &Limits::default()).map_err(|error| wrong(name, &error))?;
        let sources = Sources { root: name.to_owned(), ..Sources::from_files(files)? };
        let mesh = sources.mesh()?.map(std::borrow::Cow::into_owned);
        let loaded = Loaded::new(bytes, name)?;
        let entrypoints = loaded.entrypoints.clone();
        let is_cut = mesh.is_some() && !is_slice(&sources.data);
        let only = owner(&sources.data);
        let whole = (!is_cut).then_some(Whole { loaded, only });
        Ok(Self { sources, mesh, entrypoints, whole, is_cut })
    }

    /// What it is made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What it declares.
    pub fn mesh(&self) -> Option<&Mesh> {
        self.mesh.as_ref()
    }

    /// Does something while it can be asked.
    pub(crate) fn asked<T>(&self, work: impl FnOnce(&dyn Policies) -> T) -> T {
        let (variants, variant_of, other) = if self.is_cut { self.variants() } else { Default::default() };
        scope(|scope| {
            let (cutters, cut) = (Mutex::default(), RwLock::default());
            let common = OnceLock::new();
            let asking = Asking { state: self, scope, variants, variant_of, other, cutters, cut, common };
            // When the senders are dropped, the threads end.
            work(&asking)
        })
    }

    /// The sources of each variant of the library, and the variants of workloads: of those that are declared, and of all
    /// others.
    fn variants(&self) -> (Vec<Sources>, HashMap<Workload, usize>, usize) {
        let services = self.sources.declared.iter().flat_map(|mesh| &mesh.services);
        let workloads = services.flat_map(|service| {
            service.workloads.iter().filter_map(|name| Workload::new(&service.namespace, name).ok())
        });
        let mut workloads: Vec<Workload> = workloads.collect();
        let names = (0_usize..).map(|number| format!("undeclared-{number}"));
        let mut free = names.filter_map(|name| Workload::new("undeclared", &name).ok());
        let other = free.find(|free| !workloads.contains(free));
        workloads.extend(other.clone());
        let mut variant_of = HashMap::new();
        let mut variants = Vec::new();
        for (at, (sources, group)) in self.sources.variants(&workloads).into_iter().enumerate() {
            variants.push(sources);
            variant_of.extend(group.into_iter().map(|workload| (workload, at)));
        }
        let other = other.and_then(|other| variant_of.remove(&other)).unwrap_or_default();
        (variants, variant_of, other)
    }
}

impl Loaded {
    fn new(bundle: &[u8], name: &str) -> Result<Self, Diagnostics> {
        let limits = Limits::default();
        let bundle = Trust::nothing_required()
            .bundle(bundle, &limits, &Own::default())
            .map_err(|error| wrong(name, &error))?;
        let entrypoints: Vec<String> =
            bundle.image().entries().iter().map(|entry| entry.path.clone()).collect();
        let first = entrypoints.first().map_or("", String::as_str);
        let policy = Policy::load(bundle, first, limits).map_err(|error| wrong(name, &error))?;
        Ok(Self { policy, entrypoints })
    }
}

impl Policies for Asking<'_, '_> {
    fn policy(&self, workload: Option<&Workload>, path: Option<&str>) -> Result<Policy, Miss> {
        let at = |Loaded { policy, entrypoints }: &Loaded| {
            let path = path.or(entrypoints.first().map(String::as_str)).unwrap_or_default();
            policy.at(path).map_err(|_| Miss::NoEntrypoint(path.to_owned()))
        };
        match (&self.state.whole, workload) {
            (Some(Whole { only: Some(only), .. }), Some(workload)) if only != workload => {
                Err(Miss::OtherWorkload(workload.to_string()))
            }
            (_, Some(workload)) if self.state.is_cut => at(self.slice(workload)?.as_ref()),
            (Some(whole), _) => at(&whole.loaded),
            (None, _) => Err(Miss::NoWorkload),
        }
    }

    fn entrypoint(&self, workload: Option<&Workload>, path: Option<&str>) -> String {
        let slice = workload.filter(|_| self.state.is_cut).and_then(|workload| self.slice(workload).ok());
        let whole = self.state.whole.as_ref().map(|whole| &whole.loaded);
        let first = slice.as_deref().or(whole).and_then(|loaded| loaded.entrypoints.first());
        path.or(first.map(String::as_str)).unwrap_or_default().to_owned()
    }

    fn mesh(&self) -> Option<&Mesh> {
        self.state.mesh()
    }
}

impl Asking<'_, '_> {
    fn slice(&self, workload: &Workload) -> Result<Arc<Loaded>, Miss> {
        let broken =
            || Miss::Failed(Diagnostic::file("", "internal", "internal error: no thread to cut in").into());
        if let Some(common) = self.common.get() {
            return Ok(Arc::clone(common));
        }
        if let Some(policy) = self.cut.read().map_err(|_| broken())?.get(workload) {
            return Ok(Arc::clone(policy));
        }
        let variant = self.variant_of.get(workload).copied().unwrap_or(self.other);
        let cutter = {
            let mut cutters = self.cutters.lock().map_err(|_| broken())?;
            match cutters.get(&variant) {
                Some(cutter) => cutter.clone(),
                None => {
                    let cutter = self.cutter(variant).ok_or_else(broken)?;
                    cutters.insert(variant, cutter.clone());
                    cutter
                }
            }
        };
        let (reply, answer) = channel();
        cutter.send((workload.clone(), reply)).map_err(|_| broken())?;
        let (policy, is_own) = answer.recv().map_err(|_| broken())?.map_err(Miss::Failed)?;
        if !is_own && self.variants.len() == 1 {
            return Ok(Arc::clone(self.common.get_or_init(|| policy)));
        }
        self.cut.write().map_err(|_| broken())?.insert(workload.clone(), Arc::clone(&policy));
        Ok(policy)
    }

    /// Starts what cuts slices of a variant.
    fn cutter(&self, variant: usize) -> Option<Cutter> {
        let (sender, asked) = channel::<(Workload, Sender<Made>)>();
        let sources = self.variants.get(variant)?.clone();
        let options = BuildOptions { entrypoints: self.state.entrypoints.clone(), ..BuildOptions::default() };
        let work = move || {
            let asked = Mutex::new(asked);
            let next = || asked.lock().ok().and_then(|asked| asked.recv().ok());
            let result = slicing(&sources, &options, |slicer| {
                // Several threads ask for the same at the same time.
                let mut known: HashMap<Workload, Made> = HashMap::new();
                while let Some((workload, reply)) = next() {
                    let made = known.entry(workload).or_insert_with_key(|workload| {
                        let slice = slicer.cut(workload)?;
                        let loaded = Loaded::new(&slice.built.bundle, &sources.root)?;
                        Ok((Arc::new(loaded), slice.reads_workload))
                    });
                    // Who asked may have stopped.
                    let _ = reply.send(made.clone());
                }
                Ok(())
            });
            if let Err(findings) = result {
                while let Some((_, reply)) = next() {
                    let _ = reply.send(Err(findings.clone()));
                }
            }
        };
        Builder::new().spawn_scoped(self.scope, work).ok()?;
        Some(sender)
    }
}

/// Whose slice the data say that they are.
fn owner(data: &Value) -> Option<Workload> {
    let own = ["sidegate", "workload"].map(Value::from);
    let own = own.iter().fold(data, |value, key| &value[key]);
    let text = |key: &str| own[&Value::from(key)].as_string().ok().map(|text| text.to_string());
    Workload::new(&text("namespace")?, &text("name")?).ok()
}

fn wrong(name: &str, error: &bundle::BundleError) -> Diagnostics {
    Diagnostic::file(name, error.code(), error.to_string()).into()
}
