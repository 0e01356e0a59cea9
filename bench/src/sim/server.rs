//! The server of a simulated fleet: answers one request after the other.

use super::SECOND;

/// Bytes of requests and answers on the wire, without TLS and TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// A request.
    pub request: u64,
    /// An answer that says "not modified".
    pub unchanged: u64,
    /// The head of an answer with a body.
    pub head: u64,
    /// A pointer.
    pub pointer: u64,
    /// A slice of one workload.
    pub slice: u64,
    /// A bundle of the whole mesh.
    pub bundle: u64,
}

/// A server with a rate and a line.
#[derive(Clone, Debug)]
pub struct Server {
    /// Nanoseconds of work for a request.
    work: i64,
    /// Bytes that its line takes in a second.
    line: u64,
    sizes: Sizes,
    down: Option<(i64, i64)>,
    free_at: i64,
    arrivals: Vec<u64>,
    sent: Vec<u64>,
    received: u64,
}

impl Server {
    /// One that answers so many requests a second over a line of so many bytes a second.
    pub fn new(rate: u64, line: u64) -> Self {
        let work = SECOND / i64::try_from(rate.max(1)).unwrap_or(i64::MAX);
        Self {
            work,
            line,
            sizes: Sizes::default(),
            down: None,
            free_at: 0,
            arrivals: Vec::new(),
            sent: Vec::new(),
            received: 0,
        }
    }

    /// The same with these sizes.
    pub fn with(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }

    /// The same, down from one time to another.
    pub fn down(self, from: i64, to: i64) -> Self {
        Self { down: Some((from, to)), ..self }
    }

    /// Requests that came, for each second.
    pub fn arrivals(&self) -> &[u64] {
        &self.arrivals
    }

    /// Bytes that went out, for each second.
    pub fn sent(&self) -> &[u64] {
        &self.sent
    }

    /// Bytes that came in, in all.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes a request; says when its answer has left, `None` where nobody is there to take it.
    pub(super) fn serve(&mut self, now: i64, is_blob: bool, is_news: bool, classic: bool) -> Option<i64> {
        let second = usize::try_from(now / SECOND).unwrap_or(0);
        *at(&mut self.arrivals, second) += 1;
        self.received += self.sizes.request;
        if self.down.is_some_and(|(from, to)| (from..to).contains(&now)) {
            return None;
        }
        let Sizes { unchanged, head, pointer, slice, bundle, .. } = self.sizes;
        let bytes = match (is_blob, is_news) {
            (true, _) => head + slice,
            (false, true) if classic => head + bundle,
            (false, true) => head + pointer,
            (false, false) => unchanged,
        };
        let on_line = i64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(self.line.max(1)))
            .unwrap_or(i64::MAX);
        self.free_at = self.free_at.max(now) + self.work.max(on_line);
        let second = usize::try_from(self.free_at / SECOND).unwrap_or(0);
        *at(&mut self.sent, second) += bytes;
        Some(self.free_at)
    }
}

fn at(counts: &mut Vec<u64>, second: usize) -> &mut u64 {
    if counts.len() <= second {
        counts.resize(second + 1, 0);
    }
    &mut counts[second]
}
