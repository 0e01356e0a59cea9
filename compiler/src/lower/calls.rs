//! Calls of builtins and of the policy's own functions.

use regorus::unstable::{Expr, Ref, Span};
use sidegate_engine::eval::Builtin;
use sidegate_engine::plan::{Operand, Stmt};

use super::Result;
use super::builder::Builder;
use super::documents::Place;
use super::envs::{Function, Replacement};
use super::order::refs;
use crate::diagnostics::Diagnostic;
use crate::rego::{Clause, Kind, Name, Node, call_path, constant, opa_builtin, why_refused};

/// What is called.
enum Callee<'a> {
    Function {
        path: Vec<String>,
        node: &'a Node<'a>,
        params: usize,
    },
    Builtin {
        name: String,
        params: usize,
    },
    /// `walk(value)`: many results.
    Walk,
    /// `print(…)`: says something to a developer; in the proxy nobody listens.
    Print,
}

impl<'a> Callee<'a> {
    fn params(&self) -> Option<usize> {
        match self {
            Self::Function { params, .. } | Self::Builtin { params, .. } => Some(*params),
            Self::Walk => Some(1),
            Self::Print => None,
        }
    }

    /// Refuses what is written out and would be an error in every evaluation.
    fn accepts(&self, args: &[Ref<Expr>]) -> Result<()> {
        let Self::Builtin { name, .. } = self else { return Ok(()) };
        let Some(builtin) = Builtin::find(name) else { return Ok(()) };
        for (at, arg) in args.iter().enumerate() {
            if let Some(why) = constant(arg).and_then(|value| builtin.refusal(at, &value)) {
                let what = format!("this argument of `{name}`");
                return Err(Diagnostic::unsupported(arg.span(), &what, why));
            }
        }
        Ok(())
    }
}

