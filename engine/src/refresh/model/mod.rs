//! Many machines, a server and shared data, under whatever can happen: answers that are late, lost or lies, VMs that
//! die and come back, clocks that jump, other plugins that write what they like. What must hold is asserted at every
//! step; the seed of a run that fails is in the message.

mod parts;
mod world;

use std::collections::BTreeSet;

use self::world::{MS, POINTER, START, Worker, World};
use super::timing::SECOND;
use crate::config::Form;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// By then everybody has what was published last: leases end, back-offs too, whoever starves asks for itself.
const SETTLED: i64 = 45 * SECOND;

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
