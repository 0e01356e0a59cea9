//! Numbers by the way they are written.
//!
//! OPA keeps the text of a number, so `2.50` that comes from JSON is `2.50` when it is written as JSON again;
//! values here keep what it is worth. So an evaluation that has read such a number does not write numbers.

use regorus::Value;

/// Whether a builtin reads numbers from text.
pub(super) fn reads(name: &str) -> bool {
    matches!(name, "json.unmarshal" | "to_number")
}

/// Whether a builtin writes numbers as text.
pub(super) fn writes(name: &str) -> bool {
    matches!(name, "internal.template_string" | "json.marshal" | "json.marshal_with_options" | "sprintf")
}

/// Whether text has a number, outside strings, that would be written in another way: with an exponent, with a
/// zero at the end of its fraction, as a negative zero.
pub(super) fn is_odd(text: &str) -> bool {
    let mut inside = false;
    let mut escaped = false;
    let mut number = String::new();
    for c in text.chars().chain([' ']) {
        if inside {
            inside = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        inside = c == '"';
        if c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E') {
            number.push(c);
            continue;
        }
        if odd_number(&number) {
            return true;
        }
        number.clear();
    }
    false
}

fn odd_number(text: &str) -> bool {
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let zero = !text.contains(|c: char| ('1'..='9').contains(&c));
    text.contains(['e', 'E', '+'])
        || (text.contains('.') && text.ends_with(['0', '.']))
        || (zero && text.starts_with('-'))
}

/// Whether there is a number in a value.
pub(super) fn has_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(items) => items.iter().any(has_number),
        Value::Set(items) => items.iter().any(has_number),
        Value::Object(fields) => fields.iter().any(|(key, value)| has_number(key) || has_number(value)),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Undefined => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_in_another_form_are_seen() {
        for text in ["2.50", "[1, 1e3]", r#"{"n": -0}"#, "403.0", r#"["a\"1", 1.0]"#, "-0.0", "+5"] {
            assert!(is_odd(text), "{text}");
        }
        for text in ["2.5", "[1, 100, -3]", r#"{"1.0": "2.50 \" 1e3"}"#, "", "0", "true", "0.05"] {
            assert!(!is_odd(text), "{text}");
        }
    }
}
