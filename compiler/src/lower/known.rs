//! What base data decide while planning: lookups by keys that are known, through local variables and
//! through rules that only name a part of the data.
//!
//! `w := data.sidegate.workload` with `data.services[w.namespace][w.name]` is the data of one service where
//! the workload is known, so that a slice needs no other.

use regorus::Value;
use regorus::unstable::Expr;
use sidegate_engine::eval::in_base;
use sidegate_engine::plan::{Operand, Stmt};

use super::builder::Builder;
use super::refs::any_rules;
use super::values::written_as_it_is;
use super::{Path, Result};
use crate::rego::{Clause, Kind, Module, Name, Node, RefArg, constant, flatten};

/// Longest chain of rules that name one another.
const MAX_CHAIN: usize = 32;

/// A value that is known, or known to be undefined.
struct Known {
    value: Value,
    /// Where it stands in base data, if it is a part of them; objects alone lead here.
    at: Option<Path>,
}

impl<'a> Builder<'_, 'a> {
    /// The key of a step, if base data and what is written decide it; undefined where it has no value.
    pub(super) fn known_arg(&mut self, arg: &RefArg<'a>) -> Option<Value> {
        match (arg, self.module) {
            (RefArg::Key(key), _) => Some(Value::from(*key)),
            (RefArg::Term(_), module) => self.known_key(module?, arg, true, 0),
        }
    }

    /// The value of a rule that only names a part of base data (`workload := data.sidegate.workload`), with
    /// the keys below it that are known, and how many of `keys` and `args` these are.
    pub(super) fn known_rule(
        &mut self,
        node: &Node<'a>,
        keys: &[String],
        args: &[RefArg<'a>],
    ) -> Option<(Value, usize)> {
        let mut known = self.named(node, 0)?;
        for key in keys {
            known = below(known, &Value::from(key.as_str()));
        }
        let mut taken = 0_usize;
        for arg in args {
            let Some(key) = self.known_arg(arg) else { break };
            known = below(known, &key);
            taken = taken.saturating_add(1);
        }
        Some((self.looked_at(known), taken))
    }

    /// Follows the known ones of `args` from base data at `path`: the value, undefined where there is none,
    /// and how many they are.
    pub(super) fn known_base(&mut self, path: &[String], args: &[RefArg<'a>]) -> (Value, usize) {
        let mut known = self.stored(path);
        let mut taken = 0_usize;
        for arg in args {
            let written = arg.term().and_then(constant);
            let Some(key) = written.or_else(|| self.known_arg(arg)) else { break };
            known = stored_below(known, &key);
            taken = taken.saturating_add(1);
        }
        (self.looked_at(known), taken)
    }

    /// Follows the known ones of `args` from a constant.
    pub(super) fn known_steps(
        &mut self,
        src: Operand,
        args: &[RefArg<'a>],
    ) -> Result<Option<(Operand, usize)>> {
        let Operand::Const(id) = src else { return Ok(None) };
        let Some(value) = self.planner.known.get(&id).cloned() else { return Ok(None) };
        let mut known = Known { value, at: None };
        let mut taken = 0_usize;
        for arg in args {
            let Some(key) = self.known_arg(arg) else { break };
            known = below(known, &key);
            taken = taken.saturating_add(1);
        }
        if taken == 0 {
            return Ok(None);
        }
        Ok(Some((self.settled(&known.value)?, taken)))
    }

    /// A known value as an operand; what is undefined fails here.
    pub(super) fn settled(&mut self, value: &Value) -> Result<Operand> {
        if *value == Value::Undefined {
            self.emit(Stmt::Fail);
            return self.constant(&Value::Null);
        }
        self.constant(value)
    }

    /// Notes that a value was taken from base data.
    fn looked_at(&mut self, known: Known) -> Value {
        if let Some(path) = known.at {
            self.planner.data_reads.whole(path);
        }
        known.value
    }

    fn known_in(&mut self, module: &'a Module, term: &Expr, locals: bool, depth: usize) -> Option<Known> {
        if let Some(value) = constant(term) {
            return written_as_it_is(term).is_ok().then_some(Known { value, at: None });
        }
        let (Expr::Var { span, .. }, args) = flatten(term) else { return None };
        if locals && let Some(var) = self.local(span.text()) {
            let value = self.values.get(&var.reg).filter(|_| var.bound)?.clone();
            let mut known = Known { value, at: None };
            for arg in &args {
                let key = self.known_key(module, arg, locals, depth)?;
                known = below(known, &key);
            }
            return Some(known);
        }
        let Name::Data(mut path) = self.planner.modules.resolve(module, span.text())? else { return None };
        let ground: Vec<&str> = args.iter().map_while(RefArg::key).collect();
        path.extend(ground.iter().map(|&key| key.to_owned()));
        let rest = args.get(ground.len()..).unwrap_or_default();
        if self.planner.envs.above(self.env, &path).is_some() {
            return None;
        }
        let (node, len) = self.planner.tree.deepest(&path);
        if node.has_rules() {
            let mut known = self.named(node, depth)?;
            for key in path.get(len..).unwrap_or_default() {
                known = below(known, &Value::from(key.as_str()));
            }
            for arg in rest {
                let key = self.known_key(module, arg, locals, depth)?;
                known = below(known, &key);
            }
            return Some(known);
        }
        let packages = len == path.len() && any_rules(node);
        if packages || !self.planner.envs.below(self.env, &path).is_empty() {
            return None;
        }
        let mut known = self.stored(&path);
        for arg in rest {
            let key = self.known_key(module, arg, locals, depth)?;
            known = stored_below(known, &key);
        }
        Some(known)
    }

    fn known_key(
        &mut self,
        module: &'a Module,
        arg: &RefArg<'_>,
        locals: bool,
        depth: usize,
    ) -> Option<Value> {
        match arg {
            RefArg::Key(key) => Some(Value::from(*key)),
            RefArg::Term(term) => {
                let known = self.known_in(module, term, locals, depth)?;
                Some(self.looked_at(known))
            }
        }
    }

    /// The value of a rule without conditions that only names a part of base data.
    fn named(&mut self, node: &Node<'a>, depth: usize) -> Option<Known> {
        let [Clause { kind: Kind::Value(Some(value)), keys, bodies: [], module, .. }] =
            node.clauses.as_slice()
        else {
            return None;
        };
        let plain = keys.is_empty() && node.default.is_none() && node.children.is_empty();
        if !plain || depth >= MAX_CHAIN || constant(value).is_some() {
            return None;
        }
        let known = self.known_in(module, value, false, depth.saturating_add(1))?;
        self.planner.uses(node);
        Some(known)
    }

    /// Base data at a path of written keys.
    fn stored(&self, path: &[String]) -> Known {
        let root = Known { value: self.planner.data.clone(), at: Some(Path::new()) };
        path.iter().fold(root, |known, key| stored_below(known, &Value::from(key.as_str())))
    }
}

/// What a value has under a key.
fn below(known: Known, key: &Value) -> Known {
    let value = known.value[key].clone();
    let name = key.as_string().ok().map(ToString::to_string);
    Known { at: step(known.at, &known.value, name), value }
}

/// What base data have under a key, by the rules of OPA's storage.
fn stored_below(known: Known, key: &Value) -> Known {
    let value = in_base(&known.value, key);
    let name = match key {
        Value::String(name) => Some(name.to_string()),
        Value::Number(number) => Some(number.format_decimal()),
        _ => None,
    };
    Known { at: step(known.at, &known.value, name), value }
}

/// Where a part of base data stands that a key leads to. Arrays and what cannot be gone into end the way; no
/// object has a key without a name, so there is nothing then, whatever the data are.
fn step(at: Option<Path>, of: &Value, name: Option<String>) -> Option<Path> {
    let mut path = at?;
    match (of, name) {
        (Value::Object(_), Some(name)) => {
            path.push(name);
            Some(path)
        }
        (Value::Object(_), None) => None,
        _ => Some(path),
    }
}
