//! `$"…{x}…"`: template strings, which the parser does not know.
//!
//! They are written as calls before the text is parsed: `$"a {x} b"` becomes
//! `internal.template_string(["a ", {t | t := x}, " b"])`, all on the lines where it stood. A part that is
//! undefined is an empty set then, as OPA's compiler has it.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Deepest nesting of templates, and of what is in their braces.
const MAX_NESTING: usize = 16;
/// What the name of a part's value begins with; no policy has it by accident.
const VALUE: &str = "__template_part";

/// The text with every template string as a call. `None` where one does not end or nests too deeply: the
/// parser will complain of the `$` that is left.
pub(crate) fn expand(text: &str) -> Cow<'_, str> {
    if !text.contains("$\"") && !text.contains("$`") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    let mut chars = text.chars().peekable();
    match rego(&mut chars, &mut out, 0, false) {
        Some(()) => Cow::Owned(out),
        None => Cow::Borrowed(text),
    }
}

/// Copies Rego up to the end of the text, or up to the brace that closes an expression (`inside`).
fn rego(chars: &mut Peekable<Chars<'_>>, out: &mut String, depth: usize, inside: bool) -> Option<()> {
    let mut braces = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            '#' if !inside => {
                out.push('#');
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    out.push(c);
                }
            }
            '"' | '`' => {
                out.push(c);
                string(chars, out, c)?;
            }
            '$' if matches!(chars.peek(), Some('"' | '`')) => {
                let raw = chars.next() == Some('`');
                template(chars, out, depth.checked_add(1).filter(|depth| *depth <= MAX_NESTING)?, raw)?;
            }
            '{' => {
                braces = braces.saturating_add(1);
                out.push(c);
            }
            '}' if inside && braces == 0 => return Some(()),
            '}' => {
                braces = braces.saturating_sub(1);
                out.push(c);
            }
            c => out.push(c),
        }
    }
    (!inside).then_some(())
}

/// Copies the rest of a string.
fn string(chars: &mut Peekable<Chars<'_>>, out: &mut String, quote: char) -> Option<()> {
    loop {
        let c = chars.next()?;
        out.push(c);
        if c == quote {
            return Some(());
        }
        if c == '\\' && quote == '"' {
            out.push(chars.next()?);
        }
    }
}

/// A template after its first quote.
fn template(chars: &mut Peekable<Chars<'_>>, out: &mut String, depth: usize, raw: bool) -> Option<()> {
    out.push_str("internal.template_string([\"");
    loop {
        match chars.next()? {
            '"' if !raw => break,
            '`' if raw => break,
            '\\' if chars.peek() == Some(&'{') => out.extend(chars.next()),
            '\\' if raw => out.push_str("\\\\"),
            '\\' => {
                out.push('\\');
                out.push(chars.next()?);
            }
            '{' => {
                let part = format!("{VALUE}{depth}");
                out.push_str("\", {");
                out.push_str(&part);
                out.push_str(" | ");
                out.push_str(&part);
                out.push_str(" := ");
                rego(chars, out, depth, true)?;
                out.push_str("}, \"");
            }
            '"' => out.push_str("\\\""),
            // Of several lines only where it is raw; a line stays a line for messages.
            '\n' if raw => out.push_str("\\n"),
            '\n' => return None,
            c => out.push(c),
        }
    }
    out.push_str("\"])");
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_calls() {
        assert_eq!(expand(r#"x := "$\"a""#), r#"x := "$\"a""#);
        assert_eq!(expand(r#"x := $"a""#), r#"x := internal.template_string(["a"])"#);
        assert_eq!(
            expand(r#"x := $"a{y}\{b\"" # $"c""#),
            r#"x := internal.template_string(["a", {__template_part1 | __template_part1 := y}, "{b\""]) # $"c""#
        );
        assert_eq!(
            expand("$`a\\{\"{ {1}[\"}\"] }`"),
            r#"internal.template_string(["a{\"", {__template_part1 | __template_part1 :=  {1}["}"] }, ""])"#
        );
        assert_eq!(expand(r#"$"a{b""#), r#"$"a{b""#);
    }
}
