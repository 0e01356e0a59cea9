//! Events of decision logs, made up as the filter writes them.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value as Json, json};

/// Who may call, by declarations.
pub(crate) const PAYMENTS: &str = r#"apiVersion: sidegate.io/v1alpha1
kind: ServicePolicy
metadata: {name: payments, namespace: pay}
spec:
  owner: team-payments
  allow:
  - name: look-up
    from: [{namespace: backoffice}, {serviceAccount: shop/web}]
    to: [{methods: [GET], paths: ["/v1/charges/{id}"]}]
  - from: [{serviceAccount: shop/web}]
    to: [{methods: [POST], paths: ["/v1/charges"]}]
"#;

pub(crate) fn sidegate(dir: &Path, args: &str) -> (i32, String, String) {
    let output =
        Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub(crate) fn write(dir: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What a filter of `pay/payments` writes.
pub(crate) fn event(id: &str, caller: &str, call: &str, result: Json) -> Json {
    let (method, path) = call.split_once(' ').unwrap();
    let (namespace, account) = caller.split_once('/').unwrap();
    let principal = format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
    let bare = path.split('?').next().unwrap();
    json!({
        "labels": {"id": "sidecar~10.0.0.8", "version": "0.1.0", "namespace": "pay", "workload": "payments"},
        "decision_id": id, "revision": "r42", "bundles": {"sidegate": {"revision": "r42"}},
        "path": "sidegate/authz/decision",
        "input": {
            "attributes": {
                "source": {"principal": principal, "address": {"socketAddress": {"address": "10.0.0.7", "portValue": 4}}},
                "destination": {"principal": "spiffe://cluster.local/ns/pay/sa/payments"},
                "request": {"http": {"method": method, "path": path, "host": "pay", "headers": {":path": path}}},
                "metadataContext": {},
            },
            "parsed_path": bare.trim_start_matches('/').split('/').collect::<Vec<_>>(),
            "parsed_query": {}, "parsed_body": null, "truncated_body": false,
            "sidegate": {
                "phase": "request", "workload": {"namespace": "pay", "name": "payments"}, "source": {"uri_sans": [principal]},
            },
        },
        "result": result, "requested_by": "10.0.0.7:34128", "timestamp": "2026-11-29T18:00:00.123456789Z",
        "metrics": {"timer_rego_query_eval_ns": 2100},
        "custom": {"sidegate": {"outcome": "allowed", "phase": "request", "mode": "enforce", "status": 200}},
    })
}

pub(crate) fn at(mut event: Json, pointer: &str, value: Json) -> Json {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    event
}

pub(crate) fn without(mut event: Json, pointer: &str) -> Json {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    event
}

pub(crate) fn lines(events: &[Json]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}
