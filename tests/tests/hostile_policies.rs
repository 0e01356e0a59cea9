//! Policies that would take for ever, or say more than a proxy can send: each is stopped and denies, in one VM that
//! they share, which then answers others as ever. What each costs is printed; `make bench-budget` measures some.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_tests::case::plugin_configuration;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::{Body, Connection, Request};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, wasm_filter};
use sidegate_tests::places;
use sidegate_tests::table::Table;
use sidegate_tests::vms::Vms;

/// Asked of each policy. Cold code is slower, and memory that grows grows again.
const TIMES: usize = 5;
/// What the proxy may grow by: all of this is one VM, whose memory never shrinks, and V8's code for it.
const GROWTH_KIB: u64 = 300 * 1024;

/// What would go on for long, as the body of a rule. It is stopped: over budget.
const ENDLESS: &[(&str, &str)] = &[
    (
        "ten million iterations",
        "some a in ds; some b in ds; some c in ds; some d in ds; some e in ds; some f in ds; some g in ds; a + b + c + d + e + f + g < 0",
    ),
    ("a large comprehension", "count([[x, y, z] | some x in rows; some y in rows; some z in rows]) > 5"),
    ("a large set", "count({[x, y] | some x in rows; some y in rows}) > 5"),
    ("a large object", "count({sprintf(\"%d-%d\", [x.n, y.n]): x | some x in rows; some y in rows}) > 5"),
    ("a range of a billion", "count(numbers.range(1, 1000000000)) > 5"),
    ("a range of ranges", "count([y | some x in numbers.range(1, 5000); some y in numbers.range(1, x)]) > 5"),
    ("text doubled", "count(s9) > 5"),
    ("text put between characters", "count(replace(long, \"\", long)) > 5"),
    ("text replaced by longer text", "count(replace(replace(long, \"a\", long), \"b\", long)) > 5"),
    ("text joined", "count(concat(long, [x.t | some x in rows])) > 5"),
    ("text printed wide", "count([sprintf(\"%01000000d\", [x.n]) | some x in rows]) > 5"),
    ("text printed often", "count([sprintf(\"%s%s%s\", [long, long, long]) | some x in rows]) > 5"),
    ("text split", "count([split(long, \"\") | some x in rows]) > 5"),
    ("text searched", "count([indexof_n(long, \"a\") | some x in rows]) > 5"),
    ("text encoded again and again", "count(base64.encode(base64.encode(base64.encode(s6)))) > 5"),
    ("arrays doubled", "count(a16) > 5"),
    ("numbers squared", "n16 > 5"),
    ("numbers of a million digits", "to_number(sprintf(\"1%s\", [s6])) > 5; n16 > 5"),
    ("bits shifted far", "bits.lsh(1, 1000000000) > 5"),
    ("a network listed", "count(net.cidr_expand(\"10.0.0.0/8\")) > 5"),
    ("JSON written and read", "count([json.unmarshal(json.marshal(rows)) | some x in rows]) > 5"),
    ("sorted often", "count([sort(rows) | some x in rows]) > 5"),
    ("walked often", "count([p | some x in rows; walk(rows, [p, _])]) > 5"),
    ("objects merged", "count([object.union_n([x, y, {\"n\": x.n}]) | some x in rows; some y in rows]) > 5"),
    ("hashed often", "count([crypto.sha256(sprintf(\"%s%d\", [long, x.n])) | some x in rows]) > 5"),
    ("a slow pattern", "count([1 | some x in rows; regex.match(\"(a|b|ab|c)*d{3,40}$\", long)]) > 5"),
    (
        "a slow pattern of the caller's",
        "count([1 | some x in rows; regex.match(http.headers[\"x-pattern\"], long)]) > 5",
    ),
    ("many matches", "count([regex.find_n(\".\", long, -1) | some x in rows]) > 5"),
    ("a slow glob", "count([1 | some x in rows; glob.match(\"*a*b*c*d*e*f*g\", [], long)]) > 5"),
    ("functions in functions", "count([f3(x) | some x in rows]) > 5"),
    ("with, often", "count([1 | some x in rows; some y in rows; g with input as {\"x\": x, \"y\": y}]) > 5"),
];

