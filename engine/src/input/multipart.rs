//! `multipart/form-data` as Go's `mime/multipart` reads it: which lines are boundaries, which bytes belong
//! to a part, which headers are broken. Lengths at which Go's buffers end are part of it.

use regorus::Value;
use std::collections::BTreeMap;

use super::error::RequestError;
use super::json;
use super::media::{Media, MediaError};
use super::text::to_go_text;

/// Go's buffer: no line of it may be longer where it is read as one (`peekBufferSize`, `bufio`).
const LINE_BYTES: usize = 4096;
/// Headers of a part (`maxMIMEHeaders`).
const MAX_HEADERS: usize = 10_000;
/// A boundary that fits into Go's buffer with what is around it. RFC 2046 allows 70 bytes.
const MAX_BOUNDARY: usize = 1024;

const BAD: RequestError = RequestError::BodyMultipart;

type Result<T> = std::result::Result<T, RequestError>;

struct Parts<'a> {
    rest: &'a [u8],
    /// `--boundary`.
    dashed: Vec<u8>,
    /// `\r\n`, or `\n` if the first boundary line ends so.
    newline: &'static [u8],
    any_read: bool,
}

/// The headers of a part by their names in lower case.
struct Headers(Vec<(String, String)>);

/// The named parts: name to values in their order.
pub(super) fn read(body: &str, boundary: &str) -> Result<BTreeMap<String, Vec<Value>>> {
    if boundary.is_empty() {
        return Err(BAD);
    }
    if boundary.len() > MAX_BOUNDARY {
        return Err(RequestError::BodyInexact);
    }
    let dashed = [b"--", boundary.as_bytes()].concat();
    let mut parts = Parts { rest: body.as_bytes(), dashed, newline: b"\r\n", any_read: false };
    let mut values = BTreeMap::<String, Vec<Value>>::new();
    while let Some(headers) = parts.next()? {
        let (data, is_whole) = parts.data();
        let Some(name) = headers.form_name()? else { continue };
        // A part without a name may end as it likes; what follows it is then missed.
        if !is_whole {
            return Err(BAD);
        }
        let is_quoted = headers
            .get("content-transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("quoted-printable"));
        let decoded = if is_quoted { quoted_printable(data)? } else { data.to_vec() };
        let text = to_go_text(&decoded);
        let is_json = headers.get("content-type").is_some_and(|kind| kind.contains("application/json"));
        let value = if is_json { json::read(&text)? } else { Value::from(text.as_ref()) };
        values.entry(name).or_default().push(value);
    }
    Ok(values)
}

impl<'a> Parts<'a> {
    /// Goes to the next part and reads its headers; `None` after the last.
    fn next(&mut self) -> Result<Option<Headers>> {
        let mut expects_part = false;
        loop {
            let line = self.line()?;
            if self.is_boundary(line) {
                self.any_read = true;
                return self.headers();
            }
            if self.is_last(line) {
                return Ok(None);
            }
            if !line.ends_with(b"\n") || expects_part {
                return Err(BAD);
            }
            // What stands before the first boundary is passed over.
            if self.any_read {
                if line != self.newline {
                    return Err(BAD);
                }
                expects_part = true;
            }
        }
    }

    /// A line with its end; without one if it is the last.
    fn line(&mut self) -> Result<&'a [u8]> {
        let line = first_line(self.rest).ok_or(BAD)?;
        self.take(line.len());
        Ok(line)
    }

    fn take(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn is_boundary(&mut self, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(self.dashed.as_slice()) else { return false };
        let rest = without_blanks_before(rest);
        if !self.any_read && rest == b"\n" {
            self.newline = b"\n";
        }
        rest == self.newline
    }

    fn is_last(&self, line: &[u8]) -> bool {
        let rest = line.strip_prefix(self.dashed.as_slice()).and_then(|rest| rest.strip_prefix(b"--"));
        rest.map(without_blanks_before).is_some_and(|rest| rest.is_empty() || rest == self.newline)
    }

    /// The bytes of the part whose headers have been read, and whether a boundary ends them.
    fn data(&mut self) -> (&'a [u8], bool) {
        let all = self.rest;
        if all.strip_prefix(self.dashed.as_slice()).is_some_and(ends_boundary) {
            return (&[], true);
        }
        let mark = [self.newline, self.dashed.as_slice()].concat();
        let mut from = 0;
        while let Some(at) = find(all, &mark, from) {
            from = at.saturating_add(mark.len());
            if all.get(from..).is_some_and(ends_boundary) {
                self.take(at);
                return (all.get(..at).unwrap_or_default(), true);
            }
        }
        self.rest = &[];
        (all, false)
    }

    /// Reads headers up to the empty line. Where the body ends before it, Go takes that for the end of the
    /// last part.
    fn headers(&mut self) -> Result<Option<Headers>> {
        if self.rest.starts_with(b" ") || self.rest.starts_with(b"\t") {
            return Err(BAD);
        }
        let mut headers = Vec::new();
        for _ in 0..=MAX_HEADERS {
            let Some(line) = self.header_line() else { return Ok(None) };
            if line.is_empty() {
                return Ok(Some(Headers(headers)));
            }
            if !line.contains(&b':') {
                return Err(BAD);
            }
            let mut header = without_blanks(line).to_vec();
            loop {
                let folded = without_blanks_before(self.rest);
                if folded.len() == self.rest.len() {
                    break;
                }
                self.rest = folded;
                header.push(b' ');
                header.extend_from_slice(without_blanks(self.header_line().unwrap_or_default()));
            }
            headers.extend(read_header(&header)?);
        }
        Err(BAD)
    }

    /// A line without its end; `None` where there is nothing more.
    fn header_line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = end.map_or(self.rest, |end| self.rest.get(..end).unwrap_or_default());
        if self.rest.is_empty() {
            return None;
        }
        self.take(line.len().saturating_add(1));
        Some(if end.is_some() { line.strip_suffix(b"\r").unwrap_or(line) } else { line })
    }
}

