//! HTTP/2 by hand (RFC 9113, RFC 7541): frames and header blocks that no library sends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::certs::Identity;
use crate::wire::{H2, Wire};

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub mod kind {
    #![allow(missing_docs, reason = "the names of RFC 9113, section 6")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// DATA or HEADERS: nothing follows on the stream.
pub const END_STREAM: u8 = 1;
/// HEADERS or CONTINUATION: the block ends here.
pub const END_HEADERS: u8 = 4;
/// SETTINGS or PING: an answer.
pub const ACK: u8 = 1;

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

/// A connection that has sent the preface and nothing else that it was not told to.
pub struct RawConnection {
    wire: Wire,
    buffer: Vec<u8>,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A response with this status; 0 where it cannot be read.
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code, or the connection was closed without one.
    Gone(Option<u32>),
    /// Nothing in time.
    Nothing,
}

/// A frame as it is on the wire; of the length, the lower 24 bits.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame of a test").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head.as_slice(), payload].concat()
}

/// Settings, each with its identifier.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// A header block: every field a literal that is never indexed, without Huffman coding.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0x10);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut out, 7, text.len());
            out.extend_from_slice(text);
        }
    }
    out
}

/// HEADERS, and CONTINUATION frames after it where the block is cut in pieces of `piece` bytes.
pub fn headers(stream: u32, block: &[u8], ends_stream: bool, piece: usize) -> Vec<u8> {
    let mut pieces = block.chunks(piece.max(1)).peekable();
    let mut out = Vec::new();
    let mut first = true;
    loop {
        let part = pieces.next().unwrap_or_default();
        let ends = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        let end_stream = if first && ends_stream { END_STREAM } else { 0 };
        let kind = if first { kind::HEADERS } else { kind::CONTINUATION };
        out.extend(frame(kind, ends | end_stream, stream, part));
        first = false;
        if ends != 0 {
            return out;
        }
    }
}

/// An integer with a prefix of `bits` bits, the bits before it 0 (RFC 7541, section 5.1).
fn integer(out: &mut Vec<u8>, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        out.push(u8::try_from(value).expect("less than a byte"));
        return;
    }
    out.push(u8::try_from(most).expect("less than a byte"));
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).expect("seven bits"));
}