/// What is no decision, or one that cannot be carried out, as the value of `allow`; and the status.
const OUTPUTS: &[(&str, &str, u16)] = &[
    ("headers of 10 MB", "{\"allowed\": true, \"headers\": {\"x-long\": s8}}", 403),
    ("a body of 10 MB", "{\"allowed\": false, \"body\": s8}", 403),
    (
        "more than the output may have",
        "{\"allowed\": true, \"headers\": {\"x-long\": concat(\"\", [long, long])}}",
        403,
    ),
    ("a status that is none", "{\"allowed\": false, \"http_status\": 999999999999999999999}", 403),
    ("a status below", "{\"allowed\": false, \"http_status\": -1}", 403),
    ("a status as text", "{\"allowed\": false, \"http_status\": \"200\"}", 403),
    ("allowed as text", "{\"allowed\": \"true\"}", 403),
    ("a number", "1000000", 403),
    ("a set", "{1, 2}", 403),
    ("a name of a header with a blank", "{\"allowed\": true, \"headers\": {\"x y\": \"1\"}}", 403),
    ("a name of a header that is empty", "{\"allowed\": true, \"headers\": {\"\": \"1\"}}", 403),
    (
        "a header with the end of a line",
        "{\"allowed\": true, \"headers\": {\"x-a\": \"1\\r\\nx-b: 2\"}}",
        403,
    ),
    ("a header with NUL", "{\"allowed\": true, \"headers\": {\"x-a\": \"\\u0000\"}}", 403),
    ("a query of 10 MB", "{\"allowed\": true, \"query_parameters_to_set\": {\"a\": s8}}", 403),
    (
        "a thousand headers on",
        "{\"allowed\": true, \"headers\": {sprintf(\"x-%d\", [x.n]): x.t | some x in rows}}",
        200,
    ),
    (
        "a thousand headers back",
        "{\"allowed\": false, \"headers\": {sprintf(\"x-%d\", [x.n]): x.t | some x in rows}}",
        403,
    ),
    ("a conflict", "{\"allowed\": true, \"headers\": {\"x-n\": x.n | some x in rows}}", 403),
];

const PRELUDE: &str = r#"package envoy.authz

import rego.v1

http := input.attributes.request.http

ds := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

long := data.long

rows := data.rows

s1 := concat("", [long, long])
s2 := concat("", [s1, s1])
s3 := concat("", [s2, s2])
s4 := concat("", [s3, s3])
s5 := concat("", [s4, s4])
s6 := concat("", [s5, s5])
s7 := concat("", [s6, s6])
s8 := concat("", [s7, s7])
s9 := concat("", [s8, s8])

a1 := array.concat(rows, rows)
a2 := array.concat(a1, a1)
a4 := array.concat(array.concat(a2, a2), array.concat(a2, a2))
a8 := array.concat(array.concat(a4, a4), array.concat(a4, a4))
a16 := array.concat(array.concat(a8, a8), array.concat(a8, a8))

n0 := 123456789012345678901234567890
n4 := (((n0 * n0) * (n0 * n0)) * ((n0 * n0) * (n0 * n0))) * (((n0 * n0) * (n0 * n0)) * ((n0 * n0) * (n0 * n0)))
n8 := (((n4 * n4) * (n4 * n4)) * ((n4 * n4) * (n4 * n4))) * (((n4 * n4) * (n4 * n4)) * ((n4 * n4) * (n4 * n4)))
n12 := (((n8 * n8) * (n8 * n8)) * ((n8 * n8) * (n8 * n8))) * (((n8 * n8) * (n8 * n8)) * ((n8 * n8) * (n8 * n8)))
n16 := (((n12 * n12) * (n12 * n12)) * ((n12 * n12) * (n12 * n12))) * (((n12 * n12) * (n12 * n12)) * ((n12 * n12) * (n12 * n12)))

