//! Small facts about terms.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use regorus::unstable::{Expr, Ref};

/// One step of a reference.
#[derive(Clone, Copy)]
pub(crate) enum RefArg<'a> {
    /// `.name` or `["name"]`
    Key(&'a str),
    /// `[term]`
    Term(&'a Expr),
}

impl<'a> RefArg<'a> {
    /// The key, if it is written out.
    pub(crate) fn key(&self) -> Option<&'a str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Term(_) => None,
        }
    }

    /// The term, if it is not.
    pub(crate) fn term(&self) -> Option<&'a Expr> {
        match self {
            Self::Key(_) => None,
            Self::Term(term) => Some(term),
        }
    }
}

/// The head of a reference and its steps, in order.
pub(crate) fn flatten(expr: &Expr) -> (&Expr, Vec<RefArg<'_>>) {
    let mut args = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                args.push(RefArg::Key(field.0.text()));
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                args.push(match index.as_ref() {
                    Expr::String { value: Value::String(text), .. }
                    | Expr::RawString { value: Value::String(text), .. } => RefArg::Key(text),
                    other => RefArg::Term(other),
                });
                at = refr;
            }
            _ => break,
        }
    }
    args.reverse();
    (at, args)
}

/// The name of a called function: `["data", "lib", "f"]` for `data.lib.f(…)`.
pub(crate) fn call_path(function: &Expr) -> Option<Vec<&str>> {
    let (head, args) = flatten(function);
    let Expr::Var { span, .. } = head else { return None };
    let keys = args.iter().map(RefArg::key);
    std::iter::once(Some(span.text())).chain(keys).collect()
}

/// The value of a term that is written out: scalars, and collections of such.
pub(crate) fn constant(expr: &Expr) -> Option<Value> {
    let all = |items: &[Ref<Expr>]| items.iter().map(|item| constant(item)).collect::<Option<Vec<_>>>();
    match expr {
        Expr::String { value, .. }
        | Expr::RawString { value, .. }
        | Expr::Number { value, .. }
        | Expr::Bool { value, .. }
        | Expr::Null { value, .. } => Some(value.clone()),
        Expr::UnaryExpr { expr, .. } => match expr.as_ref() {
            // Not `Number::neg`, which flips bits.
            Expr::Number { value: Value::Number(number), .. } => match Value::from(0_u64) {
                Value::Number(zero) => zero.sub(number).ok().map(Value::from),
                _ => None,
            },
            _ => None,
        },
        Expr::Array { items, .. } => all(items).map(Value::from),
        Expr::Set { items, .. } => {
            all(items).map(|items| Value::from(items.into_iter().collect::<BTreeSet<_>>()))
        }
        Expr::Object { fields, .. } => {
            let mut object = BTreeMap::new();
            for (_, key, value) in fields {
                // A key twice is a conflict, which is found when the object is made.
                if object.insert(constant(key)?, constant(value)?).is_some() {
                    return None;
                }
            }
            Some(Value::from(object))
        }
        _ => None,
    }
}
