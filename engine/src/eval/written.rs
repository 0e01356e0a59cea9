//! Numbers by the way they are written.
//!
//! OPA keeps the text of a number, so `2.50` that comes from JSON is `2.50` when it is written as JSON again;
//! values here keep what it is worth. So an evaluation that has read such a number does not write numbers.

use regorus::Value;

use super::values::Written;

/// Numbers of one text that are looked for; where there are more, any number may be one of them.
pub(super) const MAX_ODD: u64 = 32;

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
    any_odd(text, &mut |_| true)
}

/// Whether one of these numbers is in a value.
pub(super) fn has_odd(text: &str, value: &Value) -> bool {
    let mut left = MAX_ODD;
    has_number(value)
        && any_odd(text, &mut |number| {
            left = left.saturating_sub(1);
            left == 0 || may_hold(value, number)
        })
}

/// Whether `is` holds for one of the numbers in text that would be written in another way.
fn any_odd(text: &str, is: &mut dyn FnMut(&str) -> bool) -> bool {
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
        if odd_number(&number) && is(&number) {
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

fn has_number(value: &Value) -> bool {
    any_number(value, &mut |_| true)
}

/// Whether text, or what is no number, may be one that a value has. Nobody is asked to make one that is beyond what is
/// read: whoever sends `1e999999999` must not be answered with its digits.
fn may_hold(value: &Value, number: &str) -> bool {
    match Written::read(number) {
        Some(written) if written.is_beyond() => false,
        Some(_) => Value::from_numeric_string(number).map_or(true, |number| holds(value, &number)),
        None => true,
    }
}

fn holds(value: &Value, number: &Value) -> bool {
    any_number(value, &mut |found| found == number)
}

fn any_number(value: &Value, is: &mut dyn FnMut(&Value) -> bool) -> bool {
    match value {
        Value::Number(_) => is(value),
        Value::Array(items) => items.iter().any(|item| any_number(item, is)),
        Value::Set(items) => items.iter().any(|item| any_number(item, is)),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| any_number(key, is) || any_number(value, is))
        }
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
        let value = Value::from_json_str(r#"{"a": [1, 2.5, 1000, 0]}"#).unwrap();
        for text in ["2.50", "[1e3]", "-0", "1.0"] {
            assert!(has_odd(text, &value), "{text}");
        }
        assert!(!has_odd("3.50", &value) && !has_odd("2.5", &value));
        assert!(has_odd("1.2.30", &value));
    }

    /// A client's: its digits would take the memory of the proxy, and hours.
    #[test]
    fn a_number_that_nobody_reads_is_not_made() {
        let value = Value::from_json_str("[1, 0]").unwrap();
        let long = format!("{}.0", "1".repeat(60_000));
        for text in ["1e999999999", "[1E+99999999999999999999, 1e-999999999]", "0.1e400000", &long] {
            assert!(is_odd(text) && !has_odd(text, &value), "{text}");
        }
        assert!(has_odd("1e00000000000000000", &value) && has_odd("0e99", &value));
    }
}
