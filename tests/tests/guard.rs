//! A worker whose VM could not be made has no filter: Envoy leaves it out and lets everything pass, whatever the failure
//! policy. What stands behind Sidegate lets nothing pass there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use sidegate_tests::case::CaseFile;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::client::Connection;
use sidegate_tests::envoy::{Envoy, Launch};
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, network_filter, tcp_proxy, wasm_filter};
use sidegate_tests::manifests::guards;
use sidegate_tests::upstream::Upstream;
use sidegate_tests::{paths, places};

const FILE: &str = r#"
about: what is guarded
entrypoint: t/request
config: {network_entrypoint: t/connection, guard: true}
policy:
  t.rego: |
    package t

    default request := false

    request if input.attributes.request.http.path == "/open"

    connection := true
requests: []
"#;

const GIB: u64 = 1 << 30;
/// Envoy and one VM need less, and the VM of a worker more besides: each keeps 10 GiB of address space for its memory.
const LIMITS: [u64; 12] = [12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34];

/// Sent as bytes that are not HTTP, and as HTTP.
const GET: &[u8] = b"GET /closed HTTP/1.1\r\nhost: service.test\r\n\r\n";
const OPEN: &[u8] = b"GET /open HTTP/1.1\r\nhost: service.test\r\n\r\n";

/// A module that is configured as often as Envoy does on its main thread, and then never again.
fn fails_in_workers(how: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "times")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
                (local $times i32)
                (if (i32.eqz (call $get (i32.const 16) (i32.const 5) (i32.const 32) (i32.const 36) (i32.const 40)))
                    (then (local.set $times (i32.load (i32.load (i32.const 32))))))
                (local.set $times (i32.add (local.get $times) (i32.const 1)))
                (i32.store (i32.const 64) (local.get $times))
                (drop (call $set (i32.const 16) (i32.const 5) (i32.const 64) (i32.const 4) (i32.const 0)))
                (if (i32.le_u (local.get $times) (i32.const 2)) (then (return (i32.const 1))))
                {how})
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)
        )"#
    );
    wat::parse_str(text).unwrap()
}

fn identity(dir: &Path) -> Identity {
    Authority::new(dir).identity("service", &spiffe("default", "service"))
}

fn http(name: &str, identity: &Identity, filters: Vec<Json>) -> Json {
    let listener = Listener {
        name,
        identity,
        plaintext: true,
        filters,
        route_metadata: None,
        access_log: None,
        cluster: Some("upstream"),
    };
    listener.to_json()
}

fn tcp(name: &str, filters: &[Json]) -> Json {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": filters}]
    })
}

