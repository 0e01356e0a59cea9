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

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// "Not modified".
    Unchanged,
    Pointer,
    Slice,
    /// The bundle of the whole mesh.
    Bundle,
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

    /// Takes a request whose client waits for so long; says when its answer has left, `None` where nobody is there to
    /// take it. What its client has given up by the time that its turn comes is work all the same, for the server
    /// only then sees that nobody waits for it; but nothing goes out.
    pub(super) fn serve(&mut self, now: i64, timeout: i64, asked: Asked) -> Option<i64> {
        let second = usize::try_from(now / SECOND).unwrap_or(0);
        *at(&mut self.arrivals, second) += 1;
        self.received += self.sizes.request;
        if self.down.is_some_and(|(from, to)| (from..to).contains(&now)) {
            return None;
        }
        let Sizes { unchanged, head, pointer, slice, bundle, .. } = self.sizes;
        let begin = self.free_at.max(now);
        if begin - now > timeout {
            self.free_at = begin + self.work;
            return Some(self.free_at);
        }
        let bytes = match asked {
            Asked::Unchanged => unchanged,
            Asked::Pointer => head + pointer,
            Asked::Slice => head + slice,
            Asked::Bundle => head + bundle,
        };
        let on_line = i64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(self.line.max(1)))
            .unwrap_or(i64::MAX);
        self.free_at = begin + self.work.max(on_line);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_takes_work_and_no_line() {
        let sizes = Sizes { bundle: 1000, head: 0, ..Sizes::default() };
        // A bundle takes a second of the line, a request a tenth of a second of work.
        let mut server = Server::new(10, 1000).with(sizes);
        let ask = |server: &mut Server| server.serve(0, 2 * SECOND, Asked::Bundle);
        let ends: Vec<_> = (0..3).map(|_| ask(&mut server)).collect();
        assert_eq!(ends, [1, 2, 3].map(|second| Some(second * SECOND)));
        assert_eq!(ask(&mut server), Some(3 * SECOND + SECOND / 10));
        assert_eq!(server.sent().iter().sum::<u64>(), 3000);
    }
}
