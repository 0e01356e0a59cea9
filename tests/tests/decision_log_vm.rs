//! The decision log of several VMs that share data, at times that no real proxy can be made to keep.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::io::Read;

use serde_json::{Value as Json, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::wasm_host::{Filter, Plugin, Seen, SharedData, Vm};
use sidegate_tests::{paths, places};

const FILE: &str = r#"
about: decisions that are logged
entrypoint: t/allow
policy:
  t.rego: |
    package t

    allow := true
requests: []
"#;
const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_790_000_000 * SECOND;

/// A worker's VM.
struct Worker {
    vm: Vm,
    plugin: Plugin,
}

impl Worker {
    /// All of them begin in the same moment.
    fn new(shared: &SharedData, log: Json) -> Self {
        let mut file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
        file.config.insert("decision_log".to_owned(), log);
        let configuration = file.configuration(&paths::build(&file).unwrap());
        let filter = Filter::load(&places::filter_wasm().unwrap()).unwrap();
        let mut vm = Vm::sharing(&filter, SharedData::clone(shared)).unwrap();
        vm.set_clock(START);
        vm.add_cluster("logs");
        let plugin = vm.configure(configuration.as_bytes()).unwrap();
        Self { vm, plugin }
    }

    fn ask(&mut self) {
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "cart"), (":scheme", "http")];
        let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let seen = Seen { headers: headers.into(), ..Seen::default() };
        let ok = |_: &_| vec![(b":status".to_vec(), b"200".to_vec())];
        assert!(self.vm.request(self.plugin, seen, &ok).unwrap().local.is_none());
    }
}

/// The ids of the decisions in Envoy's log.
fn ids(worker: &Worker) -> Vec<String> {
    let events = worker.vm.logs().iter().filter_map(|log| serde_json::from_str::<Json>(&log.text).ok());
    events.map(|event| event["decision_id"].as_str().unwrap().to_owned()).collect()
}

/// Workers are configured at once, and the clock has microseconds: ids have to differ nevertheless.
#[test]
fn no_two_vms_give_a_decision_the_same_id() {
    let shared = SharedData::default();
    let mut workers = [(); 4].map(|()| Worker::new(&shared, json!({"level": "all"})));
    for worker in &mut workers {
        (0..25).for_each(|_| worker.ask());
    }
    let all: Vec<String> = workers.iter().flat_map(ids).collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (100, 100), "{all:?}");
}

/// What a worker has not handed on when its plugin ends is posted by another.
#[test]
fn a_plugin_that_ends_leaves_its_events_to_the_others() {
    let shared = SharedData::default();
    let log = json!({"level": "all", "sink": "http", "cluster": "logs"});
    let [mut one, mut two] = [(); 2].map(|()| Worker::new(&shared, log.clone()));
    (0..3).for_each(|_| one.ask());
    one.vm.end(one.plugin).unwrap();
    // Whose the lease is shows at the second tick.
    two.vm.tick(two.plugin, START + SECOND).unwrap();
    two.vm.tick(two.plugin, START + 2 * SECOND).unwrap();
    let calls = two.vm.take_calls();
    assert_eq!(calls.len(), 1, "{:?}", two.vm.logs());
    let mut text = String::new();
    flate2::read::GzDecoder::new(calls[0].body.as_slice()).read_to_string(&mut text).unwrap();
    let events: Vec<Json> = serde_json::from_str(&text).unwrap();
    assert_eq!(events.len(), 3, "{text}");
}
