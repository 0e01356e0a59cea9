//! Terms and expressions as values.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::unstable::{ArithOp, BinOp, BoolOp, Expr, Query, Ref, Span};
use sidegate_engine::plan::{Compare, Operand, Operator, Reg, Stmt};

use super::Result;
use super::builder::Builder;
use super::order::{Ready, refs};
use crate::diagnostics::Diagnostic;
use crate::rego::{constant, flatten};

/// The plan's comparison for an operator.
pub(super) fn comparison(op: &BoolOp) -> Compare {
    match op {
        BoolOp::Eq => Compare::Eq,
        BoolOp::Ne => Compare::Ne,
        BoolOp::Lt => Compare::Lt,
        BoolOp::Le => Compare::Le,
        BoolOp::Gt => Compare::Gt,
        BoolOp::Ge => Compare::Ge,
    }
}

impl<'a> Builder<'_, 'a> {
    /// Where the value of an expression is; the block fails where it has none.
    pub(super) fn value(&mut self, expr: &'a Expr) -> Result<Operand> {
        if constant(expr).is_some() {
            written_as_it_is(expr)?;
        }
        self.operand(expr)
    }

    /// The same where the value alone counts, as in comparisons: `1.0` may stand for `1`.
    pub(super) fn operand(&mut self, expr: &'a Expr) -> Result<Operand> {
        if let Some(value) = constant(expr) {
            return self.planner.constant(&value, Some(expr.span()));
        }
        if let Some(value) = self.hoisted(expr) {
            return Ok(value);
        }
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let (head, args) = flatten(expr);
                self.reference(head, &args, expr.span())
            }
            Expr::Array { items, .. } => {
                no_union(items.first())?;
                let items = self.values(&refs(items))?;
                self.make(|dst| Stmt::MakeArray { dst, items })
            }
            Expr::Set { items, .. } => {
                no_union(items.first())?;
                let items = self.values(&refs(items))?;
                self.make(|dst| Stmt::MakeSet { dst, items })
            }
            Expr::Object { fields, .. } => {
                no_union(fields.first().map(|(_, _, value)| value))?;
                distinct(fields)?;
                let terms: Vec<_> =
                    fields.iter().flat_map(|(_, key, value)| [key.as_ref(), value.as_ref()]).collect();
                let values = self.values(&terms)?;
                let pairs = values.chunks_exact(2).filter_map(|pair| match pair {
                    [key, value] => Some((*key, *value)),
                    _ => None,
                });
                let fields = pairs.collect();
                self.make(|dst| Stmt::MakeObject { dst, fields })
            }
            Expr::ArrayCompr { term, query, .. } => {
                self.comprehension(&Value::new_array(), query, &[term], |acc, values| match values {
                    [value] => Some(Stmt::Push { acc, value: *value }),
                    _ => None,
                })
            }
            Expr::SetCompr { term, query, .. } => {
                self.comprehension(&Value::new_set(), query, &[term], |acc, values| match values {
                    [value] => Some(Stmt::Add { acc, value: *value }),
                    _ => None,
                })
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.comprehension(&Value::new_object(), query, &[key, value], |acc, values| match values {
                    [key, value] => Some(Stmt::Insert { acc, key: *key, value: *value }),
                    _ => None,
                })
            }
            Expr::Call { fcn, params, span, .. } => self.call(span, fcn, params),
            Expr::UnaryExpr { span, .. } => {
                Err(Diagnostic::unsupported(span, "a minus before anything but a number", "write `0 - x`"))
            }
            Expr::BinExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    BinOp::Intersection => Operator::And,
                    BinOp::Union => Operator::Or,
                };
                self.operate(op, lhs, rhs)
            }
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                let op = match op {
                    ArithOp::Add => Operator::Add,
                    ArithOp::Sub => Operator::Sub,
                    ArithOp::Mul => Operator::Mul,
                    ArithOp::Div => Operator::Div,
                    ArithOp::Mod => Operator::Rem,
                };
                self.operate(op, lhs, rhs)
            }
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                let (a, b) = self.both(lhs, rhs)?;
                self.make(|dst| Stmt::Compare { dst, op: comparison(op), a, b })
            }
            Expr::Membership { key, value, collection, .. } => {
                let terms: Vec<_> = key.iter().chain([value, collection]).map(AsRef::as_ref).collect();
                let values = self.values(&terms)?;
                let (key, value, of) = match values.as_slice() {
                    [key, value, of] => (Some(*key), *value, *of),
                    [value, of] => (None, *value, *of),
                    _ => return Err(Diagnostic::at(expr.span(), "internal", "internal error: membership")),
                };
                self.make(|dst| Stmt::Member { dst, key, value, of })
            }
            Expr::AssignExpr { span, .. } => {
                Err(Diagnostic::at(span, "rego_parse", "expected a value, got an assignment"))
            }
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => Err(Diagnostic::at(expr.span(), "internal", "internal error: constant")),
        }
    }

    /// The values of terms, each planned as soon as it can run (as [`Ready`] goes through them).
    pub(super) fn values(&mut self, terms: &[&'a Expr]) -> Result<Vec<Operand>> {
        self.all(terms, Self::value)
    }

    fn all(
        &mut self,
        terms: &[&'a Expr],
        plan: impl Fn(&mut Self, &'a Expr) -> Result<Operand>,
    ) -> Result<Vec<Operand>> {
        let mut found: Vec<Option<Operand>> = vec![None; terms.len()];
        loop {
            let mut progress = false;
            for (slot, term) in found.iter_mut().zip(terms) {
                if slot.is_none() && Ready::new(self).value(term).is_ok() {
                    *slot = Some(plan(self, term)?);
                    progress = true;
                }
            }
            match found.iter().copied().collect::<Option<Vec<_>>>() {
                Some(values) => return Ok(values),
                None if progress => {}
                // Says what is missing.
                None => return terms.iter().map(|term| plan(self, term)).collect(),
            }
        }
    }

    /// The values of two terms that are compared or calculated with.
    pub(super) fn both(&mut self, lhs: &'a Expr, rhs: &'a Expr) -> Result<(Operand, Operand)> {
        match self.all(&[lhs, rhs], Self::operand)?.as_slice() {
            [a, b] => Ok((*a, *b)),
            _ => Err(Diagnostic::at(lhs.span(), "internal", "internal error: operands")),
        }
    }

    fn operate(&mut self, op: Operator, lhs: &'a Expr, rhs: &'a Expr) -> Result<Operand> {
        let (a, b) = self.both(lhs, rhs)?;
        self.make(|dst| Stmt::Operate { dst, op, a, b })
    }

    /// Collects the values of `heads` for every solution of `query`.
    fn comprehension(
        &mut self,
        empty: &Value,
        query: &'a Query,
        heads: &[&'a Expr],
        collect: impl FnOnce(Reg, &[Operand]) -> Option<Stmt>,
    ) -> Result<Operand> {
        let acc = self.reg()?;
        let src = self.constant(empty)?;
        let counts = std::mem::replace(&mut self.counts, matches!(empty, Value::Array(_)));
        let block = self.block(|b| {
            b.query(&query.stmts, heads, |b| {
                let values = heads.iter().map(|head| b.value(head)).collect::<Result<Vec<_>>>()?;
                b.extend(collect(acc, &values));
                Ok(())
            })
        })?;
        self.counts = counts;
        self.emit(Stmt::Assign { dst: acc, src });
        self.emit(Stmt::Try { block });
        Ok(Operand::Reg(acc))
    }

    fn extend(&mut self, stmt: Option<Stmt>) {
        stmt.into_iter().for_each(|stmt| self.emit(stmt));
    }
}

/// Refuses `1.0` and `1e3`: OPA keeps the text of a number, and takes only integers that are written as
/// such for an index or a position.
pub(super) fn written_as_it_is(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Number { value, span, .. } => {
            let whole = matches!(value, Value::Number(number) if number.is_integer());
            let odd = whole && span.text().contains(['.', 'e', 'E']);
            let instead = format!("write `{value}`");
            if odd {
                Err(Diagnostic::unsupported(span, "an integer in another form", &instead))
            } else {
                Ok(())
            }
        }
        Expr::UnaryExpr { expr, .. } => written_as_it_is(expr),
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().try_for_each(|item| written_as_it_is(item))
        }
        Expr::Object { fields, .. } => fields.iter().try_for_each(|(_, key, value)| {
            written_as_it_is(key)?;
            written_as_it_is(value)
        }),
        _ => Ok(()),
    }
}

/// Refuses `[a | b]`: to OPA a comprehension, to this parser at times a union.
fn no_union(first: Option<&Ref<Expr>>) -> Result<()> {
    match first.map(AsRef::as_ref) {
        Some(Expr::BinExpr { op: BinOp::Union, span, .. }) => {
            let what = "a union right after a bracket";
            Err(Diagnostic::unsupported(span, what, "name it first: `both := a | b`"))
        }
        _ => Ok(()),
    }
}

/// Refuses a written key that is there twice. In OPA the last one wins, silently.
fn distinct(fields: &[(Span, Ref<Expr>, Ref<Expr>)]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (_, key, _) in fields {
        if constant(key).is_some_and(|known| !seen.insert(known)) {
            let message = "expected each key once, got it twice";
            return Err(Diagnostic::at(key.span(), "rego_compile", message).help("keep one of them"));
        }
    }
    Ok(())
}
