//! A service on the loopback that answers every request with what it got of it, as JSON.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bytes::escape;

const MOST_HEADERS: usize = 1024;
/// A free port on the loopback.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const MOST_BYTES: usize = 4 << 20;
const IDLE: Duration = Duration::from_secs(60);

/// What the upstream got, and so the body of its response.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Echo {
    /// The method.
    pub method: String,
    /// The request target, escaped.
    pub path: String,
    /// The headers in order, repeated ones repeated, names in lower case, values escaped.
    pub headers: Vec<(String, String)>,
    /// How many bytes of body.
    #[serde(default)]
    pub body_bytes: usize,
    /// A checksum of the body.
    #[serde(default)]
    pub body_sum: u64,
    /// The body itself; only in what is kept.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// The running service; dropping it stops it.
pub struct Upstream {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
    status: Arc<AtomicU16>,
    kept: Kept,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// The requests so far, where they are kept.
type Kept = Option<Arc<Mutex<Vec<Echo>>>>;

impl Echo {
    /// All values of one header, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }
}

impl Upstream {
    /// Starts the service on a free port.
    pub fn start() -> Self {
        Self::start_on(LOOPBACK)
    }

    /// Starts it on this address.
    pub fn start_on(address: SocketAddr) -> Self {
        Self::serving(address, None)
    }

    /// The same, and every request is kept until it is [taken](Self::take).
    pub fn keeping() -> Self {
        Self::serving(LOOPBACK, Some(Arc::default()))
    }

    fn serving(address: SocketAddr, kept: Kept) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let served = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let received = Arc::new(AtomicUsize::new(0));
        let status = Arc::new(AtomicU16::new(200));
        let (count, bytes, stopping) = (Arc::clone(&served), Arc::clone(&received), Arc::clone(&stop));
        let answered = Arc::clone(&status);
        let keeping = kept.clone();
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let (count, bytes, kept) = (Arc::clone(&count), Arc::clone(&bytes), keeping.clone());
                let status = Arc::clone(&answered);
                std::thread::spawn(move || serve(stream, &count, &bytes, &status, &kept));
            }
        });
        Self { address, served, received, status, kept, stop, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with this status from now on; what it gets meanwhile is kept if the status is a success.
    pub fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// How many requests it has answered.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// The requests since the last time, where they are kept.
    pub fn take(&self) -> Vec<Echo> {
        let kept = self.kept.as_ref().and_then(|kept| kept.lock().ok());
        kept.map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }

    /// How many bytes it has got, of whatever kind.
    pub fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

/// A checksum (FNV-1a) for bodies that are too large to compare by eye.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is to stop.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn serve(
    mut stream: TcpStream,
    served: &AtomicUsize,
    received: &AtomicUsize,
    status: &AtomicU16,
    kept: &Kept,
) {
    let _ = stream.set_read_timeout(Some(IDLE));
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    let mut chunk = [0; 16384];
    loop {
        let status = status.load(Ordering::SeqCst);
        match answer(&buffer, status) {
            Err(message) => {
                keep(kept, partly(&buffer));
                let _ = write!(
                    stream,
                    "HTTP/1.1 500 x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{message}",
                    message.len()
                );
                return;
            }
            Ok(Some((used, response, echo))) => {
                served.fetch_add(1, Ordering::SeqCst);
                if status < 300 {
                    keep(kept, echo);
                }
                buffer.drain(..used);
                if stream.write_all(&response).is_err() {
                    return;
                }
            }
            Ok(None) => match stream.read(&mut chunk) {
                Ok(n) if n > 0 => {
                    received.fetch_add(n, Ordering::SeqCst);
                    buffer.extend_from_slice(&chunk[..n]);
                }
                _ if buffer.is_empty() => return,
                _ => return keep(kept, partly(&buffer)),
            },
        }
    }
}

fn keep(kept: &Kept, echo: Echo) {
    if let Some(mut kept) = kept.as_ref().and_then(|kept| kept.lock().ok()) {
        kept.push(echo);
    }
}

/// What there is of a request that did not come whole.
fn partly(buffer: &[u8]) -> Echo {
    let mut slots = vec![httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(head)) => head,
        _ => 0,
    };
    let unknown = || escape(buffer).into_bytes();
    let path = parsed.path.map_or_else(unknown, |path| path.as_bytes().to_vec());
    echo_of(&parsed, &path, buffer.get(head..).unwrap_or_default())
}

fn echo_of(parsed: &httparse::Request<'_, '_>, path: &[u8], body: &[u8]) -> Echo {
    Echo {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: escape(path),
        headers: parsed.headers.iter().map(|h| (h.name.to_ascii_lowercase(), escape(h.value))).collect(),
        body_bytes: body.len(),
        body_sum: checksum(body),
        body: body.to_vec(),
    }
}

/// The bytes of the first request in `buffer`, the response to it and what it is, once it is complete.
fn answer(buffer: &[u8], status: u16) -> Result<Option<(usize, Vec<u8>, Echo)>, String> {
    if buffer.len() > MOST_BYTES {
        return Err(format!("expected a request of at most {MOST_BYTES} bytes"));
    }
    let mut slots = vec![httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(format!("expected an HTTP request: {e}")),
    };
    let header =
        |name: &str| parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let is_chunked = header("transfer-encoding").is_some();
    let length = header("content-length")
        .and_then(|v| std::str::from_utf8(v).ok())
        .and_then(|v| v.parse().ok())
        .unwrap_or(0);
    let (used, sent) = if is_chunked {
        match chunks(&buffer[head..])? {
            Some((used, sent)) => (head + used, sent),
            None => return Ok(None),
        }
    } else if buffer.len() < head + length {
        return Ok(None);
    } else {
        (head + length, buffer[head..head + length].to_vec())
    };
    let echo = echo_of(&parsed, parsed.path.unwrap_or_default().as_bytes(), &sent);
    let body = serde_json::to_vec(&echo).expect("an echo has nothing that JSON has not");
    let mut response = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nx-upstream: echo\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(&body);
    Ok(Some((used, response, echo)))
}

/// The body in chunks at the beginning of `bytes` and how many bytes it has there, trailers included; `None`
/// where it is not all there.
pub(crate) fn chunks(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, String> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let (start, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(e) => return Err(format!("expected the size of a chunk: {e}")),
        };
        at += start;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).map_err(|e| e.to_string())?;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
    let mut slots = vec![httparse::EMPTY_HEADER; MOST_HEADERS];
    match httparse::parse_headers(&bytes[at..], &mut slots) {
        Ok(httparse::Status::Complete((trailers, _))) => Ok(Some((at + trailers, body))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(e) => Err(format!("expected trailers: {e}")),
    }
}
