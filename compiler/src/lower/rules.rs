//! Rules and functions.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::{Expr, Ref, RuleBody, Span};
use sidegate_engine::plan::{BlockId, ConstId, FuncId, Operand, Reg, Stmt};

use super::builder::{Builder, Scope, Var};
use super::calls::params;
use super::documents::Place;
use super::values::written_as_it_is;
use super::{Planner, Result};
use crate::diagnostics::Diagnostic;
use crate::rego::{Clause, Kind, Node, RefArg, constant, declared_in, direct_in};

/// A body of a rule with the value it gives.
struct Body<'a> {
    query: Option<&'a RuleBody>,
    value: Option<&'a Expr>,
}

impl<'a> Planner<'a> {
    /// Plans the rules of a node: one function, and one more around it for a default that is computed.
    pub(super) fn rules(&mut self, place: &Place, node: &'a Node<'a>, span: Option<&Span>) -> Result<FuncId> {
        self.uses(node);
        self.once(place, span, |planner| {
            let default = planner.default(node)?;
            let params = params(node).unwrap_or(0);
            let mut builder = Builder::new(planner, place.env, params)?;
            let result = builder.regs.saturating_sub(1);
            let body = match node.clauses.first() {
                Some(clause) if !clause.keys.is_empty() => {
                    builder.partial(place, node, &Value::new_object(), result)
                }
                Some(clause) if matches!(clause.kind, Kind::Element(_)) => {
                    builder.partial(place, node, &Value::new_set(), result)
                }
                _ => builder.complete(node),
            }?;
            let func = builder.finish(place, body, default.flatten())?;
            if default == Some(None) { planner.or_default(place, node, func, params) } else { Ok(func) }
        })
    }

    /// The default: none, a computed one, or a constant.
    #[expect(clippy::option_option, reason = "a default may be there and not be known")]
    fn default(&mut self, node: &Node<'_>) -> Result<Option<Option<ConstId>>> {
        let Some((_, _, _, value)) = node.default else { return Ok(None) };
        let Some(known) = constant(value) else { return Ok(Some(None)) };
        written_as_it_is(value)?;
        match self.constant(&known, Some(value.span()))? {
            Operand::Const(id) => Ok(Some(Some(id))),
            Operand::Reg(_) => Ok(None),
        }
    }

    /// A function that answers as `func` or, where that is undefined, with the computed default.
    fn or_default(
        &mut self,
        place: &Place,
        node: &'a Node<'a>,
        func: FuncId,
        params: usize,
    ) -> Result<FuncId> {
        let Some((module, _, _, value)) = node.default else { return Ok(func) };
        let mut names = Vec::new();
        direct_in(value, &mut names);
        if let Some(span) = names.first() {
            let message = "expected a default without variables and references";
            return Err(Diagnostic::at(span, "rego_parse", message));
        }
        let mut builder = Builder::new(self, place.env, params)?;
        builder.module = Some(module);
        builder.facts.callees.insert(func);
        let args = (0..).take(params).map(Operand::Reg).collect();
        let given = builder.block(|b| {
            let value = b.make(|dst| Stmt::Call { dst, func, args })?;
            b.emit(Stmt::Yield { value });
            Ok(())
        })?;
        let computed = builder.block(|b| {
            b.query(&[], &[value], |b| {
                let value = b.value(value)?;
                b.emit(Stmt::Yield { value });
                Ok(())
            })
        })?;
        let body = builder.block(|b| {
            b.emit(Stmt::First { blocks: vec![given, computed] });
            Ok(())
        })?;
        builder.finish(place, body, None)
    }
}

