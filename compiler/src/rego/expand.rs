//! Syntax that the parser does not know, written in one that it does before the text is parsed. All stays on
//! the lines where it stood.
//!
//! - Template strings become calls: `$"a {x} b"` is `internal.template_string(["a ", {t | t := x}, " b"])`. A
//!   part that is undefined is an empty set then, as OPA's compiler has it.
//! - A rule may be called by a keyword where a key follows (`as.x := 1`): the keyword gets a name that is
//!   none, and [`plain`] takes that back.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Deepest nesting of templates, and of what is in their braces.
const MAX_NESTING: usize = 16;
/// What the name of a part's value begins with; no policy has it by accident.
const VALUE: &str = "__template_part";

/// What the name of a rule that is a keyword begins with.
const KEYWORD: &str = "__keyword_";
const KEYWORDS: [&str; 15] = [
    "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null", "package",
    "some", "true", "with",
];

/// A name as it was written.
pub(crate) fn plain(name: &str) -> &str {
    name.strip_prefix(KEYWORD).unwrap_or(name)
}

/// The text as the parser knows the language; where a template does not end or nests too deeply, the text
/// as it is: the parser will complain of the `$`.
pub(crate) fn expand(text: &str) -> Cow<'_, str> {
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
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let after = std::mem::replace(&mut before, c);
        match c {
            'a'..='z' | 'A'..='Z' | '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                let key_follows = matches!(chars.peek(), Some('.'));
                let begins = after != '.' && !after.is_ascii_alphanumeric();
                if key_follows && begins && KEYWORDS.contains(&word.as_str()) {
                    out.push_str(KEYWORD);
                }
                out.push_str(&word);
            }
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
    fn rules_may_be_called_by_keywords() {
        let text = "as.x := input.as.y { some.z } # as.x";
        assert_eq!(expand(text), "__keyword_as.x := input.as.y { __keyword_some.z } # as.x");
        assert_eq!(expand("p if x as y"), "p if x as y");
        assert_eq!(plain("__keyword_as"), "as");
    }

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
