//! Bodies: which variables belong to them, and one statement after the other.

use std::collections::BTreeMap;

use regorus::unstable::{AssignOp, BoolOp, Expr, Literal, LiteralStmt, Query, Span};
use sidegate_engine::plan::{Reg, Stmt};

use super::Result;
use super::builder::{Builder, Scope, Var, unsafe_var};
use super::order::Ready;
use crate::diagnostics::Diagnostic;
use crate::rego::{Names, declared, direct, direct_in};

impl<'a> Builder<'_, 'a> {
    /// Plans a query and, where it has a solution, `finish`; `heads` are terms that `finish` evaluates.
    pub(super) fn query(
        &mut self,
        stmts: &'a [LiteralStmt],
        heads: &[&'a Expr],
        finish: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let vars = self.scope(stmts, heads)?;
        self.scopes.push(Scope { vars, at: 0 });
        let mut pending: Vec<(usize, &'a LiteralStmt)> = stmts.iter().enumerate().collect();
        while !pending.is_empty() {
            // In passes over what is left, each time all that can run then, as OPA orders a body. The
            // order shows where one part has no value and another is an error.
            let mut left = Vec::new();
            let mut done: Option<usize> = None;
            for (place, &(at, stmt)) in pending.iter().enumerate() {
                if done == Some(at) {
                    continue;
                }
                self.at(at);
                match Ready::new(self).stmt(stmt) {
                    Ok(()) => {
                        let later = pending.get(place.saturating_add(1)..).unwrap_or_default();
                        match self.found_among(stmt, later)? {
                            Some(at) => done = Some(at),
                            None => self.stmt(stmt)?,
                        }
                    }
                    Err(missing) => left.push(((at, stmt), missing)),
                }
            }
            if let (Some((_, missing)), true) = (left.first(), left.len() == pending.len()) {
                return Err(unsafe_var(missing));
            }
            pending = left.into_iter().map(|(stmt, _)| stmt).collect();
        }
        self.at(stmts.len());
        finish(self)?;
        self.scopes.pop();
        Ok(())
    }

    /// Says which statement of the innermost query is being planned.
    fn at(&mut self, stmt: usize) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.at = stmt;
        }
    }

    /// The variables of a query, none bound yet.
    fn scope(&mut self, stmts: &'a [LiteralStmt], heads: &[&'a Expr]) -> Result<BTreeMap<&'a str, Var>> {
        let mut scope = BTreeMap::new();
        let mut mentioned = Names::new();
        for (at, stmt) in stmts.iter().enumerate() {
            for span in declared(stmt) {
                let name = span.text();
                if self.scopes.len() == 1
                    && self.scopes.first().is_some_and(|args| args.vars.contains_key(name))
                {
                    let message = format!("expected a new name, got the parameter `{name}`");
                    return Err(Diagnostic::at(span, "rego_redeclared", message));
                }
                if scope.contains_key(name) {
                    let message = format!("expected a new name, got `{name}`, which is declared above");
                    return Err(Diagnostic::at(span, "rego_redeclared", message));
                }
                if mentioned.contains_key(name) {
                    let message = format!("expected a new name, got `{name}`, which is used above");
                    return Err(Diagnostic::at(span, "rego_redeclared", message));
                }
                let var = Var { reg: self.reg()?, bound: false, since: at };
                scope.insert(name, var);
            }
            let mut here = Vec::new();
            direct(stmt, &mut here);
            mentioned.extend(here.into_iter().map(|span| (span.text(), span)));
        }
        let mut occurring: Vec<&'a Span> = Vec::new();
        stmts.iter().for_each(|stmt| direct(stmt, &mut occurring));
        heads.iter().for_each(|head| direct_in(head, &mut occurring));
        for span in occurring {
            let name = span.text();
            let known = scope.contains_key(name) || self.local(name).is_some() || self.global(name).is_some();
            if !known {
                let var = Var { reg: self.reg()?, bound: false, since: 0 };
                scope.insert(name, var);
            }
        }
        Ok(scope)
    }

    fn stmt(&mut self, stmt: &'a LiteralStmt) -> Result<()> {
        self.at_place(&stmt.span);
        if stmt.with_mods.is_empty() { self.literal(stmt) } else { self.modified(stmt) }
    }

    /// A statement without its modifiers.
    pub(super) fn literal(&mut self, stmt: &'a LiteralStmt) -> Result<()> {
        match &stmt.literal {
            Literal::SomeVars { .. } => Ok(()),
            Literal::SomeIn { key, value, collection, .. } => {
                self.some_in(key.as_ref().map(AsRef::as_ref), value, collection)
            }
            Literal::Expr { expr, .. } => self.condition(expr),
            Literal::NotExpr { expr, .. } => self.negation(expr),
            Literal::Every { key, value, domain, query, .. } => {
                self.every(key.as_ref(), value, domain, query)
            }
        }
    }

    /// An expression as a statement: it must be defined and not `false`.
    pub(super) fn condition(&mut self, expr: &'a Expr) -> Result<()> {
        match expr {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                super::unify::assignable(lhs)?;
                let value = self.value(rhs)?;
                self.destructure(lhs, value)
            }
            Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => {
                if self.lookup(lhs, rhs)? {
                    Ok(())
                } else {
                    self.unify(lhs, rhs)
                }
            }
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                if *op == BoolOp::Eq && self.lookup(lhs, rhs)? {
                    return Ok(());
                }
                let (a, b) = self.both(lhs, rhs)?;
                self.emit(Stmt::Check { op: super::values::comparison(op), a, b });
                Ok(())
            }
            Expr::Call { fcn, params, span, .. } => self.call_condition(span, fcn, params),
            _ => {
                let src = self.value(expr)?;
                self.emit(Stmt::Truthy { src });
                Ok(())
            }
        }
    }

    /// `some key, value in collection`
    fn some_in(&mut self, key: Option<&'a Expr>, value: &'a Expr, collection: &'a Expr) -> Result<()> {
        let src = self.value(collection)?;
        let key_reg = key.map(|_| self.reg()).transpose()?;
        let value_reg = self.reg()?;
        self.scan(src, key_reg, Some(value_reg));
        if let (Some(key), Some(reg)) = (key, key_reg) {
            self.destructure(key, sidegate_engine::plan::Operand::Reg(reg))?;
        }
        self.destructure(value, sidegate_engine::plan::Operand::Reg(value_reg))
    }

    /// `every key, value in domain { query }`
    fn every(
        &mut self,
        key: Option<&'a Span>,
        value: &'a Span,
        domain: &'a Expr,
        query: &'a Query,
    ) -> Result<()> {
        let src = self.value(domain)?;
        let mut scope = BTreeMap::new();
        let mut declare = |b: &mut Self, span: &'a Span| -> Result<Option<Reg>> {
            if span.text() == "_" {
                return Ok(None);
            }
            let reg = b.reg()?;
            scope.insert(span.text(), Var { reg, bound: true, since: 0 });
            Ok(Some(reg))
        };
        let key = key.map(|span| declare(self, span)).transpose()?.flatten();
        let value = declare(self, value)?;
        self.scopes.push(Scope { vars: scope, at: 0 });
        let counts = std::mem::replace(&mut self.counts, false);
        let block = self.block(|b| {
            b.query(&query.stmts, &[], |b| {
                b.emit(Stmt::Stop);
                Ok(())
            })
        })?;
        self.counts = counts;
        self.scopes.pop();
        self.emit(Stmt::Every { src, key, value, block });
        Ok(())
    }
}
