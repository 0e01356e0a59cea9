//! All rules of a policy by the path they define below `data`.

use std::collections::BTreeMap;

use regorus::unstable::{self as ast, Expr, RuleBody, Span};

use super::expand::plain;
use super::module::{Module, Modules, head};
use super::terms::{RefArg, flatten};
use crate::diagnostics::{Diagnostic, Diagnostics};

/// What a rule contributes to its document.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// `r := value`; `true` where no value is written.
    Value(Option<&'a Expr>),
    /// `r contains element`
    Element(&'a Expr),
    /// `f(args) := value`
    Function(&'a [ast::Ref<Expr>], Option<&'a Expr>),
}

/// One rule as written.
#[derive(Clone)]
pub(crate) struct Clause<'a> {
    pub(crate) module: &'a Module,
    pub(crate) span: &'a Span,
    /// What follows the written keys of the head, from the first variable on: `x` and `"b"` of
    /// `r.a[x].b := y`, which stands at `r.a`.
    pub(crate) keys: Vec<RefArg<'a>>,
    pub(crate) kind: Kind<'a>,
    /// The bodies: one of several apart from `else`, which follow the one before.
    pub(crate) bodies: &'a [RuleBody],
}

/// A place below `data`.
#[derive(Default)]
pub(crate) struct Node<'a> {
    pub(crate) children: BTreeMap<&'a str, Node<'a>>,
    pub(crate) clauses: Vec<Clause<'a>>,
    pub(crate) default: Option<(&'a Module, &'a Span, &'a [ast::Ref<Expr>], &'a Expr)>,
    /// A package of this path exists.
    pub(crate) package: bool,
}

impl Node<'_> {
    /// Whether rules define this document itself.
    pub(crate) fn has_rules(&self) -> bool {
        !self.clauses.is_empty() || self.default.is_some()
    }

    /// Whether it is a function.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.clauses.first(), Some(Clause { kind: Kind::Function(..), .. }))
            || matches!(self.default, Some((_, _, args, _)) if !args.is_empty())
    }
}

impl Clause<'_> {
    fn is_partial(&self) -> bool {
        !self.keys.is_empty() || matches!(self.kind, Kind::Element(_))
    }
}

/// The tree of all rules.
pub(crate) struct Tree<'a> {
    pub(crate) root: Node<'a>,
}

impl<'a> Tree<'a> {
    /// Puts every rule in its place and checks that they can stand side by side.
    pub(crate) fn new(modules: &'a Modules) -> Result<Self, Diagnostics> {
        let mut root = Node::default();
        let mut findings = Vec::new();
        for module in modules.iter() {
            descend(&mut root, module.package.iter().map(String::as_str)).package = true;
            for rule in &module.ast.policy {
                findings.extend(insert(&mut root, module, rule).err());
            }
        }
        check(&root, &mut findings);
        if findings.is_empty() { Ok(Self { root }) } else { Err(Diagnostics::new(findings)) }
    }

    /// The node as deep on the way along `path` as there are rules, where a rule ends the way, and how many
    /// of the keys lead there.
    pub(crate) fn deepest(&self, path: &[String]) -> (&Node<'a>, usize) {
        let mut node = &self.root;
        let mut depth = 0;
        while let Some(child) =
            path.get(depth).filter(|_| !node.has_rules()).and_then(|key| node.children.get(key.as_str()))
        {
            node = child;
            depth = depth.saturating_add(1);
        }
        (node, depth)
    }

    /// The node at `path`.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node<'a>> {
        path.iter().try_fold(&self.root, |node, key| node.children.get(*key))
    }
}

fn descend<'a, 'n>(root: &'n mut Node<'a>, path: impl Iterator<Item = &'a str>) -> &'n mut Node<'a> {
    path.fold(root, |node, key| node.children.entry(key).or_default())
}

