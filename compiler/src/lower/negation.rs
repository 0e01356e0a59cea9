//! `not`: what is evaluated before it, and what inside.
//!
//! OPA's compiler moves the arguments of a call out of the negated expression: `not startswith(input.x,
//! "a")` becomes `y := input.x; not startswith(y, "a")`. Where `input.x` is undefined the whole body is
//! then undefined, not just what is negated. Only references that stand alone or on a side of `==` or
//! `=` stay inside (OPA: `expandExpr` and `rewriteDynamics` in `ast/compile.go`).

use regorus::Value;
use regorus::unstable::{AssignOp, BoolOp, Expr};
use sidegate_engine::plan::{Operand, Stmt};

use super::Result;
use super::builder::Builder;
use crate::diagnostics::Diagnostic;
use crate::rego::{RefArg, constant, flatten};

impl<'a> Builder<'_, 'a> {
    /// `not expr`
    pub(super) fn negation(&mut self, expr: &'a Expr) -> Result<()> {
        if self.is_print(expr) {
            // OPA drops `print` with whatever negates it.
            return Ok(());
        }
        if constant(expr) == Some(Value::Bool(true)) {
            // OPA 1.22 takes a body of `not true` alone for an empty one, which holds.
            return Err(Diagnostic::unsupported(expr.span(), "`not true`", "write `false`"));
        }
        let around = self.hoisted.len();
        self.hoist_condition(expr)?;
        let counts = std::mem::replace(&mut self.counts, false);
        let block = self.block(|b| {
            b.condition(expr)?;
            b.emit(Stmt::Stop);
            Ok(())
        })?;
        self.counts = counts;
        self.hoisted.truncate(around);
        self.emit(Stmt::Not { block });
        Ok(())
    }

    /// Where a term's value is that was evaluated before the `not` around it.
    pub(super) fn hoisted(&self, expr: &Expr) -> Option<Operand> {
        self.hoisted.iter().find(|(term, _)| std::ptr::eq(*term, expr)).map(|(_, value)| *value)
    }

    fn hoist_condition(&mut self, expr: &'a Expr) -> Result<()> {
        match expr {
            Expr::AssignExpr { op: AssignOp::ColEq, span, .. } => {
                let message = "expected a condition after `not`, got an assignment";
                Err(Diagnostic::at(span, "rego_compile", message).help("compare with `==`"))
            }
            Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. }
            | Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } => {
                self.hoist_side(lhs)?;
                self.hoist_side(rhs)
            }
            Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::BinExpr { lhs, rhs, .. } => {
                self.hoist(lhs)?;
                self.hoist(rhs)
            }
            Expr::Call { params, .. } => params.iter().try_for_each(|param| self.hoist(param)),
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).try_for_each(|term| self.hoist(term))
            }
            _ => self.hoist_side(expr),
        }
    }

    /// A term that stands alone or on a side of an equality: a reference stays, what it is made of does
    /// not.
    fn hoist_side(&mut self, term: &'a Expr) -> Result<()> {
        match term {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let (head, args) = flatten(term);
                if !matches!(head, Expr::Var { .. }) {
                    self.hoist(head)?;
                }
                args.into_iter().try_for_each(|arg| match arg {
                    RefArg::Key(_) => Ok(()),
                    RefArg::Term(index) => self.hoist(index),
                })
            }
            _ => self.hoist(term),
        }
    }

    fn hoist(&mut self, term: &'a Expr) -> Result<()> {
        if constant(term).is_none() {
            let value = self.value(term)?;
            self.hoisted.push((term, value));
        }
        Ok(())
    }
}
