//! Sizes on the wire, and what publishing takes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sidegate_bench::machine::in_words;
use sidegate_bench::policy::thousands;
use sidegate_bench::sim::Sizes;
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, Workload, build};
use sidegate_engine::trust::Layer;
use sidegate_tests::certs::{Authority, spiffe};
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use sidegate_tests::places;
use sidegate_tests::rollout::{Publisher, WORKLOAD};

use super::step;

/// Services of the mesh, and callers of each.
pub(crate) const SERVICES: usize = 10_000;
const CALLERS: usize = 20;

/// Heads as nginx sends them for the files of a tree, with the settings in docs/publish.md.
const OK: &str = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 1234\r\nLast-Modified: Sun, 29 Nov 2026 11:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"692ad3f0-4d2\"\r\nCache-Control: no-cache\r\nAccept-Ranges: bytes\r\n\r\n";
const NOT_MODIFIED: &str = "HTTP/1.1 304 Not Modified\r\nServer: nginx\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\nLast-Modified: Sun, 29 Nov 2026 11:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"692ad3f0-4d2\"\r\nCache-Control: no-cache\r\n\r\n";

pub(crate) fn sizes() -> Result<Sizes, String> {
    let slice = step("a slice is built", slice)?;
    let mut publisher = Publisher::new("net-2026");
    let pointer = publisher.next(Layer::of(&slice));
    let pointer = publisher.sign(&pointer);
    let request = step("an Envoy polls", || request_bytes(&publisher, &slice, &pointer))?;
    let bundle = step("the whole mesh is built", whole)?;
    let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    Ok(Sizes {
        request: length(request),
        unchanged: length(NOT_MODIFIED.len()),
        head: length(OK.len()),
        pointer: length(pointer.len()),
        slice: length(slice.len()),
        bundle: length(bundle),
    })
}

/// The sizes as a table, with what `make bench-publish` measured last.
pub(crate) fn table(sizes: &Sizes) -> Result<String, String> {
    let Sizes { request, unchanged, head, pointer, slice, bundle } = sizes;
    let mut text = format!(
        "### Sizes\n| | bytes |\n|---|---|\n| a poll, as Envoy sends it | {request} |\n| 304, as nginx sends it | {unchanged} |\n\
         | head of a 200 | {head} |\n| a signed pointer | {pointer} |\n| a slice, {CALLERS} callers | {slice} |\n\
         | one bundle of all {} services | {} |\n",
        thousands(SERVICES),
        digits(*bundle),
        slice = digits(*slice),
    );
    let path = places::root().join("bench/results/publish.json");
    let Ok(read) = std::fs::read_to_string(&path) else {
        return Ok(text + "\nPublishing was not measured here; run: make bench-publish\n");
    };
    let read: Value = serde_json::from_str(&read).map_err(|e| format!("{}: {e}", path.display()))?;
    let _ = writeln!(
        text,
        "\n### Publishing\n`make bench-publish`, {} services of {} callers each, their data in one file for each; {}.\n\n\
         | | wall s | CPU s | memory MB |\n|---|---|---|---|",
        digits(read["services"].as_u64().unwrap_or(0)),
        read["callers"],
        in_words(&read["measured"]),
    );
    for row in read["rows"].as_array().into_iter().flatten().filter(|row| row["data"] == "many files") {
        let word = row["publish"].as_str().unwrap_or_default();
        let _ = writeln!(text, "| {word} | {} | {} | {} |", row["wall_s"], row["cpu_s"], row["memory_mb"]);
    }
    Ok(text)
}

fn digits(number: u64) -> String {
    thousands(usize::try_from(number).unwrap_or(0))
}

fn declaration(at: usize) -> String {
    let callers: Vec<String> = (0..CALLERS)
        .map(|caller| (at * 31 + caller * 97 + 1) % SERVICES)
        .map(|other| format!("{{serviceAccount: ns{}/svc{other}}}", other % 100))
        .collect();
    format!(
        "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: svc{at}, namespace: ns{}}}\n\
         spec:\n  owner: team-{}\n  allow:\n  - from: [{}]\n    to:\n    - {{methods: [GET, POST], paths: \
         [\"/v1/things\", \"/v1/things/{{id}}\", \"/v1/files/{{**}}\"]}}\n  deny:\n  - to: [{{paths: [\"/admin/{{**}}\"]}}]\n",
        at % 100,
        at % 50,
        callers.join(", "),
    )
}