impl Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The name of a field of the form; a part without one does not count.
    fn form_name(&self) -> Result<Option<String>> {
        let Ok(media) = Media::parse(self.get("content-disposition").unwrap_or_default()) else {
            return Ok(None);
        };
        if media.kind != "form-data" {
            return Ok(None);
        }
        match media.parameter("name") {
            Ok(name) => Ok(name.filter(|name| !name.is_empty()).map(str::to_owned)),
            Err(MediaError::Pieces) => Err(RequestError::BodyInexact),
            Err(MediaError::Syntax) => Ok(None),
        }
    }
}

/// A name in lower case and its value. With a blank in its name a header is taken, and never found.
fn read_header(header: &[u8]) -> Result<Option<(String, String)>> {
    let colon = header.iter().position(|byte| *byte == b':').ok_or(BAD)?;
    let (name, value) = header.split_at_checked(colon).ok_or(BAD)?;
    let value = value.strip_prefix(b":").unwrap_or(value);
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~ ".contains(byte);
    let is_value_byte = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    if name.is_empty() || !name.iter().all(is_name_byte) || !value.iter().all(is_value_byte) {
        return Err(BAD);
    }
    let text = |bytes: &[u8]| to_go_text(bytes).into_owned();
    let header = (text(name).to_ascii_lowercase(), text(without_blanks_before(value)));
    Ok((!name.contains(&b' ')).then_some(header))
}

/// Whether what follows a boundary ends it: white space, `--`, or nothing.
fn ends_boundary(rest: &[u8]) -> bool {
    matches!(rest, [] | [b' ' | b'\t' | b'\r' | b'\n', ..] | [b'-', b'-', ..])
}

/// Go's `mime/quotedprintable`, which takes more than RFC 2045.
fn quoted_printable(mut data: &[u8]) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(data.len());
    while !data.is_empty() {
        // Whether Go's buffer is full here depends on how the bytes came into it.
        if data.len() == LINE_BYTES && !data.contains(&b'\n') {
            return Err(RequestError::BodyInexact);
        }
        let whole = first_line(data).ok_or(BAD)?;
        data = data.get(whole.len()..).unwrap_or_default();
        let has_end = whole.ends_with(b"\n");
        let text = without_end(whole, b"\n\r \t");
        let mut line = text.to_vec();
        if let Some(soft) = text.strip_suffix(b"=") {
            let end = without_blanks_before(whole.get(text.len()..).unwrap_or_default());
            let is_at_end = end.is_empty() && !soft.is_empty() && !has_end;
            if !(end.starts_with(b"\n") || end.starts_with(b"\r\n") || is_at_end) {
                return Err(BAD);
            }
            line.pop();
        } else if has_end {
            line.extend_from_slice(if whole.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
        }
        unescape(&line, &mut decoded).ok_or(BAD)?;
    }
    Ok(decoded)
}

fn unescape(mut line: &[u8], decoded: &mut Vec<u8>) -> Option<()> {
    while let Some((&byte, rest)) = line.split_first() {
        line = rest;
        decoded.push(match (byte, rest) {
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                line = after;
                let digits = [*high, *low];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            (b'=', [] | [b'\r' | b'\n', ..]) => return None,
            (b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80.., _) => byte,
            _ => return None,
        });
    }
    Some(())
}

/// Up to and with the first newline, or all of it; `None` where Go's buffer is full before either.
fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let window = bytes.get(..LINE_BYTES).unwrap_or(bytes);
    match window.iter().position(|byte| *byte == b'\n') {
        Some(end) => window.get(..=end),
        None if bytes.len() >= LINE_BYTES => None,
        None => Some(bytes),
    }
}

fn find(all: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let at = all.get(from..)?.windows(wanted.len()).position(|window| window == wanted)?;
    Some(from.saturating_add(at))
}

fn without_blanks_before(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(blanks..).unwrap_or_default()
}

fn without_end<'a>(bytes: &'a [u8], dropped: &[u8]) -> &'a [u8] {
    let kept =
        bytes.iter().rposition(|byte| !dropped.contains(byte)).map_or(0, |last| last.saturating_add(1));
    bytes.get(..kept).unwrap_or_default()
}

fn without_blanks(bytes: &[u8]) -> &[u8] {
    without_end(without_blanks_before(bytes), b" \t")
}
