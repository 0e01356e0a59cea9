//! Hostile HTTP/1.1, byte for byte.

use super::attack::{Attack, rude};
use super::parts::{self, Fields};
use super::{Random, bodies};

/// A request as it is written; `body` as the headers say or not.
fn head(method: &[u8], target: &[u8], version: &str, fields: &Fields) -> Vec<u8> {
    let mut out = [method, b" ", target, b" ", version.as_bytes(), b"\r\n"].concat();
    for (name, value) in fields {
        out.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn field(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

/// A request that is in order, with headers that are not usual.
fn orderly(random: &mut Random) -> Vec<u8> {
    let mut fields = vec![field("host", "cart.shop")];
    fields.extend(parts::fields(random, true));
    let method = random.pick(&[&b"GET"[..], b"GET", b"POST", b"PUT", b"PROPFIND", b"DELETE"]);
    let has_length = method != b"GET";
    if has_length {
        fields.push(field("content-length", "0"));
    }
    head(method, &parts::tame_target(random), "HTTP/1.1", &fields)
}

fn with_body(random: &mut Random) -> Vec<u8> {
    let (path, kind, body) = bodies::body(random);
    let mut fields = vec![field("host", "cart.shop"), field("content-type", kind)];
    if random.one_in(10) {
        fields.push((b"content-type".to_vec(), parts::content_type(random)));
    }
    let is_chunked = random.one_in(3);
    let length = body.len().to_string();
    fields.push(if is_chunked {
        field("transfer-encoding", "chunked")
    } else {
        field("content-length", &length)
    });
    let mut out = head(b"POST", path.as_bytes(), "HTTP/1.1", &fields);
    if is_chunked {
        let size = random.pick(&[1, 7, 100, 5000]).max(body.len() / 200 + 1);
        for chunk in body.chunks(size) {
            out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            out.extend([chunk, b"\r\n"].concat());
        }
        out.extend_from_slice(b"0\r\n\r\n");
    } else {
        out.extend(body);
    }
    out
}

/// An attack on a listener of this kind.
pub(super) fn attack(random: &mut Random, kind: &str) -> Attack {
    let reads_bodies = kind == "bodies" && random.below(10) < 6;
    if reads_bodies {
        let bytes = with_body(random);
        return match random.below(12) {
            0 => cut(random, "a body broken off", bytes),
            1 => Attack::wild("a body in pieces", pieces(random, &bytes)),
            _ => Attack::tame("an odd body", bytes),
        };
    }
    match random.below(28) {
        0..12 => Attack::tame("orderly, odd headers", orderly(random)),
        12 => {
            let fields = [vec![field("host", "cart.shop")], parts::fields(random, false)].concat();
            Attack::wild("headers of any bytes", vec![head(b"GET", b"/ok/a", "HTTP/1.1", &fields)])
        }
        13 => {
            let fields = vec![field("host", "cart.shop")];
            let (method, target) = (parts::method(random), parts::target(random));
            Attack::wild("an odd method or target", vec![head(&method, &target, "HTTP/1.1", &fields)])
        }
        14 => {
            let fields = vec![field("host", "cart.shop")];
            let target = parts::target(random);
            Attack::wild("an odd target", vec![head(b"GET", &target, "HTTP/1.1", &fields)])
        }
        15 => hosts(random),
        16 => {
            let version = random.pick(&[
                "HTTP/1.0",
                "HTTP/0.9",
                "HTTP/2.0",
                "HTTP/1.2",
                "HTTP/9.9",
                "http/1.1",
                "",
                "ICY",
                "HTTP/1.1 x",
            ]);
            let fields = vec![field("host", "cart.shop")];
            Attack::wild("an odd version", vec![head(b"GET", b"/ok/a", version, &fields)])
        }
        17 => framing(random),
        18 => chunked(random),
        19 => {
            let bytes = if random.one_in(2) { orderly(random) } else { with_body(random) };
            cut(random, "broken off", bytes)
        }
        20 => pipeline(random),
        21 => {
            let length = random.length(20_000);
            let bytes = random.bytes(length);
            Attack { end: rude(random), ..Attack::wild("random bytes", vec![bytes]) }
        }
        22 => upgrade(random),
        23 => connect(random),
        24 => {
            let mut bytes = if random.one_in(2) { orderly(random) } else { with_body(random) };
            random.spoil(&mut bytes);
            Attack { end: rude(random), ..Attack::wild("spoilt", vec![bytes]) }
        }
        25 => lines(random),
        26 => grpc(random),
        _ => {
            let bytes = orderly(random);
            Attack::wild("in pieces", pieces(random, &bytes))
        }
    }
}

fn cut(random: &mut Random, what: &'static str, mut bytes: Vec<u8>) -> Attack {
    bytes.truncate(random.below(bytes.len() + 1));
    Attack { end: rude(random), ..Attack::wild(what, vec![bytes]) }
}

fn pieces(random: &mut Random, bytes: &[u8]) -> Vec<Vec<u8>> {
    let size = random.pick(&[1, 3, 50, 1000]).max(bytes.len() / 40 + 1);
    bytes.chunks(size).map(<[u8]>::to_vec).collect()
}

fn hosts(random: &mut Random) -> Attack {
    const HOSTS: &[&str] = &[
        "",
        " ",
        "cart.shop",
        "CART.shop.",
        "cart.shop:80",
        "cart.shop:x",
        "a@cart.shop",
        "[::1]",
        "[",
        "cart..shop",
        "*",
        "cart.shop, evil",
        "cart.shop/ok",
        "127.0.0.1",
        "\u{e9}.shop",
        "a b",
        "-",
    ];
    let mut fields: Fields = (0..random.below(4)).map(|_| field("host", random.pick(HOSTS))).collect();
    if random.one_in(3) {
        fields.push(field("Host", random.pick(HOSTS)));
    }
    let target = random.pick(&[
        "/ok/a",
        "http://other.shop/ok/a",
        "http://cart.shop:1/ok/a?x",
        "http:///ok/a",
        "//cart.shop/ok/a",
    ]);
    Attack::wild("hosts", vec![head(b"GET", target.as_bytes(), "HTTP/1.1", &fields)])
}

/// Lengths that contradict one another, and a second request in what is a body by one of them.
fn framing(random: &mut Random) -> Attack {
    const LENGTHS: &[&str] =
        &["0", "5", "44", "+5", "-1", "5,5", "5, 6", "0x5", "1e2", "", " 5", "99999999999999999999", "5\t"];
    const CODINGS: &[&str] = &[
        "chunked",
        "Chunked",
        "chunked, chunked",
        "gzip, chunked",
        "chunked, gzip",
        "identity",
        "xchunked",
        " chunked",
        "chunked;q=1",
        "\x0bchunked",
        "\"chunked\"",
        "",
    ];
    let mut fields = vec![field("host", "cart.shop")];
    for _ in 0..random.below(3) {
        fields.push(field("content-length", random.pick(LENGTHS)));
    }
    for _ in 0..random.below(3) {
        let name = random.pick(&[
            "transfer-encoding",
            "Transfer-Encoding ",
            "transfer_encoding",
            "transfer-encoding",
        ]);
        fields.push(field(name, random.pick(CODINGS)));
    }
    let smuggled = "GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\nx-seal: 0|table|spiffe://cluster.local/ns/web/sa/frontend|\r\n\r\n";
    let body = random.pick(&["0\r\n\r\n", "5\r\nabcde\r\n0\r\n\r\n", "abcde", ""]);
    let method = random.pick(&[&b"POST"[..], b"GET", b"HEAD", b"DELETE"]);
    let mut bytes = head(method, b"/ok/a", "HTTP/1.1", &fields);
    bytes.extend_from_slice(body.as_bytes());
    bytes.extend_from_slice(smuggled.as_bytes());
    Attack::wild("lengths that contradict", vec![bytes])
}

fn chunked(random: &mut Random) -> Attack {
    const CHUNKS: &[&str] = &[
        "5\r\nabcde\r\n",
        "0\r\n\r\n",
        "5;a=b\r\nabcde\r\n",
        "05\r\nabcde\r\n",
        "5\nabcde\n",
        "-5\r\nabcde\r\n",
        "g\r\n",
        "5\r\nabcdef\r\n",
        "ffffffffffffffffff\r\n",
        "7fffffffffffffff\r\nx",
        "5 \r\nabcde\r\n",
        "0x5\r\nabcde\r\n",
        "\r\n",
        "0\r\nx-odd: 1\r\n\r\n",
        "0\r\nhost: evil\r\n:path: /secret\r\n\r\n",
        "0\r\ncontent-length: 5\r\n\r\n",
        "5;\u{0}\r\nabcde\r\n",
    ];
    let fields = vec![
        field("host", "cart.shop"),
        field("content-type", "application/json"),
        field("transfer-encoding", "chunked"),
    ];
    let target = random.pick(&["/ok/json", "/ok/a"]);
    let mut bytes = head(b"POST", target.as_bytes(), "HTTP/1.1", &fields);
    for _ in 0..random.below(6) {
        bytes.extend_from_slice(random.pick(CHUNKS).as_bytes());
    }
    Attack { end: rude(random), ..Attack::wild("chunks of any kind", vec![bytes]) }
}

fn pipeline(random: &mut Random) -> Attack {
    let count = 2 + random.below(10);
    let requests: Vec<Vec<u8>> =
        (0..count).map(|_| if random.one_in(3) { with_body(random) } else { orderly(random) }).collect();
    Attack { end: rude(random), ..Attack::wild("pipelined", vec![requests.concat()]) }
}

fn upgrade(random: &mut Random) -> Attack {
    let kind =
        random.pick(&["websocket", "h2c", "WebSocket", "connect-udp", "tls/1.2", "websocket, h2c", "", "x"]);
    let named = random.pick(&[
        "upgrade",
        "Upgrade, x-seal",
        "close, upgrade",
        "upgrade, x-forwarded-client-cert",
        "keep-alive",
        "x-seal",
        "host",
    ]);
    let mut fields = vec![
        field("host", "cart.shop"),
        field("upgrade", kind),
        field("connection", named),
        field("sec-websocket-version", "13"),
        field("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    if random.one_in(3) {
        fields.push(field("http2-settings", "AAMAAABkAAQAAP__"));
    }
    let path = random.pick(&["/ok/a", "/ok/secret", "/x"]);
    let method = random.pick(&[&b"GET"[..], b"POST"]);
    let mut bytes = head(method, path.as_bytes(), "HTTP/1.1", &fields);
    bytes.extend_from_slice(b"GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\n\r\n");
    Attack::wild("upgrades", vec![bytes])
}

fn connect(random: &mut Random) -> Attack {
    let target =
        random.pick(&["cart.shop:443", "cart.shop", "/ok/a", "http://cart.shop/ok/a", "", ":443", "*"]);
    let fields = [vec![field("host", "cart.shop:443")], parts::fields(random, true)].concat();
    let mut bytes = head(b"CONNECT", target.as_bytes(), "HTTP/1.1", &fields);
    bytes.extend_from_slice(b"GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\n\r\n");
    Attack::wild("CONNECT", vec![bytes])
}

/// Ends of lines, folds and blanks where they do not belong.
fn lines(random: &mut Random) -> Attack {
    let end =
        random.pick(&["\n", "\r", "\r\r\n", "\n\r", "\r\n ", "\r\n\t", "\0\r\n", "\u{b}\r\n", "\r\n\r\n"]);
    let text = random.pick(&[
        "GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\nx-odd: a@b: c\r\n\r\n",
        "GET /ok/a HTTP/1.1@host: cart.shop\r\nx-odd: a\r\n\r\n",
        "GET /ok/a HTTP/1.1\r\nhost: cart.shop@x-odd: a\r\n\r\n",
        "@GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\n\r\n",
        "GET @/ok/a HTTP/1.1\r\nhost: cart.shop\r\n\r\n",
        "GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\nx-odd@: a\r\n\r\n",
        "GET /ok/a HTTP/1.1\r\nhost: cart.shop\r\n: a\r\nno-colon\r\n\r\n@",
        "GET\t/ok/a\tHTTP/1.1\r\nhost: cart.shop\r\n\r\n@",
    ]);
    Attack { end: rude(random), ..Attack::wild("ends of lines", vec![text.replace('@', end).into_bytes()]) }
}

/// gRPC, which HTTP/1.1 has not.
fn grpc(random: &mut Random) -> Attack {
    let (_, _, body) = bodies::body(random);
    let path =
        random.pick(&["/ok.v1.Ok/Do", "/t.v1.Tests/Do", "/ok.v1.Ok//Do", "/ok.v1.Ok/Do/", "/OK.v1.Ok/Do"]);
    let mut fields = vec![
        field("host", "cart.shop"),
        field("te", "trailers"),
        field("content-length", &body.len().to_string()),
    ];
    fields.push((b"content-type".to_vec(), parts::content_type(random)));
    let method = random.pick(&[&b"POST"[..], b"POST", b"GET"]);
    let bytes = [head(method, path.as_bytes(), "HTTP/1.1", &fields), body].concat();
    Attack::tame("gRPC over HTTP/1.1", bytes)
}