fn sources(services: usize) -> Result<Sources, String> {
    let read = |at: usize| {
        Mesh::read_one(
            &format!("svc{at}.yaml"),
            &declaration(at),
            &format!("ns{}", at % 100),
            &format!("svc{at}"),
        )
        .map_err(|found| format!("{found:?}"))
    };
    let services = (0..services).map(read).collect::<Result<Vec<_>, _>>()?;
    let mesh = Mesh { services, ..Mesh::default() };
    let data = mesh.data().map_err(|found| format!("{found:?}"))?;
    let data = BTreeMap::from([(sidegate_engine::Value::from("sidegate"), data)]);
    Ok(Sources::from_parts(mesh.modules(), sidegate_engine::Value::from(data)))
}

fn slice() -> Result<Vec<u8>, String> {
    let workload = Some(Workload::new("ns7", "svc7").map_err(|e| e.to_string())?);
    let options = BuildOptions { workload, ..BuildOptions::default() };
    build(&sources(8)?, &options).map(|built| built.bundle).map_err(|found| found.to_string())
}

fn whole() -> Result<usize, String> {
    build(&sources(SERVICES)?, &BuildOptions::default())
        .map(|built| built.bundle.len())
        .map_err(|found| found.to_string())
}

/// Bytes of the poll that a real Envoy with the filter sends, once it has a pointer.
fn request_bytes(publisher: &Publisher, slice: &[u8], pointer: &[u8]) -> Result<usize, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let to = listener.local_addr().map_err(|e| e.to_string())?;
    let polls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&polls);
    let (slice, pointer) = (slice.to_vec(), pointer.to_vec());
    // Ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, slice, pointer) = (Arc::clone(&seen), slice.clone(), pointer.clone());
            std::thread::spawn(move || serve(stream, &seen, &slice, &pointer));
        }
    });
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let _envoy = sidecar(publisher, to, dir.path())?;
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(bytes) = polls.lock().expect("no holder panics").first() {
            return Ok(*bytes);
        }
        if Instant::now() > until {
            return Err("expected a poll with an ETag within 30 s, got none".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sidecar(publisher: &Publisher, server: SocketAddr, dir: &std::path::Path) -> Result<Envoy, String> {
    let own = Authority::new(&dir.join("certs")).identity("service", &spiffe(WORKLOAD.0, WORKLOAD.1));
    let plugin = json!({
        "version": 1,
        "entrypoint": "sidegate/authz/decision",
        "bundle": {"http": {"cluster": "sidegate-bundles", "authority": "bundles", "interval": "1s"}},
        "verify": {"keys": [publisher.key(&["*"])]},
    });
    let listener = Listener {
        name: "inbound",
        identity: &own,
        plaintext: true,
        filters: vec![wasm_filter("sidegate", &places::filter_wasm()?, &plugin.to_string())],
        route_metadata: None,
        access_log: None,
        cluster: None,
    };
    let mut config = bootstrap(&[listener.to_json()], &[cluster("sidegate-bundles", server)]);
    config["node"]["metadata"] =
        json!({"NAMESPACE": WORKLOAD.0, "LABELS": {"service.istio.io/canonical-name": WORKLOAD.1}});
    Envoy::start(&places::envoy_newest(), &config, dir)
}

/// Answers as a web server would, and notes how long polls with an `ETag` are.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<usize>>, slice: &[u8], pointer: &[u8]) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read(&mut chunk) {
                Ok(read) if read > 0 => buffer.extend_from_slice(&chunk[..read]),
                _ => return,
            }
            continue;
        };
        let head: Vec<u8> = buffer.drain(..end + 4).collect();
        let text = String::from_utf8_lossy(&head).to_lowercase();
        let answer = if text.contains("if-none-match") {
            seen.lock().expect("no holder panics").push(head.len());
            b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()
        } else {
            let body = if text.starts_with("get /v1/") { pointer } else { slice };
            let head = format!(
                "HTTP/1.1 200 OK\r\netag: \"692ad3f0-4d2\"\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), body].concat()
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}
