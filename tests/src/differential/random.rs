//! Requests from a seed: what a policy is about, and what is odd.

use crate::client::Request;

/// Generator of requests: the same for the same seed (xorshift, good enough to pick with).
#[derive(Default)]
pub struct Generator {
    state: u64,
    paths: Vec<String>,
    headers: Vec<String>,
    names: Vec<String>,
    likely: Vec<String>,
    values: Vec<String>,
    body: bool,
}

/// A request and who sends it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Index of the caller; past the last one is a caller in plaintext.
    pub caller: usize,
    /// The request; its headers have the length of the body.
    pub request: Request,
    /// The body.
    pub body: Vec<u8>,
}

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "REPORT"];
const SEGMENTS: [&str; 14] =
    ["a", "people", "admin", "alice", "bob", "..", ".", "", "a%20b", "a%2Fb", "%C3%A9", "%41", "x;y=1", "~u"];
const QUERIES: [&str; 16] = [
    "a=1",
    "a=2",
    "b=",
    "b",
    "a=%20",
    "a=+",
    "q=x%26y",
    "=v",
    "id=7",
    "id=8",
    "lang=en",
    "debug=true",
    "a=%C3%A9",
    "a=%zz",
    "a=1;b=2",
    "user=alice",
];
const HEADERS: [(&str, &[u8]); 14] = [
    ("accept", b"*/*"),
    ("accept", b"text/html"),
    ("user-agent", b"curl/8"),
    ("x-empty", b""),
    ("x-odd", b"caf\xc3\xa9"),
    ("x-odd", b"\xff\xfe"),
    ("x-many", b"one"),
    ("x-many", b"two, three"),
    ("X-Case", b"MiXeD"),
    ("x_under", b"score"),
    ("cookie", b"session=abc; theme=dark"),
    ("x-forwarded-for", b"203.0.113.7"),
    ("x-envoy-original-path", b"/secret"),
    ("authorization", b"Bearer x.y.z"),
];
const HOSTS: [&str; 5] = ["service.test", "SERVICE.test", "service.test:8080", "other.test", "service.test."];
const BODIES: [(&str, &str); 14] = [
    ("application/json", "{\"user\":\"alice\",\"n\":1}"),
    ("application/json", "{\"user\":\"bob\",\"roles\":[\"admin\"],\"n\":2.50}"),
    ("application/json", "[1,2,{\"a\":null}]"),
    ("application/json", "{\"user\":"),
    ("application/json", "{} {}"),
    ("application/json", ""),
    ("application/json; charset=utf-8", "{\"user\":\"alice\",\"user\":\"bob\"}"),
    ("APPLICATION/JSON", "\"text\""),
    ("text/plain", "hello"),
    ("application/x-www-form-urlencoded", "user=alice&a=1&a=2"),
    ("application/x-www-form-urlencoded", "user=al%20ice&a=%zz"),
    ("application/x-www-form-urlencoded", "a;b"),
    (
        "multipart/form-data; boundary=zz",
        "--zz\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nalice\r\n--zz--\r\n",
    ),
    ("multipart/form-data", "--zz--"),
];

impl Generator {
    /// A generator for a policy with these words: the ones to try first, and the others.
    pub fn new(seed: u64, words: &[Vec<String>; 2], body: bool) -> Self {
        // Never zero, which xorshift would keep for ever.
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut this = Self { state, body, ..Self::default() };
        for (rank, words) in words.iter().enumerate() {
            for word in words {
                this.learn(word, rank == 0);
            }
        }
        this
    }

