//! One sender for all workers of a proxy.
//!
//! Every worker has a VM of its own, and a buffer. At each tick it appends what is in the buffer to what the VMs share,
//! and the one that holds the lease posts from the beginning of it; what has been taken is removed from there, and
//! nothing before. So a batch may be posted twice (a VM trapped, or an answer got lost), under the same decision ids,
//! and is lost only where there is no room: both buffers are bounded, and what does not fit is counted.

use super::batch::{Buffer, count};
use crate::refresh::Shared;
use crate::refresh::timing::{SECOND, is_due, pause_after};

/// What posts the events of one configuration.
#[derive(Debug)]
pub struct Sender {
    /// Tells this VM from the others.
    me: u64,
    lease: String,
    spool: String,
    /// Posted, and not yet answered; and until when an answer is waited for.
    posted: Option<(Vec<u8>, i64)>,
    failures: u32,
    /// When to try again after failures.
    retry_at: i64,
}

/// Events to post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// One on each line.
    pub lines: Vec<u8>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many events were taken.
    Taken(u64),
    /// So many events will not be taken however often they are posted, and are dropped.
    Refused(u64),
    /// They are posted again after a while.
    Later,
}

/// Most bytes that wait in what the VMs share: reading and writing them takes a millisecond.
const MOST: usize = 1024 * 1024;
/// Most bytes of a batch, as long as events are shorter than that.
const BATCH: usize = 256 * 1024;
/// How long a lease lasts. A post takes no longer.
const LEASE: i64 = 10 * SECOND;
/// The beginning of what is shared, so that it is never empty.
const HEAD: u8 = b'\n';
/// How often a value is read again that another VM has changed meanwhile.
const TRIES: usize = 4;

impl Sender {
    /// A sender under these keys of the shared data. `me` differs from VM to VM.
    pub fn new(prefix: &str, me: u64, shared: &mut dyn Shared) -> Self {
        let spool = format!("{prefix}.log");
        if shared.get(&spool).is_none() {
            shared.set(&spool, &[HEAD], None);
        }
        let lease = format!("{prefix}.log.lease");
        Self { me, lease, spool, posted: None, failures: 0, retry_at: 0 }
    }

    /// Hands on what is in the buffer; gives what is to be posted now, if this is the VM that posts. It has to be told
    /// what [became](Self::answered) of it.
    pub fn tick(&mut self, buffer: &mut Buffer, now: i64, shared: &mut dyn Shared) -> Option<Batch> {
        self.hand_on(buffer, shared);
        if self.holds(now, shared) { self.next(now, shared) } else { None }
    }

    /// The batch was answered with this status, or not at all; gives the next one where there is no reason to wait.
    pub fn answered(
        &mut self,
        status: Option<u16>,
        now: i64,
        seed: u64,
        shared: &mut dyn Shared,
    ) -> (Sent, Option<Batch>) {
        let Some((lines, _)) = self.posted.take() else { return (Sent::Later, None) };
        let sent = match status {
            Some(200..=299) => Sent::Taken(count(&lines)),
            // Not what it can read, or too much of it: no other time is better.
            Some(400 | 413 | 415 | 422) => Sent::Refused(count(&lines)),
            _ => {
                self.failures = self.failures.saturating_add(1);
                self.retry_at = now.saturating_add(pause_after(self.failures, SECOND, true, seed));
                return (Sent::Later, None);
            }
        };
        self.failures = 0;
        self.remove(&lines, shared);
        (sent, self.next(now, shared))
    }

    fn next(&mut self, now: i64, shared: &mut dyn Shared) -> Option<Batch> {
        let is_awaited = self.posted.as_ref().is_some_and(|(_, until)| !is_due(now, *until, LEASE));
        if is_awaited || (self.failures > 0 && !is_due(now, self.retry_at, 20 * SECOND)) {
            return None;
        }
        let (waiting, _) = shared.get(&self.spool)?;
        let lines = waiting.strip_prefix(&[HEAD]).filter(|lines| !lines.is_empty())?;
        let most = lines.get(..BATCH.min(lines.len())).unwrap_or(lines);
        let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
        // A whole number of events, and at least one.
        let whole = end(most).or_else(|| lines.iter().position(|byte| *byte == b'\n'))?;
        let lines = lines.get(..=whole)?.to_vec();
        self.posted = Some((lines.clone(), now.saturating_add(LEASE)));
        Some(Batch { lines })
    }

    /// Appends what is in the buffer to what is shared, if there is room and nobody is in the way; else it stays.
    pub fn hand_on(&self, buffer: &mut Buffer, shared: &mut dyn Shared) {
        if buffer.lines().is_empty() {
            return;
        }
        self.change(shared, |waiting| {
            let has_room = waiting.len().saturating_add(buffer.lines().len()) <= MOST;
            has_room.then(|| [waiting, buffer.lines()].concat())
        })
        .then(|| buffer.clear());
    }

    fn remove(&self, lines: &[u8], shared: &mut dyn Shared) {
        self.change(shared, |waiting| {
            let rest = waiting.strip_prefix(&[HEAD])?.strip_prefix(lines)?;
            Some([&[HEAD], rest].concat())
        });
    }

    /// Changes what is shared; whether it was changed. What is not of this form is begun anew.
    fn change(&self, shared: &mut dyn Shared, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> bool {
        for _ in 0..TRIES {
            let (waiting, number) = match shared.get(&self.spool) {
                Some((waiting, number)) if waiting.first() == Some(&HEAD) => (waiting, Some(number)),
                Some((_, number)) => (vec![HEAD], Some(number)),
                None => (vec![HEAD], None),
            };
            let Some(changed) = change(&waiting) else { return false };
            if shared.set(&self.spool, &changed, number) {
                return true;
            }
        }
        false
    }

    /// Whether this VM posts. It takes the lease where nobody has it, and keeps it.
    fn holds(&self, now: i64, shared: &mut dyn Shared) -> bool {
        let found = shared.get(&self.lease);
        let read = |bytes: &[u8]| {
            let (holder, until) = bytes.split_first_chunk::<8>()?;
            let until = <[u8; 8]>::try_from(until).ok()?;
            Some((u64::from_le_bytes(*holder), i64::from_le_bytes(until)))
        };
        let held = found.as_ref().and_then(|(bytes, _)| read(bytes));
        let number = found.as_ref().map(|(_, number)| *number);
        let is_mine = held.is_some_and(|(holder, _)| holder == self.me);
        let is_free = held.is_none_or(|(_, until)| is_due(now, until, LEASE));
        if !is_mine && !is_free {
            return false;
        }
        let until = now.saturating_add(LEASE);
        let lease = [self.me.to_le_bytes(), until.to_le_bytes()].concat();
        // Where there was none, another may have written one too: the next tick shows whose it is.
        shared.set(&self.lease, &lease, number) && number.is_some()
    }
}
