//! Decisions about connections: the module as a network filter in real Envoys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "network/site.rs"]
mod site;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use sidegate_tests::bundle_server::BundleServer;
use sidegate_tests::docs::assert_table;
use sidegate_tests::published::{bundle, publish};
use sidegate_tests::{features, places};

use site::{DECLARED, FILE, Site, fetching};

/// Enough for listener filters to know that it is not TLS.
const LONG: &[u8] = b"a protocol of its own";
const PATIENCE: Duration = Duration::from_secs(20);

fn decides(version: &str) {
    let site = Site::start(version, json!({}));

    // Allowed: what the server says first comes with the first bytes of the client.
    assert_eq!(site.talk("tcp", Some("caller"), b"abc", 9), ("hello abc".to_owned(), false));
    let mut connection = site.open("tcp", Some("caller"));
    connection.write(b"1").unwrap();
    assert_eq!(connection.read_some(7).unwrap(), (b"hello 1".to_vec(), false));
    connection.write(b"23").unwrap();
    assert_eq!(connection.read_some(2).unwrap(), (b"23".to_vec(), false));
    drop(connection);
    assert_eq!(site.upstream.seen(), (2, 6));

    // Denied, without a decision, without identity: closed, and not a byte in either direction.
    for account in [Some("other"), Some("stranger"), None] {
        assert_eq!(site.talk("tcp", account, LONG, 1), (String::new(), true), "{account:?}");
    }
    // A client that never sends anything has no decision: what the server says does not get to it.
    let mut silent = site.open("tcp", Some("caller"));
    silent.wire().set_read_timeout(Duration::from_millis(500));
    let nothing = silent.read_some(1);
    assert!(nothing.is_err(), "{nothing:?}");
    drop(silent);
    let (opened, bytes) = site.upstream.seen();
    // The connections of those with certificates, and none of who has none.
    assert!(opened <= 5, "{opened}");
    assert_eq!(bytes, 6);

    let counts = site.counts();
    // The silent one's end is the first that it says; it may still be on its way.
    assert!(matches!(counts.get("connections.allowed"), Some(2 | 3)), "{counts:?}");
    assert_eq!(counts.get("connections.denied"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("connections.error"), Some(&2), "{counts:?}");
    assert_eq!(counts.get("errors.decision_undefined"), Some(&2), "{counts:?}");
}

#[test]
fn connections_are_decided_by_the_first_bytes() {
    for version in places::envoys() {
        decides(&version);
    }
}

#[test]
fn declarations_decide_about_connections() {
    let site = Site::of(DECLARED, &places::envoy_newest(), json!({}));
    assert_eq!(site.talk("tcp", Some("caller"), b"abc", 9), ("hello abc".to_owned(), false));
    let get = b"GET /ok HTTP/1.1\r\nhost: a\r\n\r\n";
    for account in [Some("other"), Some("reader"), Some("stranger"), None] {
        assert_eq!(site.talk("tcp", account, get, 1), (String::new(), true), "{account:?}");
    }
    assert_eq!(site.upstream.seen().1, 3);
    let counts = site.counts();
    assert_eq!(counts.get("connections.denied"), Some(&4), "{counts:?}");
    assert_eq!(counts.get("connections.error"), None, "{counts:?}");
}

/// What a client sends in plaintext to a listener that finds out by the first bytes whether it is HTTP, and how what comes
/// back begins.
const SNIFFED: [(&str, &[u8], &str); 13] = [
    ("none: a request that is allowed", b"GET /ok HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200"),
    ("none: one that is denied", b"GET /admin HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 403"),
    ("a protocol of its own", b"hello, this is my protocol", ""),
    ("a byte before the request", b"\x00GET /admin HTTP/1.1\r\nhost: a\r\n\r\n", ""),
    ("empty lines before it", b"\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n", ""),
    ("a version that there is not", b"GET /admin HTTP/9.9\r\nhost: a\r\n\r\n", ""),
    ("no version", b"GET /admin\r\n", ""),
    ("a method in lower case", b"get /admin HTTP/1.1\r\nhost: a\r\n\r\n", ""),
    ("a method of its own", b"ADMIN /admin HTTP/1.1\r\nhost: a\r\n\r\n", ""),
    ("HTTP/2's preface, broken", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", ""),
    ("one byte, and nothing more", b"G", ""),
    ("half of a method, then waiting", b"GE", ""),
    ("the beginning of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", ""),
];

/// Whoever makes HTTP look like something else gets to the other chain, and that has its own decision.
#[test]
fn sniffing_is_no_way_round() {
    let mut table = "| attack | sent | expected | seen |\n|---|---|---|---|\n".to_owned();
    let mut wrong = Vec::new();
    let site_of = |version: String| {
        let policies = [FILE, DECLARED].map(|file| Site::of(file, &version, json!({})));
        (version, policies)
    };
    let sites: Vec<_> = places::envoys().into_iter().map(site_of).collect();
    for (attack, sent, expected) in SNIFFED {
        let shown = |answer: &str| match answer.get(9..) {
            Some(status) => format!("answered {status}"),
            None => "closed".to_owned(),
        };
        let mut all = BTreeSet::new();
        for (version, policies) in &sites {
            for (policy, site) in ["Rego", "declaration"].into_iter().zip(policies) {
                let (got, _) = site.talk("both", None, sent, 12);
                // What the proxy itself does not understand it may answer, too: 400, or 426 for a version.
                let is_refused = ["HTTP/1.1 400", "HTTP/1.1 426"].contains(&got.as_str());
                let is_fine = got == expected || expected.is_empty() && is_refused;
                // Nobody is declared to be anonymous.
                let is_fine = is_fine || policy == "declaration" && got == "HTTP/1.1 403";
                if !is_fine || site.upstream.seen() != (0, 0) {
                    wrong.push(format!(
                        "envoy {version}, {policy}, {attack}: {got}, upstream {:?}",
                        site.upstream.seen()
                    ));
                }
                all.insert(shown(&got));
            }
        }
        let all: Vec<String> = all.into_iter().collect();
        let sent = sent.escape_ascii().to_string().replace('|', "\\|");
        let expected = match expected {
            "" => "closed, or refused by Envoy".to_owned(),
            other => shown(other),
        };
        table.push_str(&format!("| {attack} | `{sent}` | {expected} | {} |\n", all.join(", ")));
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_table("docs/network.md", "sniffing", &table);
}

#[test]
fn without_an_entry_point_nothing_passes() {
    let site = Site::start(&places::envoy_newest(), json!({"network_entrypoint": null}));
    for account in [Some("caller"), None] {
        assert_eq!(site.talk("tcp", account, LONG, 1), (String::new(), true), "{account:?}");
    }
    assert_eq!(site.upstream.seen().1, 0);
    assert_eq!(site.counts().get("errors.no_network_entrypoint"), Some(&2));
}

#[test]
fn in_shadow_and_off_connections_pass() {
    for (mode, denied) in [("shadow", Some(&1)), ("off", None)] {
        let site = Site::start(&places::envoy_newest(), json!({"mode": mode}));
        assert_eq!(site.talk("tcp", Some("other"), b"abc", 9), ("hello abc".to_owned(), false), "{mode}");
        // The server may speak first.
        let mut connection = site.open("tcp", Some("other"));
        assert_eq!(connection.read_some(6).unwrap(), (b"hello ".to_vec(), false), "{mode}");
        assert_eq!(site.counts().get("connections.denied"), denied, "{mode}");
    }
}

/// Without TLS there is nothing to wait for, so the server may speak first.
#[test]
fn a_server_may_speak_first_without_tls() {
    let rules = "allow := true";
    let server = BundleServer::start();
    publish(&server, 1, &bundle(rules));
    let site = fetching(&server, "10s");
    let mut connection = site.open("plain", None);
    assert_eq!(connection.read_some(6).unwrap(), (b"hello ".to_vec(), false));
    publish(&server, 2, &bundle("allow := false"));
    let until = Instant::now() + PATIENCE;
    loop {
        let before = site.upstream.seen();
        let (got, ended) = site.open("plain", None).read_some(6).unwrap();
        if ended {
            assert_eq!((got, site.upstream.seen()), (Vec::new(), before));
            break;
        }
        assert!(Instant::now() < until, "expected the second policy to come");
    }
}

#[test]
fn a_connection_is_held_for_the_first_policy() {
    let server = BundleServer::start();
    let site = fetching(&server, "30s");
    let mut first = site.open("tcp", Some("caller"));
    first.write(b"abc").unwrap();
    let mut plain = site.open("tcp", None);
    plain.write(LONG).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(site.upstream.seen().1, 0);
    publish(&server, 1, &bundle("allow if input.source_principal"));
    assert_eq!(first.read_some(9).unwrap(), (b"hello abc".to_vec(), false));
    assert_eq!(plain.read_some(1).unwrap(), (Vec::new(), true));
    assert_eq!(site.upstream.seen().1, 3);
    drop(site.dir);
}

#[test]
fn without_a_policy_it_is_closed() {
    let server = BundleServer::start();
    let site = fetching(&server, "1s");
    let begin = Instant::now();
    for account in [Some("caller"), None] {
        assert_eq!(site.talk("tcp", account, LONG, 1), (String::new(), true), "{account:?}");
    }
    assert!(begin.elapsed() < PATIENCE, "expected the end of the wait, got {:?}", begin.elapsed());
    assert_eq!(site.upstream.seen().1, 0);
    assert_eq!(site.counts().get("errors.no_policy"), Some(&2));
}

/// A TCP proxy that waits for bytes opens nothing for callers that are denied. Which Envoys can do so is told by
/// `features.rs`.
#[test]
fn where_the_proxy_waits_nothing_is_opened_upstream() {
    let version = places::envoy_newest();
    let site = Site::start(&version, json!({}));
    if !features::WAITING.is_in(&version) {
        assert!(site.envoy.listener("waits").is_err());
        return;
    }
    assert_eq!(site.talk("waits", Some("other"), b"abc", 1), (String::new(), true));
    assert_eq!(site.upstream.seen(), (0, 0));
    assert_eq!(site.talk("waits", Some("caller"), b"abc", 9), ("hello abc".to_owned(), false));
    assert_eq!(site.upstream.seen(), (1, 3));
}
