//! A log taken apart into JSON objects: one on a line, or lists of them, one line or many; a piece at a time.
//!
//! Nothing is searched for inside other text. A line that does not begin with an object is no record, even if
//! one stands in it: the rest of such lines is often what a caller wrote, as the name of its program is. The one
//! exception is what a filter writes into Envoy's log, after what Envoy writes before it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::envoy;

/// Bytes that a record may have.
const MAX_BYTES: usize = 1 << 20;
/// How deep lists and objects may nest in a record.
const MAX_DEPTH: u32 = 120;

/// The records of one log.
pub(crate) struct Records<'r> {
    reader: Box<dyn BufRead + 'r>,
    /// Of the byte that comes next, from 1.
    line: u64,
    before: Before,
    buffer: Vec<u8>,
}

/// What stands before the next byte in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Bracket,
    More,
}

/// One record, or a line that is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'b> {
    /// Where it begins, from 1.
    pub(crate) line: u64,
    pub(crate) what: What<'b>,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What<'b> {
    /// An object, whose braces are balanced.
    Object(&'b [u8]),
    /// The beginning of something else.
    Other(&'b [u8]),
    /// An object that is too long, or nested too deep.
    TooLarge,
}

/// Where in an object the next byte is.
#[derive(Default)]
struct State {
    depth: u32,
    /// A bit for each level, the lowest the innermost: whether it is an object.
    objects: u128,
    is_text: bool,
    is_escaped: bool,
    is_line_start: bool,
    is_too_large: bool,
}

enum Step {
    Go,
    /// The object ends with this byte.
    Ends,
    /// It does not go on with this byte, which belongs to what follows.
    Broken,
}

impl State {
    fn step(&mut self, byte: u8) -> Step {
        let at_start = std::mem::take(&mut self.is_line_start);
        if self.is_text {
            match byte {
                // No text of JSON has a line's end: the record was cut off.
                b'\n' => return Step::Broken,
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_text = false,
                _ => {}
            }
            return Step::Go;
        }
        match byte {
            b'"' => self.is_text = true,
            b'\n' => self.is_line_start = true,
            // A key is wanted, and the next line's record comes.
            b'{' if at_start && self.objects & 1 == 1 => return Step::Broken,
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.is_too_large |= self.depth > MAX_DEPTH;
                self.objects = self.objects << 1 | u128::from(byte == b'{');
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.objects >>= 1;
                if self.depth == 0 {
                    return Step::Ends;
                }
            }
            _ => {}
        }
        Step::Go
    }
}

impl<'r> Records<'r> {
    /// Of a log that may be compressed by gzip.
    pub(crate) fn new(reader: impl Read + 'r) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let is_gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + 'r> = match is_gzip {
            true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader))),
            false => Box::new(reader),
        };
        Ok(Self { reader, line: 1, before: Before::Nothing, buffer: Vec::new() })
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            let Some(byte) = self.peek()? else { return Ok(None) };
            match byte {
                b'{' => return self.object().map(Some),
                b'\n' | b' ' | b'\t' | b'\r' | b'[' | b']' | b',' => self.pass(byte),
                _ => return self.other().map(Some),
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn pass(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        self.before = match (byte, self.before) {
            (b'\n', _) => Before::Nothing,
            (b'[', Before::Nothing) => Before::Bracket,
            _ => Before::More,
        };
        self.reader.consume(1);
    }

    fn object(&mut self) -> io::Result<Piece<'_>> {
        let line = self.line;
        self.buffer.clear();
        self.before = Before::More;
        let mut state = State::default();
        let mut is_whole = false;
        let mut is_over = false;
        while !is_over {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let mut used = 0;
            for byte in chunk {
                match state.step(*byte) {
                    Step::Go => {}
                    Step::Ends => (is_whole, is_over) = (true, true),
                    Step::Broken => {
                        is_over = true;
                        break;
                    }
                }
                self.line += u64::from(*byte == b'\n');
                used += 1;
                if is_over {
                    break;
                }
            }
            let room = MAX_BYTES.saturating_sub(self.buffer.len());
            state.is_too_large |= used > room;
            if !state.is_too_large {
                self.buffer.extend(chunk.iter().take(used));
            }
            self.reader.consume(used);
        }
        if is_whole
            && !state.is_too_large
            && let Some(inner) = envoy::unwrapped(&self.buffer)
        {
            self.buffer = inner;
        }
        let what = match (state.is_too_large, is_whole) {
            (true, _) => What::TooLarge,
            (false, true) => What::Object(&self.buffer),
            (false, false) => What::Other(&self.buffer),
        };
        Ok(Piece { line, what })
    }

    /// The rest of a line, which has a record where a filter wrote it into Envoy's log.
    fn other(&mut self) -> io::Result<Piece<'_>> {
        const SHOWN: usize = 200;
        let (line, before) = (self.line, self.before);
        self.buffer.clear();
        let mut is_cut = false;
        loop {
            let chunk = self.reader.fill_buf()?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let used = end.unwrap_or(chunk.len());
            let room = MAX_BYTES.saturating_sub(self.buffer.len());
            is_cut |= used > room;
            self.buffer.extend(chunk.iter().take(used.min(room)));
            let is_over = end.is_some() || chunk.is_empty();
            self.reader.consume(used);
            if is_over {
                break;
            }
        }
        let message = match before {
            Before::More => None,
            _ => envoy::message(&self.buffer, before == Before::Bracket),
        };
        let rest = message.and_then(|at| self.buffer.get(at..));
        let what = match rest.map(|rest| (rest, whole(rest))) {
            Some((rest, Some(length))) => What::Object(rest.get(..length).unwrap_or_default()),
            Some(_) if is_cut => What::TooLarge,
            _ => What::Other(self.buffer.get(..SHOWN).unwrap_or(&self.buffer)),
        };
        Ok(Piece { line, what })
    }
}

