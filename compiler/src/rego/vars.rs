//! Which variables occur where.
//!
//! A name belongs to the innermost query that declares it (`:=`, `some`) or in which it occurs outside
//! nested queries (comprehensions, `every`); a nested query shares the variables of those around it.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Query, Span};

use super::builtins::opa_builtin;
use super::terms::call_path;

/// Names with a place where each occurs.
pub(crate) type Names<'a> = BTreeMap<&'a str, &'a Span>;

/// The variables that a statement declares in its query.
pub(crate) fn declared(stmt: &LiteralStmt) -> Vec<&Span> {
    let mut found = Vec::new();
    match &stmt.literal {
        Literal::SomeVars { vars, .. } => found.extend(vars.iter().filter(|span| span.text() != "_")),
        Literal::SomeIn { key, value, .. } => {
            key.iter().chain([value]).for_each(|term| pattern(term, &mut found));
        }
        Literal::Expr { expr, .. } => {
            if let Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } = expr.as_ref() {
                pattern(lhs, &mut found);
            }
        }
        Literal::NotExpr { .. } | Literal::Every { .. } => {}
    }
    found
}

/// The variables at the places of a pattern that can bind.
pub(crate) fn declared_in(term: &Expr) -> Vec<&Span> {
    let mut found = Vec::new();
    pattern(term, &mut found);
    found
}

fn pattern<'a>(expr: &'a Expr, found: &mut Vec<&'a Span>) {
    match expr {
        Expr::Var { span, .. } if span.text() != "_" => found.push(span),
        Expr::Array { items, .. } => items.iter().for_each(|item| pattern(item, found)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| pattern(value, found)),
        _ => {}
    }
}

/// The variables that occur in a statement outside nested queries.
pub(crate) fn direct<'a>(stmt: &'a LiteralStmt, found: &mut Vec<&'a Span>) {
    let terms: Vec<&Expr> = match &stmt.literal {
        Literal::SomeVars { .. } => vec![],
        Literal::SomeIn { key, value, collection, .. } => {
            key.iter().chain([value, collection]).map(AsRef::as_ref).collect()
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => vec![expr],
        Literal::Every { domain, .. } => vec![domain],
    };
    terms.into_iter().chain(replacing(stmt)).for_each(|term| direct_in(term, found));
}

/// The same for a term.
pub(crate) fn direct_in<'a>(term: &'a Expr, found: &mut Vec<&'a Span>) {
    walk(term, &mut |span| found.push(span), &mut |_| {});
}

/// The names in a term, or in the queries nested in it, that belong to a query around it (or are
/// global, which the caller knows).
pub(crate) fn free<'a>(expr: &'a Expr, found: &mut Names<'a>) {
    let mut nested = Vec::new();
    walk(
        expr,
        &mut |span| {
            found.insert(span.text(), span);
        },
        &mut |inner| nested.push(inner),
    );
    for inner in nested {
        found.extend(free_in(inner.query, &inner.heads, &[]));
    }
}

fn free_in<'a>(query: &'a Query, heads: &[&'a Expr], locals: &[&'a str]) -> Names<'a> {
    let mut found = Names::new();
    let mut own: BTreeSet<&str> = locals.iter().copied().collect();
    heads.iter().for_each(|head| free(head, &mut found));
    for stmt in &query.stmts {
        own.extend(declared(stmt).iter().map(|span| span.text()));
        free_in_stmt(stmt, &mut found);
    }
    found.retain(|name, _| !own.contains(name));
    found
}

/// The same for a statement.
pub(crate) fn free_in_stmt<'a>(stmt: &'a LiteralStmt, found: &mut Names<'a>) {
    match &stmt.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn { key, value, collection, .. } => {
            key.iter().chain([value, collection]).for_each(|term| free(term, found));
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => free(expr, found),
        Literal::Every { key, value, domain, query, .. } => {
            free(domain, found);
            let locals: Vec<_> = key.iter().chain([value]).map(Span::text).collect();
            found.extend(free_in(query, &[], &locals));
        }
    }
    replacing(stmt).for_each(|term| free(term, found));
}

/// The values that `with` puts in the place of others, builtins not among them.
fn replacing(stmt: &LiteralStmt) -> impl Iterator<Item = &Expr> {
    let values = stmt.with_mods.iter().map(|with| with.r#as.as_ref());
    values.filter(|term| call_path(term).is_none_or(|path| opa_builtin(&path.join(".")).is_none()))
}

/// A query inside a term, with the terms that are evaluated in it.
struct Nested<'a> {
    query: &'a Query,
    heads: Vec<&'a Expr>,
}

/// Calls `var` for each variable of a term and `nested` for each query in it.
fn walk<'a>(expr: &'a Expr, var: &mut dyn FnMut(&'a Span), nested: &mut dyn FnMut(Nested<'a>)) {
    match expr {
        Expr::Var { span, .. } => {
            if span.text() != "_" {
                var(span);
            }
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| walk(item, var, nested));
        }
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
            walk(key, var, nested);
            walk(value, var, nested);
        }),
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            nested(Nested { query, heads: vec![term] });
        }
        Expr::ObjectCompr { key, value, query, .. } => nested(Nested { query, heads: vec![key, value] }),
        // The function's name is no variable.
        Expr::Call { params, .. } => params.iter().for_each(|param| walk(param, var, nested)),
        Expr::UnaryExpr { expr, .. } => walk(expr, var, nested),
        Expr::RefDot { refr, .. } => walk(refr, var, nested),
        Expr::RefBrack { refr, index, .. } => {
            walk(refr, var, nested);
            walk(index, var, nested);
        }
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => {
            walk(lhs, var, nested);
            walk(rhs, var, nested);
        }
        Expr::Membership { key, value, collection, .. } => {
            key.iter().chain([value, collection]).for_each(|term| walk(term, var, nested));
        }
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. } => {}
    }
}
