//! `make bench-publish`: what it costs to publish for many services, and to publish again after a change to
//! one of them.
//!
//! `publish [--services N] [--callers N] [--layout one|many]`. Figures are printed and never judged: they are
//! of this machine and of what else it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool of the tests"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::{Map, Value, json};
use sidegate_bench::machine::circumstances;
use sidegate_tests::places;

const USAGE: &str = "usage: publish [--services N] [--callers N] [--layout one|many]";
const TIME: &str = "/usr/bin/time";
/// Services of one namespace.
const NAMESPACE: usize = 50;
const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];
const POLICY: &str = "package envoy.authz

workload := data.sidegate.workload

service := data.services[workload.namespace][workload.name]

default allow := false

allow if {
	some caller in service.callers
	caller.principal == input.source_principal
	input.attributes.request.http.method in caller.methods
}
";
const TEST: &str = "package envoy.authz_test

import data.envoy.authz

one := {\"a\": {\"b\": {\"callers\": [{\"principal\": \"p\", \"methods\": [\"GET\"]}]}}}

test_callers_may if authz.allow with data.sidegate.workload as {\"namespace\": \"a\", \"name\": \"b\"}
	with data.services as one
	with input as {\"source_principal\": \"p\", \"attributes\": {\"request\": {\"http\": {\"method\": \"GET\"}}}}

test_others_may_not if not authz.allow with input as {}
";

/// How the data of the services lie in the folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// All in one `data.json`.
    One,
    /// A `data.json` for each.
    Many,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let (mut services, mut callers, mut layouts) = (10_000, 20, vec![Layout::Many, Layout::One]);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after {word}\n{USAGE}"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("expected a number, got `{value}`"));
        match (word.as_str(), value.as_str()) {
            ("--services", _) => services = number()?,
            ("--callers", _) => callers = number()?,
            ("--layout", "one") => layouts = vec![Layout::One],
            ("--layout", "many") => layouts = vec![Layout::Many],
            _ => return Err(format!("unexpected {word} {value}\n{USAGE}")),
        }
    }
    places::existing(PathBuf::from(TIME), "GNU time", "apt-get install time")?;
    let program =
        places::existing(places::root().join("target/release/sidegate"), "the program", "make cli")?;
    println!("{services} services of {callers} callers each");
    println!("{:<12}{:<22}{:>9}{:>9}{:>12}  what", "data", "publish", "wall s", "CPU s", "memory MB");
    let mut rows = Vec::new();
    for layout in layouts {
        measure(&program, layout, services, callers, &mut rows)?;
    }
    let path = places::root().join("bench/results/publish.json");
    let told = json!({"services": services, "callers": callers, "measured": circumstances(), "rows": rows});
    fs::create_dir_all(path.parent().expect("a file in a folder")).map_err(|e| e.to_string())?;
    fs::write(&path, format!("{told:#}\n")).map_err(|e| e.to_string())
}

fn measure(
    program: &Path,
    layout: Layout,
    services: usize,
    callers: usize,
    rows: &mut Vec<Value>,
) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (policies, tree) = (dir.path().join("policies"), dir.path().join("tree"));
    let mut all = generate(services, callers);
    write(&policies, layout, &all)?;
    let mut publish = |what: &str, args: &[&str]| {
        let shown = if layout == Layout::One { "one file" } else { "many files" };
        timed(program, &tree, shown, what, args).map(|row| rows.push(row))
    };
    let folder = policies.display().to_string();
    publish("first", &[&folder])?;
    publish("again", &[&folder])?;
    let callers = &mut all["team-000"]["svc-00000"]["callers"];
    callers.as_array_mut().expect("callers").push(json!({"principal": "new", "methods": ["GET"]}));
    write(&policies, layout, &all)?;
    publish("after one change", &[&folder])?;
    publish("refresh", &["--refresh"])?;
    let blobs = fs::read_dir(tree.join("blobs/sha256")).map_err(|e| e.to_string())?;
    let sizes: Vec<u64> = blobs.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).collect();
    let (largest, sum) = (sizes.iter().max().unwrap_or(&0), sizes.iter().sum::<u64>());
    println!("{:12}{} slices, the largest of {largest} bytes, {sum} bytes in all", "", sizes.len());
    Ok(())
}

/// Publishes and prints what it took.
fn timed(program: &Path, tree: &Path, layout: &str, what: &str, args: &[&str]) -> Result<Value, String> {
    let figures = tree.with_file_name("figures");
    let key = places::root().join("compiler/tests/fixtures/keys/p256-pkcs8.pem");
    let output = Command::new(TIME)
        .args(["-f", "%e %U %S %M", "-o"])
        .arg(&figures)
        .arg(program)
        .arg("publish")
        .args(args)
        .arg("--to")
        .arg(tree)
        .arg("--sign-key")
        .arg(key)
        .args(["--key-id", "bench", "--by", "bench"])
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = fs::read_to_string(&figures).map_err(|e| e.to_string())?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [wall, user, system, kilobytes] = numbers.as_slice() else {
        return Err(format!("expected four figures of {TIME}, got `{text}`"));
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().nth(1).unwrap_or_default();
    println!("{layout:<12}{what:<22}{wall:>9.2}{:>9.2}{:>12.0}  {line}", user + system, kilobytes / 1024.0);
    let rounded = |number: f64| (number * 100.0).round() / 100.0;
    Ok(json!({
        "data": layout, "publish": what, "wall_s": wall, "cpu_s": rounded(user + system),
        "memory_mb": (kilobytes / 1024.0).round(),
    }))
}

/// Services by namespace and name, the same each time.
fn generate(services: usize, callers: usize) -> Value {
    let name = |at: usize| (format!("team-{:03}", at / NAMESPACE), format!("svc-{at:05}"));
    let mut seed = 7_u64;
    let mut below = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % bound as u64).expect("a small number")
    };
    let mut all = Map::new();
    for at in 0..services {
        let callers: Vec<Value> = (0..callers)
            .map(|_| {
                let (namespace, account) = name(below(services));
                let first = below(METHODS.len() - 1);
                json!({
                    "principal": format!("spiffe://cluster.local/ns/{namespace}/sa/{account}"),
                    "methods": &METHODS[first..=first + 1],
                })
            })
            .collect();
        let (namespace, service) = name(at);
        let team = all.entry(namespace.clone()).or_insert_with(|| json!({}));
        team[service] = json!({"owner": namespace, "callers": callers});
    }
    Value::Object(all)
}

fn write(policies: &Path, layout: Layout, all: &Value) -> Result<(), String> {
    let put = |path: PathBuf, text: &str| {
        let folder = path.parent().expect("a folder");
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|e| e.to_string())
    };
    put(policies.join("authz.rego"), POLICY)?;
    put(policies.join("authz_test.rego"), TEST)?;
    let mut text = String::new();
    if layout == Layout::One {
        write!(text, "{}", json!({"services": all})).map_err(|e| e.to_string())?;
        return put(policies.join("data.json"), &text);
    }
    for (namespace, services) in all.as_object().expect("namespaces") {
        for (name, service) in services.as_object().expect("services") {
            let path = policies.join("services").join(namespace).join(name).join("data.json");
            put(path, &service.to_string())?;
        }
    }
    Ok(())
}
