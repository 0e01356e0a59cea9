//! The reference: regorus's interpreter, asked the same question. Tests compare every answer with it.

use regorus::{Engine, Value};

use crate::sources::{RegoVersion, Sources};

/// The value at `entrypoint` (`envoy/authz/allow`) for `input`; undefined where there is none. Builtin
/// errors are undefined, as in OPA's plugin. The error is the interpreter's own text.
pub fn evaluate(sources: &Sources, entrypoint: &str, input: &Value) -> Result<Value, String> {
    let text = |error: anyhow::Error| error.to_string();
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    for (name, policy) in &sources.modules {
        let version = sources.version(name).map_err(|finding| finding.to_string())?;
        engine.set_rego_v0(version == RegoVersion::V0);
        engine.add_policy(name.clone(), policy.clone()).map_err(text)?;
    }
    engine.add_data(sources.data.clone()).map_err(text)?;
    engine.set_input(input.clone());
    let query =
        entrypoint.split('/').fold("data".to_owned(), |query, key| format!("{query}[{}]", Value::from(key)));
    let results = engine.eval_query(query, false).map_err(text)?;
    let value = results.result.first().and_then(|result| result.expressions.first());
    Ok(value.map_or(Value::Undefined, |expression| expression.value.clone()))
}
