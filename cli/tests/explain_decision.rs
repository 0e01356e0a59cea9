//! `sidegate explain --decision`: one recorded decision, looked up in a log and explained.
//!
//! `SIDEGATE_WRITE_FIXTURES=1` writes the expected text anew; look at the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod events;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use events::{PAYMENTS, at, event, lines, sidegate, without, write};

const REGO: &str = "package envoy.authz

default allow := false

allow if input.attributes.request.http.headers[\"x-key\"] == \"k\"
";

fn log() -> String {
    let denied = event(
        "d-denied",
        "backoffice/x",
        "POST /v1/charges/7",
        json!({"allowed": false, "http_status": 403}),
    );
    let erased = "/input/attributes/request/http/headers/authorization";
    let connection =
        at(event("d-conn", "shop/web", "GET /", json!(true)), "/custom/sidegate/phase", json!("connection"));
    lines(&[
        event("d-allowed", "shop/web", "GET /v1/charges/7?full=1", json!({"allowed": true})),
        at(denied, "/erased", json!([erased])),
        event("d-wrong", "other/x", "GET /v1/charges/7", json!({"allowed": true})),
        at(connection, "/path", json!("envoy/authz/allow")),
        at(
            without(event("d-opa", "shop/web", "GET /", json!(false)), "/custom"),
            "/path",
            json!("envoy/authz/allow"),
        ),
        at(
            at(event("d-hidden", "shop/web", "GET /", json!(true)), "/path", json!("envoy/authz/allow")),
            "/erased",
            json!(["/input/attributes/request/http/headers/x-key"]),
        ),
    ])
}

#[test]
fn a_recorded_decision_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "policies/services/pay/payments.yaml", PAYMENTS);
    write(dir.path(), "rego/policy.rego", REGO);
    write(dir.path(), "log", log());
    assert_eq!(sidegate(dir.path(), "build rego -o rego.tar.gz").0, 0);
    let mut text = String::new();
    for (args, wanted) in [
        ("d-allowed log -b policies", 0),
        ("d-denied log -b policies", 1),
        ("d-wrong log -b policies", 1),
        ("d-opa log -b rego.tar.gz", 1),
        ("d-conn log -b rego", 1),
        ("d-hidden log -b rego", 2),
        ("d-opa log -b policies", 2),
        ("d-none log -b policies", 2),
    ] {
        let (code, out, err) = sidegate(dir.path(), &format!("explain --decision {args}"));
        assert_eq!(code, wanted, "{args}\n{out}{err}");
        text.push_str(&format!("$ sidegate explain --decision {args}\n{out}{err}\n"));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explain/recorded.txt");
    if std::env::var_os("SIDEGATE_WRITE_FIXTURES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap_or_default());
}

#[test]
fn a_program_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "policies/services/pay/payments.yaml", PAYMENTS);
    write(dir.path(), "log", log());
    let args = "explain --decision d-denied log -b policies --format json";
    let (code, out, err) = sidegate(dir.path(), args);
    assert_eq!(code, 1, "{err}");
    let report: Json = serde_json::from_str(&out).unwrap();
    let get = |pointer: &str| report.pointer(pointer).cloned().unwrap_or(Json::Null);
    assert_eq!(
        (get("/allowed"), get("/declared"), get("/place")),
        (json!(false), json!(true), json!("log:2"))
    );
    assert_eq!(get("/decision/recorded"), json!("denied"));
    assert_eq!(get("/decision/erased"), json!(["input.attributes.request.http.headers.authorization"]));
    assert_eq!(get("/nearest/0/file"), json!("policies/services/pay/payments.yaml"));
    // It is one or the other.
    for args in [
        "explain --decision d-denied log",
        "explain --decision d log -b policies --from a/b",
        "explain policies",
    ] {
        assert_eq!(sidegate(dir.path(), args).0, 2, "{args}");
    }
}
