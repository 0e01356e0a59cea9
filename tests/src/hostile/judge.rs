//! The service behind the proxy: it says of every request that gets to it whether it has a right to. The proxy tells
//! it in a header of its own whose certificate the connection had; a request without that header, which only the
//! proxy can know, was smuggled.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::FRONTEND;
use crate::bytes::escape;
use crate::upstream::chunks;

const MOST_HEADERS: usize = 1100;
const MOST_BYTES: usize = 8 << 20;
const IDLE: Duration = Duration::from_secs(30);
const SHOWN: usize = 10;

/// The header in which the proxy says what only it knows.
pub const SEAL: &str = "x-seal";

/// The running service; dropping it stops it.
pub struct Judge {
    address: SocketAddr,
    bench: Arc<Bench>,
    acceptor: Option<JoinHandle<()>>,
}

struct Bench {
    secret: String,
    sees_all_names: bool,
    stop: AtomicBool,
    reached: AtomicU64,
    wrong: AtomicU64,
    shown: Mutex<Vec<String>>,
}

/// The head of a request.
struct Head<'a> {
    method: &'a str,
    target: &'a [u8],
    headers: Vec<(String, &'a [u8])>,
}

impl Judge {
    /// Starts the service; `secret` is what the proxy seals requests with, and whether the filter
    /// sees every name of a certificate depends on the proxy.
    pub fn start(secret: &str, sees_all_names: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let bench = Arc::new(Bench {
            secret: secret.to_owned(),
            sees_all_names,
            stop: AtomicBool::new(false),
            reached: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            shown: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&bench);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if accepting.stop.load(Ordering::SeqCst) {
                    return;
                }
                let bench = Arc::clone(&accepting);
                std::thread::spawn(move || bench.serve(stream));
            }
        });
        Self { address, bench, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the proxy is to add to each request to a listener of this kind.
    pub fn seal(&self, kind: &str) -> String {
        format!("{}|{kind}|%DOWNSTREAM_PEER_URI_SAN%|", self.bench.secret)
    }

    /// How many requests got here.
    pub fn reached(&self) -> u64 {
        self.bench.reached.load(Ordering::SeqCst)
    }

    /// Whether all of them had a right to.
    ///
    /// # Errors
    /// Some had not; the message shows the first of them.
    pub fn verdict(&self) -> Result<(), String> {
        match self.bench.wrong.load(Ordering::SeqCst) {
            0 => Ok(()),
            wrong => {
                let shown = self.bench.shown.lock().expect("no holder of the lock panics").join("\n");
                Err(format!("{wrong} requests reached the upstream without a right to:\n{shown}"))
            }
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.bench.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is to stop.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Bench {
    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(IDLE));
        let _ = stream.set_nodelay(true);
        let (mut buffer, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        let mut is_judged = false;
        loop {
            match self.one(&buffer, &mut is_judged) {
                Err(message) => {
                    self.complain(&message, &buffer);
                    return;
                }
                Ok(Some((used, is_head))) => {
                    buffer.drain(..used);
                    is_judged = false;
                    let body = if is_head { "" } else { "right" };
                    let response =
                        format!("HTTP/1.1 200 OK\r\nx-upstream: judge\r\ncontent-length: 5\r\n\r\n{body}");
                    if stream.write_all(response.as_bytes()).is_err() {
                        return;
                    }
                }
                Ok(None) => match stream.read(&mut chunk) {
                    Ok(n) if n > 0 && buffer.len() < MOST_BYTES => buffer.extend_from_slice(&chunk[..n]),
                    _ => return,
                },
            }
        }
    }

    /// The bytes of the first request once it is complete, and whether it is a HEAD. Its head is judged as soon as
    /// that is there, for the rest may never come.
    fn one(&self, buffer: &[u8], is_judged: &mut bool) -> Result<Option<(usize, bool)>, String> {
        // HTTP/2 has targets of any bytes, and Envoy passes those in queries on; httparse takes none of them.
        let line = buffer.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let mut plain = buffer.to_vec();
        plain[..line].iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'~');
        let mut slots = vec![httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut slots);
        let length = match parsed.parse(&plain) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(e) => return Err(format!("what is no request: {e}")),
        };
        let head = Head {
            method: parsed.method.unwrap_or_default(),
            target: buffer[..line].split(|byte| *byte == b' ').nth(1).unwrap_or_default(),
            headers: parsed.headers.iter().map(|h| (h.name.to_ascii_lowercase(), h.value)).collect(),
        };
        if !*is_judged {
            *is_judged = true;
            self.reached.fetch_add(1, Ordering::SeqCst);
            head.judge(&self.secret, self.sees_all_names)?;
        }
        let Some((used, body)) = head.body(&buffer[length..])? else { return Ok(None) };
        head.judge_body(&body)?;
        Ok(Some((length + used, head.method == "HEAD")))
    }

    fn complain(&self, message: &str, buffer: &[u8]) {
        self.wrong.fetch_add(1, Ordering::SeqCst);
        let mut shown = self.shown.lock().expect("no holder of the lock panics");
        if shown.len() < SHOWN {
            shown.push(format!("{message}: `{}`", escape(&buffer[..buffer.len().min(2000)])));
        }
    }
}

