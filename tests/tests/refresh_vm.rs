//! The built filter's refresh without Envoy: several VMs that share data, a clock that the test moves, and answers
//! that no server would give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;
use sidegate_tests::places;
use sidegate_tests::published::{POINTER, WORKLOAD, blob_path, bundle, denying, marked, pointer, unsigned};
use sidegate_tests::wasm_host::{Call, Filter, Headers, Outcome, Plugin, Seen, SharedData, Vm};

const MS: u64 = 1_000_000;
const START: u64 = 1_790_000_000_000 * MS;

/// Headers and body.
type Answer<'a> = (&'a [(&'a str, &'a str)], &'a [u8]);

/// A worker's VM.
struct Worker {
    vm: Vm,
    plugin: Plugin,
}

impl Worker {
    fn new(filter: &Filter, shared: &SharedData) -> Self {
        Self::at(filter, shared, 0)
    }

    /// One that begins so late.
    fn at(filter: &Filter, shared: &SharedData, ms: u64) -> Self {
        let mut vm = Vm::sharing(filter, SharedData::clone(shared)).unwrap();
        vm.set_clock(START + ms * MS);
        vm.add_cluster("sidegate-bundles");
        vm.set_property("xds.node.metadata.NAMESPACE", WORKLOAD.0.as_bytes());
        vm.set_property("xds.node.metadata.WORKLOAD_NAME", WORKLOAD.1.as_bytes());
        let configuration = json!({"version": 1, "bundle": {"http": {"interval": "1s", "first_wait": "3s"}}, "verify": {"required": false}});
        let plugin = vm.configure(configuration.to_string().as_bytes()).unwrap();
        assert_eq!(vm.tick_period(), 50);
        Self { vm, plugin }
    }

    fn tick(&mut self, ms: u64) -> Vec<Call> {
        self.vm.tick(self.plugin, START + ms * MS).unwrap();
        self.vm.take_calls()
    }

    fn answer(&mut self, call: &Call, headers: &[(&str, &str)], body: &[u8]) {
        self.vm.answer(self.plugin, call.token, headers, body).unwrap();
    }

    fn ask(&mut self) -> String {
        mark(&self.vm.request(self.plugin, seen(None), &ok).unwrap())
    }

    fn metric(&self, name: &str) -> i64 {
        self.vm.metric(&format!("sidegate.{name}")).unwrap_or(0)
    }
}

fn seen(body: Option<Vec<Vec<u8>>>) -> Seen {
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "cart"), (":scheme", "http")];
    Seen {
        headers: headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect(),
        body,
        ..Seen::default()
    }
}

fn ok(_: &Headers) -> Headers {
    vec![(b":status".to_vec(), b"200".to_vec())]
}

