//! Calls of builtins and of the policy's own functions.

use regorus::unstable::{Expr, Ref, Span};
use sidegate_engine::eval::Builtin;
use sidegate_engine::plan::{Operand, Stmt};

use super::Result;
use super::builder::Builder;
use crate::diagnostics::Diagnostic;
use crate::rego::{Clause, Kind, Name, Node, call_path, constant};

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
    /// `print(…)`: says something to a developer; in the proxy nobody listens.
    Print,
}

impl<'a> Callee<'a> {
    fn params(&self) -> Option<usize> {
        match self {
            Self::Function { params, .. } | Self::Builtin { params, .. } => Some(*params),
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
        let args = self.values(args)?;
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
        let inputs = self.values(inputs)?;
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
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let func = self.planner.document(&path, node, Some(span))?;
                self.facts.callees.insert(func);
                self.make(|dst| Stmt::Call { dst, func, args })
            }
            Callee::Builtin { name, .. } => {
                let builtin = self.planner.builtin(&name)?;
                self.make(|dst| Stmt::Builtin { dst, builtin, args })
            }
            Callee::Print => Err(Diagnostic::at(span, "rego_type", "expected a value, got `print`")),
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
            let node = self.planner.tree.at(&parts).filter(|node| node.is_function());
            return match node.and_then(|node| Some((node, params(node)?))) {
                Some((node, params)) => Ok(Callee::Function { path: full, node, params }),
                None => unknown(format!("expected a function at `data.{}`, got none", full.join("."))),
            };
        }
        let name = path.join(".");
        if name == "print" {
            return Ok(Callee::Print);
        }
        match Builtin::find(&name) {
            Some(builtin) => Ok(Callee::Builtin { name, params: builtin.arity() }),
            None => {
                let help = "`sidegate check --builtins` lists the functions that policies may call";
                let message = format!("expected a function of the policy or a builtin, got `{name}`");
                Err(Diagnostic::at(span, "rego_function", message).help(help))
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
