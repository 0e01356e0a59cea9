//! References: into input, into data, into rules, into local values.

use regorus::Value;
use regorus::unstable::{Expr, Span};
use sidegate_engine::plan::{ConstId, Operand, Stmt};

use super::Result;
use super::builder::{Builder, unsafe_var};
use super::order::Ready;
use crate::diagnostics::Diagnostic;
use crate::rego::{Clause, Kind, Name, Node, RefArg, constant, flatten};

/// What the filter cannot fill in yet. Without it `not input.parsed_body.x` would hold for every request.
const BODY: [&[&str]; 4] = [
    &["parsed_body"],
    &["truncated_body"],
    &["attributes", "request", "http", "body"],
    &["attributes", "request", "http", "raw_body"],
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
            return self.steps(Operand::Reg(var.reg), args);
        }
        match self.global(name.text()) {
            Some(Name::Input(path)) => self.input(path, args, span),
            Some(Name::Data(path)) => self.data(path, args, span),
            None => Err(unsafe_var(name)),
        }
    }

    /// Looks `args` up one after the other; an unbound variable among them iterates.
    fn steps(&mut self, value: Operand, args: &[RefArg<'a>]) -> Result<Operand> {
        args.iter().try_fold(value, |src, arg| match arg {
            RefArg::Key(key) => {
                let key = self.constant(&Value::from(*key))?;
                self.make(|dst| Stmt::Get { dst, src, key })
            }
            RefArg::Term(term) => self.index(src, term),
        })
    }

    fn index(&mut self, src: Operand, term: &'a Expr) -> Result<Operand> {
        if Ready::new(self).value(term).is_ok() {
            let key = self.value(term)?;
            return self.make(|dst| Stmt::Get { dst, src, key });
        }
        let (key, value) = (self.reg()?, self.reg()?);
        self.scan(src, Some(key), Some(value));
        self.destructure(term, Operand::Reg(key))?;
        Ok(Operand::Reg(value))
    }

    fn input(&mut self, mut path: Vec<String>, args: &[RefArg<'a>], span: &Span) -> Result<Operand> {
        let keys: Vec<&str> = args.iter().map_while(RefArg::key).collect();
        path.extend(keys.iter().map(|&key| key.to_owned()));
        if BODY.iter().any(|body| path.iter().zip(*body).filter(|(a, b)| a == *b).count() == body.len()) {
            let help = "decide by what comes before the body: method, path, headers, principal";
            return Err(Diagnostic::unsupported(span, "a policy that reads the body", help));
        }
        let consts: Vec<ConstId> = path
            .iter()
            .map(|key| match self.constant(&Value::from(key.as_str()))? {
                Operand::Const(id) => Ok(id),
                Operand::Reg(_) => Err(Diagnostic::file("", "internal", "internal error: constant")),
            })
            .collect::<Result<_>>()?;
        self.facts.reads.insert(path);
        let value = self.make(|dst| Stmt::Input { dst, path: consts })?;
        self.steps(value, args.get(keys.len()..).unwrap_or_default())
    }

    fn data(&mut self, mut path: Vec<String>, args: &[RefArg<'a>], span: &Span) -> Result<Operand> {
        let ground: Vec<&str> = args.iter().map_while(RefArg::key).collect();
        let named = path.len();
        path.extend(ground.iter().map(|&key| key.to_owned()));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // As deep as there are rules below; a rule itself ends the way.
        let tree = self.planner.tree;
        let mut node = &tree.root;
        let mut depth = 0;
        while let Some(child) =
            path.get(depth).filter(|_| !node.has_rules()).and_then(|key| node.children.get(*key))
        {
            node = child;
            depth = depth.saturating_add(1);
        }
        let rest = |used: usize| args.get(used.saturating_sub(named)..).unwrap_or_default();
        if node.is_function() {
            let message = format!("expected a value, got the function `{}`", span.text());
            return Err(Diagnostic::at(span, "rego_type", message).help("call it with its arguments"));
        }
        let asked = path.get(..depth).unwrap_or_default();
        if let Some(mut input) = self.alias(node) {
            input.extend(path.get(depth..).unwrap_or_default().iter().map(|&key| key.to_owned()));
            return self.input(input, rest(path.len()), span);
        }
        if node.has_rules() {
            let value = self.call_document(asked, node, span)?;
            let keys = path.get(depth..named).unwrap_or_default();
            let value = keys.iter().try_fold(value, |src, key| {
                let key = self.constant(&Value::from(*key))?;
                self.make(|dst| Stmt::Get { dst, src, key })
            })?;
            return self.steps(value, rest(depth.max(named)));
        }
        if depth < path.len() || !any_rules(node) {
            return self.base(&path, rest(path.len()));
        }
        if rest(depth).is_empty() {
            return self.call_document(asked, node, span);
        }
        let help = "name the package or rule, or keep what varies in data";
        Err(Diagnostic::unsupported(span, "a reference through a variable into rules", help))
    }

    /// The path below `input` that a rule is another name for (`http := input.attributes.request.http`).
    /// It is used in its place, so that only what is looked up there counts as read.
    fn alias(&self, node: &Node<'a>) -> Option<Vec<String>> {
        let [Clause { kind: Kind::Complete(Some(value)), bodies: [], module, .. }] = node.clauses.as_slice()
        else {
            return None;
        };
        let (Expr::Var { span, .. }, args) = flatten(value) else { return None };
        let Some(Name::Input(mut path)) = self.planner.modules.resolve(module, span.text()) else {
            return None;
        };
        let keys = args.iter().map(RefArg::key).collect::<Option<Vec<_>>>()?;
        path.extend(keys.into_iter().map(str::to_owned));
        node.default.is_none().then_some(path)
    }

    fn call_document(&mut self, path: &[&str], node: &'a Node<'a>, span: &Span) -> Result<Operand> {
        let func = self.planner.document(path, node, Some(span))?;
        self.facts.callees.insert(func);
        self.make(|dst| Stmt::Call { dst, func, args: Vec::new() })
    }

    /// Base data, which is known now.
    fn base(&mut self, path: &[&str], args: &[RefArg<'a>]) -> Result<Operand> {
        // Written keys that are no strings (`data.ports[0]`) are looked up now too.
        let keys: Vec<Value> = args
            .iter()
            .map_while(|arg| match arg {
                RefArg::Key(key) => Some(Value::from(*key)),
                RefArg::Term(term) => constant(term),
            })
            .collect();
        let names = path.iter().map(|key| Value::from(*key));
        let value = names.chain(keys.iter().cloned()).fold(self.planner.data, |value, key| &value[&key]);
        let value = if *value == Value::Undefined {
            self.emit(Stmt::Fail);
            self.constant(&Value::Null)?
        } else {
            self.constant(&value.clone())?
        };
        self.steps(value, args.get(keys.len()..).unwrap_or_default())
    }
}

/// Whether rules define anything at or below a node.
pub(super) fn any_rules(node: &Node<'_>) -> bool {
    node.has_rules() || node.children.values().any(any_rules)
}
