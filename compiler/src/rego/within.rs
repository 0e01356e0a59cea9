//! What is in an expression.

use regorus::unstable::{Expr, Query};

/// Calls `visit` for an expression and those in it, queries aside.
pub(crate) fn each<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    match expr {
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| each(item, visit))
        }
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
            each(key, visit);
            each(value, visit);
        }),
        Expr::ArrayCompr { term, .. } | Expr::SetCompr { term, .. } => each(term, visit),
        Expr::ObjectCompr { key, value, .. } => {
            each(key, visit);
            each(value, visit);
        }
        Expr::Call { params, .. } => params.iter().for_each(|param| each(param, visit)),
        Expr::UnaryExpr { expr, .. } => each(expr, visit),
        Expr::RefDot { refr, .. } => each(refr, visit),
        Expr::RefBrack { refr, index, .. } => {
            each(refr, visit);
            each(index, visit);
        }
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => {
            each(lhs, visit);
            each(rhs, visit);
        }
        Expr::Membership { key, value, collection, .. } => {
            key.iter().chain([value, collection]).for_each(|term| each(term, visit));
        }
        Expr::Var { .. }
        | Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. } => {}
    }
}

/// The query of a comprehension.
pub(crate) fn query(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::ArrayCompr { query, .. } | Expr::SetCompr { query, .. } | Expr::ObjectCompr { query, .. } => {
            Some(query)
        }
        _ => None,
    }
}
