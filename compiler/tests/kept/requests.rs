//! Requests of few values each, so that many say the same, and of bytes that make trouble.

use sidegate_engine::attributes::{Attributes, Body};
use sidegate_engine::eval::Context;
use sidegate_engine::headers::Headers;

/// A generator of numbers (`splitmix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn maybe(&mut self, from: &[&[u8]]) -> Option<Vec<u8>> {
        (self.below(4) > 0).then(|| self.pick(from).to_vec())
    }
}

/// A header map as it may come.
fn headers(random: &mut Random) -> Headers {
    let mut all: Vec<(&[u8], Vec<u8>)> = Vec::new();
    if random.below(30) > 0 {
        let paths: [&[u8]; 9] = [
            b"/a",
            b"/a?x=1",
            b"/a?x=1&x=2",
            b"/b/c",
            b"/a%2fb?x=",
            b"/%zz",
            b"/a?x=%zz",
            b"/\xff?x=\xfe",
            b"/a?x=1;y",
        ];
        let few = if random.below(5) > 0 { 5 } else { paths.len() };
        all.push((b":path", random.pick(&paths[..few]).to_vec()));
    }
    all.push((b":method", random.pick(&[&b"GET"[..], b"POST", b"P\xffT"]).to_vec()));
    all.push((b":authority", random.pick(&[&b"a.example"[..], b"b.example:80"]).to_vec()));
    for (name, values) in [
        (&b"x-team"[..], &[&b"a"[..], b"b", b"", b"\xff"][..]),
        (b"x-two", &[b"a", b"b", b"a,b"]),
        (b"x-two", &[b"b", b""]),
        (b"x-!", &[b"b"]),
        (b"x-\xff", &[b"b", b"c"]),
        (b"x-envoy-auth-partial-body", &[b"false", b"true"]),
        (b"x-request-id", &[b"1", b"2", b"3"]),
        (b"content-type", &[b"application/json", b"text/plain"]),
    ] {
        if random.below(3) == 0 {
            all.push((name, random.pick(values).to_vec()));
        }
    }
    all.into_iter().collect()
}

/// All that may be known of a request.
pub(crate) fn attributes(random: &mut Random) -> Attributes {
    let principals: [&[u8]; 4] =
        [b"spiffe://td/ns/a/sa/a", b"spiffe://td/ns/b/sa/a", b"spiffe://td/ns/a", b"\xffspiffe://td"];
    let sans = random.below(3);
    let headers = headers(random);
    let body = (random.below(3) == 0).then(|| {
        let bytes = random.pick(&[&br#"{"a":1}"#[..], br#"{"a":1.0}"#, br#"{"a":"#, b""]).to_vec();
        Body { received: bytes.len(), bytes, is_cut: random.below(8) == 0 }
    });
    Attributes {
        headers,
        request_time_ns: Some(i64::try_from(random.below(4)).unwrap()),
        protocol: random.maybe(&[b"HTTP/1.1", b"HTTP/2"]),
        source_address: random.maybe(&[b"10.0.0.1:4001", b"10.0.0.1:4002", b"10.0.0.2:4001", b"/run/a.sock"]),
        destination_address: random.maybe(&[b"10.0.0.9:80", b"[::1]:80"]),
        peer_uri_sans: (0..sans).map(|_| random.pick(&principals).to_vec()).collect(),
        local_uri_san: random.maybe(&[b"spiffe://td/ns/shop/sa/orders"]),
        tls_version: random.maybe(&[b"TLSv1.3", b""]),
        mtls: [None, Some(true), Some(false)][random.below(3)],
        listener_direction: [None, Some(1), Some(2), Some(0)][random.below(4)],
        metadata: random.maybe(&[b"", &metadata("1"), &metadata("x")]),
        body,
        context: Context {
            now_ns: Some(i64::try_from(random.below(1000)).unwrap()),
            seed: Some([u8::try_from(random.below(200)).unwrap(); 32]),
        },
        ..Attributes::default()
    }
}

/// An `envoy.config.core.v3.Metadata`: `{"jwt": {"sub": text}}`.
fn metadata(text: &str) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut message = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        message.extend_from_slice(bytes);
        message
    };
    let entry = |name: &str, value: &[u8]| field(1, &[field(1, name.as_bytes()), field(2, value)].concat());
    entry("jwt", &entry("sub", &field(3, text.as_bytes())))
}
