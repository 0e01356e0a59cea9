//! Reading an object key by key: each key is taken once, and what is left over is unknown.

use super::error::{ConfigError, join};
use super::json::{Node, Number};
use crate::words::{alternatives, shown};

/// One object of the configuration, being read.
pub(super) struct Reader {
    path: String,
    members: Vec<(String, Node)>,
}

impl Reader {
    /// Opens the object at `path` (empty for the whole document). Refuses other types, keys that are
    /// not in `known`, and keys that stand twice.
    pub(super) fn open(path: &str, node: Node, known: &[&str]) -> Result<Self, ConfigError> {
        let members = match node {
            Node::Object(members) => members,
            other if path.is_empty() => {
                return Err(ConfigError::Value {
                    path: "configuration".to_owned(),
                    expected: "a JSON object".to_owned(),
                    got: other.describe(),
                });
            }
            other => return Err(value(path, "an object", &other)),
        };
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in &members {
            if !known.contains(&key.as_str()) {
                return Err(ConfigError::unknown_key(path, key, known));
            }
            if seen.contains(&key.as_str()) {
                return Err(ConfigError::DuplicateKey { path: join(path, key) });
            }
            seen.push(key);
        }
        Ok(Self { path: path.to_owned(), members })
    }

    /// The full path of a key of this object.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Takes a key's value out.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let at = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.swap_remove(at).1)
    }

    /// Takes a key that has no default.
    pub(super) fn require(&mut self, key: &str, expected: &str) -> Result<Node, ConfigError> {
        self.take(key)
            .ok_or_else(|| ConfigError::MissingKey { path: self.path(key), expected: expected.to_owned() })
    }

    /// A whole number between `least` and `most`, or `default` where the key is absent.
    pub(super) fn whole(
        &mut self,
        key: &str,
        least: u64,
        most: u64,
        default: u64,
    ) -> Result<u64, ConfigError> {
        let Some(node) = self.take(key) else { return Ok(default) };
        let number = if let Node::Number(number) = &node { number.whole() } else { None };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| value(&self.path(key), &format!("a whole number from {least} to {most}"), &node))
    }

    /// `true` or `false`, or `default` where the key is absent.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.take(key) {
            None => Ok(default),
            Some(Node::Bool(flag)) => Ok(flag),
            Some(other) => Err(value(&self.path(key), "`true` or `false`", &other)),
        }
    }

    /// A text, or nothing where the key is absent.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(value(&self.path(key), "a text", &other)),
        }
    }

    /// One of several words, or nothing where the key is absent.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let found = match &node {
            Node::Text(text) => words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning),
            _ => None,
        };
        match found {
            Some(meaning) => Ok(Some(meaning)),
            None => Err(value(&self.path(key), &alternatives(words.iter().map(|(word, _)| *word)), &node)),
        }
    }

    /// Takes a key that this version does not have yet: absent or of the default `same`, it may stand;
    /// anything else is refused with what to write `instead`.
    pub(super) fn unavailable(
        &mut self,
        key: &str,
        same: Option<Node>,
        what: &'static str,
        instead: &'static str,
    ) -> Result<(), ConfigError> {
        match self.take(key) {
            None => Ok(()),
            node if node == same => Ok(()),
            Some(Node::Number(number))
                if same == number.whole().map(|n| Node::Number(Number::Unsigned(n))) =>
            {
                Ok(())
            }
            Some(_) => Err(ConfigError::Unavailable { path: self.path(key), what, instead }),
        }
    }
}

/// A value that is not what it has to be.
pub(super) fn value(path: &str, expected: &str, got: &Node) -> ConfigError {
    ConfigError::Value { path: path.to_owned(), expected: expected.to_owned(), got: got.describe() }
}

/// A text that is not what it has to be.
pub(super) fn text_value(path: &str, expected: &str, got: &str) -> ConfigError {
    ConfigError::Value {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got: format!("`\"{}\"`", shown(got)),
    }
}