/// The mark on a response, or its status where the filter gave it.
fn mark(outcome: &Outcome) -> String {
    if let Some(local) = &outcome.local {
        return local.status.to_string();
    }
    let found = outcome.response.iter().find(|(name, _)| name == b"x-policy");
    found.map_or("none".to_owned(), |(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn filter() -> Filter {
    Filter::load(&places::filter_wasm().unwrap()).unwrap()
}

fn path(call: &Call) -> String {
    header(call, ":path").unwrap()
}

fn header(call: &Call, name: &str) -> Option<String> {
    let found = call.headers.iter().find(|(n, _)| n == name.as_bytes())?;
    Some(String::from_utf8_lossy(&found.1).into_owned())
}

const OK: &[(&str, &str)] = &[(":status", "200"), ("etag", "\"1\"")];

#[test]
fn one_asks_for_all_and_those_who_wait_go_on() {
    let (filter, shared) = (filter(), SharedData::default());
    let mut main = Worker::new(&filter, &shared);
    let mut other = Worker::new(&filter, &shared);
    let body = vec![vec![b'a'; 40_000], vec![b'b'; 40_000], vec![b'c'; 40_000]];
    other.vm.tick(other.plugin, START).unwrap();
    let leader_calls = other.vm.take_calls();
    assert!(main.tick(0).is_empty(), "the other one asks");
    let plugin = other.plugin;
    let held = other.vm.begin(plugin, seen(None)).unwrap();
    let long = other.vm.begin(plugin, seen(Some(body.clone()))).unwrap();
    let gone = other.vm.begin(plugin, seen(None)).unwrap();
    let in_main = main.vm.begin(main.plugin, seen(None)).unwrap();
    assert!(other.vm.is_held(&held) && other.vm.is_held(&long) && main.vm.is_held(&in_main));
    other.vm.abort(gone).unwrap();

    let blob = marked("1");
    assert_eq!(leader_calls.len(), 1);
    assert_eq!(path(&leader_calls[0]), POINTER);
    assert_eq!(header(&leader_calls[0], "if-none-match"), None);
    other.answer(&leader_calls[0], OK, &unsigned(&pointer(1, &blob)));
    let calls = other.tick(50);
    assert_eq!((calls.len(), path(&calls[0])), (1, blob_path(&blob)));
    other.answer(&calls[0], OK, &blob);
    assert!(!other.vm.is_held(&held) && !other.vm.is_held(&long));
    assert_eq!(mark(&other.vm.finish(held, &ok).unwrap()), "1");
    let long = other.vm.finish(long, &ok).unwrap();
    assert_eq!((mark(&long).as_str(), long.body), ("1", body.concat()));

    assert!(main.vm.is_held(&in_main));
    assert!(main.tick(100).is_empty());
    assert_eq!(mark(&main.vm.finish(in_main, &ok).unwrap()), "1");
    assert_eq!(main.ask(), "1");
    // The next poll comes from the same one, an interval later, and says what it has.
    assert!(other.tick(900).is_empty());
    let calls = other.tick(1000);
    assert_eq!(header(&calls[0], "if-none-match").as_deref(), Some("\"1\""));
    other.answer(&calls[0], &[(":status", "304")], b"");
    assert_eq!(other.metric("fetch.not_modified"), 1);
    assert_eq!(other.metric("bundle.serial"), 1);
    assert!(other.vm.unimplemented().is_empty());
}

#[test]
fn who_reads_bodies_gets_the_whole_of_a_held_one() {
    let (filter, shared) = (filter(), SharedData::default());
    let mut worker = Worker::new(&filter, &shared);
    let blob = bundle("allow if input.parsed_body.a == 1");
    let calls = worker.tick(0);
    let ends = vec![br#"{"a":"#.to_vec(), b" 1}".to_vec()];
    let whole = worker.vm.begin(worker.plugin, seen(Some(ends))).unwrap();
    let refused = worker.vm.begin(worker.plugin, seen(Some(vec![br#"{"a": 2}"#.to_vec()]))).unwrap();
    worker.answer(&calls[0], OK, &unsigned(&pointer(1, &blob)));
    let calls = worker.tick(50);
    worker.answer(&calls[0], OK, &blob);
    assert!(!worker.vm.is_held(&whole));
    // No content type says JSON: OPA reads no body then, and there is no decision.
    assert_eq!(mark(&worker.vm.finish(whole, &ok).unwrap()), "403");
    assert_eq!(mark(&worker.vm.finish(refused, &ok).unwrap()), "403");
}

#[test]
fn a_vm_that_comes_back_needs_no_network_and_a_leader_that_is_gone_is_replaced() {
    let (filter, shared) = (filter(), SharedData::default());
    let mut leader = Worker::new(&filter, &shared);
    let blob = marked("1");
    let calls = leader.tick(0);
    leader.answer(&calls[0], OK, &unsigned(&pointer(1, &blob)));
    let calls = leader.tick(50);
    leader.answer(&calls[0], OK, &blob);
    drop(leader);
    let mut next = Worker::new(&filter, &shared);
    assert_eq!(next.ask(), "1", "before its first tick");
    assert!(next.tick(100).is_empty(), "the lease still holds");
    assert_eq!(next.ask(), "1");
    let taken_over = (2..40).find(|n| !next.tick(n * 50).is_empty()).unwrap();
    assert!(taken_over * 50 <= 2000, "within two intervals");
}

#[test]
fn what_nobody_has_kept_for_long_is_not_taken_before_the_server_was_asked() {
    let (filter, shared) = (filter(), SharedData::default());
    let mut first = Worker::new(&filter, &shared);
    let blob = marked("1");
    let calls = first.tick(0);
    first.answer(&calls[0], OK, &unsigned(&pointer(1, &blob)));
    let calls = first.tick(50);
    first.answer(&calls[0], OK, &blob);
    // The same configuration, in force again a while after another one took its place.
    drop(first);
    let mut second = Worker::at(&filter, &shared, 20_000);
    assert_eq!(second.ask(), "1", "VMs that have trapped come back sooner than that");
    drop(second);
    let [mut again, mut other] = [40_000, 40_010].map(|ms| Worker::at(&filter, &shared, ms));
    let held = [&mut again, &mut other].map(|worker| worker.vm.begin(worker.plugin, seen(None)).unwrap());
    let calls = again.tick(40_050);
    assert!(other.tick(40_060).is_empty());
    assert!(again.vm.is_held(&held[0]) && other.vm.is_held(&held[1]));
    assert_eq!((calls.len(), header(&calls[0], "if-none-match")), (1, None));
    let next = marked("2");
    again.answer(&calls[0], OK, &unsigned(&pointer(2, &next)));
    let calls = again.tick(40_100);
    again.answer(&calls[0], OK, &next);
    other.tick(40_150);
    let [one, two] = held;
    assert_eq!(mark(&again.vm.finish(one, &ok).unwrap()), "2");
    assert_eq!(mark(&other.vm.finish(two, &ok).unwrap()), "2");
}

#[test]
fn those_who_wait_for_too_long_get_503() {
    let (filter, shared) = (filter(), SharedData::default());
    let mut worker = Worker::new(&filter, &shared);
    let calls = worker.tick(0);
    let held = worker.vm.begin(worker.plugin, seen(None)).unwrap();
    // No answer: no headers.
    worker.answer(&calls[0], &[], b"");
    assert_eq!(worker.metric("refused.fetch_failed"), 1);
    worker.tick(2950);
    assert!(worker.vm.is_held(&held));
    worker.tick(3000);
    assert_eq!(mark(&worker.vm.finish(held, &ok).unwrap()), "503");
    assert_eq!(worker.metric("errors.no_policy"), 1);
}

#[test]
fn nothing_that_comes_over_the_wire_or_from_other_plugins_ends_a_vm() {
    let (filter, shared) = (filter(), SharedData::default());
    let mut worker = Worker::new(&filter, &shared);
    let plugin = worker.plugin;
    let blob = marked("1");
    let calls = worker.tick(0);
    // Answers that nobody waits for.
    for token in [0, -1, 77, calls[0].token + 1] {
        worker.vm.answer(plugin, token, OK, b"x").unwrap();
    }
    worker.answer(&calls[0], OK, &unsigned(&pointer(1, &blob)));
    worker.vm.answer(plugin, calls[0].token, OK, b"again").unwrap();
    let calls = worker.tick(50);
    worker.answer(&calls[0], OK, &blob);
    assert_eq!(worker.ask(), "1");
    let large = vec![b'{'; 33_554_432];
    let odd: Vec<Answer<'_>> = vec![
        (&[], b""),
        (&[(":status", "200")], b""),
        (&[("no-status", "200")], b"x"),
        (&[(":status", "abc")], b"x"),
        (&[(":status", "99999999999")], b"x"),
        (&[(":status", "304")], b"x"),
        (&[(":status", "200"), ("etag", "\u{fffd}\u{0}")], b"\xff\xfe"),
        (&[(":status", "200")], &large),
        (&[(":status", "200")], b"{\"payload\":\"\",\"protected\":\"\",\"signature\":\"\"}"),
    ];
    let mut ms = 100;
    for (headers, body) in odd {
        let calls = loop {
            ms += 50;
            let calls = worker.tick(ms);
            if !calls.is_empty() {
                break calls;
            }
        };
        worker.answer(&calls[0], headers, body);
        assert_eq!(worker.ask(), "1", "{headers:?}");
    }
    // Whatever another plugin writes.
    let keys: Vec<Vec<u8>> = shared.lock().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 4, "a lease, a pointer, a blob, how many VMs there were");
    let mut fresh = Worker::new(&filter, &shared);
    fresh.tick(ms);
    assert_eq!(fresh.ask(), "1");
    for garbage in [&b""[..], b"\x01", &[0xff; 33], &[1; 33], b"{}", &blob] {
        for key in &keys {
            shared.lock().unwrap().insert(key.clone(), (garbage.to_vec(), 9));
        }
        let mut other = Worker::new(&filter, &shared);
        for worker in [&mut worker, &mut fresh, &mut other] {
            for _ in 0..3 {
                ms += 50;
                worker.tick(ms);
            }
        }
        assert_eq!((worker.ask(), fresh.ask()), ("1".to_owned(), "1".to_owned()));
    }
    let mut next = pointer(2, &denying());
    next.candidate = Some(sidegate_engine::trust::Candidate {
        revision: "\n\u{0}".repeat(500),
        ..sidegate_tests::published::candidate("", &blob, sidegate_engine::trust::PointerMode::Shadow)
    });
    let calls =
        (0..400).find_map(|n| Some(worker.tick(ms + 50 * n)).filter(|calls| !calls.is_empty())).unwrap();
    worker.answer(&calls[0], OK, &unsigned(&next));
    assert_eq!(worker.ask(), "1");
    assert!(worker.vm.logs().iter().all(|log| !log.text.contains('\n')));
}
