//! `walk`: a value and all that is in it.

use regorus::Value;

use super::ops;

/// `[path, value]` for the value itself and for everything in it, in OPA's order: what is around before
/// what is in it. A plan goes through them one by one.
pub(super) fn walk(value: &Value) -> Value {
    let mut found = Vec::new();
    descend(value, &mut Vec::new(), &mut found);
    Value::from(found)
}

fn descend(value: &Value, path: &mut Vec<Value>, found: &mut Vec<Value>) {
    found.push(Value::from(vec![Value::from(path.clone()), value.clone()]));
    for (key, element) in ops::elements(value).into_iter().flatten() {
        path.push(key);
        descend(&element, path, found);
        path.pop();
    }
}
