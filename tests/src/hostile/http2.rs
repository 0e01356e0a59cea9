//! Hostile HTTP/2, frame by frame.

use super::attack::{Attack, Ending, rude};
use super::parts::{self, Fields};
use super::{Random, bodies};
use crate::frames::{ACK, END_HEADERS, END_STREAM, block, frame, headers, kind, settings};

/// More than a header block has in one frame.
const WHOLE: usize = 16_384;

fn field(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn pseudo(method: &[u8], path: &[u8]) -> Fields {
    vec![
        (b":method".to_vec(), method.to_vec()),
        field(":scheme", "http"),
        (b":path".to_vec(), path.to_vec()),
        field(":authority", "cart.shop"),
    ]
}

/// Headers that HTTP/2 takes: names in lower case.
fn tame(random: &mut Random) -> Fields {
    let mut fields = parts::fields(random, true);
    fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
    fields
}

/// An attack on a listener of this kind; its first stream is `stream`.
pub(super) fn attack(random: &mut Random, kind: &str, stream: u32) -> Attack {
    if kind == "bodies" && random.below(10) < 6 {
        return body(random, stream);
    }
    match random.below(24) {
        0..8 => {
            let method = random.pick(&[&b"GET"[..], b"GET", b"POST", b"PROPFIND", b"HEAD"]);
            let fields = [pseudo(method, &parts::tame_target(random)), tame(random)].concat();
            let piece = random.pick(&[1000, WHOLE]);
            Attack::tame("orderly, odd headers", headers(stream, &block(&fields), true, piece))
        }
        8 => {
            let fields = [pseudo(b"GET", b"/ok/a"), parts::fields(random, false)].concat();
            wild("headers of any bytes", headers(stream, &block(&fields), true, WHOLE))
        }
        9..11 => {
            let fields = pseudo(&parts::method(random), &parts::target(random));
            wild("an odd method or target", headers(stream, &block(&fields), true, WHOLE))
        }
        11..13 => wild("pseudo-headers", headers(stream, &block(&pseudos(random)), true, WHOLE)),
        13 => wild("bad HPACK", headers(stream, &hpack(random), true, WHOLE)),
        14 => continuation(random, stream),
        15 => resets(random, stream),
        16 => control(random, stream),
        17 => streams(random, stream),
        18 => connect(random, stream),
        19..21 => body(random, stream),
        21 => {
            let length = random.length(20_000);
            Attack { end: rude(random), ..wild("random bytes", random.bytes(length)) }
        }
        22 => {
            let mut bytes =
                headers(stream, &block(&[pseudo(b"GET", b"/ok/a"), tame(random)].concat()), true, WHOLE);
            random.spoil(&mut bytes);
            Attack { end: rude(random), ..wild("spoilt", bytes) }
        }
        _ => {
            let mut bytes =
                headers(stream, &block(&[pseudo(b"POST", b"/ok/a"), tame(random)].concat()), false, WHOLE);
            bytes.truncate(random.below(bytes.len() + 1));
            Attack { end: rude(random), ..wild("broken off", bytes) }
        }
    }
}

fn wild(what: &'static str, bytes: Vec<u8>) -> Attack {
    Attack::wild(what, vec![bytes])
}

/// Pseudo-headers that are missing, there twice, unknown, too long or in the wrong place.
fn pseudos(random: &mut Random) -> Fields {
    let mut fields = pseudo(b"GET", b"/ok/a");
    for _ in 0..=random.below(2) {
        let at = random.below(fields.len().max(1)).min(fields.len().saturating_sub(1));
        match random.below(10) {
            0 if !fields.is_empty() => {
                fields.remove(at);
            }
            1 if !fields.is_empty() => fields.push(fields[at].clone()),
            2 => fields.push(field(":path", "/ok/a")),
            3 => fields.insert(0, field("x-odd", "1")),
            4 => fields
                .push(field(random.pick(&[":status", ":protocol", ":foo", ":", "::path", ":Path"]), "200")),
            5 if !fields.is_empty() => {
                let size = random.pick(&[10_000, 100_000, 500_000]);
                fields[at].1 = vec![b'a'; size];
            }
            6 => fields.push(field("host", random.pick(&["evil.shop", "cart.shop", ""]))),
            7 if !fields.is_empty() => fields[at].1.clear(),
            8 => fields.push(field(
                random.pick(&["connection", "transfer-encoding", "te", "upgrade", "Host"]),
                "chunked",
            )),
            _ if !fields.is_empty() => {
                let length = random.length(100);
                fields[at].1 = random.bytes(length);
            }
            _ => {}
        }
    }
    fields
}

/// Header blocks that cannot be decoded, or hardly.
fn hpack(random: &mut Random) -> Vec<u8> {
    let good = block(&pseudo(b"GET", b"/ok/a"));
    match random.below(9) {
        0 => {
            let length = random.length(2000);
            random.bytes(length)
        }
        // An index that there is not; 0; an integer without end.
        1 => [&good, &b"\xff\xff\xff\xff\x0f"[..]].concat(),
        2 => [&good, &b"\x80"[..]].concat(),
        3 => [good, vec![0xff; 200]].concat(),
        // The dynamic table made too large, and made small and large without end.
        4 => [&b"\x3f\xe1\xff\xff\x7f"[..], &good].concat(),
        5 => [b"\x20\x3f\xe1\x1f".repeat(100), good].concat(),
        // A literal longer than the block; Huffman code that ends in the middle, or is its end.
        6 => [&good, &b"\x10\x05x-odd\x7f\xff\xff\x03a"[..]].concat(),
        7 => [&good, &b"\x10\x05x-odd\x84\xff\xff\xff\xff"[..]].concat(),
        // One entry of the dynamic table, named again and again: much from little.
        _ => {
            let (size, length) = random.pick(&[(100, &b"\x64"[..]), (3900, b"\x7f\xbd\x1d")]);
            let entry = [b"\x40\x05x-odd", length, vec![b'a'; size].as_slice()].concat();
            [good, entry, vec![0xbe; random.pick(&[10, 1000, 10_000])]].concat()
        }
    }
}

/// Header blocks in many frames, with others between them, without an end.
fn continuation(random: &mut Random, stream: u32) -> Attack {
    let fields = [pseudo(b"GET", b"/ok/a"), tame(random)].concat();
    let block = block(&fields);
    let bytes = match random.below(6) {
        0 => headers(stream, &block, true, block.len() / 500 + 1),
        1 => {
            let cut = headers(stream, &block, true, block.len() / 2 + 1);
            let between = frame(
                random.pick(&[kind::PING, kind::DATA, kind::SETTINGS, kind::HEADERS]),
                0,
                stream,
                &[0; 8],
            );
            let at = 9 + block.len() / 2 + 1;
            [&cut[..at.min(cut.len())], &between, &cut[at.min(cut.len())..]].concat()
        }
        2 => {
            let empty = frame(kind::CONTINUATION, 0, stream, &[]).repeat(random.pick(&[10, 300]));
            [frame(kind::HEADERS, END_STREAM, stream, &block), empty].concat()
        }
        3 => frame(kind::CONTINUATION, END_HEADERS, stream, &block),
        4 => {
            [frame(kind::HEADERS, 0, stream, &block), frame(kind::CONTINUATION, END_HEADERS, stream + 2, &[])]
                .concat()
        }
        _ => {
            let more = block_of(random.pick(&[100, 1000]));
            [
                frame(kind::HEADERS, END_STREAM, stream, &block),
                more.iter().flat_map(|b| frame(kind::CONTINUATION, 0, stream, b)).collect(),
            ]
            .concat()
        }
    };
    Attack {
        end: random.pick(&[Ending::Answer, Ending::Close, Ending::Reset]),
        ..wild("CONTINUATION", bytes)
    }
}

fn block_of(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| block(&[(format!("x-{n}"), "v".repeat(100))])).collect()
}

