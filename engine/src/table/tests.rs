#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use super::spec::{Caller, Changes, Clause, Paths, Piece, Shape, Side, Spec, Status, Test};
use super::{Answer, Table, write};
use crate::attributes::Attributes;
use crate::decision::Decision;
use crate::limits::Limits;
use crate::needs::Needs;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn needs() -> Needs {
    let paths = [
        &["attributes", "request", "http", "method"][..],
        &["attributes", "request", "http", "headers"],
        &["attributes", "source", "principal"],
        &["sidegate", "source"],
        &["attributes", "source", "address"],
        &["attributes", "destination"],
        &["attributes", "metadataContext", "filterMetadata", "jwt", "payload"],
    ];
    let paths = paths.map(|path| path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
    Needs::from_paths(paths.iter().map(Vec::as_slice))
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn shape(parts: &[&str], open: Option<usize>) -> Paths {
    let part = |part: &&str| (*part != "{}").then(|| (*part).to_owned());
    Paths::Shape(Shape { parts: parts.iter().map(part).collect(), open })
}

/// Everything that a table can say.
fn everything() -> Spec {
    let of = |clauses: &[u32]| clauses.iter().copied().collect::<BTreeSet<u32>>();
    let name = |text: &str| text.to_owned();
    let clause = |methods: Option<&[&str]>, tests: Vec<Test>| Clause { methods: methods.map(texts), tests };
    let allow = Side {
        clauses: vec![
            clause(Some(&["GET", "POST"]), vec![]),
            clause(None, vec![Test::HeaderBegins(name("content-type"), name("application/grpc"))]),
            clause(
                None,
                vec![
                    Test::HeaderExact(name("x-a"), name("a")),
                    Test::HeaderPrefix(name("x-b"), name("b")),
                    Test::HeaderPresent(name("x-c")),
                    Test::HeaderAbsent(name("x-d")),
                ],
            ),
            clause(
                None,
                vec![
                    Test::Host(texts(&["shop.example"]), vec![name(".shop.example")]),
                    Test::Port(BTreeSet::from([80, 8080])),
                    Test::Source(vec![("10.0.0.0".parse().unwrap(), 8), ("fd00::".parse().unwrap(), 8)]),
                ],
            ),
            clause(
                None,
                vec![Test::Metadata(name("jwt"), vec![name("payload"), name("sub")], texts(&["a"]))],
            ),
        ],
        callers: BTreeMap::from([
            (Caller::OwnAccount(name("shop"), name("web")), of(&[0])),
            (Caller::OwnNamespace(name("pay")), of(&[0, 1])),
            (Caller::Account(name("td2"), name("shop"), name("web")), of(&[0])),
            (Caller::Namespace(name("td3"), name("shop")), of(&[0])),
            (Caller::TrustDomain(name("td4")), of(&[0])),
            (Caller::Principal(name("CN=x")), of(&[0])),
            (Caller::Authenticated, of(&[2, 3, 4])),
            (Caller::Anonymous, of(&[0])),
        ]),
        paths: BTreeMap::from([
            (Paths::Exact(name("/a")), of(&[0])),
            (shape(&["", "b", "{}"], None), of(&[0])),
            (shape(&["", "b", "{}", "c"], None), of(&[0])),
            (shape(&["", "d"], Some(3)), of(&[0])),
            (shape(&["", "svc.S", "{}"], None), of(&[1])),
            (Paths::Exact(name("/headers")), of(&[2])),
            (Paths::Exact(name("/hosts")), of(&[3])),
            (Paths::Exact(name("/claims")), of(&[4])),
        ]),
    };
    let deny = Side {
        clauses: vec![
            clause(None, vec![]),
            clause(Some(&["POST"]), vec![Test::HeaderPresent(name("x-deny"))]),
        ],
        callers: BTreeMap::from([
            (Caller::Everyone, of(&[1])),
            (Caller::OwnAccount(name("shop"), name("web")), of(&[0])),
        ]),
        paths: BTreeMap::from([(shape(&["", "d", "secret"], Some(3)), of(&[0])), (Paths::Every, of(&[1]))]),
    };
    let set = BTreeMap::from([
        (name("x-caller"), vec![Piece::Principal]),
        (name("x-ns"), vec![Piece::Text(name("ns=")), Piece::Namespace]),
        (
            name("x-sa"),
            vec![Piece::ServiceAccount, Piece::Text(name("/")), Piece::Header(name("x-request-id"))],
        ),
    ]);
    Spec {
        own_names: texts(&["old.example"]),
        allow: Some(allow),
        deny: Some(deny),
        changes: Some(Changes { set: [set, BTreeMap::new()], remove: [vec![], vec![name("server")]] }),
        ..Spec::default()
    }
}

fn load(spec: &Spec) -> Table {
    Table::load(&write(spec).unwrap()).unwrap()
}

fn request(principal: &str, line: &str, headers: &[(&str, &str)]) -> Attributes {
    let (method, path) = line.split_once(' ').unwrap();
    let all = [(":method", method), (":path", path), (":authority", "a.shop.example:80")];
    Attributes {
        headers: all.iter().chain(headers).copied().collect(),
        peer_subject: Some(principal.as_bytes().to_vec()),
        local_uri_san: Some(b"spiffe://cluster.local/ns/pay/sa/charges".to_vec()),
        source_address: Some(b"10.1.2.3:40000".to_vec()),
        destination_address: Some(b"10.0.0.9:8080".to_vec()),
        ..Attributes::default()
    }
}

fn ask(table: &Table, attributes: &Attributes) -> Option<Answer> {
    table.decide(&needs(), attributes, &Limits::default())
}

/// `yes`, `no`, or `plan`.
fn word(table: &Table, attributes: &Attributes) -> &'static str {
    match ask(table, attributes) {
        Some((Decision::Allow(_), _)) => "yes",
        Some((Decision::Deny(_), _)) => "no",
        None => "plan",
    }
}

const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

#[test]
fn callers_methods_and_paths() {
    let table = load(&everything());
    for (principal, line, expected) in [
        (WEB, "GET /a", "yes"),
        (WEB, "GET /a?b=%20", "yes"),
        (WEB, "get /a", "no"),
        (WEB, "PUT /a", "no"),
        (WEB, "GET /A", "no"),
        (WEB, "GET /a/", "no"),
        (WEB, "GET /b/1", "yes"),
        (WEB, "GET /b/", "no"),
        (WEB, "GET /b/%31/c", "yes"),
        (WEB, "GET /b/1/d", "no"),
        (WEB, "GET /d/", "yes"),
        (WEB, "GET /d", "no"),
        (WEB, "GET /d/x/y/z", "yes"),
        (WEB, "GET /d/secret", "no"),
        (WEB, "GET /d/SECRET/x", "no"),
        (WEB, "GET /d/%73ecret/", "no"),
        (WEB, "GET /d/secrets", "yes"),
        (WEB, "GET /d//x", "no"),
        (WEB, "GET /d/../a", "no"),
        (WEB, "GET /d/%2e", "no"),
        (WEB, "GET /d/a;b", "no"),
        (WEB, "GET /d/%c3%a9", "plan"),
        (WEB, "GET /d/é", "no"),
        (WEB, "GET /a?b=%zz", "plan"),
        (WEB, "GET /a?b;c", "plan"),
        ("spiffe://old.example/ns/shop/sa/web", "GET /a", "yes"),
        ("spiffe://other/ns/shop/sa/web", "GET /a", "no"),
        ("spiffe://cluster.local/ns/shop/sa/web/", "GET /a", "no"),
        ("spiffe://cluster.local/ns/shop/sa/webx", "GET /a", "no"),
        ("spiffe://cluster.local/ns/pay/sa/x", "GET /a", "yes"),
        ("spiffe://td2/ns/shop/sa/web", "GET /a", "yes"),
        ("spiffe://td3/ns/shop/sa/x", "GET /a", "yes"),
        ("spiffe://td4/ns/x/sa/y", "GET /a", "yes"),
        ("spiffe://td4/x", "GET /a", "no"),
        ("CN=x", "GET /a", "yes"),
        ("CN=y", "GET /a", "no"),
        ("", "GET /a", "yes"),
        ("", "POST /a", "yes"),
    ] {
        assert_eq!(word(&table, &request(principal, line, &[])), expected, "{principal} {line}");
    }
}

#[test]
fn several_names_are_nobody() {
    let table = load(&everything());
    let names = |names: &[&str]| Attributes {
        peer_uri_sans: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
        ..request(WEB, "GET /a", &[])
    };
    assert_eq!(word(&table, &names(&[WEB])), "yes");
    assert_eq!(word(&table, &names(&[WEB, ""])), "yes");
    assert_eq!(word(&table, &names(&[WEB, WEB])), "no");
    assert_eq!(word(&table, &names(&["", "CN=x"])), "plan");
}

#[test]
fn conditions() {
    let table = load(&everything());
    let ask = |line: &str, headers: &[(&str, &str)]| word(&table, &request("spiffe://x/y", line, headers));
    let all = [("x-a", "a"), ("x-b", "b1"), ("x-c", "")];
    assert_eq!(ask("GET /headers", &all), "yes");
    assert_eq!(ask("GET /headers", &[&all[..], &[("x-d", "")]].concat()), "no");
    assert_eq!(ask("GET /headers", &all[..2]), "no");
    assert_eq!(ask("GET /headers", &[&all[..], &[("x-a", "a")]].concat()), "no");
    assert_eq!(ask("GET /headers", &[&all[..], &[("x-b", "b2")]].concat()), "yes");
    assert_eq!(ask("GET /headers", &[&all[..], &[("x-b", "c")]].concat()), "no");
    assert_eq!(ask("GET /headers", &[&all[..], &[("x-b", "é")]].concat()), "plan");
    assert_eq!(ask("POST /hosts", &[]), "yes");
    assert_eq!(ask("POST /hosts", &[("x-deny", "")]), "no");
    assert_eq!(ask("post /hosts", &[("x-deny", "")]), "no");
    assert_eq!(ask("PUT /hosts", &[("x-deny", "")]), "yes");
    let of = |address: &str| Attributes {
        source_address: Some(address.as_bytes().to_vec()),
        ..request("spiffe://x/y", "GET /hosts", &[])
    };
    for (address, expected) in [
        ("[fd00::1]:1", "yes"),
        ("11.0.0.1:1", "no"),
        ("[::1]:1", "no"),
        ("[::ffff:10.1.2.3]:1", "plan"),
        ("10.1.2.3:0", "plan"),
        ("/run/x", "plan"),
        ("x:1", "plan"),
    ] {
        assert_eq!(word(&table, &of(address)), expected, "{address}");
    }
    assert_eq!(ask("GET /claims", &[]), "no");
    let grpc = |kind: &str| {
        let name = "spiffe://cluster.local/ns/pay/sa/x";
        word(&table, &request(name, "POST /svc.S/M", &[("content-type", kind)]))
    };
    assert_eq!((grpc("application/grpc+proto"), grpc("text/plain")), ("yes", "no"));
}

#[test]
fn headers_are_set_or_removed() {
    let table = load(&everything());
    let changes = |attributes: &Attributes| match ask(&table, attributes) {
        Some((Decision::Allow(allow), _)) => allow,
        other => panic!("{other:?}"),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let named = changes(&request(WEB, "GET /a", &[("x-request-id", "7")]));
    let set = [pair("x-caller", WEB), pair("x-ns", "ns=shop"), pair("x-sa", "web/7")];
    assert_eq!(named.request_headers_to_set, set);
    assert_eq!(named.response_headers_to_remove, ["server"]);
    let anonymous = changes(&request("", "GET /a", &[("x-request-id", "7")]));
    assert_eq!(anonymous.request_headers_to_remove, ["x-caller", "x-ns", "x-sa"]);
    assert_eq!(word(&table, &request(WEB, "GET /a", &[("x-request-id", "a\nb")])), "plan");
    let few = Limits { output_bytes: 20, ..Limits::default() };
    assert_eq!(table.decide(&needs(), &request(WEB, "GET /a", &[]), &few), None);
}

#[test]
fn what_the_base_denies_is_denied_whatever_the_status() {
    let Spec { own_names, allow, deny, changes, .. } = everything();
    for status in [Status::Enforced, Status::Shadow, Status::Undeclared] {
        let declared = (status != Status::Undeclared).then(|| allow.clone()).flatten();
        let spec = Spec {
            status,
            own_names: own_names.clone(),
            allow: declared,
            base: deny.clone(),
            deny: None,
            changes: changes.clone(),
        };
        let table = load(&spec);
        let answer = |line: &str| {
            let (decision, marks) = ask(&table, &request(WEB, line, &[])).unwrap();
            (matches!(decision, Decision::Allow(_)), marks.is_shadow, marks.is_undeclared)
        };
        let (shadow, undeclared) = (status == Status::Shadow, status == Status::Undeclared);
        assert_eq!(answer("GET /a"), (!undeclared, shadow, undeclared), "{status:?}");
        assert_eq!(answer("GET /nothing"), (false, shadow, undeclared), "{status:?}");
        assert_eq!(answer("GET /d/secret"), (false, false, false), "{status:?}");
        // It may be the one that is denied.
        assert_eq!(answer("GET /x/../y"), (false, false, false), "{status:?}");
    }
}

#[test]
fn a_table_serves_only_needs_that_it_knows() {
    let table = load(&everything());
    assert!(table.serves(&needs()));
    assert!(!table.serves(&Needs::none()));
    assert!(!table.serves(&Needs::all()), "it knows nothing of bodies");
}

#[test]
fn what_a_table_cannot_say_is_not_written() {
    let with = |change: &dyn Fn(&mut Side)| {
        let mut spec = everything();
        change(spec.allow.as_mut().unwrap());
        write(&spec)
    };
    let name = |text: &str| text.to_owned();
    assert!(with(&|_| ()).is_ok());
    assert!(with(&|side| drop(side.clauses.pop())).is_err());
    assert!(
        with(&|side| drop(side.callers.insert(Caller::OwnNamespace(name("a/b")), BTreeSet::new()))).is_err()
    );
    assert!(with(&|side| drop(side.paths.insert(shape(&["x"; 33], None), BTreeSet::new()))).is_err());
    assert!(with(&|side| drop(side.paths.insert(shape(&["x"; 3], Some(2)), BTreeSet::new()))).is_err());
    for header in ["x-!", "X-A", ":path", "x-envoy-auth-partial-body", ""] {
        let test = Test::HeaderPresent(name(header));
        assert!(with(&|side| side.clauses[0].tests.push(test.clone())).is_err(), "{header}");
    }
    let mut spec = everything();
    spec.deny.as_mut().unwrap().clauses[0].tests.push(Test::HeaderBegins(name("a"), name("b")));
    assert!(write(&spec).is_err());
}

#[test]
fn a_cut_table_is_refused() {
    let bytes = write(&everything()).unwrap();
    for length in 0..bytes.len() {
        assert!(Table::load(&bytes[..length]).is_err(), "{length}");
    }
    assert!(Table::load(&[bytes, vec![0]].concat()).is_err());
}

/// Whatever the bytes: a table is refused, or it answers, within bounds.
#[test]
fn damaged_tables_are_refused_or_answer() {
    let bytes = write(&everything()).unwrap();
    let questions = [
        request(WEB, "GET /a", &[("x-request-id", "7")]),
        request(WEB, "POST /d/x/y?z", &[("x-deny", "")]),
        request("spiffe://x/y", "GET /headers", &[("x-a", "a"), ("x-b", "b"), ("x-c", "")]),
        request("spiffe://x/y", "POST /hosts", &[]),
    ];
    let (mut state, mut loaded) = (0x5eed_u64, 0);
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let rounds = if cfg!(target_arch = "wasm32") { 5_000 } else { 40_000 };
    for _ in 0..rounds {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random(3) {
            let at = random(damaged.len());
            damaged[at] = match random(4) {
                0 => 0xff,
                1 => 0,
                2 => damaged[at] ^ 1 << random(8),
                _ => u8::try_from(random(256)).unwrap(),
            };
        }
        if let Ok(table) = Table::load(&damaged) {
            loaded += 1;
            for question in &questions {
                let (_, work) = table.measure(&needs(), question, &Limits::default());
                assert!(work <= Limits::default().steps);
            }
        }
    }
    assert!(loaded > rounds / 20, "only {loaded} were asked");
}
