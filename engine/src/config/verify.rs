//! `verify`: what bundles and pointers are trusted by.

use super::ConfigError;
use super::json::Node;
use super::read::{Reader, text_value, value};
use crate::names::is_label;
use crate::trust::{KeyError, Trust, TrustedKey};
use crate::words::shown;

/// Most keys: each is a signature to check against, and rotation takes two.
const KEYS: usize = 64;
const EXPECTED_KEYS: &str = "a list of keys";
const NO_KEYS: &str = "keys, since signatures are required; \
                       write a key's `id`, `algorithm` and `key`, or `\"verify\": {\"required\": false}`";

/// Reads `verify`.
pub(super) fn verify(top: &mut Reader) -> Result<Trust, ConfigError> {
    let node = top.take("verify").unwrap_or(Node::Object(Vec::new()));
    let mut verify = Reader::open("verify", node, &["required", "keys", "scope", "mesh", "min_serial"])?;
    let required = verify.boolean("required", true)?;
    let nodes = match verify.take("keys") {
        None => Vec::new(),
        Some(Node::List(nodes)) if nodes.len() <= KEYS => nodes,
        Some(Node::List(nodes)) => {
            let got = nodes.len().to_string();
            return Err(refuse("verify.keys", &format!("at most {KEYS} keys"), got));
        }
        Some(other) => return Err(value("verify.keys", EXPECTED_KEYS, &other)),
    };
    let mut keys: Vec<TrustedKey> = Vec::new();
    for (at, node) in nodes.into_iter().enumerate() {
        let path = format!("verify.keys[{at}]");
        let key = key(&path, node)?;
        if keys.iter().any(|other| other.id() == key.id()) {
            return Err(text_value(&format!("{path}.id"), "an id that no other key has", key.id()));
        }
        keys.push(key);
    }
    if required && keys.is_empty() {
        return Err(refuse("verify.keys", NO_KEYS, "none".to_owned()));
    }
    let scope = verify.text("scope")?.unwrap_or_default();
    if keys.is_empty() && !scope.is_empty() {
        return Err(text_value(
            "verify.scope",
            "no scope, since there are no keys that sign for one",
            &scope,
        ));
    }
    let mesh = verify.text("mesh")?.unwrap_or_default();
    let min_serial = verify.whole("min_serial", 0, u64::MAX, 0)?;
    Ok(Trust { required, keys, scope, mesh, min_serial })
}

/// Refuses secrets where bundles are fetched: whoever can read the configuration could sign what the proxy
/// then fetches. An inline bundle stands in the configuration anyway.
///
/// # Errors
/// [`ConfigError`], naming the key.
pub(super) fn refuse_secrets(trust: &Trust, fetched: bool) -> Result<(), ConfigError> {
    match trust.keys.iter().enumerate().find(|(_, key)| fetched && key.is_secret()) {
        None => Ok(()),
        Some((at, key)) => Err(text_value(
            &format!("verify.keys[{at}].algorithm"),
            "`ES*`, `RS*` or `PS*` where bundles are fetched (whoever reads a secret can sign)",
            key.algorithm(),
        )),
    }
}

fn key(path: &str, node: Node) -> Result<TrustedKey, ConfigError> {
    let mut key = Reader::open(path, node, &["id", "algorithm", "key", "namespaces"])?;
    let id = required_text(&mut key, "id", "a text that names the key")?;
    if id.is_empty() {
        return Err(refuse(&key.path("id"), "a text that names the key", "an empty text".to_owned()));
    }
    let algorithm = required_text(&mut key, "algorithm", "an algorithm such as `ES256`")?;
    let pem = required_text(&mut key, "key", "a public key in PEM")?;
    let namespaces = namespaces(&mut key)?;
    TrustedKey::new(&id, &algorithm, &pem, namespaces).map_err(|error| {
        let member = if matches!(error, KeyError::Algorithm(_)) { "algorithm" } else { "key" };
        ConfigError::Key { path: key.path(member), error }
    })
}

/// Kubernetes namespaces, or `*` for all.
fn namespaces(key: &mut Reader) -> Result<Vec<String>, ConfigError> {
    const EXPECTED: &str = "a list of namespaces, or `[\"*\"]` for all";
    let path = key.path("namespaces");
    let nodes = match key.take("namespaces") {
        None => return Ok(vec!["*".to_owned()]),
        Some(Node::List(nodes)) if !nodes.is_empty() => nodes,
        Some(Node::List(_)) => return Err(refuse(&path, EXPECTED, "an empty one".to_owned())),
        Some(other) => return Err(value(&path, EXPECTED, &other)),
    };
    let namespace = |(at, node)| {
        let path = format!("{path}[{at}]");
        match node {
            Node::Text(text) if text == "*" || is_label(&text) => Ok(text),
            other => Err(value(&path, "a namespace (letters a to z, digits, `-`), or `*`", &other)),
        }
    };
    nodes.into_iter().enumerate().map(namespace).collect()
}

fn required_text(reader: &mut Reader, key: &str, expected: &str) -> Result<String, ConfigError> {
    match reader.require(key, expected)? {
        Node::Text(text) => Ok(text),
        other => Err(value(&reader.path(key), expected, &other)),
    }
}

fn refuse(path: &str, expected: &str, got: String) -> ConfigError {
    ConfigError::Value { path: path.to_owned(), expected: expected.to_owned(), got: shown(&got) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn secrets_are_for_inline_bundles_alone() {
        let secret = TrustedKey::new("k", "HS256", &"s".repeat(32), Vec::new()).unwrap();
        let trust = Trust { keys: vec![secret], ..Trust::default() };
        assert_eq!(refuse_secrets(&trust, false), Ok(()));
        let error = refuse_secrets(&trust, true).unwrap_err().to_string();
        assert!(error.starts_with("`verify.keys[0].algorithm`: expected `ES*`"), "{error}");
    }
}
