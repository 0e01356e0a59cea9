use super::*;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn request() -> Attributes {
    Attributes {
        headers: [
            (":authority", &b"people.default:8080"[..]),
            (":path", &b"/people/a%20b?lang=en&x=1&x=2"[..]),
            (":method", &b"GET"[..]),
            (":scheme", &b"http"[..]),
            ("x-request-id", &b"92a6"[..]),
            ("x-bad", &b"\xff\xfe"[..]),
            ("x-two", &b"a"[..]),
            ("x-two", &b"b"[..]),
            ("x-envoy-auth-partial-body", &b"true"[..]),
            ("content-length", &b"not a number"[..]),
            ("content-type", &b"application/json"[..]),
        ]
        .into(),
        request_time_ns: Some(1_767_323_045_678_901_000),
        protocol: Some(b"HTTP/1.1".to_vec()),
        source_address: Some(b"10.244.1.7:34128".to_vec()),
        destination_address: Some(b"[fd00::9]:8080".to_vec()),
        peer_uri_sans: vec![b"spiffe://cluster.local/ns/default/sa/frontend".to_vec()],
        local_uri_san: Some(b"spiffe://cluster.local/ns/default/sa/people".to_vec()),
        tls_version: Some(b"TLSv1.3".to_vec()),
        requested_server_name: Some(b"people".to_vec()),
        mtls: Some(true),
        listener_direction: Some(1),
        ..Attributes::default()
    }
}

fn builder() -> InputBuilder {
    InputBuilder::new(&Workload { namespace: "default".into(), name: "people".into() })
}

fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

fn needs(path: &str) -> Needs {
    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
    Needs::from_paths([path.as_slice()].into_iter())
}

#[test]
fn the_whole_input() {
    let expected = json(
        r#"{
        "attributes": {
            "source": {
                "address": {"socketAddress": {"address": "10.244.1.7", "portValue": 34128}},
                "principal": "spiffe://cluster.local/ns/default/sa/frontend"
            },
            "destination": {
                "address": {"socketAddress": {"address": "fd00::9", "portValue": 8080}},
                "principal": "spiffe://cluster.local/ns/default/sa/people"
            },
            "request": {
                "time": {"seconds": 1767323045, "nanos": 678901000},
                "http": {
                    "method": "GET", "path": "/people/a%20b?lang=en&x=1&x=2",
                    "host": "people.default:8080", "scheme": "http", "protocol": "HTTP/1.1",
                    "headers": {
                        ":authority": "people.default:8080", ":method": "GET", ":scheme": "http",
                        ":path": "/people/a%20b?lang=en&x=1&x=2", "x-request-id": "92a6",
                        "x-bad": "!!", "x-two": "a,b", "content-length": "not a number",
                        "content-type": "application/json"
                    }
                }
            },
            "metadataContext": {}, "routeMetadataContext": {}
        },
        "parsed_path": ["people", "a b"], "parsed_query": {"lang": ["en"], "x": ["1", "2"]},
        "parsed_body": null, "truncated_body": false,
        "source_principal": "spiffe://cluster.local/ns/default/sa/frontend",
        "version": {"ext_authz": "v3", "encoding": "protojson"},
        "sidegate": {
            "direction": "inbound", "phase": "request",
            "source": {
                "trust_domain": "cluster.local", "namespace": "default", "service_account": "frontend",
                "uri_sans": ["spiffe://cluster.local/ns/default/sa/frontend"]
            },
            "workload": {"namespace": "default", "name": "people"},
            "tls": {"version": "TLSv1.3", "sni": "people", "mtls": true}
        }
    }"#,
    );
    assert_eq!(builder().build(&Needs::all(), &request()).unwrap(), expected);
}

