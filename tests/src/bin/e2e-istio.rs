//! `make e2e-istio`: a real istiod, Istio's agents and Envoys, and Sidegate installed, changed, broken and removed. As
//! root, in namespaces of its own. It is also what runs in the pods (`serve`, `obey`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows what happens")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use sidegate_tests::istio::{Version, enter, stay, tell, workload};
use sidegate_tests::places;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", port] => match port.parse() {
            Ok(port) => workload::serve(port),
            Err(_) => Err(format!("expected a port, got `{port}`")),
        },
        ["obey"] => workload::obey().map(|()| ExitCode::SUCCESS),
        ["stay", version] => remain(version),
        only => all(only),
    };
    result.unwrap_or_else(|e| {
        eprintln!("error: {e}");
        ExitCode::from(2)
    })
}

/// Leaves the mesh standing, for somebody to look around.
fn remain(version: &str) -> Result<ExitCode, String> {
    let versions = Version::all()?;
    if let Some(code) = enter()? {
        return Ok(code);
    }
    let wanted = versions.iter().find(|known| known.istio == version);
    let wanted = wanted.ok_or_else(|| format!("expected one of {versions:?}, got `{version}`"))?;
    stay(wanted, &folder(wanted, "stay")?).map(|()| ExitCode::SUCCESS)
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

/// Plays the story on every version, or on the one that is named.
fn all(only: &[&str]) -> Result<ExitCode, String> {
    let versions = Version::all()?;
    if let Some(code) = enter()? {
        return Ok(code);
    }
    let (mut passed, mut failed) = (0, 0);
    for version in versions.iter().filter(|version| only.is_empty() || only.contains(&version.istio.as_str()))
    {
        let dir = folder(version, "story")?;
        let begin = Instant::now();
        match tell(version, &dir) {
            Ok((text, shown)) => {
                passed += shown;
                fs::write(dir.join("transcript.txt"), text).map_err(|e| e.to_string())?;
                println!("\nIstio {}: {} s", version.istio, begin.elapsed().as_secs());
            }
            Err(e) => {
                failed += 1;
                println!("\nIstio {}: {e}", version.istio);
            }
        }
    }
    println!("e2e-istio: {passed} passed; {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
