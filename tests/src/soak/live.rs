//! What may be answered at a moment: the versions that may decide, and whether no answer is excused. Clients that ask
//! all the time, and hold every answer against it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::mix::{ASKS, Answer, Ask, Client, Tally};

/// Objections that are kept to be shown.
const SHOWN: usize = 20;

/// Shared by all clients.
pub struct Live {
    /// What came so far.
    pub tally: Tally,
    state: Mutex<State>,
    stop: AtomicBool,
}

struct State {
    versions: Vec<u32>,
    /// Until then an answer may be missing, and why.
    excused: Option<(Instant, &'static str)>,
    objections: u64,
    shown: Vec<String>,
}

impl Live {
    /// One version may decide.
    pub fn new(version: u32) -> Self {
        let state = State { versions: vec![version], excused: None, objections: 0, shown: Vec::new() };
        Self { tally: Tally::default(), state: Mutex::new(state), stop: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// This version may decide, too.
    pub fn add(&self, version: u32) {
        let mut state = self.state();
        if !state.versions.contains(&version) {
            state.versions.push(version);
        }
    }

    /// This version alone may decide.
    pub fn settle(&self, version: u32) {
        self.state().versions = vec![version];
    }

    /// From now on answers may be missing for so long.
    pub fn excuse(&self, why: &'static str, time: Duration) {
        self.state().excused = Some((Instant::now() + time, why));
    }

    /// Ends the clients.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// How many answers were objected to, and the first of them.
    pub fn objections(&self) -> (u64, Vec<String>) {
        let state = self.state();
        (state.objections, state.shown.clone())
    }

    fn now(&self) -> (Vec<u32>, bool) {
        let state = self.state();
        (state.versions.clone(), state.excused.is_some_and(|(until, _)| Instant::now() < until))
    }

    /// Asks, and says what came.
    pub fn ask(&self, client: &mut Client, ask: &Ask) -> Answer {
        let (mut versions, was_excused) = self.now();
        let answer = client.ask(ask);
        let (since, is_excused) = self.now();
        // What was right when it was asked, or has become right since.
        versions.extend(since);
        self.tally.count(&answer);
        let missing = match &answer {
            Answer::Broken(e) => Some(format!("{ask:?}: {e}")),
            Answer::Unavailable => Some(format!("{ask:?}: unavailable")),
            Answer::Decided { .. } | Answer::Odd(_) => None,
        };
        let missing = missing.filter(|_| !was_excused && !is_excused);
        if let Some(objection) = missing.or_else(|| ask.objection(&answer, &versions)) {
            let mut state = self.state();
            state.objections += 1;
            if state.shown.len() < SHOWN {
                state.shown.push(objection);
            }
        }
        answer
    }

    /// Asks everything until it is stopped.
    pub fn run(&self, mut client: Client, pause: Duration) {
        for round in 0_u64.. {
            for ask in ASKS {
                if self.stop.load(Ordering::SeqCst) {
                    return;
                }
                self.ask(&mut client, ask);
                std::thread::sleep(pause);
            }
            // Now and then on new connections, which are another worker's.
            if round % 4 == 3 {
                client.hang_up();
            }
        }
    }
}
