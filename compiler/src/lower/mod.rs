//! From rules to a plan.
//!
//! A rule becomes a plan function. A body becomes statements in an order in which every variable is
//! bound before it is used (`order`); what iterates opens a nested block for the rest of the body, so
//! that all solutions are found by plain nesting. Only what the entry points reach is planned.

mod builder;
mod calls;
mod documents;
mod envs;
mod known;
mod lookups;
mod negation;
mod order;
mod query;
mod reads;
mod refs;
mod rules;
mod solutions;
mod unify;
mod values;
mod with;

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use regorus::unstable::Span;
use sidegate_engine::plan::{
    BlockId, BuiltinId, ConstId, ConstPool, Entry, Func, FuncId, Operand, Program, Stmt,
};

pub(crate) use self::documents::Place;
use self::envs::Envs;
pub(crate) use self::reads::Reads;
pub(crate) use self::solutions::Part;
use crate::diagnostics::Diagnostic;
use crate::index::{Passes, Places};
use crate::rego::{Modules, Node, Tree};

/// Longest chain of rules that need one another. No evaluator would go deeper.
const MAX_CHAIN: usize = 512;

type Result<T> = std::result::Result<T, Diagnostic>;

/// A path below `data`.
type Path = Vec<String>;

/// Builds one program.
pub(crate) struct Planner<'a> {
    modules: &'a Modules,
    tree: &'a Tree<'a>,
    data: &'a Value,
    consts: ConstPool,
    /// The constants as values.
    known: BTreeMap<ConstId, Value>,
    /// Base data that were looked at.
    data_reads: Reads,
    /// Packages whose modules were looked at.
    packages: BTreeSet<Path>,
    /// Whether known keys choose among packages. OPA sees references through variables as ones to all of
    /// them, which shows in what it takes for recursion: whoever asks for this has checked that there is none.
    chooses: bool,
    builtins: Vec<String>,
    blocks: Vec<Vec<Stmt>>,
    funcs: Vec<Func>,
    /// What each function depends on, in the order of `funcs`.
    facts: Vec<Facts>,
    planned: BTreeMap<Place, State>,
    envs: Envs,
    /// Rules that are being planned, one for the other.
    depth: usize,
    entries: Vec<Entry>,
    /// Where blocks were planned from.
    places: Places,
    /// Whether nothing is looked up.
    is_linear: bool,
    /// Whether registers stay what they are.
    keeps_registers: bool,
}

#[derive(Clone, Copy)]
enum State {
    Planning,
    Planned(FuncId),
}

/// What a function's answer depends on.
#[derive(Clone, Debug, Default)]
struct Facts {
    /// Paths below `input`.
    reads: BTreeSet<Path>,
    callees: BTreeSet<FuncId>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(modules: &'a Modules, tree: &'a Tree<'a>, data: &'a Value) -> Self {
        Self {
            modules,
            tree,
            data,
            consts: ConstPool::default(),
            known: BTreeMap::new(),
            data_reads: Reads::default(),
            packages: BTreeSet::new(),
            chooses: false,
            builtins: Vec::new(),
            blocks: Vec::new(),
            funcs: Vec::new(),
            facts: Vec::new(),
            planned: BTreeMap::new(),
            envs: Envs::new(),
            depth: 0,
            entries: Vec::new(),
            places: Places::new(),
            is_linear: false,
            keeps_registers: false,
        }
    }

    /// The same where known keys choose among packages: for sources that [`crate::check`] has gone through.
    pub(crate) fn choosing(self) -> Self {
        Self { chooses: true, ..self }
    }

    /// What the plan was made from: base data, and the packages of rules.
    pub(crate) fn made_from(&self) -> (&Reads, &BTreeSet<Path>) {
        (&self.data_reads, &self.packages)
    }

    /// Notes that rules were looked at.
    fn uses(&mut self, node: &Node<'_>) {
        let modules = node.clauses.iter().map(|clause| clause.module);
        let modules = modules.chain(node.default.map(|(module, ..)| module));
        for module in modules {
            if !self.packages.contains(&module.package) {
                self.packages.insert(module.package.clone());
            }
        }
    }

    /// Plans an entry point by its path (`["envoy", "authz", "allow"]`).
    pub(crate) fn entry(&mut self, path: &[&str]) -> Result<()> {
        let name = path.join("/");
        let func = match self.tree.at(path) {
            Some(node) if node.is_function() => {
                let message = format!("expected a document at `{name}`, got a function");
                return Err(Diagnostic::file("", "entrypoint", message).help("ask for a rule that calls it"));
            }
            Some(node) => self.document(&Place::plain(path), Some(node), None)?,
            None => {
                let message = format!("expected a rule or package at `data.{}`, got none", path.join("."));
                return Err(Diagnostic::file("", "entrypoint", message));
            }
        };
        let reads = self.reads(func);
        self.entries.push(Entry { path: name, func, reads });
        Ok(())
    }