fn insert<'a>(root: &mut Node<'a>, module: &'a Module, rule: &'a ast::Rule) -> Result<(), Diagnostic> {
    let span = rule.span();
    let (name, args) = flatten(head(rule));
    let Expr::Var { span: name, .. } = name else {
        return Err(Diagnostic::at(span, "rego_parse", "expected a rule that begins with a name"));
    };
    let ground: Vec<&str> = args.iter().map_while(RefArg::key).collect();
    let rest = args.get(ground.len()..).unwrap_or_default();
    let path = module.package.iter().map(String::as_str).chain([plain(name.text())]).chain(ground);
    let node = descend(root, path);
    match rule {
        ast::Rule::Default { args, value, .. } => {
            if !rest.is_empty() {
                let message = "expected a default for a document, got one for a variable key";
                return Err(Diagnostic::at(span, "rego_parse", message));
            }
            if let Some((_, before, ..)) = node.default {
                let message = format!("expected one default, got another on line {}", before.line);
                return Err(Diagnostic::at(span, "rego_type", message));
            }
            node.default = Some((module, span, args, value));
        }
        ast::Rule::Spec { head, bodies, .. } => {
            let kind = match head {
                // To OPA a function without parameters is a rule.
                ast::RuleHead::Func { args, assign, .. } if args.is_empty() => Kind::Value(value(assign)),
                ast::RuleHead::Func { args, assign, .. } if rest.is_empty() => {
                    Kind::Function(args, value(assign))
                }
                ast::RuleHead::Func { .. } => {
                    let message = "expected a function of a written name, got a variable in it";
                    return Err(Diagnostic::at(span, "rego_parse", message));
                }
                ast::RuleHead::Compr { assign, .. } => Kind::Value(value(assign)),
                ast::RuleHead::Set { key: Some(key), span: head, .. }
                    if !module.ast.rego_v1 || head.text().contains("contains") =>
                {
                    Kind::Element(key)
                }
                ast::RuleHead::Set { .. } => {
                    let message = "expected `contains`, `:=` or `if`, got neither";
                    return Err(Diagnostic::at(span, "rego_parse", message));
                }
            };
            node.clauses.push(Clause { module, span, keys: rest.to_vec(), kind, bodies });
        }
    }
    Ok(())
}

fn value(assign: &Option<ast::RuleAssign>) -> Option<&Expr> {
    assign.as_ref().map(|assign| assign.value.as_ref())
}

/// Finds documents that are defined as two different things.
fn check(node: &Node<'_>, findings: &mut Vec<Diagnostic>) {
    if let Some(first) = node.clauses.first() {
        let odd = node.clauses.iter().find(|clause| !alike(first, clause));
        findings.extend(odd.map(|odd| {
            let message =
                format!("expected the kind of rule that is on line {}, got another", first.span.line);
            Diagnostic::at(odd.span, "rego_type", message)
        }));
        let object = !first.keys.is_empty();
        if node.package || (!object && !node.children.is_empty()) {
            let message = "expected one document, got a rule and a package or rules below the same path";
            findings.push(Diagnostic::at(first.span, "rego_type", message));
        }
        if let (Some((_, span, ..)), true) = (node.default, first.is_partial()) {
            findings.push(Diagnostic::at(span, "rego_type", "expected no default for a set or an object"));
        }
    }
    if let (Some((_, span, ..)), [], false) =
        (node.default, node.clauses.as_slice(), node.children.is_empty())
    {
        let message = "expected one document, got a default and rules below the same path";
        findings.push(Diagnostic::at(span, "rego_type", message));
    }
    node.children.values().for_each(|child| check(child, findings));
}

fn alike(a: &Clause<'_>, b: &Clause<'_>) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Function(a, _), Kind::Function(b, _)) => a.len() == b.len(),
        (Kind::Function(..), _) | (_, Kind::Function(..)) => false,
        // Objects with variable keys may hold sets and values, each at its own depth.
        _ if !a.keys.is_empty() && !b.keys.is_empty() => true,
        (a_kind, b_kind) => {
            a.keys.is_empty() == b.keys.is_empty()
                && std::mem::discriminant(a_kind) == std::mem::discriminant(b_kind)
        }
    }
}