f1(x) := [y | some y in rows; y.n > x.n]
f2(x) := [f1(y) | some y in rows; y.n > x.n]
f3(x) := [f2(y) | some y in rows; y.n > x.n]

g if input.x.n < input.y.n
"#;

const GOOD: &str =
    "package envoy.authz\n\ndefault allow := false\n\nallow if input.parsed_path == [\"good\"]\n";

fn data() -> Value {
    let rows: Vec<String> = (0..1000).map(|n| format!(r#"{{"n": {n}, "t": "row {n}"}}"#)).collect();
    let text = format!(r#"{{"long": "{}", "rows": [{}]}}"#, "abc ".repeat(10_000), rows.join(","));
    Value::from_json_str(&text).unwrap()
}

fn bundle(text: String, data: Value) -> Result<Vec<u8>, String> {
    let sources = Sources::from_parts(vec![("policy.rego".to_owned(), text)], data);
    build(&sources, &BuildOptions::default()).map(|built| built.bundle).map_err(|e| e.to_string())
}

fn request(path: &str, body: Option<Vec<u8>>) -> Request {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut headers = vec![(text("host"), text("a")), (text("x-pattern"), text("((a*)*)*(b|c|bc)*d{2,30}$"))];
    if let Some(body) = &body {
        headers.push((text("content-type"), text("application/json")));
        headers.push((text("content-length"), text(&body.len().to_string())));
    }
    let body = body.map(|bytes| Body { bytes, chunks: None, trailers: Vec::new() });
    Request { method: "POST".to_owned(), target: text(path), headers, body }
}

/// Deep and large bodies for a policy that goes through all of them.
fn bodies() -> Vec<(&'static str, Vec<u8>, u16)> {
    let times = |text: &str, times: usize| text.repeat(times).into_bytes();
    vec![
        ("a body nested without end", times("[", 60_000), 400),
        (
            "a body of objects nested",
            [times("{\"a\":", 10_000), b"1".to_vec(), times("}", 10_000)].concat(),
            400,
        ),
        ("a body of 30,000 numbers", [b"[".to_vec(), times("1,", 30_000), b"1]".to_vec()].concat(), 403),
        ("a number of 60,000 digits", times("9", 60_000), 400),
        ("a number with a large exponent", b"[1e999999999, -1e-999999999]".to_vec(), 400),
        ("a body longer than is read", times("1", 70_000), 403),
    ]
}

const READS_ALL: &str = "package envoy.authz\n\nimport rego.v1\n\ndefault allow := false\n\nallow if {\n\
    \tcount([[x, y, z] | walk(input.parsed_body, [_, x]); walk(input.parsed_body, [_, y]); walk(input.parsed_body, [_, z])]) == 7\n}\n";

#[test]
fn each_is_stopped_and_the_vm_lives_on() {
    let mut policies: Vec<(String, String, Option<Vec<u8>>, u16)> = Vec::new();
    for (name, body) in ENDLESS {
        let text = format!("{PRELUDE}\ndefault allow := false\n\nallow if {{ {body} }}\n");
        policies.push(((*name).to_owned(), text, None, 403));
    }
    for (name, value, status) in OUTPUTS {
        policies.push(((*name).to_owned(), format!("{PRELUDE}\nallow := {value}\n"), None, *status));
    }
    for (name, body, status) in bodies() {
        policies.push((name.to_owned(), READS_ALL.to_owned(), Some(body), status));
    }
    let chain: String = (0..60).map(|n| format!("r{n} if r{}\n\n", n + 1)).collect();
    let deep = format!(
        "package envoy.authz\n\nimport rego.v1\n\ndefault allow := false\n\nallow if r0\n\n{chain}r60 if input.parsed_path == [\"good\"]\n"
    );
    policies.push(("rules 60 deep".to_owned(), deep, None, 403));

    let wasm = places::filter_wasm().unwrap();
    let data = data();
    let failures: Vec<String> =
        places::envoys().iter().flat_map(|version| run(version, &wasm, &policies, &data)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(
    version: &str,
    wasm: &std::path::Path,
    policies: &[(String, String, Option<Vec<u8>>, u16)],
    data: &Value,
) -> Vec<String> {
    let dir = tempfile::TempDir::new().unwrap();
    let own = Authority::new(dir.path()).identity("service", &spiffe("default", "service"));
    let mut failures = Vec::new();
    let mut listeners = Vec::new();
    let mut add = |name: &str, bundle: &[u8]| {
        let plugin = plugin_configuration(bundle, "envoy/authz/allow").to_string();
        let filters = vec![wasm_filter(name, wasm, &plugin)];
        let listener = Listener {
            name,
            identity: &own,
            plaintext: true,
            filters,
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        listeners.push(listener.to_json());
    };
    add("good", &bundle(GOOD.to_owned(), Value::new_object()).unwrap());
    let mut built = Vec::new();
    for (name, text, body, status) in policies {
        match bundle(text.clone(), data.clone()) {
            Ok(bundle) => {
                add(name, &bundle);
                built.push((name, body, status));
            }
            Err(e) => failures.push(format!("{name}: {e}")),
        }
    }
    // One worker, and so one VM for all of them.
    let envoy = Envoy::start(version, &bootstrap(&listeners, &[]), dir.path()).unwrap();
    let vms = Vms::of(&envoy).unwrap();
    let good = |path: &str| {
        let mut connection = Connection::open(envoy.listener("good").unwrap(), None).unwrap();
        connection.send(&request(path, None)).map(|response| response.status)
    };
    assert_eq!((good("/good"), good("/bad")), (Ok(200), Ok(403)));
    let at_start = envoy.resident_kib().unwrap();
    let mut table = Table::new(&["policy", "status", "CPU ms", "error"]);
    for (name, body, status) in built {
        let errors = || envoy.stats("sidegate.errors.").unwrap();
        let (before, errors_before) = (envoy.cpu_nanoseconds().unwrap(), errors());
        for _ in 0..TIMES {
            let mut connection = Connection::open(envoy.listener(name).unwrap(), None).unwrap();
            match connection.send(&request("/", body.clone())) {
                Ok(response) if response.status == *status && response.body.is_empty() => {}
                other => failures.push(format!("envoy {version}, {name}: expected {status}, got {other:?}")),
            }
            if (good("/good"), good("/bad")) != (Ok(200), Ok(403)) {
                failures
                    .push(envoy.with_log(&format!("envoy {version}, after {name}: expected 200 and 403")));
            }
        }
        let cpu = (envoy.cpu_nanoseconds().unwrap() - before) as f64 / 1e6 / TIMES as f64;
        let why: Vec<String> = errors()
            .into_iter()
            .filter(|(name, count)| count > errors_before.get(name).unwrap_or(&0))
            .map(|(name, _)| name.rsplit('.').next().unwrap_or_default().to_owned())
            .collect();
        // All but these are errors.
        let decided = [
            "a thousand headers on",
            "a thousand headers back",
            "a body longer than is read",
            "rules 60 deep",
        ];
        if why.is_empty() != decided.contains(&name.as_str()) {
            failures.push(format!("envoy {version}, {name}: got the errors {why:?}"));
        }
        table.row(&[name, &status.to_string(), &format!("{cpu:.1}"), &why.join(", ")]);
    }
    let at_end = envoy.resident_kib().unwrap();
    println!("envoy {version}: resident {at_start} KiB, then {at_end} KiB\n{}", table.text());
    if at_end > at_start + GROWTH_KIB {
        failures.push(format!("envoy {version}: resident {at_start} KiB, then {at_end} KiB"));
    }
    failures.extend(vms.check(&envoy).err());
    failures
}

#[test]
fn what_calls_itself_is_refused_when_it_is_built() {
    for text in ["allow if allow", "allow if f(1)\n\nf(x) if f(x + 1)", "allow if a\n\na if b\n\nb if a"] {
        let text = format!("package envoy.authz\n\nimport rego.v1\n\n{text}\n");
        let error = bundle(text.clone(), Value::new_object()).expect_err(&text);
        assert!(error.contains("recursi"), "{text}: {error}");
    }
}
