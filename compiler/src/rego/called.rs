//! Which functions a module names, in rules that a policy reaches and in those that it does not: without
//! them OPA would not compile the module.

use regorus::unstable::{Expr, Literal, LiteralStmt, Query, Rule, RuleAssign, RuleHead};

use super::module::{Module, Modules, Name, head};
use super::terms::call_path;
use super::within::{self, each};

/// Paths below `data` that may be functions: what is called, and both sides of `with`.
pub(crate) fn called(modules: &Modules, module: &Module) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut name = |expr: &Expr| {
        let Some(path) = call_path(expr) else { return };
        let Some((head, rest)) = path.split_first() else { return };
        if let Some(Name::Data(mut path)) = modules.resolve(module, head) {
            path.extend(rest.iter().map(|&key| key.to_owned()));
            found.push(path);
        }
    };
    module.ast.policy.iter().for_each(|found| rule(found, &mut name));
    found
}

type Visit<'v> = &'v mut dyn FnMut(&Expr);

fn rule(rule: &Rule, name: Visit<'_>) {
    expr(head(rule), name);
    let assigned = |assign: &Option<RuleAssign>, name: Visit<'_>| {
        assign.iter().for_each(|assign| expr(&assign.value, name));
    };
    match rule {
        Rule::Default { args, value, .. } => args.iter().chain([value]).for_each(|term| expr(term, name)),
        Rule::Spec { head, bodies, .. } => {
            match head {
                RuleHead::Compr { assign, .. } => assigned(assign, name),
                RuleHead::Set { key, .. } => key.iter().for_each(|key| expr(key, name)),
                RuleHead::Func { args, assign, .. } => {
                    args.iter().for_each(|arg| expr(arg, name));
                    assigned(assign, name);
                }
            }
            for body in bodies {
                assigned(&body.assign, name);
                query(&body.query, name);
            }
        }
    }
}

fn query(query: &Query, name: Visit<'_>) {
    query.stmts.iter().for_each(|stmt| statement(stmt, name));
}

fn statement(stmt: &LiteralStmt, name: Visit<'_>) {
    match &stmt.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn { key, value, collection, .. } => {
            key.iter().chain([value, collection]).for_each(|term| expr(term, name));
        }
        Literal::Expr { expr: term, .. } | Literal::NotExpr { expr: term, .. } => expr(term, name),
        Literal::Every { domain, query: inner, .. } => {
            expr(domain, name);
            query(inner, name);
        }
    }
    for with in &stmt.with_mods {
        name(&with.refr);
        name(&with.r#as);
        expr(&with.r#as, name);
    }
}

fn expr(term: &Expr, name: Visit<'_>) {
    each(term, &mut |part| {
        if let Expr::Call { fcn, .. } = part {
            name(fcn);
        }
        if let Some(inner) = within::query(part) {
            query(inner, name);
        }
    });
}
