//! What runs in a pod besides the sidecar: a service that shows what it gets ([`serve`]) and a client that asks as it is
//! told ([`obey`], from the test by [`Client`]). Both are this program again, in the pod's namespaces.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::client::{Connection, Request};
use crate::upstream::{Echo, Upstream};

/// A load ends by itself after this.
const LONGEST: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(3);

/// A request to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// Where to.
    pub to: SocketAddr,
    /// The host that is asked for.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Other headers.
    pub headers: Vec<(String, String)>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it is text.
    pub body: String,
}

/// How often what was answered under load, and what was no answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without one.
    pub errors: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Order {
    Ask(Question),
    Load(Question, usize),
    Stop,
}

/// What came of a request, or why nothing did.
pub type Reply = Result<Answer, String>;

/// The client in a pod, as the test has it.
pub struct Client {
    child: Child,
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Question {
    /// A GET.
    pub fn get(to: SocketAddr, host: &str, path: &str) -> Self {
        Self {
            to,
            host: host.to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
        }
    }

    /// Makes the request from where this process is.
    ///
    /// # Errors
    /// It had no answer.
    pub fn put(&self) -> Reply {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let mut headers = vec![(bytes("host"), bytes(&self.host)), (bytes("connection"), bytes("close"))];
        headers.extend(self.headers.iter().map(|(name, value)| (bytes(name), bytes(value))));
        let request = Request { method: self.method.clone(), target: bytes(&self.path), headers, body: None };
        let response = Connection::open(self.to, None)?.send(&request)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Answer {
            status: response.status,
            headers: response.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: text(&response.body),
        })
    }
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What the service got.
    ///
    /// # Errors
    /// It is not the service's answer.
    pub fn echo(&self) -> Result<Echo, String> {
        serde_json::from_str(&self.body)
            .map_err(|e| format!("expected the service's answer, got {self:?}: {e}"))
    }
}

impl Tally {
    fn add(&mut self, reply: Reply) {
        match reply {
            Ok(answer) => *self.statuses.entry(answer.status).or_default() += 1,
            Err(e) => self.errors.push(e),
        }
    }

    /// All requests.
    pub fn asked(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.errors.len() as u64
    }
}

impl Client {
    /// Starts one; `command` is this program in the pod, with the argument that has it [`obey`].
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("could not run the client: {e}"))?;
        let orders = child.stdin.take().ok_or("expected a pipe")?;
        let replies = BufReader::new(child.stdout.take().ok_or("expected a pipe")?);
        Ok(Self { child, orders, replies })
    }

    /// Makes one request, on a connection of its own.
    ///
    /// # Errors
    /// It had no answer.
    pub fn ask(&mut self, question: &Question) -> Reply {
        self.order(&Order::Ask(question.clone()))?;
        self.reply::<Reply>()?
    }

    /// Has so many clients ask over and over.
    ///
    /// # Errors
    /// The client is gone.
    pub fn load(&mut self, question: &Question, clients: usize) -> Result<(), String> {
        self.order(&Order::Load(question.clone(), clients))
    }

    /// Ends that, and says what came of it.
    ///
    /// # Errors
    /// The client is gone.
    pub fn stop(&mut self) -> Result<Tally, String> {
        self.order(&Order::Stop)?;
        self.reply()
    }

    fn order(&mut self, order: &Order) -> Result<(), String> {
        let line = serde_json::to_string(order).map_err(|e| e.to_string())?;
        writeln!(self.orders, "{line}").map_err(|e| format!("the client is gone: {e}"))
    }

    fn reply<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        self.replies.read_line(&mut line).map_err(|e| format!("the client is gone: {e}"))?;
        serde_json::from_str(&line).map_err(|e| format!("expected a reply, got `{line}`: {e}"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The service: answers until it is killed.
pub fn serve(port: u16) -> ! {
    let _upstream = Upstream::start_on(SocketAddr::from(([0, 0, 0, 0], port)));
    loop {
        std::thread::park();
    }
}

/// The client: an order a line, a reply for each but the start of a load.
///
/// # Errors
/// An order is none, or nobody reads the replies.
pub fn obey() -> Result<(), String> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut askers = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        match serde_json::from_str(&line).map_err(|e| format!("expected an order, got `{line}`: {e}"))? {
            Order::Ask(question) => reply(&question.put())?,
            Order::Load(question, clients) => {
                stop.store(false, Ordering::SeqCst);
                for _ in 0..clients {
                    let (question, tally, stop) = (question.clone(), Arc::clone(&tally), Arc::clone(&stop));
                    askers.push(std::thread::spawn(move || {
                        let deadline = Instant::now() + LONGEST;
                        while !stop.load(Ordering::SeqCst) && Instant::now() < deadline {
                            let reply = question.put();
                            tally.lock().expect("no holder of the lock panics").add(reply);
                            std::thread::sleep(PAUSE);
                        }
                    }));
                }
            }
            Order::Stop => {
                stop.store(true, Ordering::SeqCst);
                askers.drain(..).for_each(|asker| drop(asker.join()));
                let told = std::mem::take(&mut *tally.lock().expect("no holder of the lock panics"));
                reply(&told)?;
            }
        }
    }
    Ok(())
}

fn reply(value: &impl Serialize) -> Result<(), String> {
    let line = serde_json::to_string(value).map_err(|e| e.to_string())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| e.to_string())
}
