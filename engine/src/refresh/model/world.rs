//! A server, the machines that ask it, and what happens to them.

use std::collections::BTreeMap;

use super::parts::{Data, Fake, GOOD, Random, SIGNED};
use crate::config::{Form, Location};
use crate::refresh::shared::Lease;
use crate::refresh::timing::SECOND;
use crate::refresh::{About, Asked, Body, Effect, FetchError, Judge, Machine, Response, Settings, Shared};
use crate::trust::{Candidate, Layer, Pointer, PointerMode, Release};

pub(super) const MS: i64 = SECOND / 1000;
const TICK: i64 = 50 * MS;
pub(super) const START: i64 = 1_790_000_000 * SECOND;
pub(super) const POINTER: &str = "/v1/shop/cart.json";

pub(super) struct Worker {
    pub(super) machine: Option<Machine<Fake>>,
    /// What decides, and by which pointer.
    pub(super) decides: Option<(Vec<u8>, (u64, u64))>,
    /// The candidate that is tried.
    pub(super) tries: Option<Vec<u8>>,
    /// Until when it hangs or is dead.
    pub(super) away: i64,
}

pub(super) struct Flight {
    worker: usize,
    token: u32,
    asked: Asked,
    due: i64,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    form: Form,
    /// Time that passes, and what clocks show beyond it.
    pub(super) time: i64,
    jump: i64,
    data: Data,
    pub(super) workers: Vec<Worker>,
    flights: Vec<Flight>,
    token: u32,
    /// Every pointer (or bundle) ever published, oldest first, and every blob.
    pub(super) history: Vec<Vec<u8>>,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    old: Vec<(String, Vec<u8>)>,
    pub(super) serial: u64,
    pub(super) asks: BTreeMap<String, Vec<i64>>,
    pub(super) has_faults: bool,
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
    pub(super) fn new(seed: u64, workers: usize, form: Form) -> Self {
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

    pub(super) fn publish(&mut self) {
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
        if place.machine.is_none() {
            let mut machine = Machine::new(settings(form), Fake, data);
            let effects = machine.begin(now, data);
            place.machine = Some(machine);
            return self.carry_out(worker, effects);
        }
        let Some(machine) = &mut place.machine else { return };
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
        let lease = Lease {
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

    pub(super) fn run(&mut self, time: i64) {
        let until = self.time + time;
        while self.time < until {
            self.step();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
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
