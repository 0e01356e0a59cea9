//! Conditions at the beginning of a block without which it fails.
//!
//! Only statements that cannot be an error are gone through ("quiet" ones), and none that is seen outside of the
//! block. So a block whose condition does not hold may be left out: it would have failed there, and done
//! nothing before.

use std::collections::BTreeMap;

use regorus::Value;
use sidegate_engine::plan::{BlockId, Compare, ConstId, ConstPool, Operand, Program, Reg, Stmt};

use super::uses::{Parts, stmts};

/// How a value comes about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expr {
    Const(ConstId),
    /// A path in the input.
    Input(Vec<ConstId>),
    /// A register from outside of the block.
    Reg(Reg),
    /// The element that a scan is at, and its key.
    Element,
    Key,
    /// What is at a key.
    Get(Box<Expr>, ConstId),
    /// Some element.
    Any(Box<Expr>),
}

impl Expr {
    /// What is at its beginning.
    pub(super) fn root(&self) -> &Self {
        match self {
            Self::Get(of, _) | Self::Any(of) => of.root(),
            root => root,
        }
    }

    /// Whether it is one value and not some of many.
    pub(super) fn is_single(&self) -> bool {
        match self {
            Self::Any(_) => false,
            Self::Get(of, _) => of.is_single(),
            _ => true,
        }
    }
}

/// What has to hold of a value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Same(Expr),
    In(ConstId),
    Prefix(String),
    Network(String),
    Order(Compare, ConstId),
}

#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) of: Expr,
    pub(super) test: Test,
}

/// Builtins that have an answer or none for whatever they are given: never an error.
const QUIET: &[&str] = &[
    "contains",
    "count",
    "endswith",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "lower",
    "net.cidr_contains",
    "split",
    "startswith",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "upper",
];

pub(super) struct Walk<'p> {
    program: &'p Program,
    pool: &'p ConstPool,
    env: BTreeMap<Reg, Option<Expr>>,
    /// What holds if the boolean in a register does.
    pending: BTreeMap<Reg, Condition>,
    pub(super) found: Vec<Condition>,
}

impl<'p> Walk<'p> {
    pub(super) fn new(program: &'p Program, pool: &'p ConstPool) -> Self {
        Self { program, pool, env: BTreeMap::new(), pending: BTreeMap::new(), found: Vec::new() }
    }

    /// Says what a register holds.
    pub(super) fn bind(&mut self, reg: Option<Reg>, expr: Option<Expr>) {
        if let Some(reg) = reg {
            self.pending.remove(&reg);
            self.env.insert(reg, expr);
        }
    }

    fn expr(&self, operand: Operand) -> Option<Expr> {
        match operand {
            Operand::Const(id) => Some(Expr::Const(id)),
            Operand::Reg(reg) => self.env.get(&reg).cloned().unwrap_or(Some(Expr::Reg(reg))),
        }
    }