/// Sidegate with and without what stands behind it, for HTTP and for the rest.
struct Site {
    envoy: Envoy,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl Site {
    /// In a process that has so much address space.
    fn start(version: &str, address_space: Option<u64>) -> Result<Self, String> {
        let file: CaseFile = serde_yaml_ng::from_str(FILE).unwrap();
        let configuration = file.configuration(&paths::build(&file).unwrap());
        let wasm = places::filter_wasm().unwrap();
        let plugin = || wasm_filter("sidegate", &wasm, &configuration);
        let network = || network_filter("sidegate", &wasm, &configuration);
        let (http_guard, tcp_guard) = guards("enforce").unwrap();
        let (http_counter, tcp_counter) = guards("shadow").unwrap();
        let dir = tempfile::TempDir::new().unwrap();
        let (upstream, own) = (Upstream::start(), identity(dir.path()));
        let listeners = [
            http("bare", &own, vec![plugin()]),
            http("guarded", &own, vec![plugin(), http_guard]),
            http("counted", &own, vec![plugin(), http_counter]),
            tcp("bare-tcp", &[network(), tcp_proxy("upstream")]),
            tcp("guarded-tcp", &[network(), tcp_guard, tcp_proxy("upstream")]),
            tcp("counted-tcp", &[network(), tcp_counter, tcp_proxy("upstream")]),
        ];
        let launch = Launch { address_space, ..Launch::new(version, 2) };
        let config = bootstrap(&listeners, &[cluster("upstream", upstream.address())]);
        let envoy = Envoy::launch(&launch, &config, dir.path())?;
        Ok(Self { envoy, upstream, _dir: dir })
    }

    /// The status of the answer by this listener, 0 where the connection is closed without one.
    fn ask(&self, listener: &str, request: &[u8]) -> u16 {
        let to = self.envoy.listener(listener).unwrap();
        let mut connection = Connection::open(to, None).unwrap();
        connection.wire().set_read_timeout(Duration::from_secs(20));
        connection.send_bytes(request, false).map_or(0, |answer| answer.status)
    }

    /// What is answered, asked as often as it takes to meet both workers.
    fn ask_all(&self, listener: &str, request: &[u8]) -> BTreeSet<u16> {
        (0..40).map(|_| self.ask(listener, request)).collect()
    }

    /// What the guards have counted under this name: `rbac.sidegate_guard.NAME` for HTTP, `sidegate_guard.rbac.NAME` for
    /// the rest.
    fn guards_count(&self, name: &str) -> u64 {
        let stats = self.envoy.stats("sidegate_guard").unwrap();
        stats.iter().filter(|(stat, _)| stat.ends_with(&format!(".{name}"))).map(|(_, value)| value).sum()
    }
}

#[test]
fn a_worker_without_a_vm_lets_nothing_pass() {
    for version in places::envoys() {
        // The least in which it starts: then at least one worker has no VM.
        let started = LIMITS.iter().find_map(|gib| Site::start(&version, Some(gib * GIB)).ok());
        let site =
            started.unwrap_or_else(|| panic!("envoy {version}: expected it to start in {LIMITS:?} GiB"));
        let log = site.envoy.log();
        assert!(log.contains("Wasm VM failed"), "envoy {version}: {log}");

        // What Envoy does there. If this is no longer so, the guard is no longer needed.
        for listener in ["bare", "counted", "bare-tcp", "counted-tcp"] {
            let got = site.ask_all(listener, GET);
            assert!(got.contains(&200), "envoy {version}, {listener}: {got:?}");
        }
        assert!(site.guards_count("shadow_denied") > 0, "envoy {version}");

        let before = site.upstream.served();
        assert_eq!(site.ask_all("guarded", GET), BTreeSet::from([403]), "envoy {version}");
        assert_eq!(site.upstream.served(), before, "envoy {version}");
        let by_http = site.guards_count("denied");
        assert!(by_http > 0, "envoy {version}");
        // One that is allowed, where there is somebody to say so.
        let got = site.ask_all("guarded", OPEN);
        assert!(got.contains(&403) && got.is_subset(&BTreeSet::from([200, 403])), "envoy {version}: {got:?}");
        let got = site.ask_all("guarded-tcp", GET);
        assert!(got.contains(&0) && got.is_subset(&BTreeSet::from([0, 200])), "envoy {version}: {got:?}");
        assert!(site.guards_count("denied") > by_http, "envoy {version}");
    }
}

#[test]
fn where_there_is_a_vm_the_guard_is_in_nobodys_way() {
    for version in places::envoys() {
        let site = Site::start(&version, None).unwrap();
        for listener in ["bare", "guarded", "counted"] {
            assert_eq!(site.ask_all(listener, OPEN), BTreeSet::from([200]), "envoy {version}, {listener}");
            assert_eq!(site.ask_all(listener, GET), BTreeSet::from([403]), "envoy {version}, {listener}");
        }
        for listener in ["bare-tcp", "guarded-tcp", "counted-tcp"] {
            assert_eq!(site.ask_all(listener, GET), BTreeSet::from([200]), "envoy {version}, {listener}");
        }
        let denied = site.guards_count("denied") + site.guards_count("shadow_denied");
        assert_eq!(denied, 0, "envoy {version}");
        assert_eq!(site.guards_count("allowed"), 80, "envoy {version}");
    }
}

/// The same where the VM is there, and refuses its configuration or traps over it.
#[test]
fn a_worker_whose_vm_is_not_configured_lets_nothing_pass() {
    for how in ["(i32.const 0)", "unreachable"] {
        let dir = tempfile::TempDir::new().unwrap();
        let module = dir.path().join("fails.wasm");
        std::fs::write(&module, fails_in_workers(how)).unwrap();
        for version in places::envoys() {
            let upstream = Upstream::start();
            let clusters = [cluster("upstream", upstream.address())];
            let dir = dir.path().join(&version);
            let own = identity(&dir.join("certs"));
            for (filters, status) in [(Vec::new(), 200), (vec![guards("enforce").unwrap().0], 403)] {
                let filters = [vec![wasm_filter("fails", &module, "")], filters].concat();
                let config = bootstrap(&[http("http", &own, filters)], &clusters);
                let envoy = Envoy::start(&version, &config, &dir).unwrap();
                let mut open = Connection::open(envoy.listener("http").unwrap(), None).unwrap();
                let answer = open.send_bytes(GET, false).unwrap();
                assert_eq!(answer.status, status, "{}", envoy.with_log(how));
            }
        }
    }
}
