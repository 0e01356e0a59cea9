//! Paths, read character by character: one that could mean more than it says is odd, and matches no allow.

use regorus::Value;
use serde::Serialize;
use sidegate_engine::eval::{Builtin, Context};

/// A path that means one thing only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadPath {
    /// Its segments as they came, after the leading `/`: what allows are compared with.
    pub(crate) plain: Vec<String>,
    /// The same decoded, in lower case, without a slash at the end: what denies are compared with.
    pub(crate) folded: Vec<String>,
}

/// Why a path matches no allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum OddPath {
    /// There is none.
    #[error("there is no path")]
    None,
    /// `*`, `http://…`.
    #[error("it does not begin with `/`")]
    Start,
    /// `//`.
    #[error("it has an empty segment (`//`)")]
    Empty,
    /// `.` and `..`.
    #[error("it has a segment `.` or `..`")]
    Dots,
    /// A character that may not stand there.
    #[error("it has `{0}`")]
    Character(String),
    /// `%zz`.
    #[error("it has a `%` that begins no escape")]
    Escape,
    /// `%2f`.
    #[error("it has `{0}`, which some services read as another path")]
    Encoded(String),
    /// `%ff`.
    #[error("its escapes are no text (UTF-8)")]
    Utf8,
    /// `%ef%bc%8f`.
    #[error("it has a character that some services read as another one (full-width forms)")]
    Wide,
}

impl ReadPath {
    /// Reads a path without its query.
    pub(crate) fn new(path: &str) -> Result<Self, OddPath> {
        let rest = path.strip_prefix('/').ok_or(OddPath::Start)?;
        let decoded = decode(path)?;
        let plain: Vec<&str> = rest.split('/').collect();
        let last = plain.len().saturating_sub(1);
        for (at, segment) in plain.iter().enumerate() {
            match *segment {
                "" if at != last => return Err(OddPath::Empty),
                "." | ".." => return Err(OddPath::Dots),
                _ => {}
            }
        }
        let folded = if decoded == path { path.to_ascii_lowercase() } else { fold(&decoded) };
        let folded = folded.strip_suffix('/').unwrap_or(&folded);
        let folded = folded.strip_prefix('/').map(|rest| rest.split('/').map(str::to_owned).collect());
        let plain = plain.into_iter().map(str::to_owned).collect();
        Ok(Self { plain, folded: folded.unwrap_or_default() })
    }
}

impl ReadPath {
    /// The path as it came.
    pub(crate) fn text(&self) -> String {
        format!("/{}", self.plain.join("/"))
    }
}

fn decode(path: &str) -> Result<String, OddPath> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (bytes.next(), bytes.next());
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let code = digit(high).zip(digit(low)).map(|(high, low)| (high << 4) | low);
                let byte = code.and_then(|code| u8::try_from(code).ok()).ok_or(OddPath::Escape)?;
                if byte < 0x20 || byte == 0x7f || b"#%./;?\\".contains(&byte) {
                    return Err(OddPath::Encoded(format!("%{byte:02X}")));
                }
                decoded.push(byte);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => decoded.push(byte),
            _ if b"/-._~!$&'()*+,=:@".contains(&byte) => decoded.push(byte),
            _ => {
                let is_other = |c: &char| !c.is_ascii() || u32::from(*c) == u32::from(byte);
                let c = path.chars().find(is_other).unwrap_or('?');
                return Err(OddPath::Character(c.escape_debug().to_string()));
            }
        }
    }
    let text = String::from_utf8(decoded).map_err(|_| OddPath::Utf8)?;
    let is_wide = |c: char| matches!(u32::from(c), 0xfe40..=0xfe7f | 0xff00..=0xff7f);
    if text.chars().any(is_wide) { Err(OddPath::Wide) } else { Ok(text) }
}

/// As denies compare text that was decoded: Unicode's simple folding, by OPA's own functions.
fn fold(text: &str) -> String {
    let call = |name: &str, text: Value| {
        Builtin::find(name).and_then(|builtin| builtin.call(&[text], &Context::default()).ok())
    };
    let folded = call("upper", Value::from(text)).and_then(|upper| call("lower", upper));
    match folded.as_ref().map(Value::as_string) {
        Some(Ok(text)) => text.to_string(),
        _ => text.to_lowercase(),
    }
}

/// A segment of a deny's template as it is compared.
pub(crate) fn fold_literal(text: &str) -> String {
    text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::ReadPath;

    #[test]
    fn doubtful_paths_are_none() {
        for path in ["/", "/a/", "/a/b.c", "/a%20b", "/%C3%A9", "/a*b", "/a:b@c", "/..."] {
            assert!(ReadPath::new(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "*",
            "a",
            "//",
            "//a",
            "/a//b",
            "/./a",
            "/a/..",
            "/a/.",
            "/a;b",
            "/a\\b",
            "/a#b",
            "/a b",
            "/é",
            "/%",
            "/%2",
            "/%zz",
            "/%2f",
            "/%2E",
            "/%25",
            "/%00",
            "/%7f",
            "/%ff",
            "/%C3",
            "/%EF%BC%8F",
            "/a\"b",
            "/{id}",
            "/a\nb",
            "http://a/b",
            "/%ED%A0%80",
        ] {
            assert!(ReadPath::new(path).is_err(), "{path}");
        }
    }
}
