//! Many machines, a server and shared data, under whatever can happen: answers that are late, lost or lies, VMs that
//! die and come back, clocks that jump, other plugins that write what they like. What must hold is asserted at every
//! step; the seed of a run that fails is in the message.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{About, Asked, Body, Effect, Response};
use super::error::{FetchError, Refusal};
use super::judge::Judge;
use super::machine::{Machine, Settings};
use super::shared::Shared;
use super::timing::SECOND;
use crate::config::{Form, Location};
use crate::trust::{Candidate, Layer, Pointer, PointerMode, Release};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MS: i64 = SECOND / 1000;
const TICK: i64 = 50 * MS;
const START: i64 = 1_790_000_000 * SECOND;
const POINTER: &str = "/v1/shop/cart.json";
/// By then everybody has what was published last: leases end, back-offs too, whoever starves asks for itself.
const SETTLED: i64 = 45 * SECOND;

/// Signed is what begins so: nobody else can write it.
const SIGNED: &[u8] = b"signed:";
/// A blob with a policy that can be used.
const GOOD: &[u8] = b"policy:";

pub(super) struct Fake;

impl Judge for Fake {
    type Policy = Vec<u8>;

    fn pointer(&self, bytes: &[u8]) -> Result<Pointer, Refusal> {
        let refuse = |code| Refusal { code, message: String::new() };
        let payload = bytes.strip_prefix(SIGNED).ok_or_else(|| refuse("signature_bad"))?;
        serde_json::from_slice(payload).map_err(|_| refuse("pointer_syntax"))
    }

    fn min_serial(&self) -> u64 {
        1
    }

    fn blob(&self, bytes: &[u8], layer: &Layer) -> Result<Vec<u8>, Refusal> {
        assert!(layer.is_of(bytes), "bytes are opened before their digest is known");
        self.bundle(bytes)
    }

    fn bundle(&self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        if bytes.starts_with(GOOD) && bytes.ends_with(b";") {
            Ok(bytes.to_vec())
        } else {
            Err(Refusal { code: "bundle_plan", message: String::new() })
        }
    }
}

/// Splitmix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Default)]
pub(super) struct Data {
    values: BTreeMap<String, (Vec<u8>, u32)>,
    changes: u32,
}

impl Shared for Data {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.get(key).cloned()
    }

    fn set(&mut self, key: &str, value: &[u8], unchanged: Option<u32>) -> bool {
        let has = self.values.get(key).map(|(_, number)| *number);
        if unchanged.is_some_and(|number| has.is_some_and(|has| has != number)) {
            return false;
        }
        self.changes += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), self.changes));
        true
    }
}

struct Worker {
    machine: Option<Machine<Fake>>,
    /// What decides, and by which pointer.
    decides: Option<(Vec<u8>, (u64, u64))>,
    /// The candidate that is tried.
    tries: Option<Vec<u8>>,
    /// Until when it hangs or is dead.
    away: i64,
}

struct Flight {
    worker: usize,
    token: u32,
    asked: Asked,
    due: i64,
}

struct World {
    seed: u64,
    random: Random,
    form: Form,
    /// Time that passes, and what clocks show beyond it.
    time: i64,
    jump: i64,
    data: Data,
    workers: Vec<Worker>,
    flights: Vec<Flight>,
    token: u32,
    /// Every pointer (or bundle) ever published, oldest first, and every blob.
    history: Vec<Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    old: Vec<(String, Vec<u8>)>,
    serial: u64,
    asks: BTreeMap<String, Vec<i64>>,
    has_faults: bool,
}

fn settings(form: &Form) -> Settings {
    let path = if *form == Form::Bundle { "/bundle.tar.gz" } else { POINTER };
    Settings {
        location: Location { path: path.to_owned(), form: form.clone() },
        interval: SECOND,
        timeout: 2 * SECOND,
        bundle_bytes: 4096,
        prefix: "p".to_owned(),
        node: "node".to_owned(),
        allow_lowering: false,
    }
}

impl World {
    fn new(seed: u64, workers: usize, form: Form) -> Self {
        let dead = |_| Worker { machine: None, decides: None, tries: None, away: 0 };
        let mut world = Self {
            seed,
            random: Random(seed),
            form,
            time: START,
            jump: 0,
            data: Data::default(),
            workers: (0..workers).map(dead).collect(),
            flights: Vec::new(),
            token: 0,
            history: Vec::new(),
            blobs: BTreeMap::new(),
            old: Vec::new(),
            serial: 0,
            asks: BTreeMap::new(),
            has_faults: false,
        };
        world.publish();
        world
    }