    fn learn(&mut self, word: &str, first: bool) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if word.starts_with('/') && word.bytes().all(|b| b.is_ascii_graphic()) {
            self.paths.push(word.to_owned());
        } else if is_header(word) {
            self.headers.push(word.to_owned());
        } else {
            if word.len() > 1 && word.len() < 40 && word.chars().all(plain) && !reserved(word) {
                self.names.push(word.to_owned());
            }
            if word.bytes().all(|b| (b' '..127).contains(&b)) && word.trim() == word {
                let values = if first { &mut self.likely } else { &mut self.values };
                values.push(word.to_owned());
            }
        }
    }

    /// The next request; there are `callers` with certificates.
    pub fn next(&mut self, callers: usize) -> Sent {
        let method = if self.one_in(3) { self.pick(&METHODS) } else { self.pick(&["GET", "POST"]) };
        let mut headers = vec![(b"host".to_vec(), self.host())];
        for at in 0..self.headers.len().min(3) {
            if !self.one_in(3) {
                let name = self.headers[at].clone().into_bytes();
                headers.push((name, self.value().into_bytes()));
            }
        }
        for _ in 0..self.below(3) {
            headers.push(self.header());
        }
        let mut body = Vec::new();
        if self.body && self.one_in(2) || self.one_in(12) {
            let (kind, text) = self.pick(&BODIES);
            body = text.as_bytes().to_vec();
            if !self.one_in(10) {
                headers.push((b"content-type".to_vec(), kind.into()));
            }
            headers.push((b"content-length".to_vec(), body.len().to_string().into_bytes()));
        }
        let request = Request { method: method.to_owned(), target: self.target(), headers, body: None };
        Sent { caller: self.below(callers + 1), request, body }
    }

    fn host(&mut self) -> Vec<u8> {
        let host = if self.one_in(3) { self.pick(&HOSTS) } else { "service.test" };
        host.as_bytes().to_vec()
    }

    fn target(&mut self) -> Vec<u8> {
        let mut path = if self.paths.is_empty() || self.one_in(4) {
            let count = self.below(4);
            (0..count).map(|_| format!("/{}", self.segment())).collect()
        } else {
            let at = self.below(self.paths.len());
            self.paths[at].clone()
        };
        if self.one_in(4) {
            path = format!("{path}/{}", self.segment());
        }
        if self.one_in(10) {
            path = path.replace('/', "//");
        }
        if path.is_empty() {
            path.push('/');
        }
        if self.one_in(3) && !path.contains('?') {
            let parts: Vec<String> = (0..=self.below(3)).map(|_| self.query()).collect();
            path = format!("{path}?{}", parts.join("&"));
        }
        path.into_bytes()
    }

    fn segment(&mut self) -> String {
        if self.one_in(2) {
            let value = self.value();
            return value.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        }
        self.pick(&SEGMENTS).to_owned()
    }

    fn query(&mut self) -> String {
        if !self.names.is_empty() && self.one_in(2) {
            let name = self.name();
            let value: String = self.value().chars().filter(char::is_ascii_alphanumeric).collect();
            return format!("{name}={value}");
        }
        self.pick(&QUERIES).to_owned()
    }

    fn header(&mut self) -> (Vec<u8>, Vec<u8>) {
        let own = !self.headers.is_empty() && !self.one_in(4);
        if !own && (self.names.is_empty() || self.one_in(2)) {
            let (name, value) = self.pick(&HEADERS);
            return (name.into(), value.to_vec());
        }
        let at = self.below(self.headers.len());
        let name = if own { self.headers[at].clone() } else { self.name() };
        let value =
            if self.one_in(6) { self.pick(&["", "true", "x", "1", "0x1"]).to_owned() } else { self.value() };
        (name.into_bytes(), value.into_bytes())
    }

    fn name(&mut self) -> String {
        let at = self.below(self.names.len());
        self.names[at].clone()
    }

    fn value(&mut self) -> String {
        let likely = !self.likely.is_empty() && !self.one_in(4);
        if !likely && self.values.is_empty() {
            return "v".to_owned();
        }
        let count = if likely { self.likely.len() } else { self.values.len() };
        let at = self.below(count);
        if likely { self.likely[at].clone() } else { self.values[at].clone() }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % n.max(1)
    }
}

/// Words that are headers before anything else.
fn is_header(word: &str) -> bool {
    word.starts_with("x-") || ["authorization", "cookie", "user-agent"].contains(&word)
}

/// Names that change how a request is framed or what Envoy itself does with it.
fn reserved(name: &str) -> bool {
    name.starts_with("x-envoy")
        || ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"]
            .contains(&name)
        || ["trailer", "keep-alive", "proxy-connection"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(seed: u64) -> Vec<String> {
        let words = [vec!["x-user".to_owned(), "alice".to_owned(), "/people".to_owned()], Vec::new()];
        let mut generator = Generator::new(seed, &words, true);
        (0..200).map(|_| generator.next(3)).map(|sent| sent.to_string()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
    }

    #[test]
    fn requests_are_about_the_words() {
        let all = some(1);
        for word in ["x-user: alice", " /people", "plaintext", "content-length"] {
            assert!(all.iter().any(|request| request.contains(word)), "{word}");
        }
    }
}
