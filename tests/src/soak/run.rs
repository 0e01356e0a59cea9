//! The run, and what is written about it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Clock;
use super::events::{Chaos, EVENTS, Event};
use super::live::Live;
use super::sidecar::{Sidecar, SidecarOptions};
use crate::bundle_server::BundleServer;
use crate::hostile::Random;
use crate::mix::{Client, bundle};
use crate::plots::{Line, Lines, Mark};
use crate::process;
use crate::rollout::Publisher;

const CLIENTS: usize = 4;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(2);
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(1);

/// A moment.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    resident_kib: u64,
    pid: u32,
    /// Allowed, denied, unavailable, broken, so far.
    counts: [u64; 4],
}

/// What came of a soak.
pub struct Soak {
    /// How long it took.
    pub took: Duration,
    /// Answers: allowed, denied, unavailable, broken.
    pub counts: [u64; 4],
    /// Answers that were objected to, and the first of them.
    pub objections: (u64, Vec<String>),
    /// How often each event happened.
    pub events: BTreeMap<Event, u32>,
    /// Memory of the last process in the first and the last tenth of its time, in KiB, and the most.
    pub resident_kib: [u64; 3],
    samples: Vec<Sample>,
}

/// Lets things happen for `time`.
///
/// # Errors
/// What should come after an event does not; answers that are objected to are in the result.
pub fn soak(
    envoy: &str,
    seed: u64,
    time: Duration,
    dir: &Path,
    mut progress: impl FnMut(&str),
) -> Result<Soak, String> {
    let clock = Clock::new(dir)?;
    let mut net = Publisher::new("net");
    let server = BundleServer::start();
    net.publish(&server, &bundle(1));
    let options = SidecarOptions {
        envoy: envoy.to_owned(),
        keys: json!([net.key(&["*"])]),
        environment: clock.environment(),
        is_hot: true,
        wasm: None,
        first_wait: "10s",
    };
    let mut sidecar = Sidecar::start(server, options, dir)?;
    let (to, friend) = (sidecar.address(), sidecar.friend().clone());
    let live = Live::new(1);
    let mut random = Random::new(seed, 0);
    let mut order = shuffled(&mut random);
    let chaos = Chaos {
        sidecar: &mut sidecar,
        net,
        clock,
        live: &live,
        random,
        version: 1,
        highest: 1,
        replaced: Vec::new(),
    };
    let begun = Instant::now();
    let (pid, is_over, samples) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut events = BTreeMap::new();
    let result = std::thread::scope(|scope| {
        let mut chaos = chaos;
        pid.store(chaos.sidecar.envoy()?.pid(), Ordering::SeqCst);
        for _ in 0..CLIENTS {
            scope.spawn(|| live.run(Client::new(to, &friend), PAUSE));
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let pid = pid.load(Ordering::SeqCst);
                if let Ok(resident_kib) = process::resident_kib(pid) {
                    let seconds = begun.elapsed().as_secs_f64();
                    let sample = Sample { seconds, resident_kib, pid, counts: live.tally.read() };
                    samples.lock().expect("no holder of the lock panics").push(sample);
                }
                std::thread::sleep(SAMPLE);
            }
        });
        let mut run = || {
            while begun.elapsed() < time && live.objections().0 == 0 {
                let event = match order.pop() {
                    Some(event) => event,
                    None => {
                        order = shuffled(&mut chaos.random);
                        continue;
                    }
                };
                // In the second half the process lives on: what it keeps shows.
                if begun.elapsed() > time / 2 && matches!(event, Event::HotRestart | Event::Restart) {
                    continue;
                }
                progress(&format!("{:6.1} s {event:?}", begun.elapsed().as_secs_f64()));
                *events.entry(event).or_insert(0) += 1;
                chaos.play(event).map_err(|e| format!("{event:?}: {e}"))?;
                let envoy = chaos.sidecar.envoy()?;
                pid.store(envoy.pid(), Ordering::SeqCst);
            }
            Ok(())
        };
        let result = run();
        live.stop();
        is_over.store(true, Ordering::SeqCst);
        result
    });
    result.map_err(|e: String| {
        let shown = live.objections().1.join("\n");
        format!("{e}\nobjections: {shown}")
    })?;
    let samples = samples.into_inner().expect("no holder of the lock panics");
    Ok(Soak {
        took: begun.elapsed(),
        counts: live.tally.read(),
        objections: live.objections(),
        events,
        resident_kib: resident(&samples),
        samples,
    })
}

/// All events in some order, so that none is missed in a short run.
fn shuffled(random: &mut Random) -> Vec<Event> {
    let mut left = EVENTS.to_vec();
    let mut order = Vec::new();
    while !left.is_empty() {
        order.push(left.swap_remove(random.below(left.len())));
    }
    order
}

/// Of the process that was the last, and lived longest.
fn resident(samples: &[Sample]) -> [u64; 3] {
    let last = samples.last().map(|sample| sample.pid);
    let samples: Vec<Sample> = samples.iter().filter(|sample| Some(sample.pid) == last).copied().collect();
    let tenth = (samples.len() / 10).max(1).min(samples.len());
    let mean =
        |part: &[Sample]| part.iter().map(|s| s.resident_kib).sum::<u64>() / (part.len().max(1) as u64);
    let most = samples.iter().map(|s| s.resident_kib).max().unwrap_or(0);
    [mean(&samples[..tenth]), mean(&samples[samples.len() - tenth..]), most]
}

impl Soak {
    /// All of it.
    pub fn to_json(&self) -> Value {
        let [allowed, denied, unavailable, broken] = self.counts;
        let events: BTreeMap<String, u32> = self.events.iter().map(|(e, n)| (format!("{e:?}"), *n)).collect();
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|s| json!({"s": (s.seconds * 10.0).round() / 10.0, "kib": s.resident_kib, "pid": s.pid, "counts": s.counts}))
            .collect();
        json!({
            "seconds": self.took.as_secs(),
            "answers": {"allowed": allowed, "denied": denied, "unavailable": unavailable, "broken": broken},
            "objections": {"count": self.objections.0, "first": self.objections.1},
            "events": events,
            "resident_kib": {"first_tenth": self.resident_kib[0], "last_tenth": self.resident_kib[1], "most": self.resident_kib[2]},
            "samples": samples,
        })
    }

    /// Memory and answers over time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn plot(&self, path: &Path) -> Result<(), String> {
        let minutes = |s: &Sample| s.seconds / 60.0;
        // At most some hundreds of points.
        let step = self.samples.len() / 300 + 1;
        let picked: Vec<&Sample> = self.samples.iter().step_by(step).collect();
        let line = |name: &str, number: &dyn Fn(&Sample, &Sample) -> f64| Line {
            name: name.to_owned(),
            points: picked
                .windows(2)
                .map(|two| (minutes(two[1]), Mark::once(number(two[0], two[1]))))
                .collect(),
        };
        let rate = |which: usize| {
            move |one: &Sample, other: &Sample| {
                (other.counts[which] - one.counts[which]) as f64
                    / (other.seconds - one.seconds).max(0.001)
                    / 10.0
            }
        };
        Lines {
            title: "Soak: memory of the proxy, and answers",
            across: "minutes",
            up: "MB, and answers in a tenth of a second",
            is_log: false,
            has_points: false,
            lines: vec![
                line("MB resident", &|_, s| s.resident_kib as f64 / 1024.0),
                line("allowed", &rate(0)),
                line("denied", &rate(1)),
                line("unavailable", &rate(2)),
            ],
        }
        .write(path)
    }
}
