//! `sidegate replay`: events of every shape that people save, decided anew by bundles and folders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod events;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use serde_json::{Value as Json, json};

use events::{PAYMENTS, at, event, lines, sidegate, without, write};

/// What answers by Rego alone, at three entry points.
const REGO: &str = r#"package envoy.authz

# METADATA
# entrypoint: true
default allow := false

allow if input.attributes.request.http.method == "GET"

allow := {"allowed": true, "headers": {"x-role": "writer"}} if input.attributes.request.http.method == "POST"

allow := {"allowed": false, "http_status": 401} if input.attributes.request.http.method == "PUT"

# METADATA
# entrypoint: true
response := input.response.status < 500

# METADATA
# entrypoint: true
connection := input.attributes.source.principal == "spiffe://cluster.local/ns/shop/sa/web"
"#;

/// The same, decided by [`REGO`].
fn rego_event(id: &str, call: &str, result: Json) -> Json {
    at(event(id, "shop/web", call, result), "/path", json!("envoy/authz/allow"))
}

fn report(dir: &Path, args: &str) -> (i32, Json) {
    let (code, out, err) = sidegate(dir, &format!("{args} --format json"));
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{args}: {code} {out}{err}")))
}

/// Same, newly allowed, newly denied, changed, without a decision, unknown.
fn counts(report: &Json) -> [u64; 6] {
    ["same", "allowed", "denied", "changed", "error", "unknown"]
        .map(|key| report.pointer(&format!("/counts/{key}")).unwrap().as_u64().unwrap())
}

/// The reasons of what is unknown, and what of.
fn unknown(report: &Json) -> Vec<String> {
    let list = report.pointer("/unknown").unwrap().as_array().unwrap();
    let text = |entry: &Json, key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    list.iter().map(|entry| format!("{} {}", text(entry, "reason"), text(entry, "of"))).collect()
}

/// A folder of Rego and the log `log` with these events, replayed.
fn by_rego(rego: &str, events: &[Json]) -> (i32, Json) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "new/policy.rego", rego);
    write(dir.path(), "log", lines(events));
    report(dir.path(), "replay log -b new")
}

