//! Which expression of a test did not hold, and what the cases of a test are: both by asking the plan for
//! the solutions of the first statements of the body.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::{LiteralStmt, Rule};

use super::compare::{name, shown};
use super::discover::{Found, Shape};
use super::report::FailedAt;
use super::written::{position, statement};
use crate::lower::Part;
use crate::rego::{Module, Names, RefArg, flatten, free, free_in_stmt, head};

/// What is shown of a value.
const MAX_SHOWN: usize = 400;

/// The body of a test's rule; of several with `else` between them, the first.
pub(super) fn body(rule: &Rule) -> &[LiteralStmt] {
    match rule {
        Rule::Spec { bodies, .. } => bodies.first().map_or(&[], |body| &body.query.stmts),
        Rule::Default { .. } => &[],
    }
}

/// The keys that name a test's cases.
pub(super) fn keys<'a>(test: &Found, rule: &'a Rule) -> Vec<RefArg<'a>> {
    if test.shape != Shape::Cases {
        return Vec::new();
    }
    // The first step is the name, which `flatten` gives apart.
    flatten(head(rule)).1.into_iter().skip(test.steps.saturating_sub(1)).collect()
}

/// The parts of a body by which its cases are known to have begun, the shortest first: where every variable
/// of the keys has occurred, and if that is not enough for values, later. OPA looks there too.
pub(super) fn beginnings<'a>(test: &Found, module: &'a Module, rule: &'a Rule) -> Vec<Part<'a>> {
    let stmts = body(rule);
    let keys = keys(test, rule);
    let mut names = Names::new();
    keys.iter().filter_map(RefArg::term).for_each(|term| free(term, &mut names));
    let first = |name: &str| {
        stmts.iter().position(|stmt| {
            let mut here = Names::new();
            free_in_stmt(stmt, &mut here);
            here.contains_key(name)
        })
    };
    let least = names.keys().filter_map(|name| first(name)).max().map_or(0, |at| at.saturating_add(1));
    let part = |n: usize| Part {
        module,
        stmts: stmts.get(..n).unwrap_or(stmts),
        keys: keys.clone(),
        names: Vec::new(),
    };
    (least..=stmts.len()).map(part).collect()
}

/// The parts of a body up to each of its statements, and all of it. The variables of the statement that
/// follows are asked for.
pub(super) fn stages<'a>(test: &Found, module: &'a Module, rule: &'a Rule) -> Vec<Part<'a>> {
    let stmts = body(rule);
    let part = |n: usize| {
        let mut names = Names::new();
        if let Some(next) = stmts.get(n) {
            free_in_stmt(next, &mut names);
        }
        Part {
            module,
            stmts: stmts.get(..n).unwrap_or(stmts),
            keys: keys(test, rule),
            names: names.keys().copied().collect(),
        }
    };
    (0..=stmts.len()).map(part).collect()
}

/// The solutions of a part: keys and variables of each.
pub(super) type Solutions = Vec<(Vec<String>, BTreeMap<String, String>)>;

/// Reads what the plan gave for a part.
pub(super) fn solutions(value: &Value) -> Solutions {
    let Value::Set(found) = value else { return Vec::new() };
    let text = |value: &Value| clipped(&shown(value));
    let one = |solution: &Value| {
        let Value::Array(parts) = solution else { return None };
        let (Some(Value::Array(keys)), Some(Value::Object(fields))) = (parts.first(), parts.get(1)) else {
            return None;
        };
        let values = fields.iter_sorted().map(|(key, value)| (name(key), text(value))).collect();
        Some((keys.iter().map(name).collect(), values))
    };
    found.iter().filter_map(one).collect()
}

/// The first statement of a body that has no solution for a case. `stages` are the solutions of the parts,
/// `None` where there is no answer: too early for the case to have a name.
pub(super) fn failed_at(
    case: &[String],
    stmts: &[LiteralStmt],
    stages: &[Option<Solutions>],
) -> Option<FailedAt> {
    let of_case = |stage: &Option<Solutions>| {
        let found = stage.as_ref()?.iter().find(|(keys, _)| case.starts_with(keys));
        found.map(|(_, values)| values.clone())
    };
    // The last part with a solution. Not the first without: as long as nothing binds it, a key may stand for
    // a rule of the same name.
    let last = stages.iter().enumerate().rev().find_map(|(at, stage)| Some((at, of_case(stage)?)));
    let (at, values) = last?;
    let stmt = stmts.get(at)?;
    let text = statement(stmt);
    let (line, column) = position(&stmt.span, text);
    let file = stmt.span.source.file().clone();
    Some(FailedAt { case: case.to_vec(), file, line, column, text: text.to_owned(), values })
}

fn clipped(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text.to_owned();
    }
    text.chars().take(MAX_SHOWN).chain(['…']).collect()
}
