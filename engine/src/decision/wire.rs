//! What may go on the wire: header names and values, query parameters, status codes.

use super::error::DecisionError;

/// Characters of a policy's text that an error message shows.
const SHOWN_CHARS: usize = 64;

/// Status codes in Envoy's `StatusCode` (`envoy/type/v3/http_status.proto`), which is all that the plugin
/// lets through, but for 100: an interim response is no answer to a denied request.
const STATUS_CODES: &[u16] = &[
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402,
    403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 426, 428,
    429, 431, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/// Whether Envoy sends a local reply with `status`.
pub(super) fn is_status(status: u16) -> bool {
    STATUS_CODES.binary_search(&status).is_ok()
}

/// A header name in lower case. Fails where it is not a token (RFC 9110, section 5.6.2) or is a
/// pseudo-header's.
pub(super) fn header_name(key: &'static str, name: &str) -> Result<String, DecisionError> {
    if name.starts_with(':') {
        return Err(DecisionError::HeaderReserved { key, name: shown(name) });
    }
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(DecisionError::HeaderName { key, name: shown(name) });
    }
    Ok(name.to_ascii_lowercase())
}

/// Fails where `value` has a control character other than the tab: RFC 9110, section 5.5, and what Envoy's
/// codecs refuse.
pub(super) fn check_header_value(key: &'static str, name: &str, value: &str) -> Result<(), DecisionError> {
    if is_header_value(value) {
        return Ok(());
    }
    Err(DecisionError::HeaderValue { key, name: shown(name) })
}

/// Whether [`check_header_value`] lets it pass.
pub(crate) fn is_header_value(value: &str) -> bool {
    !value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// Whether it is the name, in lower case, of a header that a policy may change on requests and responses alike.
pub(crate) fn is_header_name(name: &str) -> bool {
    name != "host" && header_name("headers", name).is_ok_and(|lower| lower == name)
}

/// Fails where a name or value would not be one parameter of a query. Envoy's ext_authz puts both into the
/// path as they are, so they have to be URL-encoded already; it can refuse others itself
/// (`validate_mutations`), and here they always are.
pub(super) fn check_parameter(key: &'static str, name: &str, value: &str) -> Result<(), DecisionError> {
    if is_encoded(name, false) && is_encoded(value, true) {
        Ok(())
    } else {
        Err(DecisionError::QueryParameter { key, name: shown(name) })
    }
}

/// A policy's text for an error message or a log: cut, control characters escaped.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Characters of a query (RFC 3986, section 3.4) without `&`, which parts parameters, and `;`, which OPA and
/// some servers take for a separator; `=` ends a name but may stand in a value.
fn is_encoded(text: &str, is_value: bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_valid = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()];
                digits.iter().all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit()))
            }
            b'=' => is_value,
            other => other.is_ascii_alphanumeric() || b"-._~!$'()*+,:@/?".contains(&other),
        };
        if !is_valid {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn header_names_are_tokens_in_lower_case() {
        assert_eq!(header_name("headers", "X-Role_1").unwrap(), "x-role_1");
        for (name, code) in [
            ("", "decision_header_name"),
            ("a b", "decision_header_name"),
            ("a\r\nb", "decision_header_name"),
            ("a:", "decision_header_name"),
            ("h\u{e9}", "decision_header_name"),
            (":path", "decision_header_reserved"),
            (":", "decision_header_reserved"),
        ] {
            assert_eq!(header_name("headers", name).unwrap_err().code(), code, "{name:?}");
        }
    }

    #[test]
    fn header_values_have_no_control_characters() {
        for value in ["", "a b\tc", "h\u{e9}llo", "a,b;c=\"d\""] {
            assert!(check_header_value("headers", "x", value).is_ok(), "{value:?}");
        }
        for value in ["a\rb", "a\nb", "a\0b", "\x7f", "\x1b[0m"] {
            assert!(check_header_value("headers", "x", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn parameters_are_encoded_already() {
        for (name, value) in [("a", ""), ("a", "b+c%20d"), ("a.b", "x=y/z?"), ("", "")] {
            assert!(check_parameter("k", name, value).is_ok(), "{name}={value}");
        }
        for (name, value) in
            [("a=b", ""), ("a", "b&c=d"), ("a", "b c"), ("a", "b#c"), ("a", "%zz"), ("a", "%2"), ("a;b", "")]
        {
            assert!(check_parameter("k", name, value).is_err(), "{name}={value}");
        }
        assert!(check_parameter("k", "a", "h\u{e9}").is_err());
    }

    #[test]
    fn statuses_are_envoys_final_ones() {
        for status in [200, 204, 302, 403, 429, 503, 511] {
            assert!(is_status(status), "{status}");
        }
        for status in [0, 99, 100, 101, 199, 299, 306, 418, 425, 451, 509, 512, 600, 999] {
            assert!(!is_status(status), "{status}");
        }
    }

    #[test]
    fn shown_text_is_short_and_printable() {
        assert_eq!(shown("a\r\nb"), "a\\r\\nb");
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN_CHARS);
    }
}