/// The status at the beginning of a response's header block, where it is first, as it always is: an index of the
/// static table, or a literal with the table's name and digits, Huffman-coded or not.
fn status(block: &[u8]) -> Option<u16> {
    // Updates of the dynamic table's size come before the first field.
    let mut block = block;
    while let Some((&first, rest)) = block.split_first()
        && first & 0xe0 == 0x20
    {
        let long = first & 0x1f == 0x1f;
        block = if long { rest.get(rest.iter().position(|b| b & 0x80 == 0)? + 1..)? } else { rest };
    }
    let (&first, rest) = block.split_first()?;
    if first & 0x80 != 0 {
        let known = [200, 204, 206, 304, 400, 404, 500];
        return known.get(usize::from(first & 0x7f).checked_sub(8)?).copied();
    }
    let name = if first & 0x40 != 0 { first & 0x3f } else { first & 0x0f };
    let (&length, rest) = rest.split_first()?;
    let text = rest.get(..usize::from(length & 0x7f))?;
    let digits = if length & 0x80 != 0 { huffman_digits(text)? } else { text.to_vec() };
    if !(8..=14).contains(&name) {
        return None;
    }
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Three digits, Huffman-coded: 0 to 2 have five bits, 3 to 9 six (RFC 7541, appendix B).
fn huffman_digits(coded: &[u8]) -> Option<Vec<u8>> {
    let bits: Vec<u8> = coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let number = |part: &[u8]| part.iter().fold(0, |sum, bit| sum << 1 | bit);
    let (mut at, mut digits) = (0, Vec::new());
    while digits.len() < 3 {
        let five = number(bits.get(at..at + 5)?);
        if five <= 2 {
            digits.push(b'0' + five);
            at += 5;
        } else {
            let six = number(bits.get(at..at + 6)?);
            digits.push(b'0' + six.checked_sub(0x16).filter(|digit| (3..=9).contains(digit))?);
            at += 6;
        }
    }
    Some(digits)
}

impl RawConnection {
    /// Connects and sends the preface.
    ///
    /// # Errors
    /// The connection is refused or the handshake fails.
    pub fn open(to: SocketAddr, identity: Option<&Identity>) -> Result<Self, String> {
        let mut wire = Wire::open(to, identity, Some(H2))?;
        // No dynamic table for responses: their status can be read without one. Bodies are not waited with.
        let window = frame(kind::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
        let hello = [PREFACE, &settings(&[(1, 0), (4, 1 << 24)]), &window].concat();
        wire.write(&hello).map_err(|e| format!("could not send: {e}"))?;
        Ok(Self { wire, buffer: Vec::new() })
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.wire.write(bytes)
    }

    /// What it stands on.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The same to keep.
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// The connection is broken, or nothing comes in time.
    pub fn next(&mut self, within: Duration) -> std::io::Result<Option<Frame>> {
        let until = Instant::now() + within;
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            self.wire.set_read_timeout(left);
            let mut chunk = [0; 16384];
            match self.wire.read(&mut chunk)? {
                0 => return Ok(None),
                n => self.buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.buffer.get(..9)?.try_into().ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.buffer.get(9..9 + length)?.to_vec();
        self.buffer.drain(..9 + length);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Waits for the end of `stream`, or of the connection; settings and pings are answered meanwhile.
    pub fn end_of(&mut self, stream: u32, within: Duration) -> End {
        let until = Instant::now() + within;
        let code = |payload: &[u8], at: usize| {
            payload.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        };
        let mut seen = None;
        loop {
            let frame = match self.next(until.saturating_duration_since(Instant::now())) {
                Ok(Some(frame)) => frame,
                Err(e)
                    if matches!(e.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock) =>
                {
                    return seen.map_or(End::Nothing, End::Status);
                }
                Ok(None) | Err(_) => return seen.map_or(End::Gone(None), End::Status),
            };
            let of_stream = frame.stream == stream;
            match frame.kind {
                kind::SETTINGS if frame.flags & ACK == 0 => {
                    let _ = self.wire.write(&self::frame(kind::SETTINGS, ACK, 0, &[]));
                }
                kind::PING if frame.flags & ACK == 0 => {
                    let _ = self.wire.write(&self::frame(kind::PING, ACK, 0, &frame.payload));
                }
                kind::HEADERS if of_stream && seen.is_none() => {
                    seen = Some(status(&frame.payload).unwrap_or(0))
                }
                kind::RST_STREAM if of_stream => {
                    return seen.map_or(End::Reset(code(&frame.payload, 0).unwrap_or(0)), End::Status);
                }
                kind::GOAWAY => return seen.map_or(End::Gone(code(&frame.payload, 4)), End::Status),
                _ => {}
            }
            let ends = matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.flags & END_STREAM != 0;
            if of_stream && ends {
                return seen.map_or(End::Nothing, End::Status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_rfc() {
        // RFC 7541, C.2.3, but for its name, which is in the static table there.
        let expected = [&b"\x10\x08password\x06secret"[..]].concat();
        assert_eq!(block(&[("password", "secret")]), expected);
        // C.1.2 with a prefix of seven bits: 1337 = 127 + 1210.
        let mut out = Vec::new();
        integer(&mut out, 7, 1337);
        assert_eq!(out, [127, 0xba, 0x09]);
        assert_eq!(frame(kind::PING, ACK, 3, b"12"), b"\0\0\x02\x06\x01\0\0\0\x0312");
        let cut = headers(1, b"abcde", true, 2);
        assert_eq!(
            cut,
            b"\0\0\x02\x01\x01\0\0\0\x01ab\0\0\x02\x09\x00\0\0\0\x01cd\0\0\x01\x09\x04\0\0\0\x01e"
        );
    }

    #[test]
    fn the_status_is_read_in_every_form() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8c, 0x00]), Some(400));
        // RFC 7541, C.6.1 and C.6.2: 302 and 307, Huffman-coded.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
        assert_eq!(status(b"\x08\x03403"), Some(403));
        assert_eq!(status(b"\x10\x01a\x01b"), None);
    }
}
