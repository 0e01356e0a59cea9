//! Constants of a plan, each distinct value once.

use std::collections::HashMap;

use regorus::Value;
use serde::{Deserialize, Serialize};

use super::ConstId;
use crate::collections;

/// Deepest nesting of a constant. Dropping, comparing and printing a value recurse.
const MAX_NESTING: u32 = 128;
/// Most digits of a number, a double's smallest and largest included.
const MAX_DIGITS: usize = 1100;
/// Elements that all constants may have, counted as a tree: sharing must not hide a huge value.
const MAX_TREE: u64 = 1 << 26;

/// A constant by its children, which stand before it in the pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as its JSON literal: no precision is lost.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<ConstId>),
    /// A set.
    Set(Vec<ConstId>),
    /// An object.
    Object(Vec<(ConstId, ConstId)>),
}

/// Collects constants and gives equal ones the same index.
#[derive(Debug, Default)]
pub struct ConstPool {
    nodes: Vec<Node>,
    index: HashMap<Node, ConstId>,
}

impl ConstPool {
    /// The index of `value`, or `None` if it is undefined or there is no room.
    pub fn add(&mut self, value: &Value) -> Option<ConstId> {
        let node = match value {
            Value::Null => Node::Null,
            Value::Bool(b) => Node::Bool(*b),
            Value::Number(_) => Node::Number(value.to_string()),
            Value::String(s) => Node::String(s.to_string()),
            Value::Array(items) => Node::Array(items.iter().map(|v| self.add(v)).collect::<Option<_>>()?),
            Value::Set(items) => Node::Set(items.iter_sorted().map(|v| self.add(v)).collect::<Option<_>>()?),
            Value::Object(fields) => Node::Object(
                fields
                    .iter_sorted()
                    .map(|(k, v)| Some((self.add(k)?, self.add(v)?)))
                    .collect::<Option<_>>()?,
            ),
            Value::Undefined => return None,
        };
        if let Some(id) = self.index.get(&node) {
            return Some(*id);
        }
        let id = ConstId::try_from(self.nodes.len()).ok()?;
        self.nodes.push(node.clone());
        self.index.insert(node, id);
        Some(id)
    }

    /// The constant at an index.
    pub fn value(&self, id: ConstId) -> Option<Value> {
        let at = usize::try_from(id).ok()?;
        match self.nodes.get(at)? {
            Node::Null => Some(Value::Null),
            Node::Bool(b) => Some(Value::Bool(*b)),
            Node::Number(text) => number(text).ok(),
            Node::String(s) => Some(Value::from(s.as_str())),
            Node::Array(ids) => {
                ids.iter().map(|id| self.value(*id)).collect::<Option<Vec<_>>>().map(Value::from)
            }
            Node::Set(ids) => {
                ids.iter().map(|id| self.value(*id)).collect::<Option<Vec<_>>>().map(collections::set)
            }
            Node::Object(fields) => fields
                .iter()
                .map(|(k, v)| Some((self.value(*k)?, self.value(*v)?)))
                .collect::<Option<Vec<_>>>()
                .map(collections::object),
        }
    }

    /// A pool that has `nodes` already, each distinct and after its children.
    pub fn of(nodes: Vec<Node>) -> Self {
        let index = nodes.iter().cloned().zip(0..).collect();
        Self { nodes, index }
    }

    /// The constants, children before parents.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }
}

/// The values of `nodes`, or what is wrong with them.
pub(super) fn values(nodes: &[Node]) -> Result<Vec<Value>, &'static str> {
    let mut made = Made { values: Vec::with_capacity(nodes.len()), sizes: Vec::with_capacity(nodes.len()) };
    for node in nodes {
        made.push(node)?;
    }
    Ok(made.values)
}

struct Made {
    values: Vec<Value>,
    /// Tree size and nesting of each value.
    sizes: Vec<(u64, u32)>,
}

