//! A VM that traps: until it is made anew there is 503 and nothing else, never an allow; then it decides by the
//! policy that was fetched last, whether or not the server of policies is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use sidegate_tests::bundle_server::BundleServer;
use sidegate_tests::mix::{ASKS, Answer, Client, Tally, bundle};
use sidegate_tests::places;
use sidegate_tests::rollout::{Publisher, trapping};
use sidegate_tests::soak::{Sidecar, SidecarOptions, WORKERS};
use sidegate_tests::wire::Wire;

const CLIENTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    sidecar: Sidecar,
    net: Publisher,
    _dir: tempfile::TempDir,
}

impl Place {
    /// A sidecar whose filter traps in `export`, always, or else at a request made to that end.
    fn new(version: &str, export: Option<&str>, first_wait: &'static str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let mut net = Publisher::new("net");
        let server = BundleServer::start();
        net.publish(&server, &bundle(1));
        let wasm = export.map(|export| {
            let to = dir.path().join(format!("{export}.wasm"));
            trapping(&places::filter_wasm().unwrap(), &to, export).unwrap();
            to
        });
        let options = SidecarOptions {
            envoy: version.to_owned(),
            keys: json!([net.key(&["*"])]),
            environment: Vec::new(),
            is_hot: false,
            wasm,
            first_wait,
        };
        let sidecar = Sidecar::start(server, options, dir.path()).unwrap();
        Self { sidecar, net, _dir: dir }
    }

    fn client(&self) -> Client {
        Client::new(self.sidecar.address(), self.sidecar.friend())
    }

    /// Waits until every request on new connections is decided by this version, often enough that every worker was
    /// asked.
    fn settle(&self, version: u32) {
        let until = Instant::now() + PATIENCE;
        let mut in_a_row = 0;
        let mut client = self.client();
        while in_a_row < WORKERS * 8 {
            for ask in ASKS {
                let answer = client.ask(ask);
                assert_eq!(ask.objection(&answer, &[1, 2]), None);
                let is_it = matches!(answer, Answer::Decided { version: found, .. } if found == version);
                in_a_row = if is_it { in_a_row + 1 } else { 0 };
            }
            client.hang_up();
            assert!(Instant::now() < until, "expected version {version} to decide within {PATIENCE:?}");
        }
    }

    fn reloads(&self) -> u64 {
        self.sidecar.stat("vm_reload_success").unwrap()
    }
}

/// Runs clients that ask everything all the time and object to any answer but a right one or none, while `act` runs.
/// A VM that traps may cut an answer that has begun, of another request: one in a hundred at most.
fn under_load(place: &Place, act: impl FnOnce()) -> Tally {
    let (tally, stop) = (Tally::default(), AtomicBool::new(false));
    let objections = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = place.client();
                while !stop.load(Ordering::SeqCst) {
                    for ask in ASKS {
                        let answer = client.ask(ask);
                        tally.count(&answer);
                        if let Answer::Broken(e) = &answer {
                            println!("broken: {ask:?}: {e}");
                        }
                        objections.lock().unwrap().extend(ask.objection(&answer, &[1]));
                    }
                    // The next round is another worker's.
                    client.hang_up();
                }
            });
        }
        act();
        stop.store(true, Ordering::SeqCst);
    });
    let objections = objections.into_inner().unwrap();
    assert!(objections.is_empty(), "{} of {tally:?}: {:?}", objections.len(), objections.first());
    let read = tally.read();
    assert!(read[3] * 100 <= read.iter().sum(), "expected answers, got {tally:?}");
    tally
}

