//! Logs read by one thread and decided by several, in an order that does not depend on them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, scope};

use super::Options;
use super::decide::{Judge, Judged};
use super::report::{Finding, Replay, Tally};
use super::state::{Policies, State};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::log::{Piece, Records, What};

/// Bytes that are handed over at a time: so many that a batch has several events of most workloads of a mesh. They are
/// decided one after the other, while what decides about them is near.
const BATCH: usize = 1 << 23;
/// Bytes at the beginning of an event that have its labels.
const LABELS: usize = 512;
/// What an evaluation may need at most, many times over.
const STACK: usize = 1 << 26;

/// A log to read.
pub struct Log<'l> {
    /// Its name, for messages.
    pub name: String,
    /// It may be compressed by gzip.
    pub reader: Box<dyn Read + Send + 'l>,
}

/// Records of one log.
struct Batch {
    number: u64,
    log: Arc<str>,
    bytes: Vec<u8>,
    /// Where each is, what it is, and on which line it begins.
    records: Vec<(u64, Kind, Range<usize>)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Object,
    Other,
    TooLarge,
}

/// What is known of a batch.
struct Done {
    log: Arc<str>,
    same: u64,
    otherwise: u64,
    findings: Vec<(u64, Finding)>,
}

/// What is known of all batches, put together in their order.
#[derive(Default)]
struct Merged {
    tally: Tally,
    next: u64,
    waiting: BTreeMap<u64, Done>,
}

#[derive(Default)]
struct Shared {
    merged: Mutex<Merged>,
    failed: Mutex<Option<Diagnostics>>,
    stop: AtomicBool,
}

/// Decides the decisions of logs anew by `new`, and compares with what `old` decides, or else with what was recorded.
/// `progress` is told now and then how many records were read.
///
/// # Errors
/// A policy that does not compile for a workload.
pub fn replay<'l>(
    new: &State,
    old: Option<&State>,
    options: &Options,
    logs: impl Iterator<Item = Log<'l>>,
    progress: &mut dyn FnMut(u64),
) -> Result<Replay, Diagnostics> {
    new.asked(|new| match old {
        None => run(new, None, options, logs, progress),
        Some(old) => old.asked(|old| run(new, Some(old), options, logs, progress)),
    })
}

fn run<'l>(
    new: &dyn Policies,
    old: Option<&dyn Policies>,
    options: &Options,
    logs: impl Iterator<Item = Log<'l>>,
    progress: &mut dyn FnMut(u64),
) -> Result<Replay, Diagnostics> {
    let internal =
        || Diagnostics::from(Diagnostic::file("", "internal", "internal error: no thread to decide in"));
    let shared = Shared::default();
    let threads = options.threads.max(1);
    let (sender, receiver) = sync_channel::<Batch>(threads);
    let receiver = Arc::new(Mutex::new(receiver));
    let (records, cut_off) = scope(|scope| {
        let mut started = Vec::new();
        for _ in 0..threads {
            let (receiver, shared) = (Arc::clone(&receiver), &shared);
            let work = move || shared.work(&receiver, &mut Judge::new(new, old, options));
            started.push(Builder::new().stack_size(STACK).spawn_scoped(scope, work).map_err(|_| internal())?);
        }
        // Those that are waiting for more are the only ones that hold it.
        drop(receiver);
        let read = read(logs, &sender, &shared, progress);
        drop(sender);
        for thread in started {
            thread.join().map_err(|_| internal())?;
        }
        Ok::<_, Diagnostics>(read)
    })?;
    if let Some(failed) = shared.failed.into_inner().map_err(|_| internal())? {
        return Err(failed);
    }
    let Merged { mut tally, waiting, .. } = shared.merged.into_inner().map_err(|_| internal())?;
    if !waiting.is_empty() {
        return Err(internal());
    }
    tally.replay.records = records;
    tally.replay.cut_off = cut_off;
    if old.is_none() {
        tally.replay.recorded_otherwise = None;
    }
    Ok(tally.finish())
}

/// Reads all logs: how many records they have, and which ones end early.
fn read<'l>(
    logs: impl Iterator<Item = Log<'l>>,
    sender: &SyncSender<Batch>,
    shared: &Shared,
    progress: &mut dyn FnMut(u64),
) -> (u64, Vec<String>) {
    let (mut total, mut cut_off, mut number) = (0, Vec::new(), 0);
    for Log { name, reader } in logs {
        if let Err(error) = read_one(&name, reader, sender, shared, &mut number, &mut |records| {
            total += records;
            progress(total);
        }) {
            cut_off.push(format!("`{name}` ends early: {error}"));
        }
    }
    (total, cut_off)
}

