//! Media types and their parameters, as `mime.ParseMediaType` of Go reads them, for the two headers that
//! matter to a body: `content-type`, and a part's `content-disposition`.

use std::collections::BTreeMap;

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaError {
    /// It is not written as one.
    Syntax,
    /// The parameter that was asked for comes in pieces or encoded (RFC 2231).
    Pieces,
}

/// A media type.
#[derive(Debug)]
pub(super) struct Media {
    /// In lower case, without parameters.
    pub(super) kind: String,
    /// One value for each name: a client may send as many as a header, or a part, has room for. A list as in a query, so
    /// that there is one kind of such maps in the wasm.
    parameters: BTreeMap<String, Vec<String>>,
}

impl Media {
    /// Reads a header's value.
    pub(super) fn parse(value: &str) -> Result<Self, MediaError> {
        let (base, _) = value.split_once(';').unwrap_or((value, ""));
        let kind = base.trim().to_ascii_lowercase();
        let mut names = kind.split('/');
        if !(names.next().is_some_and(is_token)
            && names.next().is_none_or(is_token)
            && names.next().is_none())
        {
            return Err(MediaError::Syntax);
        }
        let mut rest = value.get(base.len()..).unwrap_or_default().trim_start();
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while !rest.is_empty() {
            let Some((name, value, after)) = parameter(rest) else {
                // A semicolon with nothing behind it is passed over.
                if rest.trim() == ";" {
                    break;
                }
                return Err(MediaError::Syntax);
            };
            let values = parameters.entry(name).or_default();
            match values.first() {
                Some(first) if *first != value => return Err(MediaError::Syntax),
                Some(_) => {}
                None => values.push(value),
            }
            rest = after.trim_start();
        }
        Ok(Self { kind, parameters })
    }

    /// A parameter by its name in lower case.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<&str>, MediaError> {
        if self.parameters.keys().any(|full| full.split_once('*').is_some_and(|(base, _)| base == name)) {
            return Err(MediaError::Pieces);
        }
        Ok(self.parameters.get(name).and_then(|values| values.first()).map(String::as_str))
    }
}

/// `; name = value` with its name in lower case, and what follows.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let rest = text.trim_start().strip_prefix(';')?.trim_start();
    let (name, rest) = token(rest);
    let rest = rest.trim_start().strip_prefix('=').filter(|_| !name.is_empty())?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => match token(rest) {
            ("", _) => return None,
            (value, after) => (value.to_owned(), after),
        },
    };
    Some((name.to_ascii_lowercase(), value, rest))
}

/// Up to the closing quote. A backslash counts only before a character that needs one: browsers once sent
/// file names with plain ones.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some((value, chars.as_str())),
            '\r' | '\n' => return None,
            '\\' => match chars.as_str().chars().next() {
                Some(next) if is_special(next) => {
                    value.push(next);
                    chars.next();
                }
                _ => value.push(c),
            },
            _ => value.push(c),
        }
    }
    None
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_token_char(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or_default()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_graphic() && !is_special(c)
}

fn is_special(c: char) -> bool {
    "()<>@,;:\\\"/[]?=".contains(c)
}
