//! YAML with positions, and only as much of it as a declaration needs: maps, lists and scalars. Anchors,
//! aliases, tags and several documents are refused, for what a file says must be visible in the file.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::source::{Place, Source};
use crate::diagnostics::Diagnostic;

/// Bytes that a file may have.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// How deep maps and lists may nest.
const MAX_DEPTH: usize = 32;
/// Maps, lists and scalars that a file may have.
const MAX_NODES: usize = 100_000;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Yaml,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// Text, and whether it is written without quotes: then it may be something else than text.
    Scalar { text: String, is_plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file; no key is there twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

struct Reader<'s> {
    source: &'s Source,
    parser: Parser<'s, saphyr_parser::StrInput<'s>>,
    nodes: usize,
}

/// Reads the one document of a file.
pub(crate) fn read(source: &Source) -> Result<Node, Diagnostic> {
    if source.text.len() > MAX_BYTES {
        let message = format!("expected at most {MAX_BYTES} bytes, got {}", source.text.len());
        return Err(Diagnostic::file(&source.file, "declare_size", message));
    }
    // The parser takes a NUL for the end of the file: what follows would be left out. The others make a file look
    // other than it is read.
    for (line, number) in source.text.lines().zip(1_usize..) {
        if let Some(column) = line.chars().position(is_hidden) {
            let message = "expected visible characters, got one that hides or turns text";
            return Err(source.at(Place::new(number, column), "declare_yaml", message));
        }
    }
    let mut reader = Reader { source, parser: Parser::new_from_str(&source.text), nodes: 0 };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if document.is_some() => {
                let finding =
                    source.at(place(&span), "declare_documents", "expected one document, got another");
                return Err(finding.help("write one file for each service"));
            }
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => document = Some(reader.node(event, &span, 0)?),
        }
    }
    document.ok_or_else(|| {
        Diagnostic::file(&source.file, "declare_empty", "expected a declaration, got an empty file")
            .help("`sidegate init NAMESPACE/SERVICE` writes one to start from")
    })
}

impl<'s> Reader<'s> {
    fn next(&mut self) -> Result<(Event<'s>, Span), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = error.marker();
                let place = Place::new(marker.line(), marker.col());
                let message = format!("expected YAML: {}", error.info());
                Err(self.source.at(place, "declare_yaml", message))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'s>, span: &Span, depth: usize) -> Result<Node, Diagnostic> {
        let place = place(span);
        self.nodes = self.nodes.saturating_add(1);
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            let message = format!("expected at most {MAX_NODES} values, nested at most {MAX_DEPTH} deep");
            return Err(self.source.at(place, "declare_size", message));
        }
        let refused = |what: &str| {
            let message = format!("expected plain values, got {what}");
            let finding = self.source.at(place, "declare_yaml_feature", message);
            Err(finding.help("write the value out where it is used"))
        };
        let (anchor, is_tagged) = match &event {
            Event::Alias(_) => return refused("an alias (`*name`)"),
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        if anchor != 0 {
            return refused("an anchor (`&name`)");
        }
        if is_tagged {
            return refused("a tag (`!name`)");
        }
        let value = match event {
            Event::Scalar(text, style, ..) => {
                Yaml::Scalar { text: text.into_owned(), is_plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => Yaml::List(self.list(depth)?),
            Event::MappingStart(..) => Yaml::Map(self.map(depth)?),
            _ => return refused("something that is no value"),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span, depth.saturating_add(1))?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Diagnostic> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, &span, depth.saturating_add(1))?;
            let Yaml::Scalar { text, .. } = key.value else {
                return Err(self.source.at(key.place, "declare_key", "expected a name before the colon"));
            };
            if text == "<<" {
                let finding = self.source.at(key.place, "declare_yaml_feature", "expected names, got `<<`");
                return Err(finding.help("write the entries out where they are used"));
            }
            if !seen.insert(text.clone()) {
                let message = format!("expected `{text}` once, got it twice in one map");
                return Err(self.source.at(key.place, "declare_duplicate_key", message));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth.saturating_add(1))?;
            entries.push((Key { place: key.place, text }, value));
        }
    }
}

/// Control characters, a line's end that is none for everybody, and what changes the direction of text.
fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn place(span: &Span) -> Place {
    Place::new(span.start.line(), span.start.col())
}

/// What YAML takes an unquoted scalar for, where that is not text: by version 1.1, which most tools read,
/// or 1.2.
pub(crate) fn plain_kind(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "" | "~" | "null" => return Some("nothing"),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" => return Some("a boolean"),
        ".nan" | ".inf" | "+.inf" | "-.inf" => return Some("a number"),
        _ => {}
    }
    let unsigned = lower.trim_start_matches(['+', '-']);
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit())
        || unsigned.starts_with('.') && unsigned.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if !begins {
        return None;
    }
    let radix = |prefix: &str, digits: &str| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| digits.contains(c)))
    };
    let is_date = unsigned.len() >= 8
        && unsigned.bytes().take(4).all(|byte| byte.is_ascii_digit())
        && unsigned.as_bytes().get(4) == Some(&b'-');
    let is_number = unsigned.replace('_', "").parse::<f64>().is_ok()
        || radix("0x", "0123456789abcdef_")
        || radix("0o", "01234567_")
        || radix("0b", "01_")
        // Sixty-fold, as in 12:30.
        || unsigned.split(':').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            && unsigned.contains(':');
    if is_number {
        return Some("a number");
    }
    is_date.then_some("a date")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_does_not_take_for_text() {
        for (text, kind) in [
            ("no", Some("a boolean")),
            ("Y", Some("a boolean")),
            ("~", Some("nothing")),
            ("1e3", Some("a number")),
            ("0x1F", Some("a number")),
            ("1_000", Some("a number")),
            ("12:30", Some("a number")),
            (".5", Some("a number")),
            ("-1", Some("a number")),
            (".inf", Some("a number")),
            ("2026-01-02", Some("a date")),
            ("payments", None),
            ("10.0.0.0/8", None),
            ("1password", None),
            ("/v1", None),
            ("v1", None),
            ("...", None),
            ("7-zip", None),
            ("infinity", None),
        ] {
            assert_eq!(plain_kind(text), kind, "{text}");
        }
    }

    #[test]
    fn hostile_files_are_errors() {
        let times = |text: &str, count: usize| text.repeat(count);
        for text in [
            times("[", 100_000),
            times("{a: ", 100_000),
            times("- ", 100_000),
            times("? ", 100_000),
            times("a: [", 10_000),
            times("- a\n", 200_000),
            times("x", MAX_BYTES + 1),
            format!("a: \"{}", times("x", 100_000)),
            "a: b\0\nc: d".to_owned(),
            "\u{feff}a: b".to_owned(),
            "a: b\rc: d".to_owned(),
            "a: b # \u{202e}c".to_owned(),
            "a: b\n...\nc: d".to_owned(),
        ] {
            let source = Source::new("a.yaml", text);
            assert!(read(&source).is_err(), "{}", source.text.chars().take(20).collect::<String>());
        }
    }
}