#[test]
fn a_stricter_bundle_lists_exactly_what_changes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "old/services/pay/payments.yaml", PAYMENTS);
    let stricter =
        PAYMENTS.replace("paths: [\"/v1/charges/{id}\"]", "paths: [\"/v1/charges/{id}\"], hosts: [other]");
    let stricter =
        format!("{stricter}  - from: [{{serviceAccount: backoffice/keeps}}]\n    to: [{{methods: [GET]}}]\n");
    write(dir.path(), "new/services/pay/payments.yaml", &stricter);
    let mut events = Vec::new();
    let mut changing = BTreeSet::new();
    for number in 0..200 {
        let (caller, call) = match number % 5 {
            0 => (format!("backoffice/a{number}"), format!("GET /v1/charges/{number}?full=1")),
            1 => ("backoffice/keeps".to_owned(), format!("GET /v1/charges/{number}")),
            2 => ("shop/web".to_owned(), "POST /v1/charges".to_owned()),
            3 => (format!("backoffice/a{number}"), format!("GET /v1/charges/{number}/more")),
            _ => (format!("other/a{number}"), format!("GET /v1/charges/{number}")),
        };
        let id = format!("d{number}");
        let allowed = number % 5 < 3;
        if number % 5 == 0 {
            changing.insert(id.clone());
        }
        let result =
            if allowed { json!({"allowed": true}) } else { json!({"allowed": false, "http_status": 403}) };
        events.push(event(&id, &caller, &call, result));
    }
    write(dir.path(), "log.jsonl", lines(&events));
    for state in ["old", "new"] {
        assert_eq!(sidegate(dir.path(), &format!("build {state} -o {state}.tar.gz")).0, 0);
        let slice = format!("build {state} -o {state}-slice.tar.gz --workload pay/payments");
        assert_eq!(sidegate(dir.path(), &slice).0, 0);
    }
    for bundle in ["new", "new.tar.gz", "new-slice.tar.gz"] {
        let (code, report) = report(dir.path(), &format!("replay log.jsonl -b {bundle}"));
        assert_eq!((code, counts(&report)), (1, [160, 0, 40, 0, 0, 0]), "{bundle}");
        let groups = report.get("groups").unwrap().as_array().unwrap();
        let listed = groups.iter().map(|group| {
            assert_eq!(group.get("path"), Some(&json!("/v1/charges/{id}")), "{group}");
            group.pointer("/example/decision_id").unwrap().as_str().unwrap().to_owned()
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), changing, "{bundle}");
    }
    for bundle in ["old", "old.tar.gz", "old-slice.tar.gz"] {
        let (code, report) = report(dir.path(), &format!("replay log.jsonl -b {bundle}"));
        assert_eq!((code, counts(&report)), (0, [200, 0, 0, 0, 0, 0]), "{bundle}");
    }
    // The other way round, by a rule that is named.
    let (code, plan) = report(dir.path(), "plan new old --decisions log.jsonl");
    let decisions = plan.get("decisions").unwrap();
    assert_eq!((code, counts(decisions)), (1, [160, 40, 0, 0, 0, 0]));
    assert_eq!(decisions.get("recorded_otherwise"), Some(&json!(40)));
    let rule = json!({"file": "old/services/pay/payments.yaml", "line": 7, "name": "look-up", "effect": "allow", "is_old": false});
    assert_eq!(decisions.pointer("/groups/0/rule"), Some(&rule));
    let (_, out, _) = sidegate(dir.path(), "plan old new --decisions log.jsonl");
    let wanted = "    GET /v1/charges/{id} by spiffe://cluster.local/ns/backoffice/sa/a0\n    allowed by no rule; was allowed by \
                  `look-up`\n      old/services/pay/payments.yaml:7\n    decision d0 (log.jsonl:1): /v1/charges/0?full=1\n";
    assert!(out.contains(wanted), "{out}");
    // A slice says nothing about another workload.
    let other = at(events.first().unwrap().clone(), "/input/sidegate/workload/name", json!("refunds"));
    write(dir.path(), "other", lines(&[other, events.last().unwrap().clone()]));
    // Of a whole mesh, it has one of its own, where nobody is declared.
    for bundle in ["new", "new.tar.gz"] {
        let (code, report) = report(dir.path(), &format!("replay other -b {bundle}"));
        assert_eq!((code, counts(&report)), (1, [1, 0, 1, 0, 0, 0]), "{bundle}");
        assert_eq!(report.pointer("/groups/0/workload"), Some(&json!("pay/refunds")), "{bundle}");
    }
    let (code, report) = report(dir.path(), "replay other -b new-slice.tar.gz");
    assert_eq!(
        (code, counts(&report), unknown(&report)),
        (0, [1, 0, 0, 0, 0, 1], vec!["other_workload pay/refunds".to_owned()])
    );
}

#[test]
fn logs_are_read_as_people_save_them() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "new/policy.rego", REGO);
    let events: Vec<Json> = (0..7)
        .map(|number| {
            rego_event(&format!("d{number}"), &format!("GET /a?b=\\\"{{\\\"{number}"), json!(number > 1))
        })
        .collect();
    let own = "[2026-11-29 18:00:00.123][17][warning][wasm] [source/extensions/common/wasm/context.cc:1198] wasm log sidegate: ";
    let istio = "2026-11-29T18:00:00.123456Z\twarning\tenvoy wasm external/envoy/source/context.cc:1198\twasm log sidegate: ";
    let each = |line: &dyn Fn(&Json) -> String| events.iter().map(line).collect::<String>();
    let gzipped = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let batch = json!(events).to_string();
    for (name, log) in [
        ("lines", lines(&events).into_bytes()),
        ("lines.gz", gzipped(&lines(&events))),
        ("batch", batch.clone().into_bytes()),
        ("batches.gz", [gzipped(batch.strip_suffix(']').unwrap()), gzipped("]")].concat()),
        ("printed", serde_json::to_string_pretty(&events).unwrap().into_bytes()),
        ("envoy", each(&|event| format!("{own}{event}\n[2026-11-29 18:00:00.1][1][info][main] [x.cc:1] up\n")).into_bytes()),
        ("istio", each(&|event| format!("{istio}{event}\tthread=17\n")).into_bytes()),
        ("json", each(&|event| {
            let msg = json!(format!("wasm log sidegate: {event}"));
            format!("{{\"level\":\"warning\",\"time\":\"x\",\"scope\":\"envoy wasm\",\"msg\":{msg},\"thread\":17}}\n")
        }).into_bytes()),
    ] {
        write(dir.path(), name, log);
        let (code, report) = report(dir.path(), &format!("replay {name} -b new"));
        assert_eq!((code, counts(&report)), (1, [5, 2, 0, 0, 0, 0]), "{name}");
        let left = report.pointer("/left_out/not_json/count").and_then(Json::as_u64);
        assert_eq!(left, (name == "envoy").then_some(7), "{name}");
    }
    // A batch that is cut off says so.
    let mut cut = gzipped(&lines(&events));
    cut.truncate(cut.len() - 9);
    write(dir.path(), "cut.gz", cut);
    let (code, out, _) = sidegate(dir.path(), "replay cut.gz -b new");
    assert!(code == 1 && out.contains("`cut.gz` ends early"), "{code} {out}");
}

