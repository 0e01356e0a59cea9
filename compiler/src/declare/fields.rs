//! Reading maps key by key, and scalars as what they have to be; every slip is a finding of its own.

use sidegate_engine::words::{alternatives, nearest};

use super::source::{Place, Source};
use super::yaml::{Key, Node, Yaml, plain_kind};
use crate::diagnostics::Diagnostic;

/// Reads one file, and keeps what is wrong with it.
pub(crate) struct Checker<'s> {
    pub(crate) source: &'s Source,
    pub(crate) findings: Vec<Diagnostic>,
}

/// A map whose keys are all known.
pub(crate) struct Fields {
    pub(crate) place: Place,
    entries: Vec<(Key, Node)>,
}

/// Text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// What stands somewhere.
pub(crate) trait Placed {
    fn place(&self) -> Place;
}

impl Placed for Node {
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for Text {
    fn place(&self) -> Place {
        self.place
    }
}

impl Fields {
    /// The value of a key; nobody else gets it.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(key, _)| key.text == name)?;
        Some(self.entries.swap_remove(at).1)
    }

    /// Whether the key is there still.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.text == name)
    }

    /// Where a key stands.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        self.entries.iter().find(|(key, _)| key.text == name).map_or(self.place, |(key, _)| key.place)
    }

    /// Whether there is no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'s> Checker<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, findings: Vec::new() }
    }

    /// Notes a finding; always `None`, for the caller to return.
    pub(crate) fn wrong<T>(
        &mut self,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
    ) -> Option<T> {
        self.findings.push(self.source.at(place, code, message));
        None
    }

    /// The same with advice.
    pub(crate) fn wrong_so<T>(
        &mut self,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.findings.push(self.source.at(place, code, message).help(help));
        None
    }

    /// A map with no other keys than the `known` ones.
    pub(crate) fn fields(&mut self, node: Node, known: &[&str], what: &str) -> Option<Fields> {
        let entries = self.map(node, what)?;
        for (key, _) in &entries.entries {
            if !known.contains(&key.text.as_str()) {
                let help = match nearest(&key.text, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", alternatives(known.iter().copied())),
                };
                let message = format!("unknown key `{}` in {what}", key.text);
                self.wrong_so::<()>(key.place, "declare_unknown_key", message, help);
            }
        }
        Some(entries)
    }

    /// A map with any keys.
    pub(crate) fn map(&mut self, node: Node, what: &str) -> Option<Fields> {
        match node.value {
            Yaml::Map(entries) => Some(Fields { place: node.place, entries }),
            _ => self.kind(&node, &format!("{what} as a map")),
        }
    }

    /// Keys and values of a map with any keys.
    pub(crate) fn entries(&mut self, node: Node, what: &str) -> Vec<(Text, Node)> {
        let fields = self.map(node, what).map(|fields| fields.entries).unwrap_or_default();
        let named = |(key, node): (Key, Node)| (Text { place: key.place, text: key.text }, node);
        fields.into_iter().map(named).collect()
    }

    /// A list that is not empty.
    pub(crate) fn list(&mut self, node: Node, what: &str) -> Option<Vec<Node>> {
        match node.value {
            Yaml::List(items) if !items.is_empty() => Some(items),
            Yaml::List(_) => {
                let message = format!("expected at least one of {what}, got an empty list");
                self.wrong_so(
                    node.place,
                    "declare_empty_list",
                    message,
                    "leave the key out, or say what is meant",
                )
            }
            _ => self.kind(&node, &format!("a list of {what}")),
        }
    }

    /// A list of texts, each once.
    pub(crate) fn texts(&mut self, node: Node, what: &str) -> Option<Vec<Text>> {
        let items = self.list(node, what)?;
        let mut texts: Vec<Text> = Vec::new();
        for text in self.each(items, |check, item| check.text(item, what)) {
            if texts.iter().any(|before| before.text == text.text) {
                self.wrong::<()>(
                    text.place,
                    "declare_twice",
                    format!("expected `{}` once, got it twice", text.text),
                );
            } else {
                texts.push(text);
            }
        }
        Some(texts)
    }

    /// Text: quoted, or what no YAML reader takes for something else.
    pub(crate) fn text(&mut self, node: Node, what: &str) -> Option<Text> {
        match node.value {
            Yaml::Scalar { text, is_plain } => match plain_kind(&text).filter(|_| is_plain) {
                Some(kind) => {
                    let message =
                        format!("expected {what} as text, got `{text}`, which YAML reads as {kind}");
                    self.wrong_so(
                        node.place,
                        "declare_text",
                        message,
                        format!("write `\"{text}\"` if it is meant"),
                    )
                }
                None => Some(Text { place: node.place, text }),
            },
            _ => self.kind(&node, &format!("{what} as text")),
        }
    }

    /// `true`, the only thing that can be said of it.
    pub(crate) fn yes(&mut self, node: Node, what: &str) -> Option<()> {
        match &node.value {
            Yaml::Scalar { text, is_plain: true } if text == "true" => Some(()),
            _ => self.wrong_so(
                node.place,
                "declare_true",
                format!("expected `{what}: true`"),
                "leave the key out where it is not meant",
            ),
        }
    }

    /// A port.
    pub(crate) fn port(&mut self, node: Node) -> Option<u16> {
        let port = match &node.value {
            Yaml::Scalar { text, is_plain: true } if !text.starts_with(['+', '0']) => {
                text.parse::<u16>().ok()
            }
            _ => None,
        };
        port.or_else(|| self.wrong(node.place, "declare_port", "expected a port, a number from 1 to 65535"))
    }

    /// What `read` makes of each item. An item that is dropped has to be a finding: a condition that is not
    /// there allows more.
    pub(crate) fn each<I: Placed, T>(
        &mut self,
        items: Vec<I>,
        mut read: impl FnMut(&mut Self, I) -> Option<T>,
    ) -> Vec<T> {
        let mut results = Vec::new();
        for item in items {
            let (place, before) = (item.place(), self.findings.len());
            match read(self, item) {
                Some(result) => results.push(result),
                None if self.findings.len() > before => {}
                None => {
                    self.wrong::<()>(place, "declare_value", "expected something else here");
                }
            }
        }
        results
    }

    fn kind<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let got = match &node.value {
            Yaml::Scalar { text, is_plain: true } if text.is_empty() => "nothing".to_owned(),
            Yaml::Scalar { text, .. } => format!("`{text}`"),
            Yaml::List(_) => "a list".to_owned(),
            Yaml::Map(_) => "a map".to_owned(),
        };
        self.wrong(node.place, "declare_kind", format!("expected {expected}, got {got}"))
    }
}