impl Head<'_> {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| *value).collect()
    }

    /// The kind of the listener and the caller's URI SANs, as the proxy sealed them.
    fn seal(&self, secret: &str) -> Result<(String, String), String> {
        let seals = self.values(SEAL);
        let [seal] = seals.as_slice() else { return Err("a request without the proxy's seal".to_owned()) };
        let seal = String::from_utf8_lossy(seal);
        let mut parts = seal.split('|');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(found), Some(kind), Some(peer)) if found == secret => {
                Ok((kind.to_owned(), peer.to_owned()))
            }
            _ => Err("a request with a false seal".to_owned()),
        }
    }

    /// Who may do what: the policies once more.
    fn judge(&self, secret: &str, sees_all_names: bool) -> Result<(), String> {
        let (kind, peer) = self.seal(secret)?;
        let first = peer.split(',').next().unwrap_or_default();
        let is_declared = matches!(kind.as_str(), "table" | "plan");
        if first != FRONTEND || (is_declared && sees_all_names && peer != FRONTEND) {
            return Err(format!("{kind}: a request of `{peer}`"));
        }
        if kind == "bodies" {
            let known = [b"/ok/json".as_slice(), b"/ok/form", b"/t.v1.Tests/Do"];
            return if known.contains(&self.target) { Ok(()) } else { Err(format!("{kind}: another path")) };
        }
        if !matches!(self.method, "GET" | "POST") {
            return Err(format!("{kind}: the method `{}`", self.method));
        }
        let path = self.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let lower = path.to_ascii_lowercase();
        let is_below = |above: &[u8]| path.starts_with(above);
        let is_secret = |text: &[u8]| text.windows(6).any(|part| part == b"secret");
        let is_right = match kind.as_str() {
            "table" | "plan" => {
                let is_grpc = self.method == "POST" && is_below(b"/ok.v1.Ok/");
                let is_odd = path.windows(2).any(|two| two == b"//")
                    || path
                        .iter()
                        .any(|byte| matches!(byte, b'\\' | b';' | b'#') || *byte >= 0x7f || *byte < 0x21)
                    || path.split(|byte| *byte == b'/').any(|part| part == b"." || part == b"..")
                    || [b"%2f", b"%5c", b"%2e", b"%00", b"%25"]
                        .iter()
                        .any(|bad| lower.windows(3).any(|w| w == *bad));
                (is_below(b"/ok/") || is_grpc) && !is_odd && !lower.starts_with(b"/ok/secret")
            }
            // OPA's `parsed_path` is the decoded path between slashes, without those at its beginning.
            "headers" | "uncached" => {
                let path = decoded(path);
                let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
                let mut parts = path[start..].split(|byte| *byte == b'/');
                parts.next() == Some(b"ok")
                    && !parts.any(|part| part == b"secret")
                    && self.values("x-deny").is_empty()
            }
            "answers" => is_below(b"/ok/") && !is_secret(self.target),
            _ => false,
        };
        if is_right { Ok(()) } else { Err(format!("{kind}: a path or a header that is not allowed")) }
    }

    /// The bytes that the body has here, and the body.
    fn body(&self, rest: &[u8]) -> Result<Option<(usize, Vec<u8>)>, String> {
        if !self.values("transfer-encoding").is_empty() {
            return chunks(rest);
        }
        let length = match self.values("content-length").as_slice() {
            [] => 0,
            [one] => std::str::from_utf8(one)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or("a length that is none")?,
            _ => return Err("several lengths".to_owned()),
        };
        Ok(rest.get(..length).map(|body| (length, body.to_vec())))
    }

    fn judge_body(&self, body: &[u8]) -> Result<(), String> {
        if !self.values(SEAL).iter().any(|seal| seal.windows(8).any(|part| part == b"|bodies|")) {
            return Ok(());
        }
        let is_right = match self.target {
            b"/ok/json" => {
                // As OPA reads it, bytes that are no UTF-8 are U+FFFD; so are halves of surrogate pairs, which
                // serde_json refuses, and it refuses what is nested deep.
                let value = serde_json::from_str::<serde_json::Value>(&String::from_utf8_lossy(body));
                let spared = ["recursion limit", "surrogate", "hex escape"];
                let is_spared =
                    |e: &serde_json::Error| spared.iter().any(|part| e.to_string().contains(part));
                value.map_or_else(|e| is_spared(&e), |value| value["ok"] == true)
            }
            b"/ok/form" => {
                let body = decoded(body);
                body.windows(4).any(|part| part == b"true") && body.windows(2).any(|part| part == b"ok")
            }
            _ => field_3(body) == Some(7),
        };
        if is_right && body.len() <= super::BODY_LIMIT {
            Ok(())
        } else {
            Err("bodies: a body that is not allowed".to_owned())
        }
    }
}

/// A path without its escapes.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut out = Vec::new();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// The last field 3 of the first gRPC message, where it is a number.
fn field_3(body: &[u8]) -> Option<u64> {
    let head: [u8; 5] = body.get(..5)?.try_into().ok()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut rest = body.get(5..5 + length)?;
    let mut found = None;
    while !rest.is_empty() {
        let (key, after) = varint(rest)?;
        rest = match key & 7 {
            0 => {
                let (value, after) = varint(after)?;
                if key >> 3 == 3 {
                    found = Some(value);
                }
                after
            }
            1 => after.get(8..)?,
            2 => {
                let (length, after) = varint(after)?;
                after.get(usize::try_from(length).ok()?..)?
            }
            5 => after.get(4..)?,
            // Groups are passed over by what is in them.
            _ => after,
        };
    }
    found
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}
