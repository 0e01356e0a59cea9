//! PEM, as Go's `encoding/pem` finds it in a text.

use crate::eval::base64_bytes;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// One block.
#[derive(Debug)]
pub(crate) struct Block {
    /// What stands behind `BEGIN`.
    pub(crate) label: Vec<u8>,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn find_last(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

/// The first line without blanks at its end, and the rest.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| *b == b'\n');
    let (line, rest) = match end {
        None => (text, [].as_slice()),
        Some(end) => {
            let (line, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
            (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
        }
    };
    let kept = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |at| at.saturating_add(1));
    (line.get(..kept).unwrap_or_default(), rest)
}

/// The first block, and what follows its last line.
pub(crate) fn decode(text: &[u8]) -> Option<(Block, &[u8])> {
    let mut rest = text;
    loop {
        // The first end, and the last beginning before it: beginnings without an end are passed over.
        let end = find(rest, END)?;
        let after_end = rest.get(end.checked_add(END.len())?..)?;
        let before = rest.get(..end)?;
        let found = find_last(before, BEGIN)
            .filter(|at| *at == 0 || at.checked_sub(1).and_then(|at| rest.get(at)) == Some(&b'\n'));
        let block = found.and_then(|at| {
            let block = before.get(at.checked_add(BEGIN.len())?..)?;
            let (label, body) = line(block);
            one(label.strip_suffix(DASHES)?, body, after_end)
        });
        if block.is_some() {
            return block;
        }
        // A block that is not whole is passed over up to where it seemed to end.
        rest = after_end;
    }
}

fn one<'t>(label: &[u8], mut body: &[u8], after_end: &'t [u8]) -> Option<(Block, &'t [u8])> {
    // Headers, as of encrypted keys, are read over.
    while let (head, rest) = line(body)
        && head.contains(&b':')
    {
        body = rest;
    }
    let last = after_end.strip_prefix(label)?.strip_prefix(DASHES)?;
    let (trailing, after) = line(last);
    if !trailing.is_empty() {
        return None;
    }
    let digits: Vec<u8> = body.iter().copied().filter(|b| !matches!(b, b' ' | b'\t')).collect();
    let bytes = base64_bytes(std::str::from_utf8(&digits).ok()?)?;
    Some((Block { label: label.to_vec(), bytes }, after))
}
