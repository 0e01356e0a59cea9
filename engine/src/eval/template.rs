//! `internal.template_string`: what `$"…{x}…"` is compiled to.

use regorus::Value;

use super::format;
use super::number::Inexact;

/// What stands for a part that is undefined.
const UNDEFINED: &str = "<undefined>";

/// The parts one after the other. A part that may be undefined is a set of what it is.
pub(super) fn join(args: &[Value]) -> Result<Value, Inexact> {
    let [Value::Array(parts)] = args else { return Ok(Value::Undefined) };
    let mut out = String::new();
    for part in parts.iter() {
        let part = match part {
            Value::Set(values) => match (values.first(), values.len()) {
                (None, _) => {
                    out.push_str(UNDEFINED);
                    continue;
                }
                (Some(only), 1) => only,
                // OPA: a conflict.
                _ => return Err(Inexact),
            },
            other => other,
        };
        match part {
            Value::String(text) => out.push_str(text),
            other => format::term(other, &mut out)?,
        }
    }
    Ok(Value::from(out))
}