#[test]
fn broken_lines_are_counted_with_the_first_ones_place() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "new/policy.rego", REGO);
    let good = rego_event("d", "GET /", json!(true));
    let spoofed = "[2026-11-29T18:00:00Z] \"GET / HTTP/1.1\" 200 \"x: {\"input\": {}}\"";
    let log = format!(
        "{good}\n{{\"cut\n{spoofed}\n{}\n{}\n{{\"method\": \"GET\"}}\n{}\n{good}\n",
        without(good.clone(), "/input"),
        json!({"input": {"a": 1}, "erased": 7}),
        "x".repeat(3000),
    );
    write(dir.path(), "log", log);
    let (code, replay) = report(dir.path(), "replay log -b new");
    assert_eq!((code, counts(&replay)), (0, [2, 0, 0, 0, 0, 0]));
    let left = |code: &str, key: &str| replay.pointer(&format!("/left_out/{code}/{key}")).cloned().unwrap();
    assert_eq!((left("not_json", "count"), left("not_json", "place")), (json!(3), json!("log:2")));
    assert_eq!((left("no_input", "count"), left("no_input", "place")), (json!(1), json!("log:4")));
    assert_eq!((left("not_an_event", "count"), left("not_an_event", "place")), (json!(2), json!("log:5")));
    assert_eq!(replay.get("records"), Some(&json!(8)));
    assert_eq!(sidegate(dir.path(), "replay log -b new --strict").0, 1);
    write(dir.path(), "none", "no log\n");
    let (code, _, err) = sidegate(dir.path(), "replay none -b new");
    assert!(
        code == 2 && err.contains("expected decisions, got none in 1 record\nLeft out: 1 (not_json)"),
        "{err}"
    );
    write(dir.path(), "broken/policy.rego", "package envoy.authz\n\nallow if {\n");
    for args in ["replay log -b broken", "replay missing -b new", "replay log -b missing"] {
        assert_eq!(sidegate(dir.path(), args).0, 2, "{args}");
    }
}

#[test]
fn what_an_event_does_not_have_is_unknown() {
    let header = "/input/attributes/request/http/headers/authorization";
    let reads =
        "package envoy.authz\n\nallow if input.attributes.request.http.headers.authorization == \"a\"\n";
    let whole = "package envoy.authz\n\nallow if count(input.attributes.request.http.headers) < 9\n";
    let body = "package envoy.authz\n\nallow if not input.parsed_body.a\n";
    let erased = at(rego_event("d", "GET /", json!(true)), "/erased", json!([header]));
    let masked =
        at(at(rego_event("d", "GET /", json!(true)), header, json!("***")), "/masked", json!([header]));
    let all = [rego_event("d", "GET /", json!(true)), erased, masked];
    assert_eq!(counts(&by_rego(REGO, &all).1), [3, 0, 0, 0, 0, 0]);
    for rego in [reads, whole] {
        let (_, report) = by_rego(rego, &all);
        assert_eq!(counts(&report)[5], 2, "{rego}");
        assert_eq!(
            unknown(&report),
            ["erased input.attributes.request.http.headers.authorization"],
            "{rego}"
        );
    }
    let bare = without(
        without(rego_event("d", "GET /", json!(true)), "/input/parsed_body"),
        "/input/truncated_body",
    );
    let (code, report) = by_rego(body, &[all[0].clone(), bare]);
    assert_eq!(
        (code, counts(&report), unknown(&report)),
        (0, [1, 0, 0, 0, 0, 1], vec!["not_recorded input.parsed_body".to_owned()])
    );
    // Of the result, what is hidden is not compared; all the rest is.
    let result = json!({"allowed": true, "headers": {"x-role": "writer"}});
    let hidden =
        at(rego_event("d", "POST /", json!({"allowed": true})), "/erased", json!(["/result/headers/x-role"]));
    let other = at(
        rego_event("d", "POST /", json!({"allowed": true})),
        "/erased",
        json!(["/result/headers/x-other"]),
    );
    let none = at(rego_event("d", "POST /", result.clone()), "/erased", json!(["/result"]));
    let (code, report) = by_rego(REGO, &[rego_event("d", "POST /", result), hidden, other, none]);
    assert_eq!((code, counts(&report)), (1, [2, 0, 0, 1, 0, 1]));
    assert_eq!(report.pointer("/groups/0/what"), Some(&json!(["request header x-role"])));
}