impl<'a> Builder<'_, 'a> {
    /// `r := value` and `f(x) := value`: one value, from any of the clauses.
    fn complete(&mut self, node: &'a Node<'a>) -> Result<BlockId> {
        let mut chains = Vec::new();
        for clause in &node.clauses {
            self.module = Some(clause.module);
            for chain in chains_of(clause) {
                let blocks = chain.iter().map(|body| self.body(clause, body)).collect::<Result<Vec<_>>>()?;
                chains.push((blocks, chain));
            }
        }
        // Where all clauses give one value, the first success decides, as in OPA.
        let first = chains.first().and_then(|(_, chain)| value_of(chain));
        let one_value = first.is_some() && chains.iter().all(|(_, chain)| value_of(chain) == first);
        self.block(|b| {
            if one_value {
                let blocks = chains.into_iter().flat_map(|(blocks, _)| blocks).collect();
                b.emit(Stmt::First { blocks });
            } else {
                chains.into_iter().for_each(|(blocks, _)| b.emit(Stmt::First { blocks }));
            }
            Ok(())
        })
    }

    fn body(&mut self, clause: &Clause<'a>, body: &Body<'a>) -> Result<BlockId> {
        let args = match clause.kind {
            Kind::Function(args, _) => args,
            Kind::Value(_) | Kind::Element(_) => &[],
        };
        let stmts = body.query.map_or(&[][..], |body| &body.query.stmts);
        let heads: Vec<&'a Expr> = body.value.into_iter().collect();
        let known = body.value.map_or(Some(Value::Bool(true)), constant);
        body.value.map_or(Ok(()), written_as_it_is)?;
        self.at_place(clause.span);
        let block = self.block(|b| {
            b.arguments(args)?;
            b.query(stmts, &heads, |b| {
                let value = match (&known, body.value) {
                    (Some(value), _) => b.constant(value)?,
                    (None, Some(expr)) => b.value(expr)?,
                    (None, None) => b.constant(&Value::Bool(true))?,
                };
                b.emit(Stmt::Yield { value });
                if known.is_some() {
                    b.emit(Stmt::Stop);
                }
                Ok(())
            })
        })?;
        self.scopes.clear();
        Ok(block)
    }

    /// Opens the scope of the parameters, which are the first registers, and matches patterns.
    fn arguments(&mut self, args: &'a [Ref<Expr>]) -> Result<()> {
        let mut scope: BTreeMap<&'a str, Var> = BTreeMap::new();
        for (arg, reg) in args.iter().zip(0..) {
            let named = std::iter::once(arg).flat_map(|arg| declared_in(arg));
            if let Some(span) = named.into_iter().find(|span| matches!(span.text(), "input" | "data")) {
                let message = format!("expected a name of its own for a parameter, got `{}`", span.text());
                return Err(Diagnostic::at(span, "rego_compile", message));
            }
            match arg.as_ref() {
                Expr::Var { span, .. } if span.text() == "_" => {}
                Expr::Var { span, .. } => {
                    scope.entry(span.text()).or_insert(Var { reg, bound: true, since: 0 });
                }
                pattern => {
                    for span in declared_in(pattern) {
                        if !scope.contains_key(span.text()) {
                            let var = Var { reg: self.reg()?, bound: false, since: 0 };
                            scope.insert(span.text(), var);
                        }
                    }
                }
            }
        }
        self.scopes.push(Scope { vars: scope, at: 0 });
        for (arg, reg) in args.iter().zip(0..) {
            let own = matches!(arg.as_ref(), Expr::Var { span, .. }
                if span.text() == "_" || self.local(span.text()).is_some_and(|var| var.reg == reg));
            if !own {
                self.destructure(arg, Operand::Reg(reg))?;
            }
        }
        Ok(())
    }

    /// `r contains x` and `r[k] := v`: everything that any clause gives.
    fn partial(&mut self, place: &Place, node: &'a Node<'a>, empty: &Value, acc: Reg) -> Result<BlockId> {
        let src = self.constant(empty)?;
        let mut blocks = Vec::new();
        // Keys that are written out (`r["x"] := 1`) are rules of their own below this one.
        for key in self.planner.below(place, Some(node)) {
            blocks.push(self.child(place, &key, node.children.get(key.as_str()), acc, None)?);
        }
        for clause in &node.clauses {
            self.module = Some(clause.module);
            for chain in chains_of(clause) {
                for body in chain {
                    if body.query.is_some_and(|query| query.is_else) {
                        let message = "expected no `else` in a set or an object";
                        return Err(Diagnostic::at(clause.span, "rego_parse", message));
                    }
                    blocks.push(self.element(clause, &body, acc)?);
                }
            }
        }
        self.block(|b| {
            b.emit(Stmt::Assign { dst: acc, src });
            blocks.into_iter().for_each(|block| b.emit(Stmt::Try { block }));
            Ok(())
        })
    }

    fn element(&mut self, clause: &Clause<'a>, body: &Body<'a>, acc: Reg) -> Result<BlockId> {
        let stmts = body.query.map_or(&[][..], |body| &body.query.stmts);
        let written = match clause.kind {
            Kind::Element(element) => Some(element),
            Kind::Value(value) | Kind::Function(_, value) => value,
        };
        let terms = clause.keys.iter().filter_map(RefArg::term);
        let heads: Vec<&'a Expr> = terms.chain(written).collect();
        self.at_place(clause.span);
        let block = self.block(|b| {
            b.scopes.push(Scope::default());
            b.query(stmts, &heads, |b| {
                let mut keys = Vec::new();
                for key in &clause.keys {
                    keys.push(match key {
                        RefArg::Key(key) => b.constant(&Value::from(*key))?,
                        RefArg::Term(term) => b.value(term)?,
                    });
                }
                let value = match written {
                    Some(value) => b.value(value)?,
                    None => b.constant(&Value::Bool(true))?,
                };
                let set = matches!(clause.kind, Kind::Element(_));
                b.emit(match (set, keys.as_slice()) {
                    (true, []) => Stmt::Add { acc, value },
                    (false, [key]) => Stmt::Insert { acc, key: *key, value },
                    (true, _) => Stmt::AddAt { acc, keys, value },
                    (false, _) => Stmt::InsertAt { acc, keys, value },
                });
                Ok(())
            })
        })?;
        self.scopes.clear();
        Ok(block)
    }
}

/// The bodies of a clause: each chain is a body with the `else`s that follow it.
fn chains_of<'a>(clause: &Clause<'a>) -> Vec<Vec<Body<'a>>> {
    let value = match clause.kind {
        Kind::Value(value) | Kind::Function(_, value) => value,
        Kind::Element(_) => None,
    };
    let mut chains: Vec<Vec<Body<'a>>> = Vec::new();
    for query in clause.bodies {
        let own = query.assign.as_ref().map(|assign| assign.value.as_ref());
        let body = Body { query: Some(query), value: if query.is_else { own } else { value } };
        match chains.last_mut().filter(|_| query.is_else) {
            Some(chain) => chain.push(body),
            None => chains.push(vec![body]),
        }
    }
    if chains.is_empty() {
        chains.push(vec![Body { query: None, value }]);
    }
    chains
}

/// The value that a chain gives, if it is always the same.
fn value_of(chain: &[Body<'_>]) -> Option<Value> {
    let known = |body: &Body<'_>| body.value.map_or(Some(Value::Bool(true)), constant);
    let first = chain.first().and_then(known)?;
    chain.iter().all(|body| known(body).as_ref() == Some(&first)).then_some(first)
}
