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