impl<'a> Builder<'_, 'a> {
    /// A call whose result is wanted.
    pub(super) fn call(&mut self, span: &Span, function: &'a Expr, args: &'a [Ref<Expr>]) -> Result<Operand> {
        let callee = self.callee(span, function)?;
        callee.accepts(args)?;
        let args = self.values(&refs(args))?;
        self.call_with(span, callee, args)
    }

    /// A call as a statement: its result must not be `false`; with one argument more, that argument
    /// is matched against the result.
    pub(super) fn call_condition(
        &mut self,
        span: &Span,
        function: &'a Expr,
        args: &'a [Ref<Expr>],
    ) -> Result<()> {
        let callee = self.callee(span, function)?;
        if matches!(callee, Callee::Print) {
            return Ok(());
        }
        let (inputs, output) = self.split_output(function, args);
        callee.accepts(inputs)?;
        let inputs = self.values(&refs(inputs))?;
        let value = self.call_with(span, callee, inputs)?;
        match output {
            Some(output) => self.destructure(output, value),
            None => {
                self.emit(Stmt::Truthy { src: value });
                Ok(())
            }
        }
    }

    /// The arguments of a call, and the one that takes the result if there is one more than the
    /// function has parameters.
    pub(super) fn split_output(
        &self,
        function: &'a Expr,
        args: &'a [Ref<Expr>],
    ) -> (&'a [Ref<Expr>], Option<&'a Expr>) {
        let params = self.callee(function.span(), function).ok().and_then(|callee| callee.params());
        match args.split_last() {
            Some((output, inputs)) if params == Some(inputs.len()) => (inputs, Some(output)),
            _ => (args, None),
        }
    }

    /// Whether an expression is a call of `print`, which does nothing here.
    pub(super) fn is_print(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Call { fcn, span, .. } if matches!(self.callee(span, fcn), Ok(Callee::Print)))
    }

    fn call_with(&mut self, span: &Span, callee: Callee<'a>, args: Vec<Operand>) -> Result<Operand> {
        if let Some(params) = callee.params().filter(|params| *params != args.len()) {
            let message = format!("expected {params} arguments, got {}", args.len());
            return Err(Diagnostic::at(span, "rego_arguments", message));
        }
        match callee {
            Callee::Function { path, node, .. } => {
                let function = Function::Own(path.clone());
                if let Some(by) = self.planner.envs.function(self.env, &function) {
                    return self.call_replacement(span, by, args);
                }
                self.call_function(span, Place::whole(self.env, path), node, args)
            }
            Callee::Builtin { name, .. } => {
                if let Some(by) = self.planner.envs.function(self.env, &Function::Builtin(name.clone())) {
                    return self.call_replacement(span, by, args);
                }
                self.call_builtin(span, &name, args)
            }
            Callee::Walk => {
                let all = self.call_builtin(span, "walk", args)?;
                let found = self.reg()?;
                self.scan(all, None, Some(found));
                Ok(Operand::Reg(found))
            }
            Callee::Print => Err(Diagnostic::at(span, "rego_type", "expected a value, got `print`")),
        }
    }

    fn call_function(
        &mut self,
        span: &Span,
        place: Place,
        node: &'a Node<'a>,
        args: Vec<Operand>,
    ) -> Result<Operand> {
        let func = self.planner.document(&place, Some(node), Some(span))?;
        self.facts.callees.insert(func);
        self.make(|dst| Stmt::Call { dst, func, args })
    }

    fn call_builtin(&mut self, span: &Span, name: &str, args: Vec<Operand>) -> Result<Operand> {
        if Builtin::find(name).is_none() {
            let message = format!("expected a builtin that policies may call here, got `{name}`");
            return Err(Diagnostic::at(span, "rego_function", message).help(why_refused(name)));
        }
        let builtin = self.planner.builtin(name)?;
        self.make(|dst| Stmt::Builtin { dst, builtin, args })
    }

    /// A call of a function that `with` has replaced.
    fn call_replacement(&mut self, span: &Span, by: Replacement, args: Vec<Operand>) -> Result<Operand> {
        match by {
            Replacement::Slot(slot) => self.make(|dst| Stmt::Slot { dst, slot }),
            Replacement::Document(path) => {
                let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                let node = self.planner.tree.at(&keys);
                self.call_document(&Place::whole(self.env, path), node, Some(span))
            }
            Replacement::Function(Function::Builtin(name)) => self.call_builtin(span, &name, args),
            Replacement::Function(Function::Own(path)) => {
                let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                let Some(node) = self.planner.tree.at(&keys) else {
                    return Err(Diagnostic::at(span, "internal", "internal error: replaced function"));
                };
                // As in OPA, nothing is replaced in what replaces.
                let env = self.planner.envs.without_functions(self.env)?;
                self.call_function(span, Place::whole(env, path), node, args)
            }
        }
    }

    fn callee(&self, span: &Span, function: &Expr) -> Result<Callee<'a>> {
        let unknown = |message: String| Err(Diagnostic::at(span, "rego_function", message));
        let Some(path) = call_path(function) else {
            return unknown("expected the name of a function".to_owned());
        };
        if let Some((head, rest)) = path.split_first()
            && let Some(Name::Data(mut full)) = self.global(head)
        {
            full.extend(rest.iter().map(|&key| key.to_owned()));
            let parts: Vec<&str> = full.iter().map(String::as_str).collect();
            return match self.planner.tree.at(&parts).filter(|node| node.has_rules()) {
                Some(node) => Ok(Callee::Function { path: full, node, params: params(node).unwrap_or(0) }),
                None => unknown(format!("expected a function at `data.{}`, got none", full.join("."))),
            };
        }
        let name = path.join(".");
        if name == "print" {
            return Ok(Callee::Print);
        }
        match (Builtin::find(&name), opa_builtin(&name)) {
            (_, Some(builtin)) if builtin.deprecated && self.module.is_some_and(|m| m.ast.rego_v1) => {
                let message = format!("expected a builtin of version 1 of the language, got `{name}`");
                unknown(message)
            }
            (_, Some(builtin)) if builtin.relation => Ok(Callee::Walk),
            (Some(builtin), _) => Ok(Callee::Builtin { name, params: builtin.arity() }),
            // It may be replaced by `with`; else it is refused where it is called.
            (None, Some(builtin)) => Ok(Callee::Builtin { name, params: builtin.arity }),
            (None, None) => {
                let message = format!("expected a function of the policy or a builtin, got `{name}`");
                unknown(message)
            }
        }
    }
}

/// Number of parameters of a function.
pub(super) fn params(node: &Node<'_>) -> Option<usize> {
    match node.clauses.first() {
        Some(Clause { kind: Kind::Function(args, _), .. }) => Some(args.len()),
        Some(_) => None,
        None => node.default.map(|(_, _, args, _)| args.len()),
    }
}
