//! Clients that never stop asking, and look at every answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::site::version_of;
use crate::client::{Connection, Request};

/// Wrong answers that are kept to be shown.
const SHOWN: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// Running clients; dropping it stops them. Each asks on a connection of its own, and so a worker of its own,
/// one request after the other.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    /// The versions in the order in which they were published; an older one may come back.
    published: Mutex<Vec<u32>>,
    /// The first place among them that may still answer.
    settled: AtomicUsize,
    asked: AtomicU64,
    wrong: AtomicU64,
    shown: Mutex<Vec<String>>,
    /// The place among the published of the version that each client saw last.
    seen: Vec<AtomicUsize>,
}

impl Load {
    /// Starts `clients` clients, whom only `version` may answer; each pauses for `pause` between two requests.
    pub fn start(to: SocketAddr, clients: usize, version: u32, pause: Duration) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            published: Mutex::new(vec![version]),
            settled: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            shown: Mutex::new(Vec::new()),
            seen: (0..clients).map(|_| AtomicUsize::new(usize::MAX)).collect(),
        });
        let start = |client| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run(to, client, pause))
        };
        let clients = (0..clients).map(start).collect();
        Self { shared, clients }
    }

    /// This version is published next: from now on it may answer too. A client that saw it must not see the one
    /// before it again.
    pub fn expect(&self, version: u32) {
        self.shared.published().push(version);
    }

    /// Waits until every client was answered by the version published last; none before it may answer any more
    /// then. Says how long that took.
    ///
    /// # Errors
    /// It is not so within half a minute.
    pub fn settle(&self) -> Result<Duration, String> {
        let begun = Instant::now();
        let last = self.shared.published().len() - 1;
        while self.shared.seen.iter().any(|seen| seen.load(Ordering::SeqCst) != last) {
            if begun.elapsed() > PATIENCE {
                let seen: Vec<usize> =
                    self.shared.seen.iter().map(|seen| seen.load(Ordering::SeqCst)).collect();
                let wrong = self.shared.shown().join("\n");
                return Err(format!(
                    "expected all clients to see version number {last}, they see {seen:?}\n{wrong}"
                ));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.shared.settled.store(last, Ordering::SeqCst);
        Ok(begun.elapsed())
    }

    /// Waits until so many requests were answered in all.
    pub fn wait_for(&self, asked: u64) {
        while self.asked() < asked && !self.clients.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many requests were answered so far.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// How many were answered by neither version, or not at all.
    pub fn wrong(&self) -> u64 {
        self.shared.wrong.load(Ordering::SeqCst)
    }

    /// Stops the clients; how many requests were answered.
    ///
    /// # Errors
    /// An answer was wrong.
    pub fn finish(mut self) -> Result<u64, String> {
        self.stop();
        let (asked, wrong) = (self.asked(), self.wrong());
        if wrong == 0 {
            return Ok(asked);
        }
        let shown = self.shared.shown().join("\n");
        Err(format!("expected {asked} right answers, {wrong} were wrong, among them:\n{shown}"))
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn shown(&self) -> MutexGuard<'_, Vec<String>> {
        self.shown.lock().expect("no holder of the lock panics")
    }

    fn run(&self, to: SocketAddr, client: usize, pause: Duration) {
        let headers = vec![(b"host".to_vec(), b"cart.shop".to_vec())];
        let request = Request { method: "GET".to_owned(), target: b"/".to_vec(), headers, body: None };
        let bytes = request.to_bytes();
        let mut connection = None;
        while !self.stop.load(Ordering::SeqCst) {
            let result = self.one(to, client, &bytes, &mut connection);
            self.asked.fetch_add(1, Ordering::SeqCst);
            if let Err(message) = result {
                connection = None;
                self.wrong.fetch_add(1, Ordering::SeqCst);
                let mut shown = self.shown();
                if shown.len() < SHOWN {
                    shown.push(format!("client {client}: {message}"));
                }
            }
            std::thread::sleep(pause);
        }
    }

    fn one(
        &self,
        to: SocketAddr,
        client: usize,
        request: &[u8],
        connection: &mut Option<Connection>,
    ) -> Result<(), String> {
        let open = match connection {
            Some(open) => open,
            None => connection.insert(Connection::open(to, None)?),
        };
        // Read before the request is sent: an answer that was right then has not become wrong since.
        let settled = self.settled.load(Ordering::SeqCst);
        let version = version_of(&open.send_bytes(request, false)?)?;
        let published = self.published();
        let before = self.seen[client].load(Ordering::SeqCst);
        let least = if before == usize::MAX { settled } else { settled.max(before) };
        match published.iter().skip(least).position(|known| *known == version) {
            Some(at) => {
                self.seen[client].store(least + at, Ordering::SeqCst);
                Ok(())
            }
            None => Err(format!("expected one of the versions {:?}, got {version}", &published[least..])),
        }
    }

    fn published(&self) -> MutexGuard<'_, Vec<u32>> {
        self.published.lock().expect("no holder of the lock panics")
    }
}