/// The length of the object that a text begins with, if it is whole and not nested too deep.
fn whole(text: &[u8]) -> Option<usize> {
    let mut state = State::default();
    for (at, byte) in text.iter().enumerate() {
        match state.step(*byte) {
            Step::Go => {}
            Step::Ends => return (!state.is_too_large).then_some(at.saturating_add(1)),
            Step::Broken => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(log: &[u8]) -> Vec<(u64, String)> {
        let mut records = Records::new(log).unwrap();
        let mut found = Vec::new();
        while let Some(Piece { line, what }) = records.next().unwrap() {
            found.push((
                line,
                match what {
                    What::Object(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    What::Other(bytes) => format!("other {}", String::from_utf8_lossy(bytes)),
                    What::TooLarge => "too large".to_owned(),
                },
            ));
        }
        found
    }

    fn wanted(found: &[(u64, &str)]) -> Vec<(u64, String)> {
        found.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn lines_lists_and_printed_lists_are_the_same() {
        for log in [
            "{\"a\": 1}\n{\"b\": \"}\\\"\"}",
            "[{\"a\": 1},\n{\"b\": \"}\\\"\"}]\n",
            "{\"a\": 1}\r\n\n {\"b\": \"}\\\"\"}",
        ] {
            let texts: Vec<String> = read(log.as_bytes()).into_iter().map(|(_, text)| text).collect();
            assert_eq!(texts, ["{\"a\": 1}", "{\"b\": \"}\\\"\"}"], "{log}");
        }
        assert_eq!(
            read(b"[\n{\n \"a\":\n  {\"c\": [\n{}]}\n},\n{}\n]"),
            wanted(&[(2, "{\n \"a\":\n  {\"c\": [\n{}]}\n}"), (7, "{}")])
        );
    }

    #[test]
    fn what_is_broken_costs_its_own_line() {
        let log = b"{\"a\": 1}\n{\"a\": \"cut\n{\"b\": 2}\n{\"a\": 1,\n{\"c\": 3}\ntext {\"d\": 4}\n[2026-11-24] \"GET\"\n{\"e\": 5}\n{\"f\":";
        let found = [
            (1, "{\"a\": 1}"),
            (2, "other {\"a\": \"cut"),
            (3, "{\"b\": 2}"),
            (4, "other {\"a\": 1,\n"),
            (5, "{\"c\": 3}"),
            (6, "other text {\"d\": 4}"),
            (7, "other 2026-11-24] \"GET\""),
            (8, "{\"e\": 5}"),
            (9, "other {\"f\":"),
        ];
        assert_eq!(read(log), wanted(&found));
    }

    #[test]
    fn a_filters_lines_in_envoys_log_are_records() {
        let own = "[2026-11-29 18:00:00.123][17][warning][wasm] [source/x.cc:1] wasm log sidegate: ";
        let istio = "2026-11-29T18:00:00.1Z\twarning\tenvoy wasm x.cc:1\twasm log sidegate: ";
        let log = format!(
            "{own}{{\"a\": \"}}\"}}\n{istio}{{\"b\": 2}}\tthread=9\n{own}{{\"cut\n{own}text\n{own}{{\"c\": 3}} {{\"d\": 4}}\n"
        );
        let found = read(log.as_bytes());
        let cut = format!("other {}{{\"cut", own.strip_prefix('[').unwrap());
        let text = format!("other {}text", own.strip_prefix('[').unwrap());
        let wanted_ones = [
            (1, "{\"a\": \"}\"}"),
            (2, "{\"b\": 2}"),
            (3, cut.as_str()),
            (4, text.as_str()),
            (5, "{\"c\": 3}"),
        ];
        assert_eq!(found, wanted(&wanted_ones));
        let long = format!("{own}{{\"a\": \"{}\"}}\n{{}}", "x".repeat(2 * MAX_BYTES));
        assert_eq!(read(long.as_bytes()), wanted(&[(1, "too large"), (2, "{}")]));
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let long = format!("{{\"a\": \"{}\"}}\n{{}}", "x".repeat(3 * MAX_BYTES));
        assert_eq!(read(long.as_bytes()), wanted(&[(1, "too large"), (2, "{}")]));
        let deep = format!("{{\"a\": {}1{}}}\n{{}}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(read(deep.as_bytes()), wanted(&[(1, "too large"), (2, "{}")]));
        let junk = "x".repeat(1_000_000);
        assert_eq!(read(junk.as_bytes()).first().unwrap().1.len(), 206);
    }

    #[test]
    fn gzip_is_read_as_it_is_written() {
        let mut log = Vec::new();
        for part in ["{\"a\": 1}\n", "{\"b\": 2}\n"] {
            let mut gzip = flate2::write::GzEncoder::new(&mut log, flate2::Compression::fast());
            gzip.write_all(part.as_bytes()).unwrap();
            gzip.finish().unwrap();
        }
        assert_eq!(read(&log), wanted(&[(1, "{\"a\": 1}"), (2, "{\"b\": 2}")]));
        log.truncate(log.len() - 9);
        let mut records = Records::new(log.as_slice()).unwrap();
        assert!(records.next().unwrap().is_some());
        assert!(std::iter::repeat_with(|| records.next().is_err()).take(3).any(|is_error| is_error));
    }
}