    fn text(&self, operand: Operand) -> Option<String> {
        let Operand::Const(id) = operand else { return None };
        match self.pool.value(id)? {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// Collects the conditions of a block.
    pub(super) fn block(&mut self, block: BlockId) {
        for stmt in stmts(self.program, block) {
            match stmt {
                Stmt::Assign { dst, src } => {
                    let held = self.expr(*src);
                    let pending = match src {
                        Operand::Reg(reg) => self.pending.get(reg).cloned(),
                        Operand::Const(_) => None,
                    };
                    self.bind(Some(*dst), held);
                    if let Some(pending) = pending {
                        self.pending.insert(*dst, pending);
                    }
                }
                Stmt::Input { dst, path, place: _ } => self.bind(Some(*dst), Some(Expr::Input(path.clone()))),
                Stmt::Get { dst, src, key } => self.get(*dst, *src, *key),
                // Under a key that is not a number's digits, storage has what the value has.
                Stmt::GetBase { dst, src, key }
                    if self.text(*key).is_some_and(|key| key.contains(|c: char| c.is_ascii_alphabetic())) =>
                {
                    self.get(*dst, *src, *key);
                }
                Stmt::Check { op, a, b } => {
                    if let (Some(a), Some(b)) = (self.expr(*a), self.expr(*b)) {
                        self.check(*op, a, b);
                    }
                }
                Stmt::Member { dst, key, value, of } => {
                    let (value, of) = (self.expr(*value), self.expr(*of));
                    self.bind(Some(*dst), None);
                    if let (None, Some(value), Some(of)) = (key, value, of) {
                        let test = match of {
                            Expr::Const(id) => Test::In(id),
                            of => Test::Same(Expr::Any(Box::new(of))),
                        };
                        self.pending.insert(*dst, Condition { of: value, test });
                    }
                }
                Stmt::Builtin { dst, builtin, args } if self.is_quiet(*builtin) => {
                    let condition = self.call(*builtin, args);
                    self.bind(Some(*dst), None);
                    if let Some(condition) = condition {
                        self.pending.insert(*dst, condition);
                    }
                }
                Stmt::Truthy { src } => {
                    if let Operand::Reg(reg) = src {
                        self.found.extend(self.pending.get(reg).cloned());
                    }
                }
                Stmt::Scan { src, key, value, block } => {
                    let some = self.expr(*src).map(|src| Expr::Any(Box::new(src)));
                    self.bind(*key, None);
                    self.bind(*value, some);
                    self.block(*block);
                    return;
                }
                // What comes after an end of the block's own is not reached.
                Stmt::Stop => return,
                other if self.stays_quiet(other) => {
                    for reg in other.writes() {
                        self.bind(Some(reg), None);
                    }
                    self.forget_below(other);
                }
                _ => return,
            }
        }
    }

    fn get(&mut self, dst: Reg, src: Operand, key: Operand) {
        let found = match (self.expr(src), key) {
            (Some(src), Operand::Const(key)) => Some(Expr::Get(Box::new(src), key)),
            _ => None,
        };
        self.bind(Some(dst), found);
    }

    fn check(&mut self, op: Compare, a: Expr, b: Expr) {
        let mirrored = match op {
            Compare::Lt => Compare::Gt,
            Compare::Le => Compare::Ge,
            Compare::Gt => Compare::Lt,
            Compare::Ge => Compare::Le,
            same => same,
        };
        match (op, a, b) {
            (Compare::Ne, ..) => {}
            (Compare::Eq, Expr::Const(id), of) => {
                self.found.push(Condition { of, test: Test::Same(Expr::Const(id)) });
            }
            (Compare::Eq, of, other) => self.found.push(Condition { of, test: Test::Same(other) }),
            (_, Expr::Const(id), of) => self.found.push(Condition { of, test: Test::Order(mirrored, id) }),
            (_, of, Expr::Const(id)) => self.found.push(Condition { of, test: Test::Order(op, id) }),
            _ => {}
        }
    }

    fn name(&self, builtin: u16) -> &'p str {
        self.program.builtins.get(usize::from(builtin)).map_or("", String::as_str)
    }

    fn is_quiet(&self, builtin: u16) -> bool {
        QUIET.contains(&self.name(builtin))
    }

    fn call(&self, builtin: u16, args: &[Operand]) -> Option<Condition> {
        let (test, of) = match (self.name(builtin), args) {
            ("startswith", [of, prefix]) => (Test::Prefix(self.text(*prefix)?), of),
            ("net.cidr_contains", [network, of]) => (Test::Network(self.text(*network)?), of),
            _ => return None,
        };
        Some(Condition { of: self.expr(*of)?, test })
    }

    /// Whether a statement, with all that it nests, cannot be an error and is not seen outside.
    fn stays_quiet(&self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::Assign { .. }
            | Stmt::Input { .. }
            | Stmt::InputKeys { .. }
            | Stmt::Get { .. }
            | Stmt::Check { .. }
            | Stmt::Compare { .. }
            | Stmt::Member { .. }
            | Stmt::Truthy { .. }
            | Stmt::Fail
            | Stmt::IsArray { .. }
            | Stmt::IsObject { .. }
            | Stmt::MakeArray { .. }
            | Stmt::Stop
            | Stmt::Slot { .. }
            | Stmt::Clear { .. }
            | Stmt::Defined { .. } => true,
            Stmt::GetBase { key, .. } => {
                self.text(*key).is_some_and(|key| key.contains(|c: char| c.is_ascii_alphabetic()))
            }
            Stmt::Builtin { builtin, .. } => self.is_quiet(*builtin),
            Stmt::Not { block } | Stmt::Scan { block, .. } | Stmt::Every { block, .. } => {
                stmts(self.program, *block).iter().all(|stmt| self.stays_quiet(stmt))
            }
            _ => false,
        }
    }

    /// Registers that nested blocks write hold nothing that is known.
    fn forget_below(&mut self, stmt: &Stmt) {
        let mut nested = Vec::new();
        stmt.clone().blocks(&mut |block| nested.push(*block));
        for block in nested {
            for inner in super::uses::below(self.program, block) {
                for stmt in stmts(self.program, inner) {
                    for reg in stmt.writes() {
                        self.bind(Some(reg), None);
                    }
                }
            }
        }
    }
}
