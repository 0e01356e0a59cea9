//! `json.patch`, as OPA's edit trees apply operations.

use std::collections::BTreeMap;

use regorus::Value;

use super::super::number::{Inexact, integer, is_float};
use super::super::ops;
use super::json::path;
use crate::collections;

/// Deepest nesting of what comes out, as of input and constants.
const MAX_DEPTH: usize = 128;

/// A document that is being edited.
enum Tree {
    /// As it was.
    Value(Value),
    Object(BTreeMap<Value, Tree>),
    Array {
        items: Vec<Tree>,
        /// An element came or went.
        moved: bool,
    },
}

/// Why an operation has no result.
enum Fault {
    /// OPA has an error.
    Undefined,
    /// OPA's answer is not certain.
    Inexact,
}

type Result<T> = std::result::Result<T, Fault>;

impl From<Inexact> for Fault {
    fn from(_: Inexact) -> Self {
        Self::Inexact
    }
}

impl Tree {
    fn value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Object(fields) => {
                collections::object(fields.iter().map(|(key, tree)| (key.clone(), tree.value())))
            }
            Self::Array { items, .. } => Value::from(items.iter().map(Self::value).collect::<Vec<_>>()),
        }
    }

    /// Makes what is inside a collection reachable.
    fn open(&mut self) -> Result<()> {
        let Self::Value(value) = self else { return Ok(()) };
        *self = match value {
            Value::Object(fields) => Self::Object(collections::map(
                fields.iter_sorted().map(|(key, value)| (key.clone(), Self::Value(value.clone()))),
            )),
            Value::Array(items) => {
                Self::Array { items: items.iter().cloned().map(Self::Value).collect(), moved: false }
            }
            // Elements of sets are keys as well as values.
            Value::Set(_) => return Err(Fault::Inexact),
            _ => return Err(Fault::Undefined),
        };
        Ok(())
    }

    /// The part at a path.
    fn at(&mut self, path: &[Value]) -> Result<&mut Self> {
        let Some((key, rest)) = path.split_first() else { return Ok(self) };
        self.open()?;
        let next = match self {
            Self::Object(fields) => fields.get_mut(key).ok_or(Fault::Undefined)?,
            Self::Array { items, moved } => {
                let at = index(key, items.len())?;
                // OPA looks for it where it was before.
                if *moved {
                    return Err(Fault::Inexact);
                }
                items.get_mut(at).ok_or(Fault::Undefined)?
            }
            Self::Value(_) => return Err(Fault::Undefined),
        };
        next.at(rest)
    }

    fn insert(&mut self, path: &[Value], value: Value) -> Result<()> {
        // Values must not grow deeper without end: what walks over them recurses.
        if MAX_DEPTH.checked_sub(path.len()).is_none_or(|left| nests(&value, left)) {
            return Err(Fault::Inexact);
        }
        let Some((key, before)) = path.split_last() else {
            *self = Self::Value(value);
            return Ok(());
        };
        let parent = self.at(before)?;
        parent.open()?;
        match parent {
            Self::Object(fields) => drop(fields.insert(key.clone(), Self::Value(value))),
            Self::Array { items, moved } => {
                let at = index(key, items.len())?;
                if at > items.len() {
                    return Err(Fault::Undefined);
                }
                items.insert(at, Self::Value(value));
                *moved = true;
            }
            Self::Value(_) => return Err(Fault::Undefined),
        }
        Ok(())
    }

    fn remove(&mut self, path: &[Value]) -> Result<()> {
        // Without a root nothing can follow but a new one.
        let (key, before) = path.split_last().ok_or(Fault::Inexact)?;
        let parent = self.at(before)?;
        parent.open()?;
        match parent {
            Self::Object(fields) => drop(fields.remove(key).ok_or(Fault::Undefined)?),
            Self::Array { items, moved } => {
                let at = index(key, items.len())?;
                if at >= items.len() {
                    return Err(Fault::Undefined);
                }
                items.remove(at);
                *moved = true;
            }
            Self::Value(_) => return Err(Fault::Undefined),
        }
        Ok(())
    }
}

