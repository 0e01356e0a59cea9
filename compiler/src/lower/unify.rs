//! Unification and patterns.

use regorus::Value;
use regorus::unstable::Expr;
use sidegate_engine::plan::{Compare, Operand, Stmt};

use super::builder::{Builder, unsafe_var};
use super::order::Ready;
use super::{Result, too_large};
use crate::diagnostics::Diagnostic;
use crate::rego::constant;

/// The parts of two patterns of one shape, which are unified one by one: arrays of one length, objects
/// of the same written keys.
pub(super) fn pairs<'a>(lhs: &'a Expr, rhs: &'a Expr) -> Option<Vec<(&'a Expr, &'a Expr)>> {
    match (lhs, rhs) {
        (Expr::Array { items: a, .. }, Expr::Array { items: b, .. }) if a.len() == b.len() => {
            Some(a.iter().map(AsRef::as_ref).zip(b.iter().map(AsRef::as_ref)).collect())
        }
        (Expr::Object { .. }, Expr::Object { .. }) => {
            let (a, b) = (by_key(lhs)?, by_key(rhs)?);
            let same = a.len() == b.len() && a.iter().zip(&b).all(|((j, _), (k, _))| j == k);
            same.then(|| a.into_iter().zip(b).map(|((_, v), (_, w))| (v, w)).collect())
        }
        _ => None,
    }
}

/// Refuses what cannot stand on the left of `:=`.
pub(super) fn assignable(pattern: &Expr) -> Result<()> {
    match pattern {
        Expr::Var { .. } => Ok(()),
        Expr::Array { items, .. } => items.iter().try_for_each(|item| assignable(item)),
        Expr::Object { fields, .. } => fields.iter().try_for_each(|(_, _, value)| assignable(value)),
        other => {
            let message = "expected a variable, an array or an object of variables before `:=`";
            Err(Diagnostic::at(other.span(), "rego_compile", message)
                .help("compare with `==` or unify with `=`"))
        }
    }
}

/// The values of an object whose keys are written out, sorted by key; each key once.
fn by_key(object: &Expr) -> Option<Vec<(Value, &Expr)>> {
    let Expr::Object { fields, .. } = object else { return None };
    let mut found: Vec<(Value, &Expr)> =
        fields.iter().map(|(_, key, value)| Some((constant(key)?, value.as_ref()))).collect::<Option<_>>()?;
    found.sort_by(|(j, _), (k, _)| j.cmp(k));
    let distinct = found.windows(2).all(|pair| matches!(pair, [(j, _), (k, _)] if j != k));
    distinct.then_some(found)
}

impl<'a> Builder<'_, 'a> {
    /// `lhs = rhs`
    pub(super) fn unify(&mut self, lhs: &'a Expr, rhs: &'a Expr) -> Result<()> {
        if let Some(mut pairs) = pairs(lhs, rhs) {
            while !pairs.is_empty() {
                let ready = pairs.iter().position(|(a, b)| Ready::new(self).unify(a, b).is_ok());
                let (a, b) = pairs.swap_remove(ready.unwrap_or(0));
                self.unify(a, b)?;
            }
            return Ok(());
        }
        let (pattern, known) = if Ready::new(self).value(rhs).is_ok() { (lhs, rhs) } else { (rhs, lhs) };
        // Two values are only compared; one that is bound to a variable may go anywhere.
        let value =
            if Ready::new(self).value(pattern).is_ok() { self.operand(known) } else { self.value(known) }?;
        self.destructure(pattern, value)
    }

    /// Matches a value against a pattern: binds its unbound variables, compares the rest.
    pub(super) fn destructure(&mut self, pattern: &'a Expr, value: Operand) -> Result<()> {
        if let Expr::Var { span, .. } = pattern
            && Ready::new(self).unbound(span.text())
        {
            if span.text() != "_" {
                let dst = self.bind(span)?;
                if let Operand::Const(id) = value
                    && let Some(value) = self.planner.known.get(&id)
                {
                    self.values.insert(dst, value.clone());
                }
                self.emit(Stmt::Assign { dst, src: value });
            }
            return Ok(());
        }
        if Ready::new(self).value(pattern).is_ok() {
            let own = self.operand(pattern)?;
            self.emit(Stmt::Check { op: Compare::Eq, a: value, b: own });
            return Ok(());
        }
        match pattern {
            Expr::Array { items, span, .. } => {
                let len =
                    u32::try_from(items.len()).map_err(|_| too_large(Some(span), "array is too long"))?;
                self.emit(Stmt::IsArray { src: value, len });
                for (at, item) in items.iter().enumerate() {
                    let key = self.constant(&Value::from(at))?;
                    self.part(item, value, key)?;
                }
                Ok(())
            }
            Expr::Object { fields, span, .. } => {
                let len =
                    u32::try_from(fields.len()).map_err(|_| too_large(Some(span), "object is too long"))?;
                self.emit(Stmt::IsObject { src: value, len });
                for (_, key, item) in fields {
                    if constant(key).is_none() {
                        let what = "a pattern with a computed key";
                        return Err(Diagnostic::unsupported(key.span(), what, "look the key up: `o[key]`"));
                    }
                    let key = self.value(key)?;
                    self.part(item, value, key)?;
                }
                Ok(())
            }
            other => Err(Ready::new(self)
                .value(other)
                .err()
                .map_or_else(|| too_large(Some(other.span()), "internal error: pattern"), unsafe_var)),
        }
    }

    fn part(&mut self, pattern: &'a Expr, whole: Operand, key: Operand) -> Result<()> {
        let value = self.make(|dst| Stmt::Get { dst, src: whole, key })?;
        self.destructure(pattern, value)
    }
}
