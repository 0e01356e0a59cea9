//! `make bench-instructions`: how many instructions each piece of the host's path takes, counted by callgrind, against
//! the committed counts. Unlike times they hardly differ from run to run, so a change of 3 % is one of the code.
//!
//! `instructions [--update]`; `instructions run PATH BUNDLE TIMES` is what is run under valgrind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::collections::BTreeMap;
use std::path::{Path as File, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::{Map, Value, json};
use sidegate_bench::paths::{PATHS, Path};
use sidegate_bench::policy::Policy;
use sidegate_tests::places;
use sidegate_tests::table::Table;

/// How far a count may be from the committed one.
const TOLERANCE: f64 = 0.03;
/// Calls of a short run and of a long one: the difference leaves out what starting takes.
const FEW: u64 = 5;
const MANY: u64 = 45;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", name, bundle, times] => run(name, File::new(bundle), times.parse().unwrap()).map(|()| true),
        [] => compare(false),
        ["--update"] => compare(true),
        other => Err(format!("usage: instructions [--update], got {other:?}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

/// Makes one path ready and walks it so often.
fn run(name: &str, bundle: &File, times: u64) -> Result<(), String> {
    let path = PATHS.iter().find(|path| path.name == name).ok_or_else(|| format!("no path `{name}`"))?;
    let text = std::fs::read_to_string(bundle.with_extension("entrypoint")).map_err(|e| e.to_string())?;
    let bundle = std::fs::read(bundle).map_err(|e| e.to_string())?;
    let policy = Policy { bundle, entrypoint: text, rego: String::new(), data: Value::Null };
    let work = path.ready(&policy);
    for _ in 0..times {
        work();
    }
    Ok(())
}

fn compare(update: bool) -> Result<bool, String> {
    let committed = places::root().join("bench/instructions.json");
    let before: BTreeMap<String, u64> = match std::fs::read_to_string(&committed) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| format!("{}: {e}", committed.display()))?,
        Err(_) if update => BTreeMap::new(),
        Err(e) => return Err(format!("could not read {}: {e}", committed.display())),
    };
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let mut table = Table::new(&["path", "instructions", "committed", "change", ""]);
    let (mut counts, mut is_same) = (Map::new(), true);
    for path in PATHS {
        let count = count(path, dir.path())?;
        let known = before.get(path.name).copied();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let change = known.map(|known| count as f64 / known as f64 - 1.0);
        let holds = change.is_some_and(|change| change.abs() <= TOLERANCE);
        is_same &= holds;
        table.row(&[
            path.name,
            &count.to_string(),
            &known.map_or_else(String::new, |known| known.to_string()),
            &change.map_or_else(String::new, |change| format!("{:+.1} %", change * 100.0)),
            if holds { "" } else { "!" },
        ]);
        counts.insert(path.name.to_owned(), json!(count));
    }
    print!("{}", table.text());
    if update {
        let text = serde_json::to_string_pretty(&counts).map_err(|e| e.to_string())?;
        std::fs::write(&committed, format!("{text}\n")).map_err(|e| e.to_string())?;
        println!("bench-instructions: written to bench/instructions.json");
        return Ok(true);
    }
    if !is_same {
        println!(
            "Expected each within {:.0} % of bench/instructions.json. Where the change is meant: make bench-instructions UPDATE=1",
            TOLERANCE * 100.0
        );
    }
    Ok(is_same)
}

/// Instructions of one call.
fn count(path: &Path, dir: &File) -> Result<u64, String> {
    let policy = path.kind.build()?;
    let bundle = dir.join(format!("{}.tar.gz", path.name));
    let write = |file: PathBuf, bytes: &[u8]| std::fs::write(file, bytes).map_err(|e| e.to_string());
    write(bundle.clone(), &policy.bundle)?;
    write(bundle.with_extension("entrypoint"), policy.entrypoint.as_bytes())?;
    let few = callgrind(path.name, &bundle, FEW, dir)?;
    let many = callgrind(path.name, &bundle, MANY, dir)?;
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

fn callgrind(name: &str, bundle: &File, times: u64, dir: &File) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let out = dir.join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=9"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(own)
        .args(["run", name])
        .arg(bundle)
        .arg(times.to_string())
        .output()
        .map_err(|e| format!("expected valgrind, found none ({e}); run: apt-get install valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name}: expected valgrind to end well\n{said}"));
    }
    let total = std::fs::read_to_string(&out).map_err(|e| e.to_string())?;
    let total =
        total.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    total
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| format!("{name}: expected a sum of callgrind\n{said}"))
}
