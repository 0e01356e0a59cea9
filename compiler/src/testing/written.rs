//! Statements and terms as they are written.

use regorus::unstable::{Expr, Literal, LiteralStmt, Span};

use crate::diagnostics::place;

const QUOTES: [char; 2] = ['"', '`'];

/// A statement with its modifiers.
pub(super) fn statement(stmt: &LiteralStmt) -> &str {
    let last = match &stmt.literal {
        Literal::SomeIn { collection, .. } => end(collection),
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => end(expr),
        Literal::SomeVars { .. } | Literal::Every { .. } => 0,
    };
    let modified = stmt.with_mods.last().map_or(0, |with| end(&with.r#as));
    between(&stmt.span, stmt.span.end.max(last).max(modified))
}

/// Line and column of what is written.
pub(super) fn position(span: &Span, text: &str) -> (u32, u32) {
    let (line, column) = place(span);
    (line, if text.starts_with(QUOTES) { column.saturating_sub(1) } else { column })
}

/// A term.
pub(super) fn term(expr: &Expr) -> &str {
    between(expr.span(), expr.span().end)
}

fn end(expr: &Expr) -> u32 {
    expr.span().end
}

/// From where a span begins to `end`. A string's place is that of what is in it: its quotes are added.
fn between(span: &Span, end: u32) -> &str {
    let source = span.source.contents();
    let quote = |at: Option<usize>| matches!(at.and_then(|at| source.as_bytes().get(at)), Some(b'"' | b'`'));
    let mut start = usize::try_from(span.start).unwrap_or(0);
    let mut end = usize::try_from(end).unwrap_or(0);
    if quote(start.checked_sub(1)) {
        start = start.saturating_sub(1);
    }
    if quote(Some(end)) {
        end = end.saturating_add(1);
    }
    source.get(start..end).unwrap_or_else(|| span.text()).trim_end()
}
