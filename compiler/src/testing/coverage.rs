//! Which expressions the tests went through, in the shape of `opa test --coverage`.
//!
//! The expressions are the policy's statements and the values of its heads. Whether one was evaluated is
//! known by line, from the interpreter: of two on one line, both count. OPA counts the head of a rule too
//! when the rule has a value; the interpreter does not tell.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Literal, LiteralStmt, Query, Rule, RuleHead, Span};
use serde::Serialize;

use super::written::{position, statement, term};
use crate::reference::Lines;
use crate::rego::{Modules, each, query};

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line.
    pub row: u32,
    /// Column, in characters.
    pub col: u32,
}

/// From the first character to the one after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Range {
    /// First character.
    pub start: Position,
    /// After the last.
    pub end: Position,
}

/// Coverage of one file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FileCoverage {
    /// Expressions that were evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub covered: Vec<Range>,
    /// Expressions that were not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_covered: Vec<Range>,
    /// Lines of the first.
    pub covered_lines: usize,
    /// Lines of the second.
    pub not_covered_lines: usize,
    /// The first in percent of both.
    pub coverage: f64,
}

/// Coverage of all files.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// By path, as given.
    pub files: BTreeMap<String, FileCoverage>,
    /// Lines that were gone through.
    pub covered_lines: usize,
    /// Lines that were not.
    pub not_covered_lines: usize,
    /// The first in percent of both.
    pub coverage: f64,
}

/// What `lines` cover of the modules.
pub(super) fn coverage(modules: &Modules, lines: &Lines) -> Coverage {
    let none = BTreeSet::new();
    let mut all = Coverage::default();
    for module in modules.iter() {
        let file = module.ast.package.span.source.file();
        let seen = lines.get(file).unwrap_or(&none);
        let (mut covered, mut missed) = (BTreeSet::new(), BTreeSet::new());
        for rule in &module.ast.policy {
            for range in ranges(rule) {
                let hit = seen.range(range.start.row..=range.end.row).next().is_some();
                if hit {
                    covered.insert(range)
                } else {
                    missed.insert(range)
                };
            }
        }
        let (covered_lines, not_covered_lines) = (rows(&covered), rows(&missed));
        all.covered_lines = all.covered_lines.saturating_add(covered_lines);
        all.not_covered_lines = all.not_covered_lines.saturating_add(not_covered_lines);
        let file_coverage = FileCoverage {
            covered: covered.into_iter().collect(),
            not_covered: missed.into_iter().collect(),
            covered_lines,
            not_covered_lines,
            coverage: percent(covered_lines, not_covered_lines),
        };
        all.files.insert(file.clone(), file_coverage);
    }
    all.coverage = percent(all.covered_lines, all.not_covered_lines);
    all
}

impl FileCoverage {
    /// Lines that were not gone through, as first and last of each run of lines.
    pub fn missed(&self) -> Vec<(u32, u32)> {
        let mut spans: Vec<(u32, u32)> = Vec::new();
        let lines: BTreeSet<u32> =
            self.not_covered.iter().flat_map(|range| range.start.row..=range.end.row).collect();
        for line in lines {
            match spans.last_mut() {
                Some((_, last)) if last.saturating_add(1) == line => *last = line,
                _ => spans.push((line, line)),
            }
        }
        spans
    }
}

/// Which statements of a rule are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    All,
    /// Those that the interpreter tells of: not what is in the values of `with` and after `else`.
    Told,
}

/// Every statement of a rule, those of nested queries too; with whether it is inside an `every`.
pub(super) fn statements(rule: &Rule, which: Which) -> Vec<(&LiteralStmt, bool)> {
    let mut found = Vec::new();
    match rule {
        Rule::Default { value, .. } => in_expr(value, which, false, &mut found),
        Rule::Spec { head, bodies, .. } => {
            heads(head).into_iter().for_each(|value| in_expr(value, which, false, &mut found));
            for body in bodies {
                let value = body.assign.iter().filter(|_| which == Which::All);
                value.for_each(|assign| in_expr(&assign.value, which, false, &mut found));
                in_query(&body.query, which, false, &mut found);
            }
        }
    }
    found
}

/// The terms of a head that are evaluated.
fn heads(head: &RuleHead) -> Vec<&Expr> {
    match head {
        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
            assign.iter().map(|assign| assign.value.as_ref()).collect()
        }
        RuleHead::Set { key, .. } => key.iter().map(AsRef::as_ref).collect(),
    }
}

type Found<'a> = Vec<(&'a LiteralStmt, bool)>;

fn in_query<'a>(query: &'a Query, which: Which, every: bool, found: &mut Found<'a>) {
    for stmt in &query.stmts {
        found.push((stmt, every));
        match &stmt.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|term| in_expr(term, which, every, found));
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => in_expr(expr, which, every, found),
            Literal::Every { domain, query, .. } => {
                in_expr(domain, which, every, found);
                in_query(query, which, true, found);
            }
        }
        let values = stmt.with_mods.iter().filter(|_| which == Which::All);
        values.for_each(|with| in_expr(&with.r#as, which, every, found));
    }
}

fn in_expr<'a>(expr: &'a Expr, which: Which, every: bool, found: &mut Found<'a>) {
    each(expr, &mut |expr| {
        if let Some(query) = query(expr) {
            in_query(query, which, every, found);
        }
    });
}

/// What counts: values of heads, and statements that are no `some`, as in OPA.
fn ranges(rule: &Rule) -> Vec<Range> {
    let mut found: Vec<Range> = Vec::new();
    match rule {
        Rule::Default { value, .. } => found.push(range(value.span(), term(value))),
        Rule::Spec { head, .. } => {
            // The interpreter does not tell of the values after `else`.
            found.extend(heads(head).into_iter().map(|value| range(value.span(), term(value))));
        }
    }
    let counted =
        |stmt: &LiteralStmt| !matches!(stmt.literal, Literal::SomeVars { .. } | Literal::SomeIn { .. });
    found.extend(
        statements(rule, Which::Told)
            .iter()
            .filter(|(stmt, _)| counted(stmt))
            .map(|(stmt, _)| range(&stmt.span, statement(stmt))),
    );
    found
}

fn range(span: &Span, text: &str) -> Range {
    let (row, col) = position(span, text);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let lines = count(text.matches('\n').count());
    let last = count(text.rsplit('\n').next().map_or(0, |line| line.chars().count()));
    let end = Position {
        row: row.saturating_add(lines),
        col: if lines == 0 { col.saturating_add(last) } else { last.saturating_add(1) },
    };
    Range { start: Position { row, col }, end }
}

fn rows(ranges: &BTreeSet<Range>) -> usize {
    ranges.iter().flat_map(|range| range.start.row..=range.end.row).collect::<BTreeSet<_>>().len()
}

#[expect(clippy::cast_precision_loss, reason = "a percentage of lines")]
fn percent(covered: usize, missed: usize) -> f64 {
    let total = covered.saturating_add(missed);
    if total == 0 { 0.0 } else { covered as f64 * 100.0 / total as f64 }
}
