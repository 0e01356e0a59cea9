//! Safety: whether an expression can run now, with the variables that are bound.
//!
//! This mirrors what the lowering of values and patterns does, and says of an expression that cannot
//! run which variable stands in the way. OPA's rule: a variable is bound by a reference's index, by one
//! side of `=`, by `:=`, by `some … in`, by a call's output; never in `not`.

use std::collections::BTreeSet;

use regorus::unstable::{self as ast, AssignOp, Expr, Literal, LiteralStmt, Span};

use super::builder::Builder;
use crate::rego::{Names, RefArg, flatten, free, free_in_stmt};

/// The variable that is missing.
type Missing<'a> = &'a Span;
type Result<'a> = std::result::Result<(), Missing<'a>>;

/// A trial run.
#[derive(Clone)]
pub(super) struct Ready<'r, 'p, 'a> {
    builder: &'r Builder<'p, 'a>,
    /// Variables that the trial has bound.
    bound: BTreeSet<&'a str>,
    /// Nothing may be bound: the inside of `not`.
    closed: bool,
}

impl<'r, 'p, 'a> Ready<'r, 'p, 'a> {
    pub(super) fn new(builder: &'r Builder<'p, 'a>) -> Self {
        Self { builder, bound: BTreeSet::new(), closed: false }
    }

    /// Whether a name is a local variable without a value.
    pub(super) fn unbound(&self, name: &str) -> bool {
        name == "_" || (!self.bound.contains(name) && self.builder.local(name).is_some_and(|var| !var.bound))
    }

    pub(super) fn stmt(&mut self, stmt: &'a LiteralStmt) -> Result<'a> {
        for with in &stmt.with_mods {
            self.value(&with.r#as)?;
        }
        match &stmt.literal {
            Literal::SomeVars { .. } => Ok(()),
            Literal::SomeIn { key, value, collection, .. } => {
                self.value(collection)?;
                key.iter().chain([value]).try_for_each(|term| self.pattern(term))
            }
            Literal::Expr { expr, .. } => self.condition(expr),
            Literal::NotExpr { expr, .. } => {
                self.closed = true;
                self.condition(expr)
            }
            Literal::Every { domain, .. } => {
                self.value(domain)?;
                let mut names = Names::new();
                free_in_stmt(stmt, &mut names);
                self.closure(&names)
            }
        }
    }

    fn condition(&mut self, expr: &'a Expr) -> Result<'a> {
        match expr {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                self.value(rhs)?;
                self.pattern(lhs)
            }
            Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => self.unify(lhs, rhs),
            Expr::Call { fcn, params, .. } => {
                let (inputs, output) = self.builder.split_output(fcn, params);
                self.values(&refs(inputs))?;
                output.map_or(Ok(()), |output| self.pattern(output))
            }
            _ => self.value(expr),
        }
    }

    /// An expression whose value is wanted. Indexes of references in it may bind.
    pub(super) fn value(&mut self, expr: &'a Expr) -> Result<'a> {
        match expr {
            Expr::Var { span, .. } => {
                if self.unbound(span.text()) {
                    return Err(span);
                }
                Ok(())
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.values(&refs(items)),
            Expr::Object { fields, .. } => {
                let terms: Vec<_> =
                    fields.iter().flat_map(|(_, key, value)| [key.as_ref(), value.as_ref()]).collect();
                self.values(&terms)
            }
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {
                let mut names = Names::new();
                free(expr, &mut names);
                self.closure(&names)
            }
            Expr::Call { params, .. } => self.values(&refs(params)),
            Expr::UnaryExpr { expr, .. } => self.value(expr),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let (head, args) = flatten(expr);
                self.value(head)?;
                args.into_iter().try_for_each(|arg| match arg {
                    RefArg::Key(_) => Ok(()),
                    RefArg::Term(term) => self.pattern(term),
                })
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => self.values(&[lhs, rhs]),
            Expr::Membership { key, value, collection, .. } => {
                let terms: Vec<_> = key.iter().chain([value, collection]).map(AsRef::as_ref).collect();
                self.values(&terms)
            }
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => Ok(()),
        }
    }

    /// Terms that are all wanted, each as soon as it can run: a reference among them may bind what another
    /// one needs.
    fn values(&mut self, terms: &[&'a Expr]) -> Result<'a> {
        let mut pending = terms.to_vec();
        loop {
            let mut left = Vec::new();
            for &term in &pending {
                let mut trial = self.clone();
                match trial.value(term) {
                    Ok(()) => *self = trial,
                    Err(missing) => left.push((term, missing)),
                }
            }
            match left.first() {
                None => return Ok(()),
                Some((_, missing)) if left.len() == pending.len() => return Err(missing),
                Some(_) => pending = left.into_iter().map(|(term, _)| term).collect(),
            }
        }
    }

    /// A nested query runs when every variable that it shares is bound.
    fn closure(&self, names: &Names<'a>) -> Result<'a> {
        names.iter().find(|(name, _)| self.unbound(name)).map_or(Ok(()), |(_, span)| Err(*span))
    }

    /// A term that is matched against a value and may bind.
    pub(super) fn pattern(&mut self, term: &'a Expr) -> Result<'a> {
        match term {
            Expr::Var { span, .. } => {
                if self.unbound(span.text()) {
                    if self.closed {
                        return Err(span);
                    }
                    self.bound.insert(span.text());
                }
                Ok(())
            }
            Expr::Array { items, .. } => items.iter().try_for_each(|item| self.pattern(item)),
            Expr::Object { fields, .. } => fields.iter().try_for_each(|(_, key, value)| {
                self.value(key)?;
                self.pattern(value)
            }),
            _ => self.value(term),
        }
    }

    /// `lhs = rhs`: one side has a value, or both are patterns of one shape.
    pub(super) fn unify(&mut self, lhs: &'a Expr, rhs: &'a Expr) -> Result<'a> {
        if let Some(mut pairs) = super::unify::pairs(lhs, rhs) {
            while !pairs.is_empty() {
                let ready = pairs.iter().position(|(a, b)| self.clone().unify(a, b).is_ok());
                let (a, b) = pairs.swap_remove(ready.unwrap_or(0));
                self.unify(a, b)?;
            }
            return Ok(());
        }
        let mut trial = self.clone();
        match trial.value(rhs) {
            Ok(()) => {
                *self = trial;
                self.pattern(lhs)
            }
            Err(missing) => {
                self.value(lhs).map_err(|_| missing)?;
                self.pattern(rhs)
            }
        }
    }
}

/// Terms as references.
pub(super) fn refs(terms: &[ast::Ref<Expr>]) -> Vec<&Expr> {
    terms.iter().map(AsRef::as_ref).collect()
}