    /// The same without what [`Passes`] do: lookups, and registers that are shared.
    pub(crate) fn plain(self, is_linear: bool, keeps_registers: bool) -> Self {
        Self { is_linear, keeps_registers, ..self }
    }

    /// The finished program, and what is to be done to it.
    pub(crate) fn finish(self, revision: &str) -> (Program, Passes) {
        let program = Program {
            revision: revision.to_owned(),
            consts: self.consts.into_nodes(),
            builtins: self.builtins,
            blocks: self.blocks,
            funcs: self.funcs,
            entries: self.entries,
            slots: self.envs.slots(),
        };
        let lookups = (!self.is_linear).then_some(self.places);
        (program, Passes { lookups, registers: !self.keeps_registers })
    }

    /// Everything below `input` that a function and what it calls may read, without paths that another
    /// one covers.
    fn reads(&self, func: FuncId) -> Vec<Path> {
        let mut reads = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut pending = vec![func];
        while let Some(id) = pending.pop() {
            let facts = usize::try_from(id).ok().and_then(|at| self.facts.get(at));
            if let Some(facts) = facts.filter(|_| seen.insert(id)) {
                reads.extend(facts.reads.iter().cloned());
                pending.extend(facts.callees.iter().copied());
            }
        }
        let covered =
            |path: &Path| (0..path.len()).any(|len| path.get(..len).is_some_and(|p| reads.contains(p)));
        reads.iter().filter(|path| !covered(path)).cloned().collect()
    }

    fn constant(&mut self, value: &Value, span: Option<&Span>) -> Result<Operand> {
        let limit = "expected fewer constants: the policy is too large";
        let id = self.consts.add(value).ok_or_else(|| too_large(span, limit))?;
        self.known.entry(id).or_insert_with(|| value.clone());
        Ok(Operand::Const(id))
    }

    fn block(&mut self, stmts: Vec<Stmt>) -> Result<BlockId> {
        let id = BlockId::try_from(self.blocks.len()).map_err(|_| too_large(None, "too many blocks"))?;
        self.blocks.push(stmts);
        Ok(id)
    }

    fn builtin(&mut self, name: &str) -> Result<BuiltinId> {
        let at = self.builtins.iter().position(|known| known == name).unwrap_or_else(|| {
            self.builtins.push(name.to_owned());
            self.builtins.len().saturating_sub(1)
        });
        BuiltinId::try_from(at).map_err(|_| too_large(None, "too many builtins"))
    }

    fn add(&mut self, func: Func, facts: Facts) -> Result<FuncId> {
        let id = FuncId::try_from(self.funcs.len()).map_err(|_| too_large(None, "too many functions"))?;
        self.funcs.push(func);
        self.facts.push(facts);
        Ok(id)
    }

    /// Plans what is at a place once. `span` is the place that asks for it.
    fn once(
        &mut self,
        place: &Place,
        span: Option<&Span>,
        plan: impl FnOnce(&mut Self) -> Result<FuncId>,
    ) -> Result<FuncId> {
        match self.planned.get(place) {
            Some(State::Planned(id)) => Ok(*id),
            Some(State::Planning) => {
                let message = format!("`{}` depends on itself", place.name());
                Err(match span {
                    Some(span) => Diagnostic::at(span, "rego_recursion", message),
                    None => Diagnostic::file("", "rego_recursion", message),
                })
            }
            None if self.depth >= MAX_CHAIN => {
                let message = format!("expected at most {MAX_CHAIN} rules that need one another, got more");
                Err(too_large(span, &message))
            }
            None => {
                self.planned.insert(place.clone(), State::Planning);
                self.depth = self.depth.saturating_add(1);
                let id = plan(self);
                self.depth = self.depth.saturating_sub(1);
                match &id {
                    Ok(id) => self.planned.insert(place.clone(), State::Planned(*id)),
                    Err(_) => self.planned.remove(place),
                };
                id
            }
        }
    }
}

fn too_large(span: Option<&Span>, message: &str) -> Diagnostic {
    match span {
        Some(span) => Diagnostic::at(span, "policy_size", message),
        None => Diagnostic::file("", "policy_size", message),
    }
}
