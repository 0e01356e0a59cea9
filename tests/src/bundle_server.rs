//! A server of bundles on the loopback, as good or as bad as a test wants it: files of a published tree,
//! replies that a test puts in their place, slow, cut off, wrong; it counts what it is asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::upstream::checksum;

const IDLE: Duration = Duration::from_secs(60);
const MOST_HEADERS: usize = 64;
/// A part of a slow body.
const PIECE: usize = 1024;

/// What a path is answered with.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status; 200 becomes 304 where the client has the body already.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Its type.
    pub content_type: &'static str,
    /// Whether an `etag` is sent, and one that comes back answered with 304.
    pub has_etag: bool,
    /// Whether a client that has the body and says `prefer: wait=N` is held until it changes.
    pub long_poll: bool,
    /// Time before the first byte.
    pub delay: Duration,
    /// Time between two kilobytes of the body.
    pub pause: Duration,
    /// The connection is closed after so many bytes of the body.
    pub cut_after: Option<usize>,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// `if-none-match`.
    pub etag: Option<String>,
    /// `prefer`.
    pub prefer: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// The running server; dropping it stops it.
pub struct BundleServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    tree: Option<PathBuf>,
    replies: BTreeMap<String, Reply>,
    asked: Vec<Asked>,
    is_down: bool,
}

impl Reply {
    /// 200 with an `etag`.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            content_type: "application/octet-stream",
            has_etag: true,
            long_poll: false,
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            cut_after: None,
        }
    }

    /// A page for people, as proxies and error handlers send it.
    pub fn page(status: u16) -> Self {
        let body = format!("<html><body><h1>{status}</h1></body></html>");
        Self { status, content_type: "text/html", has_etag: false, ..Self::ok(body) }
    }

    fn etag(&self) -> String {
        format!("\"{:016x}\"", checksum(&self.body))
    }
}

impl BundleServer {
    /// Starts a server that answers 404 to everything.
    pub fn start() -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same on this address.
    pub fn start_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { shared, address, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the files below `dir` where no reply is set; dotted folders are not served.
    pub fn serve_tree(&self, dir: &Path) {
        self.change(|state| state.tree = Some(dir.to_owned()));
    }

    /// Answers `path` with `reply` from now on.
    pub fn set(&self, path: &str, reply: Reply) {
        self.change(|state| {
            state.replies.insert(path.to_owned(), reply);
        });
    }

    /// Answers `path` from the tree again.
    pub fn unset(&self, path: &str) {
        self.change(|state| {
            state.replies.remove(path);
        });
    }

    /// While it is down it closes every connection at once.
    pub fn set_down(&self, is_down: bool) {
        self.change(|state| state.is_down = is_down);
    }

    /// What was asked since the last call, in order.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.lock().asked)
    }

    /// How often `path` was asked since [`BundleServer::take_asked`].
    pub fn count(&self, path: &str) -> usize {
        self.shared.lock().asked.iter().filter(|asked| asked.path == path).count()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }
}

impl Drop for BundleServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        // Wakes the acceptor, which then sees that it is to stop.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// The reply to `path` for a client that has `etag`, held for up to `wait` where the reply is long polled.
    fn reply(&self, path: &str, etag: Option<&str>, wait: Duration) -> Reply {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        loop {
            let reply = state.find(path);
            let left = until.saturating_duration_since(Instant::now());
            let is_same = reply.has_etag && etag == Some(reply.etag().as_str());
            if !(reply.long_poll && is_same) || left.is_zero() || self.stop.load(Ordering::SeqCst) {
                return if is_same { Reply { status: 304, body: Vec::new(), ..reply } } else { reply };
            }
            state = self.changed.wait_timeout(state, left).expect("no holder of the lock panics").0;
        }
    }
}

impl State {
    fn find(&self, path: &str) -> Reply {
        if let Some(reply) = self.replies.get(path) {
            return reply.clone();
        }
        let inside = path.split('/').skip(1).all(|part| !part.is_empty() && !part.starts_with('.'));
        let file = self
            .tree
            .as_ref()
            .filter(|_| inside)
            .and_then(|tree| std::fs::read(tree.join(path.trim_start_matches('/'))).ok());
        file.map_or_else(|| Reply::page(404), Reply::ok)
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(IDLE));
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    let mut chunk = [0; 16384];
    loop {
        if shared.lock().is_down || shared.stop.load(Ordering::SeqCst) {
            return;
        }
        match head(&buffer) {
            Some((used, mut asked)) => {
                buffer.drain(..used);
                // A server that went down while the request was under way does not answer it.
                let reply = shared.reply(&asked.path, asked.etag.as_deref(), wait(asked.prefer.as_deref()));
                if shared.lock().is_down {
                    return;
                }
                asked.status = reply.status;
                shared.lock().asked.push(asked);
                if !answer(&mut stream, &reply) {
                    return;
                }
            }
            None => match stream.read(&mut chunk) {
                Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
                _ => return,
            },
        }
    }
}

