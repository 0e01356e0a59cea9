//! `events FILE EVENTS SERVICES`: a decision log, compressed by gzip, of the mesh that `mesh DIR SERVICES` writes, for
//! `make bench-replay`: what the filter records of requests, nine in ten of them by callers that are let in.

#![allow(clippy::unwrap_used, clippy::exit, reason = "a tool of the benchmarks: what fails may panic")]

use std::fs::File;
use std::io::{BufWriter, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// As the mesh has them.
const NAMESPACES: u64 = 100;
const CALLERS: u64 = 20;
/// More would fill a disk.
const MOST: u64 = 10_000_000;

/// The same numbers every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, events, services] = args.as_slice() else {
        eprintln!("events: expected FILE EVENTS SERVICES");
        std::process::exit(2);
    };
    let (events, services): (u64, u64) = (events.parse().unwrap(), services.parse().unwrap());
    assert!(events <= MOST, "at most {MOST} events");
    let mut log = GzEncoder::new(BufWriter::new(File::create(file).unwrap()), Compression::fast());
    let mut numbers = Numbers(1);
    for number in 0..events {
        writeln!(log, "{}", event(number, services, &mut numbers)).unwrap();
    }
    log.finish().unwrap().flush().unwrap();
}

fn event(number: u64, services: u64, numbers: &mut Numbers) -> String {
    let at = numbers.below(services);
    let is_known = numbers.below(10) > 0;
    let caller = match is_known {
        true => (at * 31 + numbers.below(CALLERS) * 97 + 1) % services,
        false => services + numbers.below(1000),
    };
    let method = ["GET", "GET", "POST"].get(usize::try_from(numbers.below(3)).unwrap()).unwrap();
    let (path, is_open) = match numbers.below(20) {
        0 => (format!("/admin/{}", numbers.below(10)), false),
        1..5 => ("/v1/things".to_owned(), true),
        5..8 => (format!("/v1/files/a/b/{}.txt?full=1", numbers.below(1000)), true),
        _ => (format!("/v1/things/{}", numbers.below(100_000)), true),
    };
    let allowed = is_known && is_open;
    let result = if allowed { r#"{"allowed":true}"# } else { r#"{"allowed":false,"http_status":403}"# };
    let (outcome, status) = if allowed { ("allowed", 200) } else { ("denied", 403) };
    let principal = format!("spiffe://cluster.local/ns/ns{}/sa/svc{caller}", caller % NAMESPACES);
    let (namespace, name) = (format!("ns{}", at % NAMESPACES), format!("svc{at}"));
    let bare = path.split('?').next().unwrap_or_default();
    let parsed = bare.trim_start_matches('/').split('/').map(|part| format!("\"{part}\""));
    let parsed = parsed.collect::<Vec<_>>().join(",");
    let query = if path.contains('?') { r#"{"full":["1"]}"# } else { "{}" };
    let (second, port) = (number / 1000 % 60, 30_000 + numbers.below(30_000));
    let id = format!("{:08x}-0000-4000-8000-{number:012x}", numbers.below(1 << 32));
    format!(
        r#"{{"labels":{{"id":"sidecar~10.0.0.7~{name}-7d9c6bf5d4-x2x4z.{namespace}~{namespace}.svc.cluster.local","version":"0.1.0","namespace":"{namespace}","workload":"{name}"}},"decision_id":"{id}","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","revision":"r42","bundles":{{"sidegate":{{"revision":"r42"}}}},"path":"sidegate/authz/decision","input":{{"attributes":{{"destination":{{"address":{{"socketAddress":{{"address":"10.0.0.8","portValue":8080}}}},"principal":"spiffe://cluster.local/ns/{namespace}/sa/{name}"}},"metadataContext":{{}},"request":{{"http":{{"headers":{{":authority":"{name}.{namespace}.svc","accept":"*/*","accept-encoding":"gzip, deflate, br","content-type":"application/json","user-agent":"client/1.2.3 (linux; amd64)","x-b3-sampled":"1","x-b3-spanid":"00f067aa0ba902b7","x-b3-traceid":"4bf92f3577b34da6a3ce929d0e0e4736","x-forwarded-for":"10.0.0.7","x-forwarded-proto":"https","x-request-id":"{id}"}},"host":"{name}.{namespace}.svc","method":"{method}","path":"{path}","protocol":"HTTP/2","scheme":"https"}},"time":{{"nanos":{number},"seconds":1764439200}}}},"routeMetadataContext":{{}},"source":{{"address":{{"socketAddress":{{"address":"10.0.0.7","portValue":{port}}}}},"principal":"{principal}"}}}},"parsed_body":null,"parsed_path":[{parsed}],"parsed_query":{query},"sidegate":{{"direction":"inbound","phase":"request","source":{{"uri_sans":["{principal}"]}},"tls":{{"mtls":true,"version":"TLSv1.3"}},"workload":{{"name":"{name}","namespace":"{namespace}"}}}},"truncated_body":false,"version":{{"encoding":"protojson","ext_authz":"v3"}}}},"result":{result},"erased":["/input/attributes/request/http/headers/authorization"],"requested_by":"10.0.0.7:{port}","timestamp":"2026-11-29T18:00:{second:02}.{number:09}Z","metrics":{{"timer_rego_query_eval_ns":2100}},"custom":{{"sidegate":{{"outcome":"{outcome}","phase":"request","mode":"enforce","status":{status}}}}}}}"#,
        number = number % 1_000_000_000,
    )
}
