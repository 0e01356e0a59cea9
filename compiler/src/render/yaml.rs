//! YAML for people: text of several lines as blocks, nothing quoted that need not be.

use std::fmt::Write as _;

use super::tree::{Tree, quoted};
use crate::declare::yaml::plain_kind;

/// One document.
pub(super) fn write(document: &Tree) -> String {
    let mut out = String::new();
    value(&mut out, document, 0, true);
    out
}

/// After a colon or a dash: scalars and what is empty on the same line, the rest below. `is_inline`: the first entry of a
/// map follows a dash, or begins the document.
fn value(out: &mut String, tree: &Tree, indent: usize, is_inline: bool) {
    match tree {
        Tree::Map(entries) if !entries.is_empty() => {
            for (place, (key, child)) in entries.iter().enumerate() {
                if place > 0 || !is_inline {
                    let _ = write!(out, "{:indent$}", "");
                }
                let _ = write!(out, "{}:", scalar(key));
                below(out, child, indent);
            }
        }
        Tree::List(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 || !is_inline {
                    let _ = write!(out, "{:indent$}", "");
                }
                out.push('-');
                match item {
                    Tree::Map(entries) if !entries.is_empty() => {
                        out.push(' ');
                        value(out, item, indent.saturating_add(2), true);
                    }
                    Tree::List(items) if !items.is_empty() => {
                        out.push('\n');
                        value(out, item, indent.saturating_add(2), false);
                    }
                    _ => below(out, item, indent),
                }
            }
        }
        _ => below(out, tree, indent),
    }
}

fn below(out: &mut String, tree: &Tree, indent: usize) {
    let inner = indent.saturating_add(2);
    match tree {
        Tree::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            value(out, tree, inner, false);
        }
        Tree::List(items) if !items.is_empty() => {
            out.push('\n');
            // A list stands where its key stands.
            value(out, tree, indent, false);
        }
        Tree::Text(text) if is_block(text) => {
            let _ = writeln!(out, " |{}", if text.ends_with('\n') { "" } else { "-" });
            for line in text.lines() {
                let _ = if line.is_empty() { writeln!(out) } else { writeln!(out, "{:inner$}{line}", "") };
            }
        }
        Tree::Text(text) => {
            let _ = writeln!(out, " {}", scalar(text));
        }
        other => {
            let _ = writeln!(out, " {}", other.json_line());
        }
    }
}

/// Whether text reads the same as a block.
fn is_block(text: &str) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    lines.len() > 1
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && lines.iter().all(|line| !line.ends_with(' '))
        && !text
            .chars()
            .any(|c| c != '\n' && quoted(&c.to_string()).starts_with("\"\\u") || c == '\r' || c == '\t')
}

/// Text on one line, in quotes where it could be taken for something else.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && !text.ends_with(':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@|".contains(c))
        && plain_kind(text).is_none();
    if is_plain { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tree::map;

    #[test]
    fn what_is_written_reads_the_same() {
        let texts = [
            "",
            "a",
            "no",
            "~",
            "1e3",
            "2026-01-02",
            "0.1s",
            "a: b",
            "a #b",
            "- a",
            "'",
            "\"",
            "\\",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n",
            " a\nb",
            "\na",
            "a\n\n",
            "a \nb",
            "a\tb\nc",
            "\u{7f}",
            "\u{85}",
            "\u{feff}x",
            "ä",
            "a:",
            "@type",
            "outbound|8080||a.b.svc.cluster.local",
            "|",
            "*",
            "/",
            "-----BEGIN\nx\n-----END\n",
            "12:30",
            "0x1F",
            "\r\n",
            "---",
            "a\n---\nb",
            "a\n#b\n",
            "%x",
            "=",
            "<<",
        ];
        let list = Tree::List(texts.iter().map(|text| Tree::from(*text)).collect());
        let nested = Tree::List(vec![
            Tree::List(vec![map([("a", Tree::Null)]), Tree::Map(vec![])]),
            Tree::List(vec![]),
        ]);
        let keys = Tree::Map(texts.iter().map(|text| ((*text).to_owned(), Tree::Bool(true))).collect());
        let blocks =
            Tree::Map(texts.iter().enumerate().map(|(n, text)| (format!("k{n}"), (*text).into())).collect());
        let document = map([
            ("list", list),
            ("nested", nested),
            ("keys", keys),
            ("blocks", blocks),
            ("number", Tree::Number("12".to_owned())),
        ]);
        let text = write(&document);
        let read: serde_json::Value =
            serde_yaml_ng::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let wanted: serde_json::Value = serde_json::from_str(&document.json()).unwrap();
        assert_eq!(read, wanted, "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&document.json_line()).unwrap(), wanted);
    }
}
