//! Passes over the finished plan: lookups in the place of what it would go through one by one, and frames that are no
//! larger than they need to be ([`registers`]).
//!
//! A lookup never changes what a block does, only which elements and which blocks are
//! tried: what it leaves out would have failed, without an error and without being seen. So the answer is the
//! plan's, and what differs is how many steps it takes.

mod compact;
mod dispatch;
mod intervals;
mod keys;
mod registers;
mod roles;
mod scans;
mod uses;
mod verify;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sidegate_engine::plan::{BlockId, ConstPool, FuncId, Program, Reg, Stmt};

use self::uses::{Uses, below};

/// Where a block was planned from, as `file:line`.
pub(crate) type Places = BTreeMap<BlockId, String>;

/// What is done to a finished plan.
#[derive(Debug)]
pub(crate) struct Passes {
    /// Where its blocks were planned from, if it is to have lookups.
    pub(crate) lookups: Option<Places>,
    /// Whether registers are shared.
    pub(crate) registers: bool,
}

/// What became of something that is gone through one by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// The rule: `data.envoy.authz.allow`.
    pub rule: String,
    /// Its file and line, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Whether it is looked up now.
    pub lowered: bool,
    /// What it is, and what it became or why it stayed.
    pub what: String,
}

/// One function that is being gone through.
struct Pass<'p> {
    program: &'p mut Program,
    pool: ConstPool,
    places: &'p Places,
    /// The function's name, and the registers that it has.
    rule: String,
    regs: Reg,
    params: Reg,
    notes: Vec<Note>,
}

impl Passes {
    /// The program after the passes, and what was done.
    ///
    /// # Errors
    /// Why the passes are wrong.
    pub(crate) fn run(&self, program: Program) -> Result<(Program, Vec<Note>), &'static str> {
        let (program, notes) = match &self.lookups {
            Some(places) => lower(program, places),
            None => (program, Vec::new()),
        };
        let program = if self.registers { registers::share(program)? } else { program };
        Ok((program, notes))
    }
}

/// The program with lookups, and what was done.
fn lower(mut program: Program, places: &Places) -> (Program, Vec<Note>) {
    let pool = ConstPool::of(std::mem::take(&mut program.consts));
    let funcs = program.funcs.clone();
    let mut pass = Pass {
        program: &mut program,
        pool,
        places,
        rule: String::new(),
        regs: 0,
        params: 0,
        notes: Vec::new(),
    };
    for (at, func) in funcs.iter().enumerate() {
        pass.rule.clone_from(&func.name);
        pass.regs = func.regs;
        pass.params = func.params;
        let uses = Uses::of(pass.program, func.body);
        for block in below(pass.program, func.body) {
            pass.scans(block, &uses);
        }
        for block in below(pass.program, func.body) {
            pass.dispatch(block, &uses);
        }
        let all = below(pass.program, func.body);
        let uses = Uses::of(pass.program, func.body);
        all.iter().for_each(|block| pass.bindings(*block, &uses));
        all.iter().for_each(|block| pass.keys(*block, &uses, &all));
        let regs = pass.regs;
        if let Some(func) = pass.program.funcs.get_mut(at) {
            func.regs = regs;
        }
    }
    let Pass { pool, mut notes, .. } = pass;
    program.consts = pool.into_nodes();
    notes.sort();
    notes.dedup();
    (compact::compact(program), notes)
}

impl Pass<'_> {
    /// A fresh register.
    fn reg(&mut self) -> Option<Reg> {
        let reg = self.regs;
        self.regs = reg.checked_add(1)?;
        Some(reg)
    }

    fn say(&mut self, block: BlockId, lowered: bool, what: String) {
        let place = self.places.get(&block).cloned();
        self.notes.push(Note { rule: self.rule.clone(), place, lowered, what });
    }

    /// Notes what stayed as it was.
    fn note(&mut self, block: BlockId, what: String) {
        self.say(block, false, what);
    }

    /// Notes what is looked up now.
    fn lowered(&mut self, block: BlockId, what: String) {
        self.say(block, true, what);
    }
}

/// The names of the rules that a function may get to, its own among them.
pub(crate) fn rules(program: &Program, func: FuncId) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut pending = vec![func];
    while let Some(id) = pending.pop() {
        let func = usize::try_from(id).ok().and_then(|at| program.funcs.get(at));
        let Some(func) = func.filter(|_| seen.insert(id)) else { continue };
        names.insert(func.name.as_str());
        let blocks = below(program, func.body).into_iter();
        pending.extend(blocks.flat_map(|block| uses::stmts(program, block)).filter_map(|stmt| match stmt {
            Stmt::Call { func, .. } => Some(*func),
            _ => None,
        }));
    }
    names
}
