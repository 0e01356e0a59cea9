//! The path and the query as OPA's Envoy plugin reads them: `url.PathUnescape` and `url.ParseQuery` of Go.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regorus::Value;

use super::error::RequestError;
use super::text::to_go_text;
use crate::collections;

/// Go's `net/url` refuses more (`urlmaxqueryparams`).
pub(crate) const MAX_PARAMETERS: usize = 10_000;

/// Cuts a `:path` at its first `?`; a fragment, which no client should send, stays in either part.
pub(crate) fn cut(path: &str) -> (&str, &str) {
    path.split_once('?').unwrap_or((path, ""))
}

/// Checks both parts as [`segments`] and [`parameters`] would, without building anything.
pub(crate) fn check(path: &str, query: &str) -> Result<(), RequestError> {
    if !escapes_are_valid(path) {
        return Err(RequestError::PathEscape);
    }
    check_query(query)
}

/// The decoded path without its leading slashes, split at `/`. Decoding comes first, so `%2F` splits too.
/// Fails where a percent escape is broken.
pub(super) fn segments(path: &str) -> Result<Vec<String>, RequestError> {
    let decoded = unescape(path, false).ok_or(RequestError::PathEscape)?;
    Ok(decoded.trim_start_matches('/').split('/').map(str::to_owned).collect())
}

/// The decoded query: name to values in their order. Fails as `url.ParseQuery` does; the plugin gives up on
/// any error.
pub(super) fn parameters(query: &str) -> Result<BTreeMap<String, Vec<String>>, RequestError> {
    check_query(query)?;
    let mut parameters = BTreeMap::<String, Vec<String>>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = unescape(name, true).ok_or(RequestError::QueryEscape)?;
        let value = unescape(value, true).ok_or(RequestError::QueryEscape)?;
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    Ok(parameters)
}

/// The same as an object: what a query is, and a form.
pub(super) fn parameter_object(query: &str) -> Result<Value, RequestError> {
    let entry = |(name, values): (String, Vec<String>)| {
        let values = values.into_iter().map(Value::from).collect::<Vec<_>>();
        (Value::from(name), Value::from(values))
    };
    Ok(collections::object(parameters(query)?.into_iter().map(entry)))
}

fn check_query(query: &str) -> Result<(), RequestError> {
    let bytes = query.as_bytes();
    if bytes.iter().filter(|byte| **byte == b'&').count() >= MAX_PARAMETERS {
        return Err(RequestError::QueryParameters);
    }
    if bytes.contains(&b';') {
        return Err(RequestError::QuerySeparator);
    }
    // An escape cannot reach over `&` or `=`: neither is a hexadecimal digit.
    if escapes_are_valid(query) { Ok(()) } else { Err(RequestError::QueryEscape) }
}

fn escapes_are_valid(text: &str) -> bool {
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'%' && hex_pair(bytes.next(), bytes.next()).is_none() {
            return false;
        }
    }
    true
}

fn unescape(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    let is_special = |byte: &u8| *byte == b'%' || plus_is_space && *byte == b'+';
    if !text.as_bytes().iter().any(is_special) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_pair(bytes.next(), bytes.next())?,
            b'+' if plus_is_space => b' ',
            other => *other,
        });
    }
    Some(Cow::Owned(to_go_text(&decoded).into_owned()))
}

fn hex_pair(high: Option<&u8>, low: Option<&u8>) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(high.and_then(digit)? << 4 | low.and_then(digit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths_split_after_decoding() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[""]),
            ("/", &[""]),
            ("/a/../b/", &["a", "..", "b", ""]),
            ("/a%2Fb", &["a", "b"]),
            ("/a#frag", &["a#frag"]),
            ("//admin/x", &["admin", "x"]),
            ("%2f%2Fadmin", &["admin"]),
            ("/people/a%20b+c", &["people", "a b+c"]),
            ("/%ff", &["\u{fffd}"]),
        ];
        for (path, expected) in cases {
            assert_eq!(segments(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn broken_requests_have_their_code() {
        let cases = [
            ("/%zz", "request_path_escape"),
            ("/a%", "request_path_escape"),
            ("/a%2", "request_path_escape"),
            ("/?a=%zz", "request_query_escape"),
            ("/?%=1", "request_query_escape"),
            ("/?a=1;b=2", "request_query_separator"),
        ];
        for (target, code) in cases {
            let (path, query) = cut(target);
            assert_eq!(check(path, query).unwrap_err().code(), code, "{target}");
        }
    }

    #[test]
    fn as_many_parameters_as_go_takes() {
        let most = "a&".repeat(MAX_PARAMETERS - 1);
        assert_eq!(parameters(&most).unwrap().len(), 1);
        assert_eq!(parameters(&(most + "&")).unwrap_err(), RequestError::QueryParameters);
    }
}
