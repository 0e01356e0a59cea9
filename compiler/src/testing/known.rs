//! Constructs that regorus's interpreter is known to take otherwise than OPA does (docs/upstream.md).
//!
//! A difference in a test that went through one of them says nothing of the plan.

use regorus::unstable::{ArithOp, AssignOp, Expr, Literal, LiteralStmt, Rule, RuleHead, Span};

use super::coverage::{Which, statements};
use crate::diagnostics::place;
use crate::reference::Lines;
use crate::rego::{Module, Modules, Name, Node, Tree, call_path, each, opa_builtin};

/// The first such construct on the lines that were gone through, as `file:line: what`.
pub(super) fn known(modules: &Modules, tree: &Tree<'_>, lines: &Lines) -> Option<String> {
    for module in modules.iter() {
        let file = module.ast.package.span.source.file();
        let Some(lines) = lines.get(file) else { continue };
        for rule in &module.ast.policy {
            let mut found = Vec::new();
            in_rule(rule, &mut found);
            let mocks = statements(rule, Which::All).into_iter().flat_map(|(stmt, _)| &stmt.with_mods);
            let mocks = mocks.filter(|with| is_function(modules, tree, module, &with.refr));
            found.extend(mocks.map(|with| (&with.span, "`with` on a function")));
            let seen = found
                .into_iter()
                .find(|(span, _)| lines.contains(&place(span).0) || lines.contains(&span.line));
            if let Some((span, what)) = seen {
                return Some(format!("{file}:{}: {what}", place(span).0));
            }
        }
    }
    None
}

/// Whether a term names a function: the interpreter does not replace those that are called by their bare
/// name.
fn is_function(modules: &Modules, tree: &Tree<'_>, module: &Module, term: &Expr) -> bool {
    let Some(path) = call_path(term) else { return false };
    let Some((first, rest)) = path.split_first() else { return false };
    match modules.resolve(module, first) {
        Some(Name::Data(above)) => {
            let whole: Vec<&str> = above.iter().map(String::as_str).chain(rest.iter().copied()).collect();
            tree.at(&whole).is_some_and(Node::is_function)
        }
        Some(Name::Input(_)) => false,
        None => opa_builtin(&path.join(".")).is_some(),
    }
}

type Found<'a> = Vec<(&'a Span, &'static str)>;

fn in_rule<'a>(rule: &'a Rule, found: &mut Found<'a>) {
    if let Rule::Spec { head: RuleHead::Func { args, span, .. }, .. } = rule {
        let repeated = args.iter().enumerate().any(|(at, arg)| {
            let earlier = args.iter().take(at);
            matches!(arg.as_ref(), Expr::Var { span, .. } if span.text() != "_")
                && earlier.into_iter().any(|other| other.span().text() == arg.span().text())
        });
        if repeated {
            found.push((span, "a parameter that is repeated"));
        }
        for arg in args {
            object(arg, found);
        }
    }
    for (stmt, inside_every) in statements(rule, Which::All) {
        in_statement(stmt, inside_every, found);
    }
}

fn in_statement<'a>(stmt: &'a LiteralStmt, inside_every: bool, found: &mut Found<'a>) {
    match &stmt.literal {
        Literal::NotExpr { expr, .. } => {
            let plain =
                matches!(expr.as_ref(), Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. });
            if !plain {
                found.push((&stmt.span, "`not` of a call or an operator, whose arguments may be undefined"));
            }
            arithmetic(expr, found);
        }
        Literal::Expr { expr, .. } => {
            if let Expr::AssignExpr { op, lhs, rhs, .. } = expr.as_ref() {
                object(lhs, found);
                if *op == AssignOp::Eq {
                    object(rhs, found);
                    if inside_every {
                        found.push((&stmt.span, "`=` inside `every`"));
                    }
                }
            }
            arithmetic(expr, found);
        }
        Literal::SomeIn { value, collection, .. } => {
            object(value, found);
            arithmetic(collection, found);
        }
        Literal::Every { domain, .. } => arithmetic(domain, found),
        Literal::SomeVars { .. } => {}
    }
}

/// A pattern with an object in it.
fn object<'a>(pattern: &'a Expr, found: &mut Found<'a>) {
    match pattern {
        Expr::Object { span, .. } => found.push((span, "a pattern that is an object")),
        Expr::Array { items, .. } => items.iter().for_each(|item| object(item, found)),
        _ => {}
    }
}

/// Quotients, and sums and products of fractions that are written out.
fn arithmetic<'a>(expr: &'a Expr, found: &mut Found<'a>) {
    let what = "arithmetic with fractions";
    each(expr, &mut |expr| match expr {
        Expr::ArithExpr { span, op: ArithOp::Div, .. } => found.push((span, what)),
        Expr::Number { span, .. } if span.text().contains('.') => found.push((span, what)),
        _ => {}
    });
}
