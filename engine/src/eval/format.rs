//! Values as OPA writes them: in Rego's syntax, and as JSON.

use std::collections::BTreeMap;

use regorus::Value;

use super::number::{Inexact, is_float};
use super::order;
use super::print::quote;

/// A number as OPA has it, where its text is certain. An integer is; a fraction is where arithmetic and
/// whoever wrote it would write the same.
fn number(value: &Value) -> Result<String, Inexact> {
    let text = value.to_string();
    if !is_float(value) {
        return Ok(text);
    }
    let digits = text.trim_start_matches('-');
    let whole = digits.split('.').next().unwrap_or_default();
    let plain = digits.contains('.')
        && digits.len() <= 17
        // Arithmetic writes these with an exponent.
        && whole.len() <= 6
        && !digits.starts_with("0.0000");
    if plain { Ok(text) } else { Err(Inexact) }
}

/// A value in Rego's syntax, as OPA prints terms.
pub(super) fn term(value: &Value, out: &mut String) -> Result<(), Inexact> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(_) => out.push_str(&number(value)?),
        Value::String(text) => out.push_str(&quote(text, '"', false)),
        Value::Array(items) => list(items.iter(), ('[', ']'), out)?,
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => list(order::sorted(items.iter_sorted()).into_iter(), ('{', '}'), out)?,
        Value::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in order::fields(fields.iter_sorted()).into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                term(key, out)?;
                out.push_str(": ");
                term(value, out)?;
            }
            out.push('}');
        }
        Value::Undefined => return Err(Inexact),
    }
    Ok(())
}

fn list<'v>(
    items: impl Iterator<Item = &'v Value>,
    (open, close): (char, char),
    out: &mut String,
) -> Result<(), Inexact> {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        term(item, out)?;
    }
    out.push(close);
    Ok(())
}

/// What goes before each line of indented JSON, and once more for every level.
#[derive(Clone, Copy)]
pub(super) struct Indent<'i> {
    pub(super) prefix: &'i str,
    pub(super) indent: &'i str,
}

/// A value as Go's `json.Marshal` writes it.
pub(super) fn json(value: &Value, indent: Option<Indent<'_>>) -> Result<String, Inexact> {
    let mut out = String::new();
    Writer { out: &mut out, indent }.value(value, 0)?;
    Ok(out)
}

struct Writer<'o, 'i> {
    out: &'o mut String,
    indent: Option<Indent<'i>>,
}

impl Writer<'_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Inexact> {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Number(_) => self.out.push_str(&number(value)?),
            Value::String(text) => self.string(text),
            Value::Array(items) => self.list(items.iter(), depth)?,
            Value::Set(items) => self.list(order::sorted(items.iter_sorted()).into_iter(), depth)?,
            Value::Object(fields) => {
                // By the text of the keys; what is no string is written as JSON.
                let mut named = BTreeMap::new();
                for (key, value) in order::fields(fields.iter_sorted()) {
                    let name = match key {
                        Value::String(name) => name.to_string(),
                        other => json(other, None)?,
                    };
                    named.insert(name, value);
                }
                self.out.push('{');
                let empty = named.is_empty();
                for (at, (name, value)) in named.into_iter().enumerate() {
                    self.next(at, depth);
                    self.string(&name);
                    self.out.push(':');
                    if self.indent.is_some() {
                        self.out.push(' ');
                    }
                    self.value(value, depth.saturating_add(1))?;
                }
                self.end('}', empty, depth);
            }
            Value::Undefined => return Err(Inexact),
        }
        Ok(())
    }

    fn list<'v>(&mut self, items: impl Iterator<Item = &'v Value>, depth: usize) -> Result<(), Inexact> {
        self.out.push('[');
        let mut empty = true;
        for (at, item) in items.enumerate() {
            self.next(at, depth);
            self.value(item, depth.saturating_add(1))?;
            empty = false;
        }
        self.end(']', empty, depth);
        Ok(())
    }

    /// Before the element at `at`.
    fn next(&mut self, at: usize, depth: usize) {
        if at > 0 {
            self.out.push(',');
        }
        self.line(depth.saturating_add(1));
    }

    fn end(&mut self, close: char, empty: bool, depth: usize) {
        if !empty {
            self.line(depth);
        }
        self.out.push(close);
    }

    fn line(&mut self, depth: usize) {
        if let Some(Indent { prefix, indent }) = self.indent {
            self.out.push('\n');
            self.out.push_str(prefix);
            self.out.extend(std::iter::repeat_n(indent, depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | ..'\u{20}' => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}