/// Streams that are opened and reset at once.
fn resets(random: &mut Random, stream: u32) -> Attack {
    let count = random.pick(&[1, 10, 100, 300]);
    let path = random.pick(&["/ok/a", "/ok/secret", "/ok/json"]);
    let method = random.pick(&[&b"GET"[..], b"POST"]);
    let block = block(&pseudo(method, path.as_bytes()));
    let ends = method == b"GET";
    let mut bytes = Vec::new();
    for n in 0..count {
        let stream = stream + 2 * n;
        bytes.extend(headers(stream, &block, ends, WHOLE));
        bytes.extend(frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    Attack { end: random.pick(&[Ending::Close, Ending::Answer]), ..wild("reset at once", bytes) }
}

/// Frames about the connection, too many of them or wrong ones.
fn control(random: &mut Random, stream: u32) -> Attack {
    let times = random.pick(&[1, 10, 200]);
    let bytes = match random.below(12) {
        0 => settings(&[(3, 1), (4, 1)]).repeat(times),
        1 => settings(&[(4, 0xffff_ffff)]),
        2 => settings(&[(5, 1)]),
        3 => settings(&[(1, u32::MAX), (6, 1), (0x99, 7)]).repeat(times),
        4 => frame(kind::SETTINGS, ACK, 0, b"123456"),
        5 => frame(kind::PING, 0, 0, &[7; 8]).repeat(times),
        6 => frame(kind::PING, 0, 0, &[7; 3]),
        7 => frame(kind::WINDOW_UPDATE, 0, 0, &0_u32.to_be_bytes()),
        8 => frame(kind::WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2),
        9 => frame(kind::GOAWAY, 0, 0, &[0; 8]),
        10 => frame(kind::PUSH_PROMISE, END_HEADERS, stream, &block(&pseudo(b"GET", b"/ok/a"))),
        _ => frame(random.byte(), random.byte(), 0, &random.bytes(30)).repeat(times),
    };
    let request = headers(stream, &block(&pseudo(b"GET", b"/ok/a")), true, WHOLE);
    wild("SETTINGS, PING, WINDOW_UPDATE", [bytes, request].concat())
}

/// Streams and frames that do not fit.
fn streams(random: &mut Random, stream: u32) -> Attack {
    let block = block(&pseudo(b"POST", b"/ok/a"));
    let bytes = match random.below(10) {
        0 => frame(kind::DATA, END_STREAM, stream + 2, b"{}"),
        1 => headers(stream + 1, &block, true, WHOLE),
        2 => headers(0, &block, true, WHOLE),
        3 => [headers(stream, &block, true, WHOLE), frame(kind::DATA, 0, stream, b"{}")].concat(),
        4 => [headers(stream, &block, false, WHOLE), frame(kind::DATA, 8, stream, &[200, 1, 2])].concat(),
        5 => frame(kind::HEADERS, END_HEADERS | 8, stream, &[&[250][..], &block].concat()),
        6 => frame(
            kind::HEADERS,
            END_HEADERS | 0x20,
            stream,
            &[&stream.to_be_bytes()[..], &[0], &block].concat(),
        ),
        7 => frame(kind::PRIORITY, 0, stream, &[0; 3]),
        8 => {
            let mut long = headers(stream, &block, true, WHOLE);
            long[0] = 0xff;
            long
        }
        _ => [headers(stream, &block, true, WHOLE), headers(stream, &block, true, WHOLE)].concat(),
    };
    wild("frames that do not fit", bytes)
}

fn connect(random: &mut Random, stream: u32) -> Attack {
    let mut fields = vec![
        field(":method", "CONNECT"),
        field(":authority", random.pick(&["cart.shop:443", "", "/ok/a", "cart.shop"])),
    ];
    if random.one_in(2) {
        fields.extend([
            field(":protocol", random.pick(&["websocket", "connect-udp", "x", ""])),
            field(":scheme", "http"),
            field(":path", random.pick(&["/ok/a", "/ok/secret", "", "*"])),
        ]);
    }
    fields.extend(tame(random));
    let data = frame(kind::DATA, 0, stream, b"GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\n\r\n");
    wild("CONNECT", [headers(stream, &block(&fields), false, WHOLE), data].concat())
}

/// A body, gRPC more often than not: with lengths that lie, with padding, without an end, with odd trailers.
fn body(random: &mut Random, stream: u32) -> Attack {
    let (path, kind_of_body, body) = bodies::body(random);
    let mut fields = pseudo(b"POST", path.as_bytes());
    fields.push(field("content-type", kind_of_body));
    match random.below(12) {
        0 => fields.push(field("content-length", &(body.len() + 1).to_string())),
        1 => fields.push(field("content-length", "0")),
        2 => fields.push((b"content-type".to_vec(), parts::content_type(random))),
        3 => fields.extend(tame(random)),
        4 => fields.push(field("grpc-timeout", random.pick(&["0n", "1n", "x", "99999999H", "-1S"]))),
        _ => {}
    }
    let mut writes = vec![headers(stream, &block(&fields), false, WHOLE)];
    let size = random.pick(&[7, 100, 16_384]).max(body.len() / 100 + 1).min(16_384);
    writes.extend(body.chunks(size).map(|chunk| frame(kind::DATA, 0, stream, chunk)));
    let (what, last, end) = match random.below(8) {
        0 => ("a body without an end", None, rude(random)),
        1 => {
            let trailer = block(&[parts::field(random, true)]);
            ("a body with odd trailers", Some(headers(stream, &trailer, true, WHOLE)), Ending::Answer)
        }
        2 => {
            let reset = frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            ("a body that is taken back", Some(reset), Ending::Close)
        }
        _ => ("an odd body", Some(frame(kind::DATA, END_STREAM, stream, &[])), Ending::Keep),
    };
    writes.extend(last);
    Attack { end, ..Attack::wild(what, writes) }
}