impl Made {
    fn push(&mut self, node: &Node) -> Result<(), &'static str> {
        let mut size = (1_u64, 1_u32);
        let value = match node {
            Node::Null => Value::Null,
            Node::Bool(b) => Value::Bool(*b),
            Node::Number(text) => number(text)?,
            Node::String(s) => Value::from(s.as_str()),
            Node::Array(ids) => {
                Value::from(ids.iter().map(|id| self.child(*id, &mut size)).collect::<Result<Vec<_>, _>>()?)
            }
            Node::Set(ids) => collections::set(
                ids.iter().map(|id| self.child(*id, &mut size)).collect::<Result<Vec<_>, _>>()?,
            ),
            Node::Object(fields) => collections::object(
                fields
                    .iter()
                    .map(|(k, v)| Ok((self.child(*k, &mut size)?, self.child(*v, &mut size)?)))
                    .collect::<Result<Vec<_>, &'static str>>()?,
            ),
        };
        if size.0 > MAX_TREE {
            return Err("constants have too many elements");
        }
        if size.1 > MAX_NESTING {
            return Err("a constant is nested too deeply");
        }
        self.values.push(value);
        self.sizes.push(size);
        Ok(())
    }

    fn child(&self, id: ConstId, size: &mut (u64, u32)) -> Result<Value, &'static str> {
        let at = usize::try_from(id).map_err(|_| "a constant is out of range")?;
        let value = self.values.get(at).ok_or("a constant names one that is not before it")?;
        let (tree, nesting) = self.sizes.get(at).copied().unwrap_or((1, 1));
        size.0 = size.0.saturating_add(tree);
        size.1 = size.1.max(nesting.saturating_add(1));
        Ok(value.clone())
    }
}

/// The number that is written. One of many digits would be slow to read, one with an exponent could be
/// of more digits than there is memory.
fn number(text: &str) -> Result<Value, &'static str> {
    if text.len() > MAX_DIGITS || text.contains(['e', 'E']) {
        return Err("a constant is too large a number");
    }
    Value::from_numeric_string(text).map_err(|_| "a constant is not a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn equal_values_share_an_index_and_come_back_the_same() {
        let text = r#"{"a":[1,2.50,"x",null,true],"b":{"c":[1,2.50,"x",null,true]},"big":123456789012345678901234567890}"#;
        let value = Value::from_json_str(text).unwrap();
        let mut pool = ConstPool::default();
        let id = pool.add(&value).unwrap();
        assert_eq!(pool.add(&value), Some(id));
        let nodes = pool.into_nodes();
        let values = values(&nodes).unwrap();
        assert_eq!(values[id as usize], value);
        assert_eq!(nodes.iter().filter(|n| matches!(n, Node::Array(_))).count(), 1);
    }

    #[test]
    fn numbers_come_back_the_same() {
        for text in [
            "0",
            "-0",
            "1",
            "-1",
            "1.5",
            "2.50",
            "1e3",
            "1E-7",
            "0.1",
            "1e300",
            "1.7976931348623157e308",
            "9007199254740993",
            "-9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "123456789012345678901234567890",
            "1.0",
            "100000000000000000000.0",
            "0.30000000000000004",
        ] {
            let value = Value::from_json_str(text).unwrap();
            let mut pool = ConstPool::default();
            pool.add(&value).unwrap();
            let back = values(&pool.into_nodes()).unwrap().pop().unwrap();
            assert_eq!(back, value, "{text}");
            assert_eq!(back.to_string(), value.to_string(), "{text}");
        }
    }

    #[test]
    fn hostile_pools_are_refused() {
        assert!(values(&[Node::Array(vec![0])]).is_err());
        assert!(values(&[Node::Number("1e".into())]).is_err());
        assert!(values(&[Node::Number("1e1000000000".into())]).is_err());
        assert!(values(&[Node::Number("9".repeat(5000))]).is_err());
        let mut deep = vec![Node::Null];
        deep.extend((0..200).map(|i| Node::Array(vec![i])));
        assert!(values(&deep).is_err());
        let mut wide = vec![Node::Null];
        wide.extend((0..40).map(|i| Node::Array(vec![i, i])));
        assert!(values(&wide).is_err(), "a shared constant of 2^40 elements");
    }
}
