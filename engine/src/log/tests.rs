use std::collections::BTreeMap;

use regorus::Value;

use super::*;
use crate::attributes::{Phase, Workload};
use crate::config::Mode;
use crate::headers::Headers;
use crate::refresh::Shared;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND: i64 = 1_000_000_000;

#[derive(Default)]
struct Data(BTreeMap<String, (Vec<u8>, u32)>);

impl Shared for Data {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.get(key).cloned()
    }

    fn set(&mut self, key: &str, value: &[u8], unchanged: Option<u32>) -> bool {
        let number = self.0.get(key).map(|(_, number)| *number);
        if unchanged.is_some() && unchanged != number {
            return false;
        }
        self.0.insert(key.to_owned(), (value.to_vec(), number.unwrap_or(0) + 1));
        true
    }
}

fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

fn masked(event: &str, rules: &str) -> Result<String, String> {
    let rules = if rules.is_empty() { Value::Undefined } else { json(rules) };
    mask(json(event), &rules).map(|masked| masked.line().unwrap()).map_err(|e| e.to_string())
}

#[test]
fn an_event_is_opas() {
    let labels = labels("sidecar~1", "1.0", &Workload { namespace: "pay".to_owned(), name: String::new() });
    let event = Event {
        labels: &labels,
        id: DecisionId::new([0xAB; 32]),
        trace: None,
        revision: "r1",
        path: "envoy/authz/allow",
        input: json(r#"{"a": 1}"#),
        result: Value::from_json_str(r#"{"allowed": false}"#).unwrap(),
        error: None,
        requested_by: Some("10.0.0.7:1".to_owned()),
        now: 1_767_323_045_678_901_000,
        took: Some(2100),
        outcome: Outcome::Denied,
        phase: Phase::Request,
        mode: Mode::Enforce,
        waived: None,
        status: Some(403),
        rule: Value::from("pay/payments deny[0]"),
    };
    assert_eq!(
        mask(event.into_value(), &Value::Undefined).unwrap().line().unwrap(),
        concat!(
            r#"{"bundles":{"sidegate":{"revision":"r1"}},"#,
            r#""custom":{"sidegate":{"mode":"enforce","outcome":"denied","phase":"request","#,
            r#""rule":"pay/payments deny[0]","status":403}},"#,
            r#""decision_id":"abababab-abab-4bab-abab-abababababab","input":{"a":1},"#,
            r#""labels":{"id":"sidecar~1","namespace":"pay","version":"1.0"},"#,
            r#""metrics":{"timer_rego_query_eval_ns":2100},"path":"envoy/authz/allow","#,
            r#""requested_by":"10.0.0.7:1","result":{"allowed":false},"revision":"r1","#,
            r#""timestamp":"2026-01-02T03:04:05.678901Z"}"#
        )
    );
}

#[test]
fn secrets_are_erased_whatever_the_policy_says() {
    let event = r#"{"input": {"attributes": {"request": {"http": {"headers":
        {"authorization": "s3", "cookie": "s3", "x-api-key": "s3", "accept": "*"}, "body": "s3"}}},
        "parsed_body": {"pin": "s3"}, "response": {"headers": {"set-cookie": "s3"}}},
        "result": {"allowed": true, "headers": [{"Authorization": "s3", "x": "1"}]}}"#;
    let line = masked(event, "").unwrap();
    assert!(!line.contains("s3"), "{line}");
    assert!(line.contains(r#""headers":{"accept":"*"}"#) && line.contains(r#"[{"x":"1"}]"#), "{line}");
    assert!(
        line.contains("/input/parsed_body") && line.contains("/result/headers/0/Authorization"),
        "{line}"
    );
    // That there was no body is no secret, and what a replay needs to know.
    assert_eq!(masked(r#"{"input":{"parsed_body":null}}"#, "").unwrap(), r#"{"input":{"parsed_body":null}}"#);
}

#[test]
fn what_is_too_large_is_left_out() {
    let none = Value::new_object();
    let event = |result: Value| Event {
        labels: &none,
        id: DecisionId::new([0; 32]),
        trace: None,
        revision: "",
        path: "p",
        input: Value::Undefined,
        result,
        error: None,
        requested_by: None,
        now: 0,
        took: None,
        outcome: Outcome::Denied,
        phase: Phase::Request,
        mode: Mode::Shadow,
        waived: None,
        status: None,
        rule: Value::Undefined,
    };
    // A hundred pairs of pairs: nothing to keep, and more to write than there is room for.
    let shared = (0..100).fold(Value::from(1_u64), |value, _| Value::from(vec![value.clone(), value]));
    for large in [shared, Value::from("x".repeat(100_000))] {
        let line = mask(event(large).into_value(), &Value::Undefined).unwrap().line().unwrap();
        assert!(line.contains(r#""erased":["/result"]"#) && line.len() < 1000, "{}", line.len());
    }
    let line = mask(event(Value::from("x".repeat(30_000))).into_value(), &Value::Undefined).unwrap().line();
    assert!(line.unwrap().len() > 30_000);
}

#[test]
fn masks_are_opas() {
    let event = r#"{"input":{"a":{"b":[1,2,3]},"c":"x y"},"result":true}"#;
    let cases = [
        (r#"["/input/a/b"]"#, r#"{"erased":["/input/a/b"],"input":{"a":{},"c":"x y"},"result":true}"#),
        (
            r#"["/input/a/b/1"]"#,
            r#"{"erased":["/input/a/b/1"],"input":{"a":{"b":[1,3]},"c":"x y"},"result":true}"#,
        ),
        (r#"["/input/z/b", "/input/a/b/7", "/input/c/d"]"#, event),
        (r#"["/input"]"#, r#"{"erased":["/input"],"result":true}"#),
        (
            r#"[{"op": "upsert", "path": "/input/a/b", "value": "*"}]"#,
            r#"{"input":{"a":{"b":"*"},"c":"x y"},"masked":["/input/a/b"],"result":true}"#,
        ),
        (
            r#"[{"op": "upsert", "path": "/input/n/m", "value": {"k": 1}}, {"op": "remove", "path": "/result"}]"#,
            r#"{"erased":["/result"],"input":{"a":{"b":[1,2,3]},"c":"x y","n":{"m":{"k":1}}},"masked":["/input/n/m"]}"#,
        ),
        ("[]", event),
    ];
    for (rules, expected) in cases {
        assert_eq!(masked(event, rules).unwrap(), expected, "{rules}");
    }
}

#[test]
fn masks_that_are_none_let_nothing_be_logged() {
    for rules in [
        "true",
        r#"{"op": "remove"}"#,
        r#"["input/a"]"#,
        r#"["/labels"]"#,
        r#"[""]"#,
        "[1]",
        r#"[{"op": "hide", "path": "/input"}]"#,
        r#"[{"path": "/input"}]"#,
        r#"[{"op": "remove"}]"#,
    ] {
        assert!(masked(r#"{"input":{}}"#, rules).is_err(), "{rules}");
    }
}

#[test]
fn traces_are_w3c_or_b3() {
    let of = |headers: &[(&str, &str)]| {
        let headers: Headers = headers.iter().copied().collect();
        trace(&headers).map(|Trace { trace_id, span_id }| format!("{trace_id} {span_id}"))
    };
    let (long, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let both = Some(format!("{long} {span}"));
    assert_eq!(of(&[("traceparent", &format!("00-{long}-{span}-01"))]), both);
    assert_eq!(of(&[("b3", &format!("{long}-{span}-1-{span}"))]), both);
    assert_eq!(of(&[("x-b3-traceid", long), ("x-b3-spanid", span)]), both);
    assert_eq!(of(&[("x-b3-traceid", span), ("x-b3-spanid", span)]), Some(format!("{span} {span}")));
    for bad in ["", "00", "ff-x-y-01", "00-0-0-0", &format!("00-{}-{span}-01", "0".repeat(32))] {
        assert_eq!(of(&[("traceparent", bad)]), None, "{bad}");
    }
    assert_eq!(of(&[("x-b3-traceid", "\" or 1"), ("x-b3-spanid", span)]), None);
}

#[test]
fn one_vm_posts_what_all_have_and_loses_nothing() {
    let mut data = Data::default();
    let mut vms = [1, 2, 3].map(|me| (Sender::new("p", me, &mut data), Buffer::default()));
    let mut posted = Vec::new();
    let mut poster = None;
    for round in 0..20_i64 {
        for (at, (sender, buffer)) in vms.iter_mut().enumerate() {
            buffer.push(&format!(r#"{{"n":{}}}"#, round * 3 + i64::try_from(at).unwrap()));
            if let Some(batch) = sender.tick(buffer, round * SECOND / 4, &mut data) {
                assert_eq!(*poster.get_or_insert(at), at, "one of them");
                // Every other time it is answered too late, or not at all.
                let status = [Some(200), Some(503), None][usize::try_from(round % 3).unwrap()];
                let (sent, more) = sender.answered(status, round * SECOND / 4, 0, &mut data);
                match sent {
                    Sent::Taken(count) => {
                        let lines = batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                        let lines: Vec<_> = lines.map(|l| String::from_utf8(l.to_vec()).unwrap()).collect();
                        assert_eq!(lines.len() as u64, count);
                        posted.extend(lines);
                    }
                    Sent::Later => {}
                    Sent::Refused(_) => panic!("nothing was refused"),
                }
                assert_eq!(more, None);
            }
        }
    }
    let (sender, buffer) = &mut vms[poster.unwrap()];
    let batch = sender.tick(buffer, 60 * SECOND, &mut data).expect("the rest");
    posted.extend(
        batch
            .lines
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| String::from_utf8(l.to_vec()).unwrap()),
    );
    let mut numbers: Vec<i64> =
        posted.iter().map(|l| l.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()).collect();
    numbers.sort_unstable();
    let all: Vec<i64> = (0..60).collect();
    assert_eq!(numbers, all, "each once");
}

#[test]
fn who_posts_and_is_gone_is_followed_by_another_that_posts_the_same() {
    let mut data = Data::default();
    let (mut one, mut two) = (Sender::new("p", 1, &mut data), Sender::new("p", 2, &mut data));
    let (mut a, mut b) = (Buffer::default(), Buffer::default());
    a.push("{}");
    assert_eq!(one.tick(&mut a, 0, &mut data), None, "whose lease it is shows at the next tick");
    let batch = one.tick(&mut a, SECOND, &mut data).unwrap();
    assert_eq!(two.tick(&mut b, 2 * SECOND, &mut data), None);
    assert_eq!(two.tick(&mut b, 12 * SECOND, &mut data), Some(batch));
    assert_eq!(two.answered(Some(413), 12 * SECOND, 0, &mut data), (Sent::Refused(1), None));
    assert_eq!(two.tick(&mut b, 13 * SECOND, &mut data), None, "nothing is left");
}

#[test]
fn a_post_that_nobody_answers_is_made_again() {
    let mut data = Data::default();
    let (mut sender, mut buffer) = (Sender::new("p", 1, &mut data), Buffer::default());
    buffer.push("{}");
    assert_eq!(sender.tick(&mut buffer, 0, &mut data), None);
    let batch = sender.tick(&mut buffer, SECOND, &mut data).unwrap();
    // It may still come.
    assert_eq!(sender.tick(&mut buffer, 10 * SECOND, &mut data), None);
    assert_eq!(sender.tick(&mut buffer, 11 * SECOND, &mut data), Some(batch));
    assert_eq!(sender.answered(Some(200), 12 * SECOND, 0, &mut data), (Sent::Taken(1), None));
    assert_eq!(sender.tick(&mut buffer, 30 * SECOND, &mut data), None, "nothing is left");
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let mut data = Data::default();
    let mut sender = Sender::new("p", 1, &mut data);
    let mut buffer = Buffer::default();
    let line = "x".repeat(100 * 1024);
    for round in 0..8 {
        (0..2).for_each(|_| buffer.push(&line));
        sender.tick(&mut buffer, round, &mut data);
    }
    // Ten lines are shared, two are in the buffer.
    assert_eq!(buffer.take_dropped(), 4);
    assert_eq!(buffer.take_dropped(), 0);
    // Batches are whole events, and go out one after the other.
    let mut events = 0;
    let (_, mut next) = sender.answered(Some(200), 9, 0, &mut data);
    while let Some(batch) = next {
        assert!(batch.lines.len() <= 256 * 1024 && batch.lines.ends_with(b"\n"));
        events += batch.lines.len() / line.len();
        next = sender.answered(Some(204), 9, 0, &mut data).1;
    }
    assert_eq!(events, 8, "and two were posted before");
}

#[test]
fn what_another_plugin_writes_there_does_no_harm() {
    for bad in [&b""[..], b"x", &[0; 16], &[255; 15]] {
        let mut data = Data::default();
        data.set("p.log", bad, None);
        data.set("p.log.lease", bad, None);
        let mut sender = Sender::new("p", 1, &mut data);
        let mut buffer = Buffer::default();
        buffer.push("{}");
        let batch = (0..4).find_map(|n| sender.tick(&mut buffer, n, &mut data));
        assert_eq!(batch, Some(Batch { lines: b"{}\n".to_vec() }), "{bad:?}");
    }
}

#[test]
fn a_gzip_file_of_what_zlib_made() {
    use std::io::{Read, Write};
    let data = array(b"{\"a\":1}\n{\"b\":2}\n");
    assert_eq!(data, br#"[{"a":1},{"b":2}]"#);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&data).unwrap();
    let zlib = zlib.finish().unwrap();
    let file = gzip(&data, &zlib).unwrap();
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(file.as_slice()).read_to_end(&mut back).unwrap();
    assert_eq!(back, data);
    for bad in [&b""[..], b"x\x9c", b"\x1f\x8b\x08\x00\x00\x00"] {
        assert_eq!(gzip(&data, bad), None);
    }
}