    fn publish(&mut self) {
        self.serial += 1;
        // Now and then the policy of an earlier release: a rollback.
        let of = if self.serial > 2 && self.random.one_in(4) { self.serial - 2 } else { self.serial };
        let blob = [GOOD, of.to_string().as_bytes(), b";"].concat();
        if self.form == Form::Bundle {
            return self.history.push(blob);
        }
        let layer = self.keep(blob);
        let candidate = self.random.one_in(3).then(|| {
            let blob = [GOOD, b"candidate ", self.random.below(3).to_string().as_bytes(), b";"].concat();
            Candidate {
                revision: "next".to_owned(),
                layers: vec![self.keep(blob)],
                percent: 100,
                mode: PointerMode::Shadow,
            }
        });
        let pointer = Pointer {
            mesh: String::new(),
            namespace: "shop".to_owned(),
            workload: "cart".to_owned(),
            revision: format!("r{}", self.serial),
            epoch: 0,
            serial: self.serial,
            issued: 0,
            expires: 4_102_444_800,
            stable: Release { layers: vec![layer] },
            candidate,
            lowering: None,
        };
        self.history.push([SIGNED, &serde_json::to_vec(&pointer).unwrap()].concat());
    }

    fn keep(&mut self, blob: Vec<u8>) -> Layer {
        let layer = Layer::of(&blob);
        self.blobs.insert(blob_path(&layer), blob);
        layer
    }

    fn now(&self) -> i64 {
        self.time + self.jump
    }

    fn step(&mut self) {
        self.time += TICK;
        if self.has_faults {
            self.spoil();
        }
        for worker in 0..self.workers.len() {
            if self.workers[worker].away <= self.time {
                self.tick(worker);
            }
        }
        let (due, later) = std::mem::take(&mut self.flights).into_iter().partition(|f| f.due <= self.time);
        self.flights = later;
        let due: Vec<Flight> = due;
        for flight in due {
            self.land(flight);
        }
    }

    fn tick(&mut self, worker: usize) {
        let (now, seed) = (self.now(), self.random.next());
        let Self { workers, data, form, .. } = self;
        let place = &mut workers[worker];
        let machine = place.machine.get_or_insert_with(|| Machine::new(settings(form), Fake, data));
        let effects = machine.tick(now, seed, data);
        self.carry_out(worker, effects);
    }

    fn land(&mut self, flight: Flight) {
        let Flight { worker, token, asked, .. } = flight;
        let (now, seed) = (self.now(), self.random.next());
        let response = self.response(&asked);
        let Self { workers, data, .. } = self;
        // Dead ones get nothing; hanging ones get it late, which is the same as the next tick's.
        let Some(machine) = &mut workers[worker].machine else { return };
        let effects = machine.answered(token, response, now, seed, data);
        self.carry_out(worker, effects);
    }

    fn carry_out(&mut self, worker: usize, effects: Vec<Effect<Vec<u8>>>) {
        let seed = self.seed;
        for effect in effects {
            match effect {
                Effect::Fetch(asked) => self.send(worker, asked),
                Effect::Stable(policy, about) => {
                    self.take_note(worker, &about);
                    let known = if self.form == Form::Bundle {
                        self.history.contains(&policy)
                    } else {
                        self.blobs.values().any(|blob| *blob == policy)
                    };
                    assert!(known, "seed {seed}: a policy decides that nobody published");
                    self.workers[worker].decides = Some((policy, about.order));
                }
                Effect::About(about) => {
                    self.take_note(worker, &about);
                    let decides = self.workers[worker].decides.as_mut();
                    decides.unwrap_or_else(|| panic!("seed {seed}: nothing decides")).1 = about.order;
                }
                Effect::Candidate(policy, _) => {
                    let is_known = self.blobs.values().any(|blob| *blob == policy);
                    assert!(is_known, "seed {seed}: a candidate is tried that nobody published");
                    self.workers[worker].tries = Some(policy);
                }
                Effect::NoCandidate => self.workers[worker].tries = None,
                _ => {}
            }
        }
    }

    fn take_note(&self, worker: usize, about: &About) {
        let seed = self.seed;
        if let Some((_, before)) = &self.workers[worker].decides {
            assert!(about.order >= *before, "seed {seed}: {before:?} is followed by {:?}", about.order);
        }
        assert!(about.order.1 <= self.serial, "seed {seed}: a serial that was never published");
    }

