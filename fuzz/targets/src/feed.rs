//! Requests from bytes: fields parted by a byte that no UTF-8 has, each a letter and what it is. So what a fuzzer cuts or
//! doubles is a field, or a part of one, and the rest stays what it was.

use sidegate_engine::attributes::{Attributes, Body, Phase};
use sidegate_engine::eval::Context;
use sidegate_engine::headers::Headers;

/// Parts fields.
pub(crate) const SEPARATOR: u8 = 0xFE;
/// Begins another request, which is as the one before but for the fields that follow.
const NEXT: u8 = b'R';
/// Most requests of one input.
const REQUESTS: usize = 3;

/// The parts of an input.
pub(crate) fn fields(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == SEPARATOR)
}

/// The first part, and all the others.
pub(crate) fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == SEPARATOR) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// The requests of an input, at least one, and fields that say nothing of requests.
pub(crate) fn requests(data: &[u8]) -> (Vec<Attributes>, Vec<&[u8]>) {
    let (mut requests, mut others) = (Vec::new(), Vec::new());
    let context = Context { now_ns: Some(1_700_000_000_000_000_000), seed: Some([7; 32]) };
    let mut request = Attributes { context, ..Attributes::default() };
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for field in fields(data) {
        let Some((kind, rest)) = field.split_first() else { continue };
        if *kind == NEXT {
            if requests.len() + 1 < REQUESTS {
                requests.push(with(&request, &headers));
            }
        } else if !put(&mut request, &mut headers, *kind, rest) {
            others.push(field);
        }
    }
    requests.push(with(&request, &headers));
    (requests, others)
}

fn with(request: &Attributes, headers: &[(Vec<u8>, Vec<u8>)]) -> Attributes {
    Attributes { headers: headers.iter().cloned().collect::<Headers>(), ..request.clone() }
}

/// Sets what a field says; whether it says anything.
fn put(request: &mut Attributes, headers: &mut Vec<(Vec<u8>, Vec<u8>)>, kind: u8, rest: &[u8]) -> bool {
    let bytes = || Some(rest.to_vec());
    let pseudo: Option<&[u8]> = match kind {
        b'm' => Some(b":method"),
        b'p' => Some(b":path"),
        b'a' => Some(b":authority"),
        b's' => Some(b":scheme"),
        b'y' => Some(b"content-type"),
        _ => None,
    };
    if let Some(name) = pseudo {
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_vec(), rest.to_vec()));
        return true;
    }
    match kind {
        // A name may begin with a colon, and then has another one behind it.
        b'h' => {
            let at = rest.iter().skip(1).position(|byte| *byte == b':').map_or(rest.len(), |at| at + 1);
            let (name, value) = rest.split_at(at);
            headers.push((name.to_ascii_lowercase(), value.get(1..).unwrap_or_default().to_vec()));
        }
        b'o' => {
            let at = rest.iter().skip(1).position(|byte| *byte == b':').map_or(rest.len(), |at| at + 1);
            let (name, value) = rest.split_at(at);
            let mut all = request.response.to_vec();
            all.push((name.to_ascii_lowercase(), value.get(1..).unwrap_or_default().to_vec()));
            request.response = all.into_iter().collect();
        }
        b'x' => headers.clear(),
        b'S' => request.source_address = bytes(),
        b'D' => request.destination_address = bytes(),
        b'u' => request.peer_uri_sans.push(rest.to_vec()),
        b'v' => request.peer_uri_sans.clear(),
        b'd' => request.peer_dns_san = bytes(),
        b'j' => request.peer_subject = bytes(),
        b'U' => request.local_uri_san = bytes(),
        b'E' => request.local_dns_san = bytes(),
        b'J' => request.local_subject = bytes(),
        b't' => request.tls_version = bytes(),
        b'n' => request.requested_server_name = bytes(),
        b'M' => request.mtls = rest.first().map(|byte| byte & 1 == 1),
        b'L' => request.listener_direction = rest.first().map(|byte| i64::from(*byte) - 48),
        b'P' => request.protocol = bytes(),
        b'T' => request.request_time_ns = Some(number(rest)),
        b'f' => request.metadata = bytes(),
        b'r' => request.route_metadata = bytes(),
        b'b' | b'B' => {
            let more = usize::from(kind == b'B');
            request.body =
                Some(Body { bytes: rest.to_vec(), received: rest.len() + more, is_cut: kind == b'B' });
        }
        b'H' => {
            request.phase = match rest.first().map(|byte| byte % 3) {
                Some(1) => Phase::Response,
                Some(2) => Phase::Connection,
                _ => Phase::Request,
            };
        }
        _ => return false,
    }
    true
}

/// A number of up to eight bytes, the first the lowest.
pub(crate) fn number(bytes: &[u8]) -> i64 {
    let mut all = [0; 8];
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    i64::from_le_bytes(all)
}

/// Bytes, taken from the front; zeros when there are no more.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            1..=256 => usize::from(self.byte()) % bound,
            _ => (usize::from(self.byte()) << 8 | usize::from(self.byte())) % bound,
        }
    }

    /// As many bytes as the first one says, or, where that has its highest bit, the first two.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        let first = usize::from(self.byte());
        let length = if first < 0x80 { first } else { (first & 0x7F) << 8 | usize::from(self.byte()) };
        let length = length.min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        some.to_vec()
    }

    /// The same as text, what is none replaced.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.some()).into_owned()
    }
}

/// The fields that a request is read from; those that it has not are left out.
pub(crate) fn written(request: &Attributes) -> Vec<u8> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut put = |kind: u8, rest: &[u8]| all.push([&[kind], rest].concat());
    for (name, value) in &request.headers {
        put(b'h', &[name, b":", value].concat());
    }
    let texts = [
        (b'S', &request.source_address),
        (b'D', &request.destination_address),
        (b'd', &request.peer_dns_san),
        (b'j', &request.peer_subject),
        (b'U', &request.local_uri_san),
        (b'E', &request.local_dns_san),
        (b'J', &request.local_subject),
        (b't', &request.tls_version),
        (b'n', &request.requested_server_name),
        (b'P', &request.protocol),
        (b'f', &request.metadata),
        (b'r', &request.route_metadata),
    ];
    for (kind, text) in texts {
        if let Some(text) = text {
            put(kind, text);
        }
    }
    for name in &request.peer_uri_sans {
        put(b'u', name);
    }
    if let Some(body) = &request.body {
        put(if body.is_cut { b'B' } else { b'b' }, &body.bytes);
    }
    if let Some(time) = request.request_time_ns {
        put(b'T', &time.to_le_bytes());
    }
    if let Some(mtls) = request.mtls {
        put(b'M', &[u8::from(mtls)]);
    }
    if let Some(direction) = request.listener_direction {
        put(b'L', &[u8::try_from(direction + 48).unwrap_or(48)]);
    }
    all.join(&SEPARATOR)
}