/// The first request in `buffer`, which has no body, and its length.
fn head(buffer: &[u8]) -> Option<(usize, Asked)> {
    let mut slots = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let Ok(httparse::Status::Complete(used)) = parsed.parse(buffer) else { return None };
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(found.value).into_owned())
    };
    let path = parsed.path.unwrap_or_default().to_owned();
    Some((used, Asked { path, etag: header("if-none-match"), prefer: header("prefer"), status: 0 }))
}

/// `wait=N` of a `prefer` header (RFC 7240).
fn wait(prefer: Option<&str>) -> Duration {
    let found = prefer
        .unwrap_or_default()
        .split([',', ';'])
        .find_map(|part| part.trim().strip_prefix("wait=")?.parse().ok());
    Duration::from_secs(found.unwrap_or(0))
}

/// False where the connection is to be closed.
fn answer(stream: &mut TcpStream, reply: &Reply) -> bool {
    let Reply { status, body, content_type, has_etag, long_poll: _, delay, pause, cut_after } = reply;
    std::thread::sleep(*delay);
    let mut head = format!("HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\n");
    if *has_etag && *status != 304 {
        head.push_str(&format!("etag: {}\r\n", reply.etag()));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    if stream.write_all(head.as_bytes()).is_err() {
        return false;
    }
    let sent = &body[..cut_after.unwrap_or(body.len()).min(body.len())];
    let size = if pause.is_zero() { sent.len().max(1) } else { PIECE };
    for piece in sent.chunks(size) {
        if stream.write_all(piece).is_err() {
            return false;
        }
        std::thread::sleep(*pause);
    }
    cut_after.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Connection, Request, Response};

    fn ask(server: &BundleServer, path: &str, headers: &[(&str, &str)]) -> Result<Response, String> {
        let headers = headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        let request =
            Request { method: "GET".to_owned(), target: path.as_bytes().to_vec(), headers, body: None };
        Connection::open(server.address(), None)?.send(&request)
    }

    #[test]
    fn files_and_replies_are_served_and_counted() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("a.json"), "tree").unwrap();
        std::fs::create_dir(dir.path().join(".sidegate")).unwrap();
        std::fs::write(dir.path().join(".sidegate/x"), "books").unwrap();
        let server = BundleServer::start();
        server.serve_tree(dir.path());
        let first = ask(&server, "/a.json", &[]).unwrap();
        assert_eq!((first.status, first.body.as_slice()), (200, b"tree".as_slice()));
        let etag = String::from_utf8(first.values("etag")[0].to_vec()).unwrap();
        assert_eq!(ask(&server, "/a.json", &[("if-none-match", &etag)]).unwrap().status, 304);
        for path in ["/b", "/.sidegate/x", "/../a.json"] {
            assert_eq!(ask(&server, path, &[]).unwrap().status, 404, "{path}");
        }
        server.set("/a.json", Reply { cut_after: Some(2), ..Reply::ok("reply") });
        assert!(ask(&server, "/a.json", &[]).is_err());
        server.set_down(true);
        assert!(ask(&server, "/a.json", &[]).is_err());
        assert_eq!(server.count("/a.json"), 3);
        assert_eq!(server.take_asked()[1].etag, Some(etag));
    }

    #[test]
    fn a_long_poll_ends_when_the_reply_changes() {
        let server = BundleServer::start();
        let reply = Reply { long_poll: true, ..Reply::ok("old") };
        let etag = reply.etag();
        server.set("/b", reply);
        let headers = [("if-none-match", etag.as_str()), ("prefer", "modes=snapshot;wait=15")];
        std::thread::scope(|scope| {
            let polling = scope.spawn(|| ask(&server, "/b", &headers));
            std::thread::sleep(Duration::from_millis(50));
            server.set("/b", Reply { long_poll: true, ..Reply::ok("new") });
            assert_eq!(polling.join().unwrap().unwrap().body, b"new");
        });
        let held = ask(&server, "/b", &[("if-none-match", "\"other\""), ("prefer", "wait=15")]).unwrap();
        assert_eq!(held.status, 200);
    }
}