#[test]
fn only_what_is_needed() {
    let cases = [
        ("nothing", "{}"),
        ("parsed_path", r#"{"parsed_path": ["people", "a b"]}"#),
        (
            "attributes.request.http.protocol",
            r#"{"attributes":{"request":{"http":{"protocol":"HTTP/1.1"}}}}"#,
        ),
        (
            "attributes.request.http.headers.x-two",
            r#"{"attributes":{"request":{"http":{"headers":{"x-two":"a,b"}}}}}"#,
        ),
        ("attributes.request.http.headers.X-Two", "{}"),
        ("sidegate.direction", r#"{"sidegate":{"direction":"inbound"}}"#),
    ];
    for (path, expected) in cases {
        assert_eq!(builder().build(&needs(path), &request()).unwrap(), json(expected), "{path}");
    }
}

#[test]
fn plaintext_has_no_identity() {
    let plain = Attributes { headers: request().headers, ..Attributes::default() };
    let input = builder().build(&needs("sidegate"), &plain).unwrap();
    let expected = r#"{"phase":"request","source":{"uri_sans":[]},
        "workload":{"namespace":"default","name":"people"}}"#;
    assert_eq!(input["sidegate"], json(expected));
    assert_eq!(
        builder().build(&needs("source_principal"), &plain).unwrap()["source_principal"],
        Value::Undefined
    );
}

#[test]
fn several_uri_sans_are_no_spiffe_identity() {
    let mut attributes = request();
    attributes.peer_uri_sans.push(b"spiffe://cluster.local/ns/default/sa/other".to_vec());
    let input = builder().build(&needs("sidegate.source"), &attributes).unwrap();
    let expected = r#"{"uri_sans":["spiffe://cluster.local/ns/default/sa/frontend",
        "spiffe://cluster.local/ns/default/sa/other"]}"#;
    assert_eq!(input["sidegate"]["source"], json(expected));
    let principal = builder().build(&needs("source_principal"), &attributes).unwrap();
    assert_eq!(principal["source_principal"], Value::from("spiffe://cluster.local/ns/default/sa/frontend"));
}

