//! Iterations that look for one value: planned as a lookup.
//!
//! `data.callers[_] == input.source_principal` and `some x in xs; x == input.y` try every element until one
//! fits. Where a body asks only whether there is one (not in an array comprehension, which counts), the
//! question is whether the value is a member, and constants are asked as sets.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::unstable::{AssignOp, BoolOp, Expr, Literal, LiteralStmt};
use sidegate_engine::plan::{Operand, Stmt};

use super::Result;
use super::builder::Builder;
use super::order::Ready;
use crate::rego::{Name, RefArg, constant, flatten};

/// Constant arrays below this size are gone through.
const LARGE: usize = 8;

impl<'a> Builder<'_, 'a> {
    /// Plans `xs[_] == v` as a lookup, if it is one.
    pub(super) fn lookup(&mut self, lhs: &'a Expr, rhs: &'a Expr) -> Result<bool> {
        for (iterated, value) in [(lhs, rhs), (rhs, lhs)] {
            if let Some(collection) = self.iterated(iterated)
                && self.at_hand(value)
            {
                let of = self.value(collection)?;
                let value = self.operand(value)?;
                self.member(value, of)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Plans `some x in xs` with a later `x == v` as a lookup, and says where that one is, if it is one.
    pub(super) fn found_among(
        &mut self,
        stmt: &'a LiteralStmt,
        later: &[(usize, &'a LiteralStmt)],
    ) -> Result<Option<usize>> {
        let Literal::SomeIn { key: None, value, collection, .. } = &stmt.literal else { return Ok(None) };
        let Expr::Var { span: name, .. } = value.as_ref() else { return Ok(None) };
        if self.counts || !stmt.with_mods.is_empty() || name.text() == "_" {
            return Ok(None);
        }
        for (at, other) in later.iter().filter(|(_, other)| other.with_mods.is_empty()) {
            let Some((lhs, rhs)) = equation(other) else { continue };
            let is_name = |expr: &Expr| matches!(expr, Expr::Var { span, .. } if span.text() == name.text());
            let sought = match (is_name(lhs), is_name(rhs)) {
                (true, false) => rhs,
                (false, true) => lhs,
                _ => continue,
            };
            if !self.at_hand(sought) {
                continue;
            }
            let of = self.value(collection)?;
            let src = self.value(sought)?;
            self.member(src, of)?;
            let dst = self.bind(name)?;
            self.emit(Stmt::Assign { dst, src });
            return Ok(Some(*at));
        }
        Ok(None)
    }

    fn member(&mut self, value: Operand, of: Operand) -> Result<()> {
        let of = self.as_set(of)?;
        let src = self.make(|dst| Stmt::Member { dst, key: None, value, of })?;
        self.emit(Stmt::Truthy { src });
        Ok(())
    }

    /// A large constant array as the set of its elements, in which a lookup takes the same time whatever its
    /// size.
    fn as_set(&mut self, of: Operand) -> Result<Operand> {
        let Operand::Const(id) = of else { return Ok(of) };
        match self.planner.consts.value(id) {
            Some(Value::Array(items)) if items.len() >= LARGE => {
                let set: BTreeSet<Value> = items.iter().cloned().collect();
                self.constant(&Value::from(set))
            }
            _ => Ok(of),
        }
    }

    /// What `xs[_]` goes through, where only whether there is an element counts.
    fn iterated(&self, expr: &'a Expr) -> Option<&'a Expr> {
        let Expr::RefBrack { refr, index, .. } = expr else { return None };
        let wild = matches!(index.as_ref(), Expr::Var { span, .. } if span.text() == "_");
        let (head, args) = flatten(refr);
        let whole = matches!(head, Expr::Var { .. }) && args.iter().all(|arg| self.step_is_known(arg));
        // Below packages `[_]` means more than one document: see `through_variables`.
        let packages = matches!(head, Expr::Var { span, .. }
            if self.local(span.text()).is_none() && self.is_package(span.text(), &args));
        (!self.counts && wild && whole && !packages && Ready::new(self).value(refr).is_ok()).then_some(refr)
    }

    fn step_is_known(&self, arg: &RefArg<'a>) -> bool {
        arg.term().is_none_or(|term| self.at_hand(term))
    }

    /// Whether a reference ends at a package or above one.
    fn is_package(&self, head: &str, args: &[RefArg<'a>]) -> bool {
        let Some(Name::Data(mut path)) = self.global(head) else { return false };
        let keys: Option<Vec<&str>> = args.iter().map(RefArg::key).collect();
        let Some(keys) = keys else { return true };
        path.extend(keys.into_iter().map(str::to_owned));
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        self.planner.tree.at(&keys).is_some_and(|node| !node.has_rules() && super::refs::any_rules(node))
    }

    /// Whether a term's value is there without calling anything: it can be asked for sooner or later alike.
    fn at_hand(&self, term: &Expr) -> bool {
        if constant(term).is_some() {
            return true;
        }
        let (Expr::Var { span, .. }, args) = flatten(term) else { return false };
        let known = match self.local(span.text()) {
            Some(var) => var.bound,
            None => matches!(self.global(span.text()), Some(Name::Input(_))),
        };
        known && args.iter().all(|arg| arg.term().is_none_or(|term| self.at_hand(term)))
    }
}

/// The sides of `a == b` and `a = b`.
fn equation(stmt: &LiteralStmt) -> Option<(&Expr, &Expr)> {
    let Literal::Expr { expr, .. } = &stmt.literal else { return None };
    match expr.as_ref() {
        Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. }
        | Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => Some((lhs, rhs)),
        _ => None,
    }
}
