//! `walk`: a value and all that is in it.

use regorus::Value;

use super::ops::{self, depth_weight};

/// `[path, value]` for the value itself and for everything in it, in OPA's order: what is around before
/// what is in it. A plan goes through them one by one.
pub(super) fn walk(args: &[Value]) -> Value {
    let [value] = args else { return Value::Undefined };
    let mut found = Vec::new();
    descend(value, &mut Vec::new(), &mut found);
    Value::from(found)
}

/// Every part is written down with the whole way to it.
pub(super) fn cost(args: &[Value], most: u64) -> u64 {
    depth_weight(args, most).saturating_mul(16)
}

fn descend(value: &Value, path: &mut Vec<Value>, found: &mut Vec<Value>) {
    found.push(Value::from(vec![Value::from(path.clone()), value.clone()]));
    for (key, element) in ops::elements(value).into_iter().flatten() {
        path.push(key.to_value());
        descend(element, path, found);
        path.pop();
    }
}
