//! References: into input, into data, into rules, into local values.

use regorus::Value;
use regorus::unstable::{Expr, Span};
use sidegate_engine::plan::{Compare, Operand, Reg, Stmt};

use super::builder::{Builder, unsafe_var};
use super::documents::Place;
use super::order::Ready;
use super::{Path, Result};
use crate::diagnostics::Diagnostic;
use crate::rego::{Clause, Kind, Name, Node, RefArg, constant, flatten};

/// What ext_authz sends and a filter cannot know, with what to write instead. Without a word about it
/// `not input.attributes.contextExtensions.x` would hold for every request.
const UNKNOWABLE: [(&[&str], &str); 5] = [
    (
        &["attributes", "request", "http", "rawBody"],
        "read the body as text: `input.attributes.request.http.body`",
    ),
    (
        &["attributes", "request", "http", "raw_body"],
        "read the body as text: `input.attributes.request.http.body`",
    ),
    (&["attributes", "contextExtensions"], "these are settings of ext_authz; keep them in the policy's data"),
    (&["attributes", "metadataContext", "typedFilterMetadata"], "read `filterMetadata`"),
    (&["attributes", "routeMetadataContext", "typedFilterMetadata"], "read `filterMetadata`"),
];

impl<'a> Builder<'_, 'a> {
    /// The value of `head` followed by `args`.
    pub(super) fn reference(&mut self, head: &'a Expr, args: &[RefArg<'a>], span: &Span) -> Result<Operand> {
        let Expr::Var { span: name, .. } = head else {
            let value = self.value(head)?;
            return self.steps(value, args);
        };
        if let Some(var) = self.local(name.text()) {
            if !var.bound {
                return Err(unsafe_var(name));
            }
            let known = self.values.get(&var.reg).filter(|_| !args.is_empty()).cloned();
            let src = known.map_or(Ok(Operand::Reg(var.reg)), |value| self.constant(&value))?;
            return self.steps(src, args);
        }
        match self.global(name.text()) {
            Some(Name::Input(path)) => self.input(path, args, span),
            Some(Name::Data(path)) => self.data(path, args, span),
            None => Err(unsafe_var(name)),
        }
    }

    /// Looks `args` up one after the other; an unbound variable among them iterates.
    fn steps(&mut self, value: Operand, args: &[RefArg<'a>]) -> Result<Operand> {
        let (value, taken) = self.known_steps(value, args)?.unwrap_or((value, 0));
        args.get(taken..).unwrap_or_default().iter().try_fold(value, |src, arg| match arg {
            RefArg::Key(key) => {
                let key = self.constant(&Value::from(*key))?;
                self.make(|dst| Stmt::Get { dst, src, key })
            }
            RefArg::Term(term) => self.index(src, term, |dst, src, key| Stmt::Get { dst, src, key }),
        })
    }

    /// Looks `term` up by what `get` makes, or iterates.
    fn index(
        &mut self,
        src: Operand,
        term: &'a Expr,
        get: impl FnOnce(Reg, Operand, Operand) -> Stmt,
    ) -> Result<Operand> {
        if Ready::new(self).value(term).is_ok() {
            let key = self.value(term)?;
            return self.make(|dst| get(dst, src, key));
        }
        let (key, value) = (self.reg()?, self.reg()?);
        self.scan(src, Some(key), Some(value));
        self.destructure(term, Operand::Reg(key))?;
        Ok(Operand::Reg(value))
    }

    fn input(&mut self, mut path: Vec<String>, args: &[RefArg<'a>], span: &Span) -> Result<Operand> {
        let keys: Vec<&str> = args.iter().map_while(RefArg::key).collect();
        path.extend(keys.iter().map(|&key| key.to_owned()));
        let starts_with =
            |keys: &[&str]| path.len() >= keys.len() && path.iter().zip(keys).all(|(a, b)| a == b);
        if let Some((keys, help)) = UNKNOWABLE.iter().find(|(keys, _)| starts_with(keys)) {
            let message = format!("`input.{}` is known to ext_authz and not to a filter", keys.join("."));
            return Err(Diagnostic::at(span, "rego_unsupported", message).help(*help));
        }
        let consts = self.path(&path)?;
        self.facts.reads.insert(path);
        let value = self.make(|dst| Stmt::Input { dst, path: consts, place: 0 })?;
        self.steps(value, args.get(keys.len()..).unwrap_or_default())
    }

    fn data(&mut self, mut path: Path, args: &[RefArg<'a>], span: &Span) -> Result<Operand> {
        let ground: Vec<&str> = args.iter().map_while(RefArg::key).collect();
        let named = path.len();
        path.extend(ground.iter().map(|&key| key.to_owned()));
        self.choose(&mut path, args.get(ground.len()..).unwrap_or_default());
        if let Some((depth, slot)) = self.planner.envs.above(self.env, &path) {
            let value = self.make(|dst| Stmt::Slot { dst, slot })?;
            return self.follow(value, &path, (depth, named), args);
        }
        // As deep as there are rules below; a rule itself ends the way.
        let (node, depth) = self.planner.tree.deepest(&path);
        if node.is_function() {
            let message = format!("expected a value, got the function `{}`", span.text());
            return Err(Diagnostic::at(span, "rego_type", message).help("call it with its arguments"));
        }
        if let Some(mut input) = self.alias(node) {
            self.planner.uses(node);
            input.extend(path.get(depth..).unwrap_or_default().iter().cloned());
            let rest = args.get(path.len().saturating_sub(named)..).unwrap_or_default();
            return self.input(input, rest, span);
        }
        let (below, rest) = (path.get(depth..named).unwrap_or_default(), depth.saturating_sub(named));
        let rest = args.get(rest..).unwrap_or_default();
        if let Some((value, taken)) = self.known_rule(node, below, rest) {
            let value = self.settled(&value)?;
            return self.steps(value, rest.get(taken..).unwrap_or_default());
        }
        if node.has_rules() {
            let asked = path.get(..depth).unwrap_or_default().to_vec();
            let value = self.call_document(&Place::whole(self.env, asked), Some(node), Some(span))?;
            return self.follow(value, &path, (depth, named), args);
        }
        let node = Some(node).filter(|_| depth == path.len());
        let rest = args.get(path.len().saturating_sub(named)..).unwrap_or_default();
        let place = Place::whole(self.env, path);
        if !node.is_some_and(any_rules) && self.planner.below(&place, node).is_empty() {
            return self.base(&place.path, rest);
        }
        self.through_variables(place, node, rest, span)
    }

    /// Adds to a path the keys that are known, so that one package is chosen. Whether there are packages
    /// makes no difference: those that are not chosen may be left out.
    fn choose(&mut self, path: &mut Path, args: &[RefArg<'a>]) {
        if !self.planner.chooses || self.planner.tree.deepest(path).0.has_rules() {
            return;
        }
        let mut chosen = path.clone();
        for arg in args {
            let Some(Value::String(key)) = self.known_arg(arg) else { break };
            chosen.push(key.to_string());
        }
        let node = self.planner.tree.deepest(&chosen).0;
        if node.is_function() {
            // Through a variable functions are not among what is in a package.
            self.planner.uses(node);
        } else {
            *path = chosen;
        }
    }

    /// What is below the value of the document at the first `depth` keys of `path`. The first `named` of
    /// its keys are not among `args`.
    fn follow(
        &mut self,
        value: Operand,
        path: &[String],
        (depth, named): (usize, usize),
        args: &[RefArg<'a>],
    ) -> Result<Operand> {
        let value = path.get(depth..named).unwrap_or_default().iter().try_fold(value, |src, key| {
            let key = self.constant(&Value::from(key.as_str()))?;
            self.make(|dst| Stmt::Get { dst, src, key })
        })?;
        self.steps(value, args.get(depth.saturating_sub(named)..).unwrap_or_default())
    }

    /// A reference into packages whose next key is a variable, or the package itself.
    fn through_variables(
        &mut self,
        mut place: Place,
        node: Option<&'a Node<'a>>,
        args: &[RefArg<'a>],
        span: &Span,
    ) -> Result<Operand> {
        place.part = args.iter().map(|arg| arg.key().map(str::to_owned)).collect();
        while place.part.last() == Some(&None) {
            place.part.pop();
        }
        let Some((RefArg::Term(term), rest)) = args.split_first() else {
            let value = self.call_document(&place, node, Some(span))?;
            return self.steps(value, args);
        };
        if constant(term).is_some() {
            // No package is called by a number.
            return self.base(&place.path, args);
        }
        if Ready::new(self).value(term).is_err() {
            let value = self.call_document(&place, node, Some(span))?;
            return self.steps(value, args);
        }
        // The key is known then: only the document under it is asked for.
        let key = self.value(term)?;
        let dst = self.reg()?;
        let below = self.planner.below(&place, node);
        let mut blocks = Vec::new();
        for name in &below {
            let child = node.and_then(|node| node.children.get(name.as_str()));
            blocks.push(self.block(|b| {
                let name_is = b.constant(&Value::from(name.as_str()))?;
                b.emit(Stmt::Check { op: Compare::Eq, a: key, b: name_is });
                let src = b.call_document(&place.under(name), child, Some(span))?;
                b.emit(Stmt::Assign { dst, src });
                Ok(())
            })?);
        }
        if let Some(own) = self.planner.own(&place.path, &below) {
            let base = Value::from(own);
            blocks.push(self.block(|b| {
                let src = b.constant(&base)?;
                let src = b.make(|dst| Stmt::GetBase { dst, src, key })?;
                b.emit(Stmt::Assign { dst, src });
                Ok(())
            })?);
        }
        self.emit(Stmt::Clear { dst });
        self.emit(Stmt::First { blocks });
        self.emit(Stmt::Defined { src: dst });
        self.steps(Operand::Reg(dst), rest)
    }

    /// The path below `input` that a rule is another name for (`http := input.attributes.request.http`).
    /// It is used in its place, so that only what is looked up there counts as read.
    fn alias(&self, node: &Node<'a>) -> Option<Vec<String>> {
        let [Clause { kind: Kind::Value(Some(value)), keys, bodies: [], module, .. }] =
            node.clauses.as_slice()
        else {
            return None;
        };
        if !keys.is_empty() {
            return None;
        }
        let (Expr::Var { span, .. }, args) = flatten(value) else { return None };
        let Some(Name::Input(mut path)) = self.planner.modules.resolve(module, span.text()) else {
            return None;
        };
        let keys = args.iter().map(RefArg::key).collect::<Option<Vec<_>>>()?;
        path.extend(keys.into_iter().map(str::to_owned));
        node.default.is_none().then_some(path)
    }

    /// Base data, which is known now.
    fn base(&mut self, path: &[String], args: &[RefArg<'a>]) -> Result<Operand> {
        // Written keys that are no strings (`data.ports[0]`) are looked up now too.
        let (known, taken) = self.known_base(path, args);
        let value = self.settled(&known)?;
        args.get(taken..).unwrap_or_default().iter().try_fold(value, |src, arg| match arg {
            RefArg::Key(key) => {
                let key = self.constant(&Value::from(*key))?;
                self.make(|dst| Stmt::GetBase { dst, src, key })
            }
            RefArg::Term(term) => self.index(src, term, |dst, src, key| Stmt::GetBase { dst, src, key }),
        })
    }
}

/// Whether there is a document at a node that rules or packages make; an empty package is one.
pub(super) fn any_rules(node: &Node<'_>) -> bool {
    node.package || node.has_rules() || node.children.values().any(any_rules)
}
