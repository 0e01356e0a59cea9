//! A fleet of sidecars and the server that they fetch policies from, in simulated time. When a sidecar asks is decided
//! by the filter's own code ([`sidegate_engine::refresh::timing`]); the server is one queue with a rate, a line and
//! times at which it is down. The same seed gives the same run.

mod server;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sidegate_engine::refresh::timing;

use self::server::Asked;
pub use self::server::{Server, Sizes};

/// Nanoseconds of a second.
pub const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;
/// From a sidecar to the server, or back.
const ONE_WAY: i64 = MS;

/// How sidecars ask.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// How many there are.
    pub sidecars: usize,
    /// `bundle.http.interval`, in nanoseconds.
    pub interval: i64,
    /// `bundle.http.timeout`, in nanoseconds.
    pub timeout: i64,
    /// All start within so many nanoseconds.
    pub spread: i64,
    /// Whether they have a policy already.
    pub has_policy: bool,
    /// Whether intervals vary, as the filter's do.
    pub jitter: bool,
    /// A whole bundle instead of pointer and slice.
    pub classic: bool,
}

/// A change: when it is published, and for how many sidecars (the first ones).
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When.
    pub at: i64,
    /// For how many.
    pub sidecars: usize,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// From the start of a sidecar to its first policy, in nanoseconds; those that have none have none here.
    pub first: Vec<i64>,
    /// Requests of sidecars that had no policy yet.
    pub before_first: u64,
    /// From the publish to the last worker of a sidecar that should have it.
    pub converged: Vec<i64>,
    /// Requests that no answer came to in time.
    pub failed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A tick at which something is due.
    Ask,
    /// An answer, with the version that the server had; a blob if so.
    Answer {
        version: u32,
        is_blob: bool,
    },
    Failed {
        is_blob: bool,
    },
}

#[derive(Clone, Copy)]
struct Sidecar {
    start: i64,
    version: u32,
    wanted: Option<u32>,
    failures: u32,
    next_poll: i64,
    random: u64,
}

impl Fleet {
    /// From one tick of a worker to the next: a twentieth of the interval, within the filter's bounds.
    pub fn tick(&self) -> i64 {
        (self.interval / 20).clamp(50 * MS, 250 * MS)
    }

    /// Lets them ask `server` until `end`, with at most one change.
    pub fn run(&self, server: &mut Server, change: Option<Change>, end: i64, seed: u64) -> Outcome {
        let mut random = seed;
        let mut outcome = Outcome::default();
        let mut queue: BinaryHeap<Reverse<(i64, usize, What)>> = BinaryHeap::with_capacity(self.sidecars);
        let mut all: Vec<Sidecar> = (0..self.sidecars)
            .map(|at| {
                let own = next(&mut random);
                let start = below(&mut random, self.spread.max(1));
                queue.push(Reverse((start + self.tick(), at, What::Ask)));
                let version = u32::from(self.has_policy);
                Sidecar { start, version, wanted: None, failures: 0, next_poll: 0, random: own }
            })
            .collect();
        while let Some(Reverse((now, at, what))) = queue.pop() {
            if now > end {
                break;
            }
            let sidecar = &mut all[at];
            match what {
                What::Ask => {
                    outcome.before_first += u64::from(sidecar.version == 0);
                    queue.push(Reverse(self.ask(sidecar, at, server, change, now)));
                }
                What::Answer { version, is_blob: false } => {
                    sidecar.failures = 0;
                    sidecar.next_poll = now + self.pause(sidecar);
                    if version == sidecar.version {
                        queue.push(Reverse((self.tick_after(sidecar, sidecar.next_poll), at, What::Ask)));
                    } else if self.classic {
                        self.adopt(sidecar, version, change, now, &mut outcome);
                        queue.push(Reverse((self.tick_after(sidecar, sidecar.next_poll), at, What::Ask)));
                    } else {
                        sidecar.wanted = Some(version);
                        queue.push(Reverse((self.tick_after(sidecar, now), at, What::Ask)));
                    }
                }
                What::Answer { version, is_blob: true } => {
                    sidecar.failures = 0;
                    sidecar.wanted = None;
                    self.adopt(sidecar, version, change, now, &mut outcome);
                    queue.push(Reverse((self.tick_after(sidecar, sidecar.next_poll), at, What::Ask)));
                }
                What::Failed { is_blob } => {
                    outcome.failed += 1;
                    sidecar.failures = sidecar.failures.saturating_add(1);
                    let seed = next(&mut sidecar.random);
                    let has = sidecar.version != 0;
                    let due = now + timing::pause_after(sidecar.failures, self.interval, has, seed);
                    if !is_blob {
                        sidecar.next_poll = due;
                    }
                    queue.push(Reverse((self.tick_after(sidecar, due), at, What::Ask)));
                }
            }
        }
        outcome
    }

