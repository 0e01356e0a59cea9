//! Documents: what is at a path below `data`, from rules, base data, `with`, or all of them.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use regorus::unstable::Span;
use sidegate_engine::plan::{BlockId, Func, FuncId, Operand, Reg, Stmt};

use super::builder::Builder;
use super::envs::EnvId;
use super::refs::any_rules;
use super::{Path, Planner, Result};
use crate::diagnostics::Diagnostic;
use crate::rego::Node;

/// A document that a function computes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// What `with` has put in the place of data and functions.
    pub(super) env: EnvId,
    /// Its path below `data`.
    pub(super) path: Path,
    /// The part of it that is wanted: keys, or all (`None`), level by level. The rest may be missing.
    pub(super) part: Vec<Option<String>>,
}

impl Place {
    /// The whole document at `path`, where nothing is replaced.
    pub(crate) fn plain(path: &[&str]) -> Self {
        Self::whole(EnvId::default(), path.iter().map(|&key| key.to_owned()).collect())
    }

    pub(super) fn whole(env: EnvId, path: Path) -> Self {
        Self { env, path, part: Vec::new() }
    }

    /// The document under `key`, with what is wanted of it.
    pub(super) fn under(&self, key: &str) -> Self {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Self { env: self.env, path, part: self.part.get(1..).unwrap_or_default().to_vec() }
    }

    /// Whether what is at `key` is wanted.
    fn wants(&self, key: &Value) -> bool {
        match self.part.first() {
            Some(Some(only)) => *key == Value::from(only.as_str()),
            Some(None) | None => true,
        }
    }

    /// How it is called in messages and in the plan.
    pub(super) fn name(&self) -> String {
        std::iter::once("data").chain(self.path.iter().map(String::as_str)).collect::<Vec<_>>().join(".")
    }
}

impl<'a> Planner<'a> {
    /// The function that computes a document. `node` are the rules there, if any, and `span` is the place
    /// that asks for it.
    pub(crate) fn document(
        &mut self,
        place: &Place,
        node: Option<&'a Node<'a>>,
        span: Option<&Span>,
    ) -> Result<FuncId> {
        let base = self.at(&place.path);
        if let Some(node) = node.filter(|node| node.has_rules()) {
            if let (Some(clause), true) = (node.clauses.first(), base != Value::Undefined) {
                let message =
                    format!("expected `{}` from rules alone, got data at the same path", place.name());
                return Err(Diagnostic::at(clause.span, "data_conflict", message));
            }
            let whole = Place::whole(place.env, place.path.clone());
            return self.rules(&whole, node, span);
        }
        if !matches!(base, Value::Object(_) | Value::Undefined) && node.is_some_and(any_rules) {
            let message =
                format!("expected an object at `{}`, got other data where packages are", place.name());
            return Err(Diagnostic::file("data.json", "data_conflict", message));
        }
        self.once(place, span, |planner| planner.package(place, node, &base, span))
    }

    /// Keys below a place at which there are rules, or what `with` put there.
    pub(super) fn below(&self, place: &Place, node: Option<&'a Node<'a>>) -> BTreeSet<String> {
        let rules = node.into_iter().flat_map(|node| &node.children);
        let rules = rules.filter(|(_, child)| !child.is_function() && any_rules(child));
        let replaced = self.envs.below(place.env, &place.path);
        rules.map(|(key, _)| (*key).to_owned()).chain(replaced).collect()
    }

    /// A package: its rules and the packages below it, over the base data of the same path.
    fn package(
        &mut self,
        place: &Place,
        node: Option<&'a Node<'a>>,
        base: &Value,
        span: Option<&Span>,
    ) -> Result<FuncId> {
        let below = self.below(place, node);
        let own = match place.part.first() {
            Some(Some(only)) if below.contains(only) => BTreeMap::new(),
            Some(Some(only)) => self.under(&place.path, only, base),
            Some(None) | None => self.own(&place.path, &below).unwrap_or_default(),
        };
        if node.is_some_and(|node| node.package) {
            self.packages.insert(place.path.clone());
        }
        // That there are such documents counts, though nothing of them is wanted.
        let unwanted = node.into_iter().flat_map(|node| &node.children);
        for (key, child) in unwanted.filter(|(key, _)| !place.wants(&Value::from(**key))) {
            self.packages.extend(first_package(&place.under(key).path, child));
        }
        let mut builder = Builder::new(self, place.env, 0)?;
        let acc: Reg = 0;
        let src = builder.constant(&Value::from(own))?;
        let blocks = below
            .iter()
            .filter(|key| place.wants(&Value::from(key.as_str())))
            .map(|key| {
                let child = node.and_then(|node| node.children.get(key.as_str()));
                builder.child(place, key, child, acc, span)
            })
            .collect::<Result<Vec<_>>>()?;
        let body = builder.block(|b| {
            b.emit(Stmt::Assign { dst: acc, src });
            blocks.into_iter().for_each(|block| b.emit(Stmt::Try { block }));
            Ok(())
        })?;
        builder.finish(place, body, None)
    }