/// The place in an array that a key names; `-` is the one after the last.
fn index(key: &Value, len: usize) -> Result<usize> {
    match key {
        Value::Number(_) if is_float(key) => Err(Fault::Inexact),
        Value::Number(_) => {
            let at = integer(key).and_then(|at| usize::try_from(at).ok());
            at.ok_or(Fault::Undefined)
        }
        Value::String(text) if text.as_ref() == "-" => Ok(len),
        Value::String(text) if text.as_ref() != "0" && text.starts_with('0') => Err(Fault::Undefined),
        Value::String(text) => ops::place(text).ok_or(Fault::Undefined),
        _ => Err(Fault::Undefined),
    }
}

/// Whether a value nests deeper than `left` levels.
fn nests(value: &Value, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| nests(item, left)),
        Value::Set(items) => items.iter().any(|item| nests(item, left)),
        Value::Object(fields) => fields.iter().any(|(key, value)| nests(key, left) || nests(value, left)),
        _ => false,
    }
}

fn apply(tree: &mut Tree, operation: &Value) -> Result<()> {
    let Value::Object(fields) = operation else { return Err(Fault::Undefined) };
    let field = |name: &str| fields.get(&Value::from(name));
    let pointer = |name: &str| field(name).and_then(path).ok_or(Fault::Undefined);
    let Some(Value::String(op)) = field("op") else { return Err(Fault::Undefined) };
    let to = pointer("path")?;
    let value = || field("value").cloned().ok_or(Fault::Undefined);
    match op.as_ref() {
        "add" => tree.insert(&to, value()?),
        "remove" => tree.remove(&to),
        "replace" if to.is_empty() => tree.insert(&to, value()?),
        "replace" => {
            tree.remove(&to)?;
            tree.insert(&to, value()?)
        }
        "move" | "copy" => {
            let from = pointer("from")?;
            let value = tree.at(&from)?.value();
            if op.as_ref() == "move" {
                tree.remove(&from)?;
            }
            tree.insert(&to, value)
        }
        "test" => {
            let found = tree.at(&to)?.value();
            if found == value()? { Ok(()) } else { Err(Fault::Undefined) }
        }
        _ => Err(Fault::Undefined),
    }
}

/// `json.patch(document, operations)`
pub(super) fn patch(args: &[Value]) -> std::result::Result<Value, Inexact> {
    let [document, Value::Array(operations)] = args else { return Ok(Value::Undefined) };
    let mut tree = Tree::Value(document.clone());
    let mut left = operations.len();
    for operation in operations.iter() {
        left = left.saturating_sub(1);
        match apply(&mut tree, operation) {
            // OPA's tree does not always outlive that.
            Ok(()) if left > 0 && replaces_all(operation) => return Err(Inexact),
            Ok(()) => {}
            Err(Fault::Undefined) => return Ok(Value::Undefined),
            Err(Fault::Inexact) => return Err(Inexact),
        }
    }
    Ok(tree.value())
}

/// Steps: what is opened is opened once, but each `test`, `move` and `copy` reads a part as a whole, what is
/// copied may double every time, and elements of an array may have to move.
pub(super) fn cost(args: &[Value], most: u64) -> u64 {
    let [document, Value::Array(operations)] = args else { return 0 };
    let is = |wanted: &[&str]| {
        let named = |operation: &&Value| matches!(&operation[&Value::from("op")], Value::String(op) if wanted.contains(&op.as_ref()));
        u64::try_from(operations.iter().filter(named).count()).unwrap_or(u64::MAX)
    };
    let all = ops::depth_weight(args, most).saturating_add(1);
    let (reads, copies) = (is(&["test", "move", "copy"]), is(&["copy"]));
    let doubled = 1_u64.checked_shl(u32::try_from(copies).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
    let moved = ops::depth_weight([document], most) / 16;
    let count = u64::try_from(operations.len()).unwrap_or(u64::MAX);
    let read = all.saturating_mul(reads.saturating_add(2)).saturating_mul(doubled);
    let parsed = ops::depth_weight(args.get(1), most).saturating_mul(32);
    read.saturating_add(parsed).saturating_add(count.saturating_mul(moved.saturating_add(1)))
}

fn replaces_all(operation: &Value) -> bool {
    let all = path(&operation[&Value::from("path")]).is_some_and(|path| path.is_empty());
    all && operation[&Value::from("op")] == Value::from("replace")
}
