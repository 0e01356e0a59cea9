//! Logs that somebody else has written into: whatever is in a line, it is counted, shown harmlessly, and costs no other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::declare::suggest::{Options, Suggester};

const OWN: &str = "spiffe://cluster.local/ns/pay/sa/charges";

#[test]
fn hostile_logs_are_counted_and_cost_nothing_else() {
    let good = json!({
        "start_time": "2026-11-24T10:00:00.000Z", "method": "GET", "path": "/a?b", "response_code": 200,
        "downstream_peer_uri_san": "spiffe://cluster.local/ns/a/sa/b", "downstream_local_uri_san": OWN,
        "upstream_cluster": "inbound|8080||", "workload_namespace": "pay", "workload_name": "charges",
    });
    let with = |key: &str, value: Json| {
        let mut json = good.clone();
        json[key] = value;
        json.to_string()
    };
    let without = |key: &str| {
        let mut json = good.clone();
        json.as_object_mut().unwrap().remove(key);
        json.to_string()
    };
    let lines: Vec<(&str, Vec<u8>)> = vec![
        ("not_json", b"hello".to_vec()),
        ("not_json", b"{\"method\": \"GET\xff\"}".to_vec()),
        ("not_json", b"{\"a\": \"cut".to_vec()),
        ("not_json", with("method", json!(["GET"])).into_bytes()),
        ("not_json", with("downstream_peer_uri_san", json!(7)).into_bytes()),
        ("not_json", good.to_string().replacen("{", "{\"method\": \"PUT\", ", 1).into_bytes()),
        ("not_json", b"{\"input\": 1}".to_vec()),
        ("not_json", b"{\"input\": {\"attributes\": {\"source\": []}}}".to_vec()),
        ("too_large", with("x", json!("y".repeat(2 << 20))).into_bytes()),
        ("too_large", format!("{{\"a\": {}{}}}", "[".repeat(5000), "]".repeat(5000)).into_bytes()),
        ("not_a_request", b"{}".to_vec()),
        ("not_a_request", b"{\"input\": {}}".to_vec()),
        ("not_a_request", with("path", json!(null)).into_bytes()),
        ("not_a_request", with("path", json!(7)).into_bytes()),
        ("no_peer", without("downstream_peer_uri_san").into_bytes()),
        ("no_direction", without("upstream_cluster").into_bytes()),
        ("no_service", without("workload_name").into_bytes()),
        ("no_service", with("workload_name", json!("../../etc")).into_bytes()),
        ("no_service", with("workload_name", json!("a\nb: c")).into_bytes()),
        ("several_names", with("downstream_peer_uri_san", json!("spiffe://a/b,spiffe://a/c")).into_bytes()),
        ("caller", with("downstream_peer_uri_san", json!("spiffe://a/\"]\n- x")).into_bytes()),
        ("method", with("method", json!("get")).into_bytes()),
        ("method", with("method", json!("GET]\n- x")).into_bytes()),
        ("ambiguous_path", with("path", json!("/a\n- \"/b\"")).into_bytes()),
        ("ambiguous_path", with("path", json!("/\u{1b}[2J")).into_bytes()),
        ("ambiguous_path", with("path", json!("/\"# x")).into_bytes()),
        ("ambiguous_path", with("path", json!("//a")).into_bytes()),
        ("unsayable_path", with("path", json!("/a%20b")).into_bytes()),
        ("unsayable_path", with("path", json!(format!("/{}", "a/".repeat(100)))).into_bytes()),
        ("unsayable_path", with("path", json!(format!("/{}", "a".repeat(5000)))).into_bytes()),
        ("outbound", with("upstream_cluster", json!("outbound|80||x")).into_bytes()),
        ("status", with("response_code", json!(403)).into_bytes()),
        ("status", with("response_code", json!("404")).into_bytes()),
        ("status", with("response_code", json!(0)).into_bytes()),
        ("status", with("response_code", json!(-1)).into_bytes()),
        ("status", with("response_code", json!(1e300)).into_bytes()),
        ("status", with("grpc_status", json!(7)).into_bytes()),
        ("status", with("upstream_cluster", json!(null)).into_bytes()),
    ];
    let mut log = Vec::new();
    let mut wanted: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for ((code, line), number) in lines.iter().zip(1..) {
        log.extend_from_slice(line);
        log.push(b'\n');
        wanted.entry(code).or_insert((0, format!("log:{number}"))).0 += 1;
    }
    log.extend_from_slice(good.to_string().as_bytes());
    let mesh = Mesh::default();
    let mut suggester = Suggester::new(Options::default(), &mesh);
    suggester.read("log", log.as_slice(), |_| {}).unwrap();
    let suggestions = suggester.finish(|_, _| None).unwrap();
    let found = json!(suggestions)["left_out"].clone();
    let counts: BTreeMap<&str, u64> = found
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, left)| (code.as_str(), left["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, wanted.iter().map(|(code, (count, _))| (*code, *count)).collect());
    for (code, (_, place)) in &wanted {
        let own = &found[*code];
        assert!(own["place"].is_null() || own["place"] == **place, "{code} {own}");
        assert!(own["example"].as_str().unwrap_or_default().bytes().all(|byte| byte >= 0x20), "{own}");
    }
    assert_eq!(suggestions.suggested, 1);
    assert!(
        suggestions.services[0].yaml.contains("      - \"/a\" # 1 request\n"),
        "{}",
        suggestions.services[0].yaml
    );
}
