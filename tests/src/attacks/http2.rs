//! HTTP/2 as bytes: a request whose fields are whatever they are, and when its answer has ended.

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const HEAD: usize = 9;

/// A connection's beginning with one request on it, RFC 9113; its fields as literals that nobody indexes, RFC 7541.
pub(super) fn request(fields: &[(Vec<u8>, Vec<u8>)], body: Option<&[u8]>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    let end = if body.is_none() { END_STREAM } else { 0 };
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    frame(&mut bytes, HEADERS, END_HEADERS | end, 1, &block);
    if let Some(body) = body {
        frame(&mut bytes, DATA, END_STREAM, 1, body);
    }
    bytes
}

/// Whether the frames say that nothing more comes on the stream.
pub(super) fn has_ended(mut bytes: &[u8]) -> bool {
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        match kind {
            GOAWAY | RST_STREAM => return true,
            DATA | HEADERS if flags & END_STREAM != 0 && rest.len() >= length => return true,
            _ => bytes = rest.get(length..).unwrap_or_default(),
        }
    }
    false
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A string without Huffman's coding.
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let most = 0x7f;
    if bytes.len() < most {
        out.push(u8::try_from(bytes.len()).expect("below 127"));
    } else {
        out.push(0x7f);
        let mut rest = bytes.len() - most;
        while rest >= 0x80 {
            out.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).expect("seven bits"));
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_seen() {
        let mut bytes = Vec::new();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        frame(&mut bytes, HEADERS, END_HEADERS, 1, b"abc");
        assert!(!has_ended(&bytes));
        frame(&mut bytes, DATA, END_STREAM, 1, b"d");
        assert!(has_ended(&bytes));
        assert!(!has_ended(&bytes[..bytes.len() - 1]));
    }
}
