//! Documents: what is at a path below `data`, from rules, base data or both.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::Span;
use sidegate_engine::plan::{BlockId, Func, FuncId, Operand, Reg, Stmt};

use super::builder::Builder;
use super::refs::any_rules;
use super::{Planner, Result};
use crate::diagnostics::Diagnostic;
use crate::rego::Node;

impl<'a> Planner<'a> {
    /// The function that computes the document at `path`. `span` is the place that asks for it.
    pub(crate) fn document(
        &mut self,
        path: &[&str],
        node: &'a Node<'a>,
        span: Option<&Span>,
    ) -> Result<FuncId> {
        let base = self.at(path);
        if node.has_rules() {
            if let (Some(clause), true) = (node.clauses.first(), base != Value::Undefined) {
                let message =
                    format!("expected `data.{}` from rules alone, got data at the same path", path.join("."));
                return Err(Diagnostic::at(clause.span, "data_conflict", message));
            }
            return self.rules(path, node, span);
        }
        let (Value::Object(_) | Value::Undefined) = base else {
            let message =
                format!("expected an object at `data.{}`, got other data where packages are", path.join("."));
            return Err(Diagnostic::file("data.json", "data_conflict", message));
        };
        self.once(path, span, |planner| planner.package(path, node, base))
    }

    /// A package: its rules and the packages below it, over the base data of the same path.
    fn package(&mut self, path: &[&str], node: &'a Node<'a>, base: Value) -> Result<FuncId> {
        let below: Vec<_> =
            node.children.iter().filter(|(_, child)| !child.is_function() && any_rules(child)).collect();
        let fields: BTreeMap<Value, Value> = base
            .as_object()
            .map(|fields| fields.iter_sorted().map(|(k, v)| (k.clone(), v.clone())).collect())
            .unwrap_or_default();
        let own: BTreeMap<Value, Value> = fields
            .into_iter()
            .filter(|(key, _)| !below.iter().any(|(name, _)| *key == Value::from(**name)))
            .collect();
        let mut builder = Builder::new(self, 0)?;
        let acc: Reg = 0;
        let src = builder.constant(&Value::from(own))?;
        let blocks = below
            .into_iter()
            .map(|(key, child)| builder.child(path, key, child, acc))
            .collect::<Result<Vec<_>>>()?;
        let body = builder.block(|b| {
            b.emit(Stmt::Assign { dst: acc, src });
            blocks.into_iter().for_each(|block| b.emit(Stmt::Try { block }));
            Ok(())
        })?;
        let Builder { facts, regs, .. } = builder;
        let name = format!("data.{}", path.join("."));
        self.add(Func { name, params: 0, regs, body, default: None }, facts)
    }

    /// Base data at a path.
    fn at(&self, path: &[&str]) -> Value {
        path.iter().fold(self.data, |value, key| &value[&Value::from(*key)]).clone()
    }
}

impl<'a> Builder<'_, 'a> {
    /// A block that adds the document of a child to the object in `acc`, if it is defined.
    pub(super) fn child(
        &mut self,
        path: &[&str],
        key: &str,
        child: &'a Node<'a>,
        acc: Reg,
    ) -> Result<BlockId> {
        let path: Vec<&str> = path.iter().copied().chain([key]).collect();
        let func = self.planner.document(&path, child, None)?;
        self.facts.callees.insert(func);
        let key = self.constant(&Value::from(key))?;
        self.block(|b| {
            let value: Operand = b.make(|dst| Stmt::Call { dst, func, args: Vec::new() })?;
            b.emit(Stmt::Insert { acc, key, value });
            Ok(())
        })
    }
}
