//! The harness itself: a filter that traps must be noticed, in the mock host and in Envoy. Without this,
//! `no VM was reloaded` could mean that nobody looked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use sidegate_tests::case::CaseFile;
use sidegate_tests::paths::{Fleet, Wasm};
use sidegate_tests::places;
use sidegate_tests::wasm_host::Filter;

/// A filter that is well until it sees a request, and then traps.
const TRAPS: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)
)"#;

const REQUEST: &str = "[{name: any, want: {decision: allow}}]";

#[test]
fn a_trap_is_noticed() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("traps.wasm");
    std::fs::write(&path, wat::parse_str(TRAPS).unwrap()).unwrap();
    let file = CaseFile::of_requests("traps", "a/b", REQUEST).unwrap();
    let request = &file.requests[0];

    let mut wasm = Wasm::new(&Filter::load(&path).unwrap(), &file, &[]).unwrap();
    let error = wasm.ask(request).expect_err("a trap is an error");
    assert!(error.contains("`proxy_on_request_headers` trapped"), "{error}");

    for version in places::envoys() {
        let fleet = Fleet::start(&version, &path, &[(&file, &[])], &dir.path().join(&version)).unwrap();
        fleet.check_vms().expect("nothing has happened yet");
        let observed = fleet.ask(&file, request).unwrap();
        assert_eq!(observed.status, 503, "envoy {version}");
        // The VM is made anew when its time has come and a request asks for it.
        let deadline = Instant::now() + Duration::from_secs(10);
        while fleet.check_vms().is_ok() {
            assert!(
                Instant::now() < deadline,
                "envoy {version}: expected its stats to tell of a trap: {:?}",
                fleet.wasm_stats()
            );
            std::thread::sleep(Duration::from_millis(200));
            fleet.ask(&file, request).unwrap();
        }
    }
}

#[test]
fn what_differs_is_told() {
    let file = CaseFile::of_requests(
        "a",
        "a/b",
        "[{name: a, want: {decision: deny, status: 401, body: x, response_headers: {a: [b], c: absent}}}]",
    )
    .unwrap();
    let observed = sidegate_tests::paths::Observed {
        status: 403,
        upstream: None,
        response_headers: vec![("c".to_owned(), "d".to_owned())],
        body: String::new(),
        dynamic_metadata: None,
    };
    assert_eq!(
        observed.differences(&file.requests[0]),
        [
            "status: expected 401, got 403",
            "header `a` of the response: expected [\"b\"], got []",
            "header `c` of the response: expected [], got [\"d\"]",
            "body: expected \"x\", got \"\"",
        ]
    );
}

#[test]
fn a_missing_envoy_names_the_command() {
    let error = places::envoy_binary("0.0.0").expect_err("there is no such version");
    assert!(error.contains("make setup"), "{error}");
}
