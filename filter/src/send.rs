//! Posts the decision log, for all workers of the proxy.

use std::cell::RefCell;
use std::rc::Rc;

use sidegate_engine::config::{DecisionLog, LogSink};
use sidegate_engine::log::{Batch, Buffer, Sender, Sent, array, gzip};
use sidegate_engine::refresh::prefix;

use crate::chance;
use crate::contexts;
use crate::host::{self, Map};
use crate::metrics;
use crate::refresh::{HostData, seed};

/// Milliseconds between two ticks.
pub(crate) const TICK_MS: u32 = 250;

/// Milliseconds that a post may take; less than its sender's lease lasts.
const TIMEOUT_MS: u32 = 5_000;

/// Zlib's function of the host, by which events are compressed.
const COMPRESS: &str = "compress";

/// Posts the events of one root context.
pub(crate) struct Post {
    sender: Sender,
    buffer: Rc<RefCell<Buffer>>,
    cluster: String,
    path: String,
    /// The call under way.
    token: Option<u32>,
}

impl Post {
    /// For a configuration that posts; `None` for others. `whose` tells configurations apart that must not post for one
    /// another.
    pub(crate) fn new(config: &DecisionLog, whose: &str, buffer: &Rc<RefCell<Buffer>>) -> Option<Self> {
        let LogSink::Http { cluster, path } = &config.sink else { return None };
        let prefix = prefix(&["log", whose, &format!("{config:?}")]);
        // Of two plugins in one VM, and of two VMs in one moment, each is somebody else.
        let me = host::current_time_ns().map_or(0, seed).wrapping_add(chance::vm());
        let sender = Sender::new(&prefix, me, &mut HostData);
        Some(Self {
            sender,
            buffer: Rc::clone(buffer),
            cluster: cluster.clone(),
            path: path.clone(),
            token: None,
        })
    }

    /// The root context ends: what waits here is left to the other workers.
    pub(crate) fn end(&self) {
        if let Ok(mut buffer) = self.buffer.try_borrow_mut() {
            self.sender.hand_on(&mut buffer, &mut HostData);
        }
    }

    fn send(&mut self, batch: Option<Batch>, now: i64) {
        let Some(Batch { lines }) = batch else { return };
        let events = array(&lines);
        let file = host::call_foreign(COMPRESS, &events).ok().and_then(|zlib| gzip(&events, &zlib));
        let headers: Vec<(String, String)> = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", self.cluster.as_str()),
            (":path", self.path.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("user-agent", concat!("sidegate/", env!("CARGO_PKG_VERSION"))),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let token = file.and_then(|file| host::http_call(&self.cluster, &headers, &file, TIMEOUT_MS).ok());
        self.token = token;
        if token.is_none() {
            self.answered(None, now);
        }
    }

    fn answered(&mut self, status: Option<u16>, now: i64) {
        self.token = None;
        let (sent, next) = self.sender.answered(status, now, seed(now), &mut HostData);
        match sent {
            Sent::Taken(_) => metrics::count_named("log.", "posted"),
            Sent::Refused(events) => metrics::count_many("log.", "failed", events),
            Sent::Later => metrics::count_named("log.", "retried"),
        }
        self.send(next, now);
    }
}

/// Tries what posts need of the proxy besides HTTP.
pub(crate) fn check() -> Result<(), String> {
    let data = b"sidegate";
    let zlib = host::call_foreign(COMPRESS, data);
    match zlib.map(|zlib| gzip(data, &zlib)) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!("expected zlib's format of the proxy's function `{COMPRESS}`, got another")),
        Err(status) => Err(format!(
            "`decision_log`: expected the proxy's function `{COMPRESS}` (capability `proxy_call_foreign_function`), got: {status}"
        )),
    }
}

/// A root context is ticked.
pub(crate) fn on_tick(root: u32) {
    let Ok(now) = host::current_time_ns() else { return };
    let Some(mut post) = contexts::take_post(root) else { return };
    let batch = match post.buffer.try_borrow_mut() {
        Ok(mut buffer) => post.sender.tick(&mut buffer, now, &mut HostData),
        Err(_) => None,
    };
    post.send(batch, now);
    contexts::put_post(root, post);
}

/// A request of ours has been answered, or will not be. Whether it was a post.
pub(crate) fn on_call_response(root: u32, token: u32, headers: u32) -> bool {
    let Some(mut post) = contexts::take_post(root) else { return false };
    let is_ours = post.token == Some(token);
    if is_ours && let Ok(now) = host::current_time_ns() {
        let status = if headers == 0 { None } else { host::header_map(Map::CallResponse).ok() };
        let status =
            status.and_then(|headers| std::str::from_utf8(headers.first(b":status")?).ok()?.parse().ok());
        post.answered(status, now);
    }
    contexts::put_post(root, post);
    is_ours
}