    fn ask(
        &self,
        sidecar: &mut Sidecar,
        at: usize,
        server: &mut Server,
        change: Option<Change>,
        now: i64,
    ) -> (i64, usize, What) {
        let is_blob = sidecar.wanted.is_some();
        let is_changed = change.is_some_and(|change| now + ONE_WAY >= change.at && at < change.sidecars);
        let version = sidecar.wanted.unwrap_or(if is_changed { 2 } else { 1 });
        let is_news = version != sidecar.version;
        let failed = |when| (when, at, What::Failed { is_blob });
        let asked = match (is_blob, is_news) {
            (true, _) => Asked::Slice,
            (false, true) if self.classic => Asked::Bundle,
            (false, true) => Asked::Pointer,
            (false, false) => Asked::Unchanged,
        };
        match server.serve(now + ONE_WAY, self.timeout, asked) {
            None => failed(now + 2 * ONE_WAY),
            Some(done) if done + ONE_WAY - now > self.timeout => failed(now + self.timeout),
            Some(done) => (done + ONE_WAY, at, What::Answer { version, is_blob }),
        }
    }

    fn adopt(
        &self,
        sidecar: &mut Sidecar,
        version: u32,
        change: Option<Change>,
        now: i64,
        outcome: &mut Outcome,
    ) {
        if sidecar.version == 0 {
            outcome.first.push(now - sidecar.start);
        }
        sidecar.version = version;
        if let (2, Some(change)) = (version, change) {
            // Its other workers find it at their next tick.
            outcome.converged.push(now + self.tick() - change.at);
        }
    }

    fn pause(&self, sidecar: &mut Sidecar) -> i64 {
        // The seed that is the middle of what the filter draws from.
        let seed = if self.jitter {
            next(&mut sidecar.random)
        } else {
            u64::try_from(self.interval / 10).unwrap_or(0)
        };
        timing::pause(self.interval, seed)
    }

    /// What is due is asked for at a tick; ticks count from the start.
    fn tick_after(&self, sidecar: &Sidecar, due: i64) -> i64 {
        let ticks = (due - sidecar.start).max(0) / self.tick() + 1;
        sidecar.start + ticks * self.tick()
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn below(state: &mut u64, bound: i64) -> i64 {
    i64::try_from(next(state) % u64::try_from(bound).unwrap_or(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(sidecars: usize) -> Fleet {
        Fleet {
            sidecars,
            interval: 30 * SECOND,
            timeout: 5 * SECOND,
            spread: 30 * SECOND,
            has_policy: true,
            jitter: true,
            classic: false,
        }
    }

    #[test]
    fn polls_come_once_an_interval() {
        let mut server = Server::new(100_000, 1 << 30);
        fleet(3000).run(&mut server, None, 630 * SECOND, 1);
        let settled: u64 = server.arrivals()[30..630].iter().sum();
        // 3000 sidecars, 600 seconds, an interval of 30: 60,000; a poll comes at the tick after it is due.
        assert!((59_000..60_500).contains(&settled), "{settled}");
    }

    #[test]
    fn a_change_reaches_everybody_within_an_interval_and_two_ticks() {
        let mut server = Server::new(100_000, 1 << 30);
        let change = Change { at: 100 * SECOND, sidecars: 2000 };
        let outcome = fleet(3000).run(&mut server, Some(change), 200 * SECOND, 2);
        assert_eq!(outcome.converged.len(), 2000);
        let most = outcome.converged.iter().max().copied().unwrap_or_default();
        assert!((25 * SECOND..34 * SECOND).contains(&most), "{most}");
        assert_eq!(outcome.failed, 0);
    }

    #[test]
    fn a_server_that_is_too_slow_fails_some_and_serves_all_in_the_end() {
        let mut server = Server::new(100, 1 << 30);
        let fleet = Fleet { has_policy: false, spread: SECOND, ..fleet(2000) };
        let outcome = fleet.run(&mut server, None, 600 * SECOND, 3);
        assert!(outcome.failed > 0);
        assert_eq!(outcome.first.len(), 2000);
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let run = || {
            let mut server = Server::new(500, 1 << 20);
            let fleet = Fleet { has_policy: false, ..fleet(1000) };
            (fleet.run(&mut server, None, 100 * SECOND, 4).first, server.arrivals().to_vec())
        };
        assert_eq!(run(), run());
    }
}