#[test]
fn a_vm_that_trapped_comes_back_with_the_last_policy_and_without_the_server() {
    for version in places::envoys() {
        let mut place = Place::new(&version, None, "10s");
        place.settle(1);
        place.sidecar.server.set_down(true);
        let tally = under_load(&place, || {
            let until = Instant::now() + PATIENCE;
            // Every worker's VM, and some of them more than once: the kernel chooses.
            while place.reloads() < WORKERS as u64 + 2 {
                assert!(place.sidecar.trap().unwrap(), "envoy {version}: expected the body to end a VM");
                assert!(Instant::now() < until, "envoy {version}: expected VMs to be made anew");
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        place.settle(1);
        let [allowed, denied, unavailable, _] = tally.read();
        println!("envoy {version}: {allowed} allowed, {denied} denied, {unavailable} unavailable");
        assert!(allowed > 0 && denied > 0, "envoy {version}: {tally:?}");

        // Whoever held the lease may be gone: another one asks.
        place.sidecar.server.set_down(false);
        place.net.publish(&place.sidecar.server, &bundle(2));
        place.settle(2);
    }
}

#[test]
fn wherever_it_traps_nothing_is_let_through() {
    let newest = places::envoy_newest();
    let exports = [
        ("proxy_on_request_headers", false),
        ("proxy_on_response_headers", true),
        ("proxy_on_request_body", true),
        ("proxy_on_delete", true),
    ];
    for (export, decides) in exports {
        let place = Place::new(&newest, Some(export), "300ms");
        let tally = under_load(&place, || std::thread::sleep(Duration::from_secs(3)));
        let [allowed, denied, unavailable, _] = tally.read();
        println!("{export}: {allowed} allowed, {denied} denied, {unavailable} unavailable");
        assert!(allowed + denied + unavailable > 0, "{export}: {tally:?}");
        assert!(decides || allowed == 0, "{export}: {tally:?}");
    }
}

/// Requests that wait for the first policy while their VM traps for another reason: nobody is left to answer them.
/// They are not let through; Envoy's `stream_idle_timeout` ends them.
#[test]
fn who_waits_while_the_vm_traps_is_not_let_through() {
    for export in ["proxy_on_tick", "proxy_on_http_call_response"] {
        let mut place = Place::new(&places::envoy_newest(), Some(export), "300ms");
        let mut listener = place.sidecar.listener();
        for chain in listener["filter_chains"].as_array_mut().unwrap() {
            chain["filters"][0]["typed_config"]["stream_idle_timeout"] = json!("1s");
        }
        place.sidecar.put_listener(&listener).unwrap();
        let until = Instant::now() + PATIENCE;
        while place.sidecar.stat("listener_manager.listener_modified").unwrap() == 0
            && place.sidecar.stat("listener_manager.listener_in_place_updated").unwrap() == 0
        {
            assert!(Instant::now() < until, "{export}: expected the listener to be taken");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut answers = std::collections::BTreeMap::new();
        for _ in 0..8 {
            let mut wire = Wire::open(place.sidecar.address(), None, None).unwrap();
            wire.write(b"GET /all HTTP/1.1\r\nhost: cart.shop\r\n\r\n").unwrap();
            let mut buffer = [0; 4096];
            let length = wire.read(&mut buffer).expect("an answer, late as it may be");
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
            *answers.entry(status).or_insert(0) += 1;
        }
        println!("{export}: {answers:?}");
        assert!(
            answers.keys().all(|status| ["503", "408", "504"].contains(&status.as_str())),
            "{export}: {answers:?}"
        );
    }
}

#[test]
fn every_shipped_configuration_makes_the_vm_anew_and_soon() {
    let mut found = 0;
    let mut folders = vec![places::root().join("envoy-config"), places::root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            found += reloading(&path);
        }
    }
    assert!(found > 0, "envoy-config/envoy.yaml at least");
    let ours =
        sidegate_tests::envoy_config::wasm_filter("p", &places::filter_wasm().unwrap(), "{}").to_string();
    assert!(ours.contains(r#""failure_policy":"FAIL_RELOAD""#) && ours.contains(r#""base_interval":"0.1s""#));
}

/// How many plugins a file configures, each of which must say what is to become of a trap.
fn reloading(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let count = |part: &str| text.matches(part).count();
    // Not where the name stands in a list of what may come by ECDS.
    let plugins: usize = ["http", "network"]
        .iter()
        .map(|kind| format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"))
        .map(|name| count(&format!(r#""@type": {name}"#)) + count(&format!(r#""@type": "{name}"#)))
        .sum();
    let policies = count("failure_policy: FAIL_RELOAD") + count(r#""failure_policy": "FAIL_RELOAD""#);
    let intervals = count("base_interval: 0.1s") + count(r#""base_interval": "0.1s""#);
    assert!(policies >= plugins && intervals >= plugins, "{}: {plugins} plugins", path.display());
    plugins
}
