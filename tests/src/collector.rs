//! What decision logs are posted to: takes OPA's batches, and says what is wrong with them.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::upstream::{Echo, Upstream};

/// A collector on the loopback.
pub struct Collector {
    server: Upstream,
    events: Vec<Value>,
    posts: usize,
}

/// One post as it came.
struct Post(Vec<Value>);

impl Collector {
    /// Starts it.
    pub fn start() -> Self {
        Self { server: Upstream::keeping(), events: Vec::new(), posts: 0 }
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
    /// A post that is none of OPA's.
    pub fn events(&mut self) -> Result<&[Value], String> {
        for echo in self.server.take() {
            let Post(events) = Post::read(&echo)?;
            self.posts += 1;
            let known: BTreeSet<&str> = self.events.iter().filter_map(id).collect();
            let new: Vec<Value> =
                events.into_iter().filter(|event| id(event).is_none_or(|id| !known.contains(id))).collect();
            self.events.extend(new);
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
                return Err(format!("expected {count} events within {patience:?}, got {found}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn id(event: &Value) -> Option<&str> {
    event["decision_id"].as_str()
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
