//! `make bench-budget`: what a request costs at most. Each policy here would go on for long; with the default
//! limits its evaluation is stopped, and the CPU that Envoy used until then is printed.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a program that measures and prints")]

use std::process::ExitCode;

use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_tests::case::plugin_configuration;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::client::{Connection, Request};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, wasm_filter};
use sidegate_tests::places;
use sidegate_tests::table::Table;

const ENTRYPOINT: &str = "envoy/authz/allow";
const LISTENER: &str = "inbound";
const WARM_UP: usize = 3;
const REQUESTS: usize = 20;

/// What would go on for long, as the body of `allow`. `ds` are the digits, `long` is 40 KB of text, `rows`
/// are 1,000 objects.
const ENDLESS: &[(&str, &str)] = &[
    (
        "nested loops",
        "some a in ds; some b in ds; some c in ds; some d in ds; some e in ds; some f in ds; a + f < 0",
    ),
    ("array of arrays", "count([[a, b, c] | some x in rows; some a in ds; some b in ds; some c in ds]) < 0"),
    ("set of objects", "count({{\"k\": [a, b, x]} | some x in rows; some a in ds; some b in ds}) < 0"),
    ("objects compared", "some x in rows; some y in rows; x == object.union(y, {\"none\": 1})"),
    ("functions", "some x in rows; some a in ds; some b in ds; f(x, a) == b + 1000"),
    ("with", "some x in rows; some a in ds; some b in ds; g with input as {\"x\": [x, a, b]}"),
    (
        "text built",
        "some a in ds; some b in ds; some c in ds; count(concat(\",\", [long, long, long])) < a + b + c - 99",
    ),
    (
        "text replaced",
        "some a in ds; some b in ds; some c in ds; contains(replace(long, \"a\", sprintf(\"%d\", [a])), \"z\")",
    ),
    ("text split", "some a in ds; some b in ds; some c in ds; count(split(long, \"b\")) < 0"),
    ("pattern", "some a in ds; some b in ds; some c in ds; regex.match(\"(a|b|ab|c)*d{3,40}$\", long)"),
    (
        "pattern from the request",
        "some x in rows; some a in ds; regex.match(sprintf(\"(a%d|b)*c{2,%d}d\", [x.n, a + 3]), long)",
    ),
    ("glob", "some a in ds; some b in ds; some c in ds; glob.match(\"*a*b*c*d\", [], long)"),
    ("json", "some a in ds; some b in ds; some c in ds; count(json.unmarshal(json.marshal(rows))) < 0"),
    ("sort", "some a in ds; some b in ds; some c in ds; sort([x | some x in rows; x.n > a])[0].n < 0"),
    ("hash", "some a in ds; some b in ds; some c in ds; some d in ds; crypto.sha256(long) == \"\""),
    ("walk", "some a in ds; some b in ds; some c in ds; walk(rows, [_, v]); v == \"none\""),
];

const HELPERS: &str = r#"
package envoy.authz

ds := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
long := data.long
rows := data.rows
f(x, y) := x.n * y
g if input.x[1] < 0
default allow := false
allow if { BODY }
"#;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn bench() -> Result<(), String> {
    let wasm = places::filter_wasm()?;
    let version = places::envoy_newest();
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let authority = Authority::new(&dir.path().join("certs"));
    let own = authority.identity("service", &spiffe("default", "service"));
    let caller = authority.identity("frontend", &spiffe("web", "frontend"));
    let request = Request {
        method: "GET".to_owned(),
        target: b"/".to_vec(),
        headers: vec![(b"host".to_vec(), b"service.test".to_vec())],
        body: None,
    }
    .to_bytes();
    println!(
        "bench-budget: envoy {version}, limits as in the default configuration, {REQUESTS} requests each"
    );
    let mut table = Table::new(&["policy", "CPU ms/request", "answer"]);
    for (at, (name, body)) in ENDLESS.iter().enumerate() {
        let bundle = bundle(body)?;
        let configuration = plugin_configuration(&bundle, ENTRYPOINT).to_string();
        let listener = Listener {
            name: LISTENER,
            identity: &own,
            plaintext: false,
            filters: vec![wasm_filter("sidegate", &wasm, &configuration)],
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let envoy =
            Envoy::start(&version, &bootstrap(&[listener.to_json()], &[]), &dir.path().join(at.to_string()))?;
        let mut connection = Connection::open(envoy.listener(LISTENER)?, Some(&caller))?;
        let mut status = 0;
        for _ in 0..WARM_UP {
            status = connection.send_bytes(&request, false)?.status;
        }
        let before = envoy.cpu_nanoseconds()?;
        for _ in 0..REQUESTS {
            connection.send_bytes(&request, false)?;
        }
        let used = envoy.cpu_nanoseconds()? - before;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = used as f64 / 1e6 / REQUESTS as f64;
        let log = envoy.log();
        let stopped = log.contains("eval_steps");
        let answer = format!("{status}{}", if stopped { ", out of steps" } else { "" });
        table.row(&[name, &format!("{each:.1}"), &answer]);
    }
    print!("{}", table.text());
    Ok(())
}

fn bundle(body: &str) -> Result<Vec<u8>, String> {
    let long: String = "ab c".repeat(10_000);
    let rows: Vec<_> = (0..1000)
        .map(|n| serde_json::json!({"n": n, "name": format!("row {n}"), "tags": ["a", "b", n]}))
        .collect();
    let data = Value::from(serde_json::json!({"long": long, "rows": rows}));
    let module = HELPERS.replace("BODY", body);
    let sources = Sources::from_parts(vec![("budget.rego".to_owned(), module)], data);
    let options = BuildOptions { entrypoints: vec![ENTRYPOINT.to_owned()], ..BuildOptions::default() };
    build(&sources, &options).map(|built| built.bundle).map_err(|found| found.to_string())
}
