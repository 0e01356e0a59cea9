//! Values as OPA's answers are recorded: JSON, with `{"$set": […]}` and `{"$object": [[key, value], …]}` for what
//! JSON has not. Read by the tests and tools of several crates.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use sidegate_engine::Value;

/// The value that was recorded.
pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Array(items) => Value::from(items.iter().map(value).collect::<Vec<_>>()),
        Json::Object(fields) => match (fields.get("$set"), fields.get("$object")) {
            (Some(Json::Array(items)), _) => Value::from(items.iter().map(value).collect::<BTreeSet<_>>()),
            (_, Some(Json::Array(pairs))) => {
                Value::from(pairs.iter().map(|p| (value(&p[0]), value(&p[1]))).collect::<BTreeMap<_, _>>())
            }
            _ => Value::from(
                fields.iter().map(|(k, v)| (Value::from(k.as_str()), value(v))).collect::<BTreeMap<_, _>>(),
            ),
        },
        // Whole numbers of any size.
        Json::Number(number) => Value::from_numeric_string(number.as_str()).unwrap_or(Value::Undefined),
        other => Value::from(other.clone()),
    }
}
