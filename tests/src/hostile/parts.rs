//! What hostile requests are made of: methods, targets, names and values of headers.

use super::Random;

/// Headers of a request, in order.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const METHODS: &[&[u8]] = &[
    b"GET",
    b"GET",
    b"GET",
    b"POST",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"get",
    b"GeT",
    b"PRI",
    b"PROPFIND",
    b"CONNECT",
    b"M-SEARCH",
    b"!#$%&'*+-.^_`|~",
    b"GET\t",
    b"G\x00T",
    b"\xff",
    b"",
];
const TARGETS: &[&str] = &[
    "/ok/a",
    "/ok/a",
    "/ok/a?b=c",
    "/ok/",
    "/ok",
    "/ok/json",
    "/ok/form",
    "/t.v1.Tests/Do",
    "/ok.v1.Ok/Do",
    "/",
    "//ok/a",
    "/ok//a",
    "/ok/./a",
    "/ok/../secret",
    "/ok/secret",
    "/ok/SECRET",
    "/ok/secret/",
    "/ok/%73ecret",
    "/ok/%2573ecret",
    "/ok%2fsecret",
    "/ok/%2e%2e/secret",
    "/ok/..;/secret",
    "/ok;x=1/a",
    "/ok\\secret",
    "/OK/a",
    "/ok/a%00",
    "/ok/a%0a",
    "/ok/a%zz",
    "/ok/a%",
    "/ok/a#b",
    "/%6fk/a",
    "/ok/\u{e9}",
    "/ok/%c3%a9",
    "/ok/%ff",
    "/ok/?",
    "/ok/a?%zz=1",
    "/ok/a?a=1;b=2",
    "/ok/a?=&&=",
    "*",
    "ok/a",
    "",
    "http://cart.shop/ok/a",
    "HTTP://x/ok/a",
    "http://cart.shop",
    "http://[::1/ok/a",
    "http://a@b:c@d/ok/a",
    "https:///ok/a",
    "ftp://cart.shop/ok/a",
    "cart.shop:443",
    "/ok/a /ok/b",
    "/ok/secret/../a",
    "/ok/a/%252e%252e/secret",
    "/ok/%EF%BC%8F/a",
    "/secret/../ok/a",
];
const NAMES: &[&str] = &[
    "x-odd",
    "x-deny",
    "x-debug",
    "user-agent",
    "accept",
    "cookie",
    "authorization",
    "x-internal-debug",
    "x-caller",
    "x-count",
    "x-odd-seen",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-client-cert",
    "x-envoy-original-path",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-envoy-internal",
    "x-envoy-decorator-operation",
    "x-envoy-max-retries",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-retry-on",
    "x-request-id",
    "traceparent",
    "x-b3-traceid",
    "grpc-timeout",
    "grpc-encoding",
    "te",
    "trailer",
    "expect",
    "range",
    "if-match",
    "via",
    "date",
    "x-seal",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "content-type",
    "content-encoding",
    "forwarded",
    "x_under_score",
    "X-Case",
    "sec-websocket-key",
    "http2-settings",
    ":path",
    ":method",
    ":authority",
    ":status",
    ":protocol",
];
const VALUES: &[&str] = &[
    "",
    " ",
    "1",
    "0",
    "-1",
    "true",
    "null",
    "a,b",
    "a, b,,c",
    "\"",
    "\\",
    "{",
    "{}",
    "[",
    "%00",
    "%s%s%n",
    "${x}",
    "{{7*7}}",
    "18446744073709551616",
    "1e999",
    "NaN",
    "chunked",
    "gzip",
    "identity",
    "close",
    "keep-alive",
    "upgrade",
    "x-forwarded-client-cert",
    "x-seal, x-caller",
    "host",
    "websocket",
    "h2c",
    "100-continue",
    "trailers",
    "bytes=0-0",
    "application/json",
    "application/grpc",
    "text/html; charset=\u{feff}",
    "multipart/form-data",
    "/ok/a",
    "/ok/secret",
    "GET",
    "http",
    "0u",
    "99999999S",
    "127.0.0.1",
    "::1",
    "By=spiffe://x;Hash=0;URI=spiffe://cluster.local/ns/web/sa/frontend",
    "spiffe://cluster.local/ns/web/sa/frontend",
    "\u{202e}",
    "\u{1f980}",
    "\t",
    "a\tb",
    "=?utf-8?q?x?=",
    "Bearer e30.e30.",
];
const CONTENT_TYPES: &[&str] = &[
    "application/json",
    "APPLICATION/JSON",
    "application/json; charset=utf-16",
    "application/json;",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=zz",
    "multipart/form-data; boundary=\"\"",
    "multipart/form-data",
    "multipart/mixed; boundary=zz",
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc;x",
    "application/grpc-web",
    "application/grpc-web-text",
    ";",
    "/",
];