    fn send(&mut self, worker: usize, asked: Asked) {
        let (now, seed) = (self.now(), self.random.next());
        let is_refused = self.has_faults && self.random.one_in(30);
        self.token += 1;
        let sent = if is_refused { Err(FetchError::Cluster) } else { Ok(self.token) };
        let Some(machine) = &mut self.workers[worker].machine else { return };
        machine.started(sent, now, seed);
        if is_refused {
            return;
        }
        self.asks.entry(asked.path.clone()).or_default().push(self.time);
        let slow = if self.has_faults { self.random.below(3000) } else { self.random.below(100) };
        let due = self.time + i64::try_from(slow).unwrap() * MS;
        // Some are never answered, not even with "no answer".
        if !(self.has_faults && self.random.one_in(20)) {
            self.flights.push(Flight { worker, token: self.token, asked, due });
        }
    }

    fn response(&mut self, asked: &Asked) -> Response {
        let text = |status, bytes: &[u8]| {
            let etag = crate::crypto::hex(&crate::crypto::Hash::Sha256.digest(bytes)).into_bytes();
            let body = if bytes.len() > asked.most {
                Body::TooLarge(bytes.len())
            } else {
                Body::Bytes(bytes.to_vec())
            };
            Response { status: Some(status), etag: Some(etag), content_type: None, body }
        };
        if self.has_faults && self.random.one_in(3) {
            let older = self.random.below(u64::try_from(self.history.len()).unwrap());
            let older = &self.history[usize::try_from(older).unwrap()];
            return match self.random.below(9) {
                0 => Response::none(),
                1 => text(404, b"<html>"),
                2 => text(500, b""),
                3 => text(200, b"<html>"),
                4 => text(200, &vec![b'x'; 5000]),
                // No bundle server can be kept from serving an old bundle: that is what pointers are for.
                5 if self.form != Form::Bundle => text(200, older),
                6 => text(200, &older[..older.len() - 1]),
                7 => text(304, b""),
                _ => text(200, b"signed:{}"),
            };
        }
        let published = self.history.last().expect("something is published");
        let body = self.blobs.get(&asked.path).unwrap_or(published);
        let full = text(200, body);
        if asked.if_none_match == full.etag { Response { status: Some(304), ..full } } else { full }
    }

    /// Something goes wrong, now and then.
    fn spoil(&mut self) {
        let worker = usize::try_from(self.random.below(u64::try_from(self.workers.len()).unwrap())).unwrap();
        let while_ms = i64::try_from(self.random.below(4000)).unwrap() * MS;
        match self.random.below(200) {
            0 => self.workers[worker].away = self.time + while_ms,
            1 => {
                self.workers[worker] =
                    Worker { machine: None, decides: None, tries: None, away: self.time + while_ms }
            }
            2 => self.publish(),
            3 => self.jump += i64::try_from(self.random.below(7200)).unwrap() * SECOND,
            4 => self.jump -= i64::try_from(self.random.below(7200)).unwrap() * SECOND,
            5..8 => self.write_nonsense(),
            8 => {
                self.old.extend(self.data.values.iter().map(|(key, (value, _))| (key.clone(), value.clone())))
            }
            9 if !self.old.is_empty() => {
                let at = self.random.below(u64::try_from(self.old.len()).unwrap());
                let (key, value) = self.old[usize::try_from(at).unwrap()].clone();
                // An old bundle with a good signature would be believed, as it would be from the server.
                if self.form != Form::Bundle || key != "p.bundle" {
                    self.data.set(&key, &value, None);
                }
            }
            _ => {}
        }
    }

    fn write_nonsense(&mut self) {
        let keys: Vec<String> = self.data.values.keys().cloned().collect();
        let Some(key) = keys.get(usize::try_from(self.random.below(4)).unwrap()) else { return };
        let lease = super::shared::Lease {
            next_id: self.random.below(6),
            holder: self.random.below(6),
            until: self.now() + i64::try_from(self.random.below(10_000)).unwrap() * MS,
            generation: self.random.below(4),
        };
        let value = match self.random.below(5) {
            0 => Vec::new(),
            1 => lease.to_bytes(),
            2 => vec![1; 33],
            3 => b"signed:{\"serial\": 99}".to_vec(),
            _ => vec![0xff; 100],
        };
        self.data.set(key, &value, None);
    }

    fn run(&mut self, time: i64) {
        let until = self.time + time;
        while self.time < until {
            self.step();
        }
    }

