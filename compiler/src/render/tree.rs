//! Documents whose keys keep their order: what is read from a file of values, and what is written for people.

use std::fmt::Write as _;

use crate::declare::Checker;
use crate::declare::yaml::{Node, Yaml, plain_kind};

/// Columns that a small object may take, to be written on one line.
const WIDTH: usize = 100;

/// JSON, with numbers as they are written and keys in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// A map of these.
pub(super) fn map<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
    Tree::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Tree {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<u16> for Tree {
    fn from(number: u16) -> Self {
        Self::Number(number.to_string())
    }
}

impl Tree {
    /// What a file says; scalars that readers of YAML differ about are findings.
    pub(super) fn read(check: &mut Checker<'_>, node: Node) -> Option<Self> {
        Some(match node.value {
            Yaml::Map(entries) => {
                let read = entries.into_iter().map(|(key, node)| Some((key.text, Self::read(check, node)?)));
                Self::Map(read.collect::<Option<_>>()?)
            }
            Yaml::List(items) => {
                Self::List(items.into_iter().map(|item| Self::read(check, item)).collect::<Option<_>>()?)
            }
            Yaml::Scalar { text, is_plain: false } => Self::Text(text),
            Yaml::Scalar { text, is_plain: true } => match (plain_kind(&text), text.as_str()) {
                (None, _) => Self::Text(text),
                (_, "true") => Self::Bool(true),
                (_, "false") => Self::Bool(false),
                (_, "" | "~" | "null") => Self::Null,
                (Some(_), number) if serde_json::from_str::<serde_json::Number>(number).is_ok() => {
                    Self::Number(text)
                }
                (Some(kind), _) => {
                    let message = format!("expected text, got `{text}`, which YAML reads as {kind}");
                    let help = format!("write `\"{text}\"` if it is meant");
                    return check.wrong_so(node.place, "declare_text", message, help);
                }
            },
        })
    }

    /// What is at a path of keys and places in lists.
    pub(super) fn at(&mut self, path: &[&str]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let next = match self {
            Self::Map(entries) => entries.iter_mut().find(|(key, _)| key == first).map(|(_, value)| value),
            Self::List(items) => first.parse::<usize>().ok().and_then(|place| items.get_mut(place)),
            _ => None,
        };
        next?.at(rest)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// What it says, if it is text.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Sets a key, at its place if it has one, else at the end.
    pub(super) fn set(&mut self, key: &str, value: Self) {
        let Self::Map(entries) = self else { return };
        match entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => entries.push((key.to_owned(), value)),
        }
    }

    /// Takes away what is at a key, or at a place in a list.
    pub(super) fn remove(&mut self, key: &str) {
        match self {
            Self::Map(entries) => entries.retain(|(name, _)| name != key),
            Self::List(items) => {
                if let Some(place) = key.parse::<usize>().ok().filter(|place| *place < items.len()) {
                    items.remove(place);
                }
            }
            _ => {}
        }
    }

    /// JSON on as few lines as can be read.
    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, 0);
        out
    }

    fn write_json(&self, out: &mut String, indent: usize) {
        let line = self.json_line();
        let (open, close, count) = match self {
            Self::Map(entries) => ('{', '}', entries.len()),
            Self::List(items) => ('[', ']', items.len()),
            _ => ('"', '"', 0),
        };
        // A key in PEM is long anyway; what is beside it should be seen.
        if count == 0 || indent > 0 && indent.saturating_add(line.chars().count()) <= WIDTH {
            out.push_str(&line);
            return;
        }
        let inner = indent.saturating_add(2);
        out.push(open);
        for place in 0..count {
            let _ = write!(out, "{}\n{:inner$}", if place == 0 { "" } else { "," }, "");
            match self {
                Self::Map(entries) => {
                    if let Some((key, value)) = entries.get(place) {
                        out.push_str(&quoted(key));
                        out.push_str(": ");
                        value.write_json(out, inner);
                    }
                }
                Self::List(items) => {
                    if let Some(item) = items.get(place) {
                        item.write_json(out, inner);
                    }
                }
                _ => {}
            }
        }
        let _ = write!(out, "\n{:indent$}{close}", "");
    }

    /// JSON on one line.
    pub(super) fn json_line(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(flag) => flag.to_string(),
            Self::Number(number) => number.clone(),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::json_line).collect::<Vec<_>>().join(", "))
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| format!("{}: {}", quoted(key), value.json_line()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// As text in JSON, and so in YAML: what either may not have as it is, is escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