/// A method, seldom one that there is not.
pub(super) fn method(random: &mut Random) -> Vec<u8> {
    if random.one_in(20) {
        let length = random.length(9000);
        return random.bytes(length);
    }
    if random.one_in(2) { b"GET".to_vec() } else { random.pick(METHODS).to_vec() }
}

/// A request target.
pub(super) fn target(random: &mut Random) -> Vec<u8> {
    match random.below(24) {
        0 => {
            let length = random.length(100_000);
            [b"/ok/", random.bytes(length).as_slice()].concat()
        }
        1 => {
            let times = random.length(60_000);
            let part = random.pick(&[
                &b"/ok"[..],
                b"/",
                b"/..",
                b"%2f",
                b"%",
                b"a",
                b"\xc3\xa9",
                b"?a=b&",
                b"/ok/a;",
            ]);
            [b"/ok/", part.repeat(times / part.len()).as_slice()].concat()
        }
        2 => {
            let mut target = random.pick(TARGETS).as_bytes().to_vec();
            random.spoil(&mut target);
            target
        }
        3 => {
            let (left, right) = (random.pick(TARGETS), random.pick(TARGETS));
            format!("{left}{right}").into_bytes()
        }
        4..12 => b"/ok/a".to_vec(),
        _ => random.pick(TARGETS).as_bytes().to_vec(),
    }
}

/// A target that may be sent as it is: the connection lives on.
pub(super) fn tame_target(random: &mut Random) -> Vec<u8> {
    loop {
        let target = random.pick(TARGETS).as_bytes();
        if target.starts_with(b"/") && target.iter().all(u8::is_ascii_graphic) && !target.contains(&b'#') {
            return target.to_vec();
        }
    }
}

/// A header. `is_tame`: one that HTTP lets through, whatever it means.
pub(super) fn field(random: &mut Random, is_tame: bool) -> (Vec<u8>, Vec<u8>) {
    let mut name = match random.below(6) {
        0 => format!("x-{}", random.below(2000)).into_bytes(),
        _ => random.pick(NAMES).as_bytes().to_vec(),
    };
    let mut value = match random.below(8) {
        0 => {
            let length = random.length(4000);
            random.bytes(length)
        }
        1 => vec![random.byte(); random.pick(&[1, 10, 1000, 20_000])],
        2 => random.pick(CONTENT_TYPES).as_bytes().to_vec(),
        _ => random.pick(VALUES).as_bytes().to_vec(),
    };
    if is_tame {
        const FRAMING: [&str; 10] = [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "expect",
            "te",
            "keep-alive",
            "proxy-connection",
            "http2-settings",
        ];
        if name.starts_with(b":") || FRAMING.iter().any(|framing| name == framing.as_bytes()) {
            name = b"x-odd".to_vec();
        }
        value.retain(|byte| *byte >= 0x20 && *byte != 0x7f);
    } else if random.one_in(6) {
        random.spoil(&mut name);
    }
    (name, value)
}

/// Some headers: few most of the time, seldom hundreds, seldom half a megabyte.
pub(super) fn fields(random: &mut Random, is_tame: bool) -> Fields {
    match random.below(40) {
        0 => {
            let count = random.below(1001);
            (0..count).map(|n| (format!("x-many-{n}").into_bytes(), b"v".to_vec())).collect()
        }
        1 => {
            let count = random.below(1001);
            let value = random.byte().max(0x21);
            vec![(b"x-odd".to_vec(), vec![value]); count]
        }
        2 => {
            let size = random.pick(&[60_000, 100_000, 400_000, 512 * 1024 - 700, 512 * 1024, 600_000]);
            let byte = random.pick(&[b'a', 0xff, b',', b'"', b'\\', 0xc3]);
            vec![(b"x-long".to_vec(), vec![byte; size])]
        }
        3 => {
            let every = (0_u8..=255).filter(|byte| !is_tame || (*byte >= 0x20 && *byte != 0x7f));
            every.map(|byte| (b"x-odd".to_vec(), vec![b'a', byte, b'b'])).collect()
        }
        4 if !is_tame => (0_u8..=255).map(|byte| (vec![b'x', byte, b'y'], b"1".to_vec())).collect(),
        _ => (0..random.below(6)).map(|_| field(random, is_tame)).collect(),
    }
}

/// A content type.
pub(super) fn content_type(random: &mut Random) -> Vec<u8> {
    let mut kind = random.pick(CONTENT_TYPES).as_bytes().to_vec();
    if random.one_in(20) {
        random.spoil(&mut kind);
    }
    kind
}