fn read_one(
    name: &str,
    reader: Box<dyn Read + Send + '_>,
    sender: &SyncSender<Batch>,
    shared: &Shared,
    number: &mut u64,
    count: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let log: Arc<str> = name.into();
    let mut records = Records::new(reader)?;
    let mut is_over = false;
    let mut result = Ok(());
    while !is_over && !shared.stop.load(Ordering::Relaxed) {
        let mut batch = Batch {
            number: *number,
            log: Arc::clone(&log),
            bytes: Vec::with_capacity(BATCH),
            records: Vec::new(),
        };
        while batch.bytes.len() < BATCH && !is_over {
            match records.next() {
                Ok(Some(piece)) => batch.push(&piece),
                Ok(None) => is_over = true,
                Err(error) => (result, is_over) = (Err(error), true),
            }
        }
        let length = u64::try_from(batch.records.len()).unwrap_or(u64::MAX);
        // Nobody is there any more only where one of them has failed, which is found out later.
        if length > 0 && sender.send(batch).is_err() {
            break;
        }
        *number += u64::from(length > 0);
        count(length);
    }
    result
}

impl Batch {
    fn push(&mut self, Piece { line, what }: &Piece<'_>) {
        let (kind, bytes): (Kind, &[u8]) = match what {
            What::Object(bytes) => (Kind::Object, bytes),
            What::Other(bytes) => (Kind::Other, bytes),
            What::TooLarge => (Kind::TooLarge, &[]),
        };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.records.push((*line, kind, start..self.bytes.len()));
    }
}

impl Shared {
    fn work(&self, batches: &Mutex<Receiver<Batch>>, judge: &mut Judge<'_>) {
        let next = || batches.lock().ok()?.recv().ok();
        while let Some(batch) = next() {
            let number = batch.number;
            match done(batch, judge) {
                Ok(done) => self.merge(number, done),
                Err(findings) => {
                    self.stop.store(true, Ordering::Relaxed);
                    if let Ok(mut failed) = self.failed.lock() {
                        failed.get_or_insert(findings);
                    }
                    // Whoever sends must not wait for ever.
                    while next().is_some() {}
                    return;
                }
            }
        }
    }

    fn merge(&self, number: u64, done: Done) {
        let Ok(mut merged) = self.merged.lock() else { return };
        let Merged { tally, next, waiting } = &mut *merged;
        waiting.insert(number, done);
        while let Some(Done { log, same, otherwise, findings }) = waiting.remove(next) {
            let counts = &mut tally.replay.counts;
            counts.same = counts.same.saturating_add(same);
            let all = tally.replay.recorded_otherwise.get_or_insert(0);
            *all = all.saturating_add(otherwise);
            findings.into_iter().for_each(|(line, finding)| tally.add(&log, line, finding));
            *next = next.saturating_add(1);
        }
    }
}

fn done(batch: Batch, judge: &mut Judge<'_>) -> Result<Done, Diagnostics> {
    let Batch { number: _, log, bytes, mut records } = batch;
    let of = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    records.sort_by_cached_key(|(_, _, range)| labels(of(range)));
    let mut done = Done { log, same: 0, otherwise: 0, findings: Vec::new() };
    let mut findings = Vec::new();
    for (line, kind, range) in records {
        let bytes = of(&range);
        let left = |code| Finding::LeftOut { code, example: String::from_utf8_lossy(bytes).into_owned() };
        let Judged { finding, is_otherwise } = match kind {
            Kind::Object => judge.judge(bytes)?,
            Kind::Other => Judged { finding: Some(left("not_json")), is_otherwise: false },
            Kind::TooLarge => Judged { finding: Some(left("too_large")), is_otherwise: false },
        };
        done.otherwise += u64::from(is_otherwise);
        match finding {
            None => done.same += 1,
            Some(finding) => findings.push((range.start, line, finding)),
        }
    }
    // As they stand in the log, so that the first is the first. (What has no bytes is all the same.)
    findings.sort_by_key(|(start, ..)| *start);
    done.findings = findings.into_iter().map(|(_, line, finding)| (line, finding)).collect();
    Ok(done)
}

/// What an event's labels say of its workload, if they come first: nothing depends on it but how fast it is.
fn labels(event: &[u8]) -> [Option<&[u8]>; 2] {
    let head = event.get(..LABELS).unwrap_or(event);
    [&b"\"namespace\":\""[..], b"\"workload\":\""].map(|key| {
        let at = head.windows(key.len()).position(|part| part == key)?;
        head.get(at.saturating_add(key.len())..)?.split(|byte| *byte == b'"').next()
    })
}
