//! One function being built: its registers, its scopes, and its open blocks.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::{Expr, Span};
use sidegate_engine::plan::{BlockId, Operand, Reg, Stmt};

use super::envs::EnvId;
use super::{Facts, Planner, Result, too_large};
use crate::diagnostics::Diagnostic;
use crate::rego::{Module, Name};

/// A variable of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Var {
    pub(super) reg: Reg,
    pub(super) bound: bool,
    /// The statement of its query that declares it. What comes before, and is nested, does not see it.
    pub(super) since: usize,
}

/// The variables of one query.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) vars: BTreeMap<&'a str, Var>,
    /// The statement that is being planned.
    pub(super) at: usize,
}

impl Scope<'_> {
    /// A variable that the statement being planned knows.
    fn sees(&self, name: &str) -> Option<Var> {
        self.vars.get(name).filter(|var| var.since <= self.at).copied()
    }
}

/// A block that statements are still added to. One that a statement opened for the rest of a body ends
/// with what is around it.
struct Open {
    stmts: Vec<Stmt>,
    by: Option<Opener>,
    /// Where what it was opened for stands.
    at: Option<String>,
}

/// Makes the statement that runs the block.
type Opener = Box<dyn FnOnce(BlockId) -> Stmt>;

/// What a rule or document function is built with.
pub(super) struct Builder<'p, 'a> {
    pub(super) planner: &'p mut Planner<'a>,
    pub(super) module: Option<&'a Module>,
    pub(super) facts: Facts,
    /// What `with` has replaced at the place that is being planned.
    pub(super) env: EnvId,
    pub(super) params: usize,
    /// Whether it matters how many solutions there are: inside an array comprehension.
    pub(super) counts: bool,
    pub(super) regs: Reg,
    /// Variables of the queries around the place that is being planned, innermost last.
    pub(super) scopes: Vec<Scope<'a>>,
    /// Terms inside the `not` that is being planned whose values are there already.
    pub(super) hoisted: Vec<(&'a Expr, Operand)>,
    /// The values of registers that always have the same one.
    pub(super) values: BTreeMap<Reg, Value>,
    /// Where what is being planned stands, as `file:line`.
    pub(super) place: Option<String>,
    open: Vec<Open>,
}

impl<'p, 'a> Builder<'p, 'a> {
    /// A function with `params` parameters; they and the result have the first registers.
    pub(super) fn new(planner: &'p mut Planner<'a>, env: EnvId, params: usize) -> Result<Self> {
        let result = Reg::try_from(params).ok().and_then(|params| params.checked_add(1));
        let regs = result.ok_or_else(|| too_large(None, "expected fewer parameters"))?;
        Ok(Self {
            planner,
            module: None,
            facts: Facts::default(),
            env,
            params,
            counts: false,
            regs,
            scopes: Vec::new(),
            hoisted: Vec::new(),
            values: BTreeMap::new(),
            place: None,
            open: Vec::new(),
        })
    }

    /// Says what is being planned, for the report.
    pub(super) fn at_place(&mut self, span: &Span) {
        self.place = Some(format!("{}:{}", span.source.get_path(), span.line));
    }

    /// A fresh register.
    pub(super) fn reg(&mut self) -> Result<Reg> {
        let reg = self.regs;
        let limit = "expected a smaller rule: it needs more than 65,535 registers";
        self.regs = reg.checked_add(1).ok_or_else(|| too_large(None, limit))?;
        Ok(reg)
    }

    /// Adds a statement to the innermost open block.
    pub(super) fn emit(&mut self, stmt: Stmt) {
        if let Some(open) = self.open.last_mut() {
            open.stmts.push(stmt);
        }
    }

    /// Adds a statement that makes a value, and returns where the value is.
    pub(super) fn make(&mut self, stmt: impl FnOnce(Reg) -> Stmt) -> Result<Operand> {
        let dst = self.reg()?;
        self.emit(stmt(dst));
        Ok(Operand::Reg(dst))
    }

    /// Runs the rest of the open block for every element of `src`.
    pub(super) fn scan(&mut self, src: Operand, key: Option<Reg>, value: Option<Reg>) {
        self.open(move |block| Stmt::Scan { src, key, value, block });
    }

    /// Puts the rest of the open block into one of its own, which the statement `by` runs.
    pub(super) fn open(&mut self, by: impl FnOnce(BlockId) -> Stmt + 'static) {
        self.open.push(Open { stmts: Vec::new(), by: Some(Box::new(by)), at: self.place.clone() });
    }

    /// A block of its own, filled by `fill`.
    pub(super) fn block(&mut self, fill: impl FnOnce(&mut Self) -> Result<()>) -> Result<BlockId> {
        let around = self.open.len();
        let env = self.env;
        self.open.push(Open { stmts: Vec::new(), by: None, at: self.place.clone() });
        fill(self)?;
        self.env = env;
        loop {
            let Some(Open { stmts, by, at }) = self.open.pop() else {
                return Err(too_large(None, "internal error: no open block"));
            };
            let block = self.planner.block(stmts)?;
            self.planner.places.extend(at.map(|at| (block, at)));
            match by {
                Some(by) if self.open.len() > around => self.emit(by(block)),
                _ => return Ok(block),
            }
        }
    }

    pub(super) fn constant(&mut self, value: &Value) -> Result<Operand> {
        self.planner.constant(value, None)
    }

    /// A local variable, as the innermost scope that has it sees it.
    pub(super) fn local(&self, name: &str) -> Option<Var> {
        self.scopes.iter().rev().find_map(|scope| scope.sees(name))
    }

    /// Marks a local variable as bound and returns its register.
    pub(super) fn bind(&mut self, span: &Span) -> Result<Reg> {
        let scope = self.scopes.iter_mut().rev().find(|scope| scope.sees(span.text()).is_some());
        let var = scope.and_then(|scope| scope.vars.get_mut(span.text())).ok_or_else(|| unsafe_var(span))?;
        var.bound = true;
        Ok(var.reg)
    }

    /// What a name that is no local variable stands for.
    pub(super) fn global(&self, name: &str) -> Option<Name> {
        self.planner.modules.resolve(self.module?, name)
    }
}

/// The error for a variable that nothing binds.
pub(super) fn unsafe_var(span: &Span) -> Diagnostic {
    let name = span.text();
    let finding = Diagnostic::at(span, "rego_unsafe_var", format!("variable `{name}` is not bound here"));
    if name == "_" {
        finding.help("`_` cannot be used here: name it with `some x in …`, or move the expression to a rule of its own")
    } else {
        finding.help(format!(
            "bind it first (`{name} := …`, `some {name} in …`), or check the spelling of the rule or import"
        ))
    }
}
