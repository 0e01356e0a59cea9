//! Checks a built filter before it is shipped: it imports only what Envoy has, speaks the ABI that we
//! mean, fits its budget and has no path of this machine in it, and the configurations that are shipped allow it
//! exactly what it needs. Exits 1 where one of these does not hold.
#![allow(clippy::print_stdout, reason = "a program that prints what it found")]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;
use sidegate_tests::wasm_host::Filter;
use sidegate_tests::{capabilities, places};

/// What `make wasm` promises: the module, gzipped.
const GZIP_LIMIT: usize = 650 * 1024;
const ABI: &str = "proxy_abi_version_0_2_1";
/// Of WASI, what Envoy's host implements.
const WASI: [&str; 13] = [
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "proc_exit",
    "random_get",
    "sched_yield",
];

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_else(|| "dist/sidegate.wasm".to_owned());
    match check(Path::new(&path)) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("error: {path}: {finding}");
            }
            ExitCode::from(1)
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn check(path: &Path) -> Result<Vec<String>, String> {
    let bytes =
        std::fs::read(path).map_err(|e| format!("could not read {}: {e}; run: make wasm", path.display()))?;
    let filter = Filter::load(path)?;
    let mut findings = Vec::new();

    let mut names = Vec::new();
    for (module, name, shape) in filter.imports() {
        let known = match module.as_str() {
            "env" => name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => WASI.contains(&name.as_str()),
            _ => false,
        };
        if !known {
            findings.push(format!("expected imports that Envoy has, got `{module}.{name}` ({shape})"));
        }
        names.push(name.trim_start_matches("proxy_").to_owned());
    }
    names.sort();

    if !filter.exports().iter().any(|name| name == ABI) {
        findings.push(format!("expected the export `{ABI}`, found none"));
    }

    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let gzipped = encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(|e| e.to_string())?.len();
    if gzipped > GZIP_LIMIT {
        findings.push(format!("expected at most {GZIP_LIMIT} bytes gzipped, got {gzipped}"));
    }

    let capabilities = capabilities::of(path)?;
    for file in capabilities::shipped(&places::root().join("envoy-config"))? {
        let differences = capabilities::differences(&file, &capabilities)?;
        findings.extend(differences.iter().map(|line| format!("{}: {line}", file.display())));
    }

    for place in machine_places() {
        if bytes.windows(place.len()).any(|window| window == place.as_bytes()) {
            findings.push(format!("expected no path of this machine in it, found `{place}`"));
        }
    }

    println!("wasm: {}: {} bytes, {gzipped} gzipped (at most {GZIP_LIMIT})", path.display(), bytes.len());
    println!("wasm: imports {} functions of Envoy: {}", names.len(), names.join(" "));
    Ok(findings)
}

/// The repository and the folders of the tools: none of them belongs into a product.
fn machine_places() -> Vec<String> {
    let mut places = vec![places::root().display().to_string()];
    places.extend(["HOME", "CARGO_HOME", "RUSTUP_HOME"].iter().filter_map(|name| std::env::var(name).ok()));
    // A folder as short as `/` would be found anywhere.
    places.retain(|place| place.len() > 3);
    places.iter().map(|place| format!("{}/", place.trim_end_matches('/'))).collect()
}