    /// The base data of an object at a path, without the keys in `below`; `None` where there is no object.
    pub(super) fn own(
        &mut self,
        path: &[String],
        below: &BTreeSet<String>,
    ) -> Option<BTreeMap<Value, Value>> {
        self.data_reads.keys(path.to_vec());
        let base = self.at(path);
        let fields = base.as_object().ok()?.iter_sorted();
        let named = fields.filter_map(|(key, value)| Some((key.as_string().ok()?.to_string(), value)));
        let own = named.filter(|(name, _)| !below.contains(name)).map(|(name, value)| {
            let mut path = path.to_vec();
            path.push(name.clone());
            self.data_reads.whole(path);
            (Value::from(name), value.clone())
        });
        Some(own.collect())
    }

    /// The base data under one key of a path.
    fn under(&mut self, path: &[String], only: &str, base: &Value) -> BTreeMap<Value, Value> {
        let mut path = path.to_vec();
        path.push(only.to_owned());
        self.data_reads.whole(path);
        let key = Value::from(only);
        let value = base.as_object().ok().and_then(|fields| fields.get(&key)).cloned();
        value.into_iter().map(|value| (key.clone(), value)).collect()
    }

    /// Base data at a path.
    pub(super) fn at(&self, path: &[String]) -> Value {
        path.iter().fold(self.data, |value, key| &value[&Value::from(key.as_str())]).clone()
    }
}

/// A package that makes there be rules at a node or below it.
fn first_package(path: &Path, node: &Node<'_>) -> Option<Path> {
    let modules = node.clauses.iter().map(|clause| clause.module);
    let mut modules = modules.chain(node.default.map(|(module, ..)| module));
    let own = node.package.then(|| path.clone());
    own.or_else(|| modules.next().map(|module| module.package.clone())).or_else(|| {
        node.children.iter().find_map(|(key, child)| {
            let mut path = path.clone();
            path.push((*key).to_owned());
            first_package(&path, child)
        })
    })
}

impl<'a> Builder<'_, 'a> {
    /// A block that adds the document of a child to the object in `acc`, if it is defined.
    pub(super) fn child(
        &mut self,
        place: &Place,
        key: &str,
        child: Option<&'a Node<'a>>,
        acc: Reg,
        span: Option<&Span>,
    ) -> Result<BlockId> {
        let place = place.under(key);
        let key = self.constant(&Value::from(key))?;
        self.block(|b| {
            let value = b.call_document(&place, child, span)?;
            b.emit(Stmt::Insert { acc, key, value });
            Ok(())
        })
    }

    /// The value of the document at a place.
    pub(super) fn call_document(
        &mut self,
        place: &Place,
        node: Option<&'a Node<'a>>,
        span: Option<&Span>,
    ) -> Result<Operand> {
        if let Some(slot) = self.planner.envs.replaced(place.env, &place.path) {
            return self.make(|dst| Stmt::Slot { dst, slot });
        }
        let func = self.planner.document(place, node, span)?;
        self.facts.callees.insert(func);
        self.make(|dst| Stmt::Call { dst, func, args: Vec::new() })
    }

    /// The function that has been built.
    pub(super) fn finish(
        self,
        place: &Place,
        body: BlockId,
        default: Option<sidegate_engine::plan::ConstId>,
    ) -> Result<FuncId> {
        let Builder { planner, facts, regs, params, .. } = self;
        let params = Reg::try_from(params).unwrap_or(Reg::MAX);
        planner.add(Func { name: place.name(), params, regs, body, default }, facts)
    }
}