#[test]
fn every_outcome_is_compared() {
    let undefined = without(rego_event("u", "DELETE /", json!(0)), "/result");
    let failed = at(undefined.clone(), "/error", json!({"code": "eval_conflict", "message": "x"}));
    let opa = json!({"labels": {"id": "opa"}, "decision_id": "o", "path": "envoy/authz/allow", "result": true,
        "input": {"attributes": {"request": {"http": {"method": "GET", "path": "/", "headers": {}}}}, "parsed_path": [""]},
        "requested_by": "x", "timestamp": "2026-11-29T18:00:00Z", "metrics": {}});
    let events = [
        undefined,
        failed,
        opa.clone(),
        at(opa, "/result", json!(false)),
        rego_event("p", "PUT /", json!(false)),
        rego_event("p", "PUT /", json!({"allowed": false, "http_status": 401})),
        rego_event("d", "DELETE /", json!(true)),
        at(rego_event("x", "GET /", json!(true)), "/path", json!("envoy/authz/other")),
    ];
    let (code, report) = by_rego(REGO, &events);
    assert_eq!((code, counts(&report)), (1, [3, 1, 1, 2, 0, 1]));
    assert_eq!(unknown(&report), ["no_entrypoint envoy/authz/other"]);
    let conflict = "package envoy.authz\n\nallow if input.attributes.request.http.method == \"GET\"\n\nallow := false if true\n";
    let (_, report) = by_rego(conflict, &events);
    assert_eq!(counts(&report), [2, 0, 1, 2, 2, 1], "{report}");
    assert_eq!(report.pointer("/groups/0/change").unwrap(), "denied");
}

#[test]
fn each_phase_has_its_entry_point_and_the_event_its_time() {
    let phase = |phase: &str, path: &str, result: bool| {
        let event = at(rego_event(phase, "GET /", json!(result)), "/custom/sidegate/phase", json!(phase));
        at(event, "/path", json!(path))
    };
    let response = at(
        phase("response", "envoy/authz/response", true),
        "/input/response",
        json!({"status": 503, "headers": {}}),
    );
    let connection =
        without(phase("connection", "envoy/authz/connection", true), "/input/attributes/request");
    let elsewhere = phase("request", "somewhere/else", true);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "new/policy.rego", REGO);
    write(dir.path(), "log", lines(&[response, connection, elsewhere]));
    let (code, replay) = report(dir.path(), "replay log -b new --path envoy/authz/allow");
    assert_eq!((code, counts(&replay)), (1, [2, 0, 1, 0, 0, 0]));
    let clock = "package envoy.authz\n\nallow if time.now_ns() < 1795975200500000000\n";
    let then = |time: &str| at(rego_event(time, "GET /", json!(true)), "/timestamp", json!(time));
    let events =
        [then("2026-11-29T18:00:00Z"), then("2026-11-29T18:00:01Z"), without(then("x"), "/timestamp")];
    let (code, replay) = by_rego(clock, &events);
    assert_eq!(
        (code, counts(&replay), unknown(&replay)),
        (1, [1, 0, 1, 0, 0, 1], vec!["no_time ".to_owned()])
    );
    assert_eq!(replay.pointer("/groups/0/example/decision_id"), Some(&json!("2026-11-29T18:00:01Z")));
    let chance =
        "package envoy.authz\n\nallow := {\"allowed\": true, \"headers\": {\"x\": uuid.rfc4122(\"a\")}}\n";
    let (code, replay) = by_rego(chance, &[rego_event("d", "GET /", json!(true))]);
    assert_eq!((code, counts(&replay)), (2, [0, 0, 0, 0, 0, 1]));
}
