//! Paths: those that mean one thing, whole, as a service may read them, and cut into parts.

use std::borrow::Cow;

use super::{MAX_PARTS, Mine, NotMine, Work, hash};

/// A path that means one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'a> {
    text: &'a str,
    has_escape: bool,
    has_upper: bool,
}

/// A path's parts between slashes, as far as any shape looks at them.
pub(super) struct Segments<'a> {
    /// How many there are in all.
    pub(super) count: usize,
    /// With their hashes.
    parts: [(u64, &'a str); MAX_PARTS],
}

impl<'a> Path<'a> {
    /// Reads a path; `None` where it could mean more than it says. What an escape of other characters than ASCII
    /// means is for the plan to say.
    pub(super) fn read(text: &'a str, work: &mut Work) -> Mine<Option<Self>> {
        work.take(text.len() / 64)?;
        let mut path = Self { text, has_escape: false, has_upper: false };
        if !text.starts_with('/') {
            return Ok(None);
        }
        // Since the last slash: how many bytes, and whether all are dots.
        let (mut length, mut dots) = (0_usize, true);
        let mut bytes = text.bytes().skip(1);
        while let Some(byte) = bytes.next() {
            match byte {
                b'/' if length == 0 || dots && length <= 2 => return Ok(None),
                b'/' => (length, dots) = (0, true),
                _ if is_plain(byte) => {
                    path.has_upper |= byte.is_ascii_uppercase();
                    length = length.saturating_add(1);
                    dots &= byte == b'.';
                }
                b'%' => {
                    path.has_escape = true;
                    (length, dots) = (length.saturating_add(1), false);
                    match escaped(bytes.next(), bytes.next()) {
                        Some(byte) if !byte.is_ascii() => return Err(NotMine),
                        Some(byte) if !byte.is_ascii_control() && !b"#%./;?\\".contains(&byte) => {}
                        _ => return Ok(None),
                    }
                }
                _ => return Ok(None),
            }
        }
        Ok((length == 0 || !dots || length > 2).then_some(path))
    }

    /// As it came.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Decoded, in lower case, without a slash at the end.
    pub(super) fn folded(&self) -> Cow<'a, str> {
        if !self.has_escape && !self.has_upper {
            return Cow::Borrowed(self.text.strip_suffix('/').unwrap_or(self.text));
        }
        let mut folded = String::with_capacity(self.text.len());
        let mut bytes = self.text.bytes();
        while let Some(byte) = bytes.next() {
            let byte = if byte == b'%' { escaped(bytes.next(), bytes.next()).unwrap_or(byte) } else { byte };
            folded.push(char::from(byte.to_ascii_lowercase()));
        }
        if folded.ends_with('/') {
            folded.pop();
        }
        Cow::Owned(folded)
    }
}

impl<'a> Segments<'a> {
    /// The parts of a path.
    pub(super) fn of(path: &'a str, work: &mut Work) -> Mine<Self> {
        let mut segments = Self { count: 0, parts: [(0, ""); MAX_PARTS] };
        let mut parts = path.split('/');
        for place in &mut segments.parts {
            let Some(part) = parts.next() else { break };
            *place = (hash::text(0, part.as_bytes()), part);
            segments.count = segments.count.saturating_add(1);
        }
        segments.count = segments.count.saturating_add(parts.count());
        work.take(segments.count)?;
        Ok(segments)
    }

    /// Those of the first `count` parts that are text in a shape, with their hashes; `None` where a variable would be
    /// empty.
    pub(super) fn literal(&self, count: u8, literal: u32) -> Option<impl Iterator<Item = (u64, &'a str)>> {
        let parts = self.parts.iter().take(usize::from(count)).enumerate();
        let mut variables = parts.clone().filter(move |(at, _)| literal >> at & 1 == 0);
        let is_whole = variables.all(|(_, (_, part))| !part.is_empty());
        is_whole.then(|| parts.filter(move |(at, _)| literal >> at & 1 == 1).map(|(_, part)| *part))
    }
}

/// The hash of the parts that are text in a shape.
pub(super) fn hash_of(seed: u32, parts: impl Iterator<Item = u64>) -> u32 {
    hash::finish(parts.fold(u64::from(seed), hash::step))
}

/// RFC 3986's characters of a path, without `;` and `%`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~!$&'()*+,=:@-".contains(&byte)
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high?)? << 4 | digit(low?)?)
}
