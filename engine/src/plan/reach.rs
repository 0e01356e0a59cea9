//! What an entry point can get to.

use std::collections::{BTreeMap, BTreeSet};

use super::{BlockId, FuncId, Image, Stmt};
use crate::eval::Builtin;

/// The part of a plan that the evaluation of one function may run.
#[derive(Debug, Default)]
pub struct Reach<'i> {
    /// Functions, itself among them.
    pub functions: usize,
    /// Statements in all their blocks.
    pub statements: usize,
    /// Builtins they call, in the order of their names.
    pub builtins: Vec<&'i Builtin>,
    /// Places in the input that they read, by their numbers.
    pub(crate) places: BTreeSet<u32>,
    /// Whether the input as a whole is changed somewhere.
    pub(crate) takes_input: bool,
}

impl Reach<'_> {
    /// Whether the same input always gives the same answer: nothing depends on the clock, on chance or on
    /// what runs the policy.
    pub fn is_pure(&self) -> bool {
        self.builtins.iter().all(|builtin| builtin.is_pure())
    }
}

impl Image {
    /// What the function `func` can get to.
    pub fn reach(&self, func: FuncId) -> Reach<'_> {
        let mut found = Reach::default();
        let mut builtins = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut pending = vec![func];
        while let Some(id) = pending.pop() {
            let Some(func) = self.func(id).filter(|_| seen.insert(id)) else { continue };
            found.functions = found.functions.saturating_add(1);
            let mut blocks = vec![func.body];
            while let Some(block) = blocks.pop() {
                let stmts = usize::try_from(block).ok().and_then(|at| self.blocks.get(at));
                for stmt in stmts.into_iter().flatten() {
                    found.statements = found.statements.saturating_add(1);
                    follow(stmt, &mut blocks, &mut pending, &mut builtins);
                    match stmt {
                        Stmt::Input { place, .. } | Stmt::InputKeys { place, .. } => {
                            found.places.insert(*place);
                        }
                        Stmt::Patch { src: None, .. } => found.takes_input = true,
                        _ => {}
                    }
                }
            }
        }
        let known = builtins.into_iter().filter_map(|at| self.builtins.get(usize::from(at)));
        let mut by_name = BTreeMap::new();
        known.for_each(|builtin| {
            by_name.insert(builtin.name(), builtin);
        });
        found.builtins = by_name.into_values().collect();
        found
    }
}

fn follow(stmt: &Stmt, blocks: &mut Vec<BlockId>, funcs: &mut Vec<FuncId>, builtins: &mut BTreeSet<u16>) {
    match stmt {
        Stmt::Call { func, .. } => funcs.push(*func),
        Stmt::Builtin { builtin, .. } => {
            builtins.insert(*builtin);
        }
        Stmt::First { blocks: nested } | Stmt::Choose { blocks: nested, .. } => blocks.extend(nested),
        Stmt::Scan { block, .. }
        | Stmt::Every { block, .. }
        | Stmt::Not { block }
        | Stmt::Try { block }
        | Stmt::With { block, .. }
        | Stmt::Outside { block } => blocks.push(*block),
        _ => {}
    }
}