#[test]
fn addresses_of_every_kind() {
    let cases: [(&[u8], &str); 6] = [
        (b"10.0.0.1:0", r#"{"socketAddress":{"address":"10.0.0.1","portValue":0}}"#),
        (b"[::1]:65535", r#"{"socketAddress":{"address":"::1","portValue":65535}}"#),
        (b"/run/x.sock", r#"{"pipe":{"path":"/run/x.sock"}}"#),
        (b"@abstract", r#"{"pipe":{"path":"@abstract"}}"#),
        (
            b"envoy://connect_originate/10.0.0.1:80",
            r#"{"envoyInternalAddress":{"serverListenerName":"connect_originate","endpointId":"10.0.0.1:80"}}"#,
        ),
        (b"envoy://main/", r#"{"envoyInternalAddress":{"serverListenerName":"main"}}"#),
    ];
    for (address, expected) in cases {
        assert_eq!(builder().address(Some(address)), Some(json(expected)));
    }
    for broken in [b"".as_slice(), b"10.0.0.1", b"10.0.0.1:", b"10.0.0.1:65536", b"10.0.0.1:-1"] {
        assert_eq!(builder().address(Some(broken)), None);
    }
}

#[test]
fn timestamps_leave_out_zeros() {
    let cases = [
        (0, "{}"),
        (1, r#"{"nanos":1}"#),
        (2_000_000_000, r#"{"seconds":2}"#),
        (-1, r#"{"seconds":-1,"nanos":999999999}"#),
    ];
    for (nanos, expected) in cases {
        assert_eq!(builder().timestamp(nanos), json(expected));
    }
}

#[test]
fn connect_has_no_path() {
    let connect = Attributes { headers: [(":method", &b"CONNECT"[..])].into(), ..Attributes::default() };
    let input = builder().build(&Needs::all(), &connect).unwrap();
    assert_eq!(input["attributes"]["request"]["http"]["path"], Value::Undefined);
    assert_eq!(input["parsed_path"], json(r#"[""]"#));
    assert_eq!(input["parsed_query"], json("{}"));
}

#[test]
fn raw_bytes_of_a_path_are_sanitized_before_decoding() {
    let raw = Attributes { headers: [(":path", &b"/\xff/%ff?\xfe=%fe"[..])].into(), ..Attributes::default() };
    let input = builder().build(&Needs::all(), &raw).unwrap();
    assert_eq!(input["parsed_path"], json(r#"["!", "\ufffd"]"#));
    assert_eq!(input["parsed_query"], json(r#"{"!": ["\ufffd"]}"#));
}

/// Requests that differ in all that a document can differ in.
fn requests() -> Vec<Attributes> {
    use crate::attributes::Body;

    let plain = Attributes { headers: request().headers, ..Attributes::default() };
    let mut several = request();
    several.peer_uri_sans.push(b"spiffe://cluster.local/ns/default/sa/other".to_vec());
    several.local_uri_san = None;
    several.local_dns_san = Some(b"people.example".to_vec());
    several.requested_server_name = None;
    several.listener_direction = Some(2);
    let odd: [(&[u8], &[u8]); 8] = [
        (b":path", b"/\xff/%ff?\xfe=%fe"),
        (b"x-\xff", b"raw"),
        (b"x-!", b"plain"),
        (b"x-two", b""),
        (b"x-two", b"\xfe"),
        (b"x-envoy-downstream-service-cluster", b"a"),
        (b"x-envoy-downstream-service-cluster", b"b"),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ];
    let body = |bytes: &[u8]| Some(Body { bytes: bytes.to_vec(), received: bytes.len(), is_cut: false });
    let odd = Attributes {
        headers: odd.into(),
        tls_version: Some(Vec::new()),
        mtls: Some(false),
        source_address: Some(b"/run/a.sock".to_vec()),
        request_time_ns: Some(0),
        body: body(b"a=1"),
        ..Attributes::default()
    };
    vec![Attributes::default(), plain, request(), several, odd]
}

#[test]
fn every_part_is_what_the_document_has_there() {
    let names = [
        "version",
        "ext_authz",
        "sidegate",
        "source",
        "namespace",
        "uri_sans",
        "tls",
        "sni",
        "mtls",
        "attributes",
        "request",
        "http",
        "method",
        "path",
        "headers",
        "x-two",
        "x-!",
        "x-bad",
        ":path",
        "body",
        "size",
        "address",
        "x-envoy-auth-partial-body",
        "socketAddress",
        "portValue",
        "service",
        "principal",
        "destination",
        "time",
        "metadataContext",
        "routeMetadataContext",
        "parsed_path",
        "parsed_query",
        "x",
        "parsed_body",
        "truncated_body",
        "source_principal",
        "phase",
        "workload",
        "direction",
        "protocol",
        "host",
        "scheme",
        "seconds",
    ];
    let mut paths: Vec<Vec<String>> = vec![Vec::new()];
    for (_, _, location) in LEAVES {
        for length in 1..=location.len() {
            let above: Vec<String> = location[..length].iter().map(|key| (*key).to_owned()).collect();
            for name in names {
                let mut path = above.clone();
                path.push(name.to_owned());
                paths.push(path);
            }
            paths.push(above);
        }
    }
    paths.sort();
    paths.dedup();
    let builder = builder();
    let mut found = 0;
    for attributes in requests() {
        // What all need, and what each path needs alone.
        let each = paths.iter().map(|path| Needs::from_paths([path.as_slice()].into_iter()));
        let mut all: Vec<Needs> = each.chain([Needs::all()]).collect();
        all.sort_by_key(|needs| format!("{needs:?}"));
        all.dedup();
        for needs in all {
            let document = builder.build(&needs, &attributes).unwrap();
            let request = builder.request(&needs, &attributes).unwrap();
            for path in &paths {
                let keys: Vec<Value> = path.iter().map(|key| Value::from(key.as_str())).collect();
                let wanted = keys.iter().fold(&document, |value, key| &value[key]);
                let got = request.value(&leaves::Place::of(keys.clone()));
                assert_eq!(&got, wanted, "{path:?} {needs:?} {attributes:?}");
                found += usize::from(got != Value::Undefined);
            }
        }
    }
    assert!(found > 1000, "{found}");
}

#[test]
fn header_names_are_sorted() {
    assert!(COMMON_HEADERS.is_sorted());
}