    fn is_settled(&self) -> bool {
        let (wanted, tried) = match self.history.last() {
            Some(bundle) if self.form == Form::Bundle => (bundle.clone(), None),
            Some(pointer) => {
                let pointer = Fake.pointer(pointer).unwrap();
                let blob = |layers: &[Layer]| self.blobs[&blob_path(&layers[0])].clone();
                (blob(&pointer.stable.layers), pointer.candidate.map(|candidate| blob(&candidate.layers)))
            }
            None => return false,
        };
        let serial = if self.form == Form::Bundle { 0 } else { self.serial };
        let is_settled =
            |worker: &Worker| worker.decides == Some((wanted.clone(), (0, serial))) && worker.tries == tried;
        self.workers.iter().all(is_settled)
    }
}

fn blob_path(layer: &Layer) -> String {
    format!("/blobs/sha256/{}", layer.hex().unwrap())
}

fn pointers() -> Form {
    Form::Pointer { blobs: "/blobs/sha256/".to_owned() }
}

#[test]
fn whatever_happens_nobody_goes_back_and_all_arrive() {
    for seed in 0..300 {
        let workers = 1 + usize::try_from(seed % 5).unwrap();
        let form = if seed % 4 == 3 { Form::Bundle } else { pointers() };
        let mut world = World::new(seed, workers, form);
        world.has_faults = true;
        world.run(60 * SECOND);
        world.has_faults = false;
        let kept: Vec<bool> = world.workers.iter().map(|worker| worker.decides.is_some()).collect();
        world.run(SETTLED);
        let had: Vec<bool> = world.workers.iter().map(|worker| worker.decides.is_some()).collect();
        assert!(kept.iter().zip(&had).all(|(kept, had)| !kept || *had), "seed {seed}: a policy was lost");
        let texts = |worker: &Worker| {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            (
                worker.decides.as_ref().map(|(policy, order)| (text(policy), *order)),
                worker.tries.as_ref().map(text),
            )
        };
        let decides: Vec<_> = world.workers.iter().map(texts).collect();
        assert!(world.is_settled(), "seed {seed}: serial {} is published, {decides:?}", world.serial);
    }
}

#[test]
fn where_all_goes_well_everything_is_fetched_once() {
    for seed in 1000..1050 {
        let workers = 1 + usize::try_from(seed % 6).unwrap();
        let mut world = World::new(seed, workers, pointers());
        let mut changed = BTreeSet::new();
        for _ in 0..10 {
            let more = i64::try_from(world.random.below(700)).unwrap() * MS;
            world.run(2 * SECOND + more);
            assert!(world.is_settled(), "seed {seed}: within an interval and a few ticks");
            let before = world.blobs.len();
            world.publish();
            if world.blobs.len() > before {
                changed.insert(world.serial);
            }
        }
        world.run(2 * SECOND);
        let polls = &world.asks[POINTER];
        for pair in polls.windows(2) {
            assert!(pair[1] - pair[0] >= SECOND, "seed {seed}: more than one poll in an interval");
        }
        let passed = (world.time - START) / SECOND;
        assert!(i64::try_from(polls.len()).unwrap() >= passed * 8 / 10, "seed {seed}: {} polls", polls.len());
        for (path, times) in world.asks.iter().filter(|(path, _)| *path != POINTER) {
            // A rollback to a blob that is not at hand any more is fetched again.
            assert!(times.len() <= 5, "seed {seed}: {path} was fetched {} times", times.len());
        }
        let fetched: usize = world.asks.values().map(Vec::len).sum::<usize>() - polls.len();
        assert!(
            fetched <= 22,
            "seed {seed}: {fetched} fetches of blobs for 11 releases and their candidates"
        );
        assert!(fetched > changed.len(), "seed {seed}: what is new has to come from somewhere");
    }
}

#[test]
fn a_leader_that_dies_is_replaced_within_two_intervals() {
    for seed in 2000..2050 {
        let mut world = World::new(seed, 4, pointers());
        world.run(3 * SECOND);
        let leads = |worker: &Worker| worker.machine.as_ref().is_some_and(|machine| machine.is_leader);
        let leader = world.workers.iter().position(leads).unwrap();
        assert_eq!(world.workers.iter().filter(|worker| leads(worker)).count(), 1, "seed {seed}");
        world.workers[leader].away = i64::MAX;
        world.asks.clear();
        world.run(2 * SECOND);
        assert!(!world.asks.is_empty(), "seed {seed}: nobody asked for two intervals");
    }
}
