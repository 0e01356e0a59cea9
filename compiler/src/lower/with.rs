//! `with`: what is evaluated before it, what is replaced inside, and that the rest of the body is outside.

use regorus::Value;
use regorus::unstable::{Expr, LiteralStmt, WithModifier};
use sidegate_engine::plan::{ConstId, Operand, Slot, Stmt};

use super::builder::Builder;
use super::envs::{Function, Replacement};
use super::{Path, Result};
use crate::diagnostics::Diagnostic;
use crate::rego::{Name, call_path, opa_builtin};

/// What `with` replaces.
enum Target {
    Input(Path),
    Data(Path),
    Function(Function),
}

impl<'a> Builder<'_, 'a> {
    /// Plans a statement with its modifiers: their values first, then the statement where they hold. The
    /// rest of the body is planned where they do not.
    pub(super) fn modified(&mut self, stmt: &'a LiteralStmt) -> Result<()> {
        let mut input: Option<Operand> = None;
        let mut slots: Vec<(Slot, Operand)> = Vec::new();
        let around = self.env;
        let mut env = around;
        for with in &stmt.with_mods {
            match self.target(with)? {
                Target::Input(path) => {
                    let value = self.value(&with.r#as)?;
                    input = Some(self.patched(input, &path, value)?);
                }
                Target::Data(path) => {
                    let value = self.value(&with.r#as)?;
                    match self.planner.envs.above(env, &path).filter(|(len, _)| *len < path.len()) {
                        Some((len, slot)) => {
                            let known = slots.iter().rev().find(|(other, _)| *other == slot);
                            let src = match known {
                                Some((_, operand)) => *operand,
                                None => self.make(|dst| Stmt::Slot { dst, slot })?,
                            };
                            let below = path.get(len..).unwrap_or_default();
                            slots.push((slot, self.patched(Some(src), below, value)?));
                        }
                        None => {
                            let (inside, slot) = self.planner.envs.with_data(env, &path)?;
                            env = inside;
                            slots.push((slot, value));
                        }
                    }
                }
                Target::Function(function) => {
                    let by = match self.replacement(&function, &with.r#as)? {
                        Some(by) => by,
                        None => {
                            let value = self.value(&with.r#as)?;
                            let slot = self.planner.envs.value_slot(&function)?;
                            slots.push((slot, value));
                            Replacement::Slot(slot)
                        }
                    };
                    env = self.planner.envs.with_function(env, function, by)?;
                }
            }
        }
        self.open(move |block| Stmt::With { input, slots, block });
        self.env = env;
        self.literal(stmt)?;
        self.open(|block| Stmt::Outside { block });
        self.env = around;
        Ok(())
    }

    /// `src`, or the input, with `value` at `path`.
    fn patched(&mut self, src: Option<Operand>, path: &[String], value: Operand) -> Result<Operand> {
        if path.is_empty() {
            return Ok(value);
        }
        let path = self.path(path)?;
        self.make(|dst| Stmt::Patch { dst, src, path, value })
    }

    /// Keys as constants.
    pub(super) fn path(&mut self, keys: &[String]) -> Result<Vec<ConstId>> {
        keys.iter()
            .map(|key| match self.constant(&Value::from(key.as_str()))? {
                Operand::Const(id) => Ok(id),
                Operand::Reg(_) => Err(Diagnostic::file("", "internal", "internal error: constant")),
            })
            .collect()
    }

    fn target(&mut self, with: &WithModifier) -> Result<Target> {
        let wrong = |message: &str| Err(Diagnostic::at(with.refr.span(), "rego_type", message));
        let expected = "expected input, data, or a function after `with`";
        let Some(path) = call_path(&with.refr) else { return wrong(expected) };
        match self.global_path(&path) {
            Some(Name::Input(path)) => Ok(Target::Input(path)),
            Some(Name::Data(path)) => {
                let tree = self.planner.tree;
                let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                if let Some(node) = tree.at(&keys).filter(|node| node.is_function()) {
                    self.planner.uses(node);
                    return Ok(Target::Function(Function::Own(path)));
                }
                let part = |len: usize| keys.get(..len).and_then(|keys| tree.at(keys));
                if (1..keys.len()).any(|len| part(len).is_some_and(|node| node.has_rules())) {
                    return wrong("expected a whole document after `with`, got a part of what rules give");
                }
                Ok(Target::Data(path))
            }
            None => {
                let name = path.join(".");
                match opa_builtin(&name) {
                    Some(builtin) if builtin.relation => {
                        wrong("expected a function of one value after `with`, got a relation")
                    }
                    Some(_) if name.starts_with("internal.") || name.starts_with("rego.metadata.") => {
                        wrong("expected a function that can be replaced after `with`")
                    }
                    Some(_) => Ok(Target::Function(Function::Builtin(name))),
                    None => wrong(expected),
                }
            }
        }
    }

    /// What is named in the place of a function: another function or a document; `None` for a value.
    fn replacement(&self, function: &Function, by: &Expr) -> Result<Option<Replacement>> {
        let Some(path) =
            call_path(by).filter(|path| path.first().is_some_and(|name| self.local(name).is_none()))
        else {
            return Ok(None);
        };
        let arity = |function: &Function| match function {
            Function::Own(path) => {
                let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                self.planner.tree.at(&keys).and_then(super::calls::params)
            }
            Function::Builtin(name) => opa_builtin(name).map(|builtin| builtin.arity),
        };
        let same = |found: Function| {
            if arity(&found) == arity(function) {
                return Ok(Some(Replacement::Function(found)));
            }
            let message = "expected a function of as many parameters as the one that it replaces";
            Err(Diagnostic::at(by.span(), "rego_type", message))
        };
        match self.global_path(&path) {
            Some(Name::Data(path)) => {
                let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                match self.planner.tree.at(&keys) {
                    Some(node) if node.is_function() => same(Function::Own(path)),
                    Some(node) if node.has_rules() => Ok(Some(Replacement::Document(path))),
                    _ => Ok(None),
                }
            }
            Some(Name::Input(_)) => Ok(None),
            None => {
                let name = path.join(".");
                if opa_builtin(&name).is_some() { same(Function::Builtin(name)) } else { Ok(None) }
            }
        }
    }

    /// What a path of names stands for: its first one may be an import or a rule of the package.
    pub(super) fn global_path(&self, path: &[&str]) -> Option<Name> {
        let (head, rest) = path.split_first()?;
        let rest = rest.iter().map(|&key| key.to_owned());
        Some(match self.global(head)? {
            Name::Input(mut path) => {
                path.extend(rest);
                Name::Input(path)
            }
            Name::Data(mut path) => {
                path.extend(rest);
                Name::Data(path)
            }
        })
    }
}
