//! What decision logs are posted to: takes OPA's batches, and says what is wrong with them.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::upstream::{Echo, Upstream};

/// A collector on the loopback.
pub struct Collector {
    server: Upstream,
    events: Vec<Value>,
    /// The place of each among the events, by its id.
    known: BTreeMap<String, usize>,
    posts: usize,
    /// Events that came once more.
    again: usize,
}

/// One post as it came.
struct Post(Vec<Value>);

impl Collector {
    /// Starts it.
    pub fn start() -> Self {
        Self { server: Upstream::keeping(), events: Vec::new(), known: BTreeMap::new(), posts: 0, again: 0 }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Answers with this status from now on.
    pub fn set_status(&self, status: u16) {
        self.server.set_status(status);
    }

    /// How many posts were taken.
    pub fn posts(&self) -> usize {
        self.posts
    }

    /// All events so far, each once; a batch whose answer got lost comes again.
    ///
    /// # Errors
    /// A post that is none of OPA's, or two decisions under one id.
    pub fn events(&mut self) -> Result<&[Value], String> {
        for echo in self.server.take() {
            let Post(events) = Post::read(&echo)?;
            self.posts += 1;
            for event in events {
                let id = event["decision_id"].as_str().unwrap_or_default();
                match self.known.get(id).and_then(|at| self.events.get(*at)) {
                    None => {
                        self.known.insert(id.to_owned(), self.events.len());
                        self.events.push(event);
                    }
                    Some(known) if *known == event => self.again += 1,
                    Some(known) => {
                        return Err(format!(
                            "expected an id for each decision, got {id} for two:\n{known}\n{event}"
                        ));
                    }
                }
            }
        }
        Ok(&self.events)
    }

    /// Waits until there are so many events.
    ///
    /// # Errors
    /// They do not come, or are none.
    pub fn wait(&mut self, count: usize, patience: Duration) -> Result<&[Value], String> {
        let until = Instant::now() + patience;
        loop {
            let found = self.events()?.len();
            if found >= count {
                return Ok(&self.events);
            }
            if Instant::now() > until {
                let Self { posts, again, .. } = self;
                return Err(format!(
                    "expected {count} events within {patience:?}, got {found} in {posts} posts, {again} of them once more"
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Post {
    fn read(echo: &Echo) -> Result<Self, String> {
        let Echo { method, path, body, .. } = echo;
        let of = |name: &str| echo.values(name).join(",");
        let (content_type, encoding) = (of("content-type"), of("content-encoding"));
        if method != "POST" || content_type != "application/json" || encoding != "gzip" {
            return Err(format!(
                "expected a POST of gzipped JSON, got {method} {path} of {content_type}, {encoding}"
            ));
        }
        let mut json = Vec::new();
        flate2::read::GzDecoder::new(body.as_slice())
            .read_to_end(&mut json)
            .map_err(|e| format!("expected gzip: {e}"))?;
        let events: Vec<Value> =
            serde_json::from_slice(&json).map_err(|e| format!("expected an array of events: {e}"))?;
        let is_event = |event: &Value| {
            event["decision_id"].is_string() && event["timestamp"].is_string() && event["labels"].is_object()
        };
        match events.iter().find(|event| !is_event(event)) {
            Some(other) => Err(format!("expected an event of OPA's form, got {other}")),
            None => Ok(Self(events)),
        }
    }
}
