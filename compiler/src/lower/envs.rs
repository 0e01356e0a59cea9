//! What `with` puts in the place of data and functions: environments that rules are planned in.
//!
//! Values are known when a decision is made, so each replaced path has a slot; *which* paths are replaced
//! is known when planning, and a rule that is reached from inside a `with` is planned once for each such
//! set. `with input as …` needs no environment: the input is the same place for every function.

use std::collections::{BTreeMap, BTreeSet};

use sidegate_engine::plan::Slot;

use super::{Path, Result, too_large};

/// Most environments of a policy.
const MAX_ENVS: usize = 1024;

/// An environment; the default one replaces nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EnvId(u16);

/// A function, by what a call of it resolves to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Function {
    /// One of the policy, by its path below `data`.
    Own(Path),
    /// A builtin.
    Builtin(String),
}

/// What is there in the place of a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Replacement {
    /// Another function. In it nothing is replaced.
    Function(Function),
    /// A document, whatever the arguments are.
    Document(Path),
    /// A value.
    Slot(Slot),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Env {
    /// Paths below `data`, none of them below another.
    data: BTreeSet<Path>,
    functions: BTreeMap<Function, Replacement>,
}

/// All environments of a policy.
#[derive(Debug)]
pub(super) struct Envs {
    envs: Vec<Env>,
    /// The slot of each path that is replaced anywhere.
    paths: BTreeMap<Path, Slot>,
    values: BTreeMap<Function, Slot>,
    slots: Slot,
}

impl Envs {
    pub(super) fn new() -> Self {
        Self { envs: vec![Env::default()], paths: BTreeMap::new(), values: BTreeMap::new(), slots: 0 }
    }

    /// Number of slots in use.
    pub(super) fn slots(&self) -> Slot {
        self.slots
    }

    fn env(&self, id: EnvId) -> Env {
        self.envs.get(usize::from(id.0)).cloned().unwrap_or_default()
    }

    fn intern(&mut self, env: Env) -> Result<EnvId> {
        let at = match self.envs.iter().position(|known| *known == env) {
            Some(at) => at,
            None => {
                self.envs.push(env);
                self.envs.len().saturating_sub(1)
            }
        };
        let limit = "expected fewer different uses of `with`";
        u16::try_from(at).ok().filter(|_| at < MAX_ENVS).map(EnvId).ok_or_else(|| too_large(None, limit))
    }

    fn slot(&mut self) -> Result<Slot> {
        let slot = self.slots;
        self.slots = slot.checked_add(1).ok_or_else(|| too_large(None, "expected fewer uses of `with`"))?;
        Ok(slot)
    }

    /// The slot of exactly this path, if it is replaced.
    pub(super) fn replaced(&self, env: EnvId, path: &[String]) -> Option<Slot> {
        let env = self.envs.get(usize::from(env.0))?;
        env.data.get(path).and_then(|path| self.paths.get(path)).copied()
    }

    /// The path at or above `path` that is replaced, and its slot.
    pub(super) fn above(&self, env: EnvId, path: &[String]) -> Option<(usize, Slot)> {
        (0..=path.len()).find_map(|len| Some((len, self.replaced(env, path.get(..len)?)?)))
    }

    /// The next keys of the replaced paths below `path`.
    pub(super) fn below(&self, env: EnvId, path: &[String]) -> BTreeSet<String> {
        let env = self.envs.get(usize::from(env.0));
        let paths = env.into_iter().flat_map(|env| &env.data);
        paths
            .filter(|replaced| replaced.starts_with(path))
            .filter_map(|p| p.get(path.len()).cloned())
            .collect()
    }

    /// The environment in which `path` is replaced too, and its slot.
    pub(super) fn with_data(&mut self, env: EnvId, path: &Path) -> Result<(EnvId, Slot)> {
        let slot = match self.paths.get(path) {
            Some(slot) => *slot,
            None => {
                let slot = self.slot()?;
                self.paths.insert(path.clone(), slot);
                slot
            }
        };
        let mut env = self.env(env);
        env.data.retain(|known| !known.starts_with(path));
        env.data.insert(path.clone());
        Ok((self.intern(env)?, slot))
    }

    /// The environment in which a function is replaced by another one or by a document.
    pub(super) fn with_function(&mut self, env: EnvId, function: Function, by: Replacement) -> Result<EnvId> {
        let mut env = self.env(env);
        env.functions.insert(function, by);
        self.intern(env)
    }

    /// The slot for a value in the place of a function.
    pub(super) fn value_slot(&mut self, function: &Function) -> Result<Slot> {
        if let Some(slot) = self.values.get(function) {
            return Ok(*slot);
        }
        let slot = self.slot()?;
        self.values.insert(function.clone(), slot);
        Ok(slot)
    }

    /// What is there in the place of a function.
    pub(super) fn function(&self, env: EnvId, function: &Function) -> Option<Replacement> {
        self.envs.get(usize::from(env.0))?.functions.get(function).cloned()
    }

    /// The same environment with all functions as they are.
    pub(super) fn without_functions(&mut self, env: EnvId) -> Result<EnvId> {
        let mut env = self.env(env);
        env.functions.clear();
        self.intern(env)
    }
}
