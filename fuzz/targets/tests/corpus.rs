//! Every input that is kept, through its target: the corpora, and what has once made a target fail (`fuzz/crashes`).
//!
//! `SIDEGATE_FUZZ=FILE` (from the root of the checkout) runs that file alone, through the target that its folder is named for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sidegate_fuzz_targets::{TARGETS, Target};

/// The linker's default for wasm32.
const STACK: usize = 1 << 20;

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(kind).join(target)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs the files through a target on the stack that wasm has, and gives back those that failed.
fn failures(target: Target, files: &[PathBuf]) -> Vec<String> {
    std::thread::scope(|scope| {
        let run = || {
            let is_good = |file: &PathBuf| {
                let data = fs::read(file).unwrap();
                catch_unwind(AssertUnwindSafe(|| target(&data))).is_ok()
            };
            files.iter().filter(|file| !is_good(file)).map(|file| file.display().to_string()).collect()
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        thread.unwrap().join().unwrap()
    })
}

#[test]
fn what_is_kept_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let only = std::env::var_os("SIDEGATE_FUZZ").map(|file| root.join(file));
    let mut run = 0;
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let files = match &only {
            Some(file) if file.parent().is_some_and(|folder| folder.ends_with(name)) => vec![file.clone()],
            Some(_) => continue,
            None => {
                let corpus = files(&folder("corpus", name));
                assert!(corpus.len() > 8, "expected the corpus of `{name}`, got {} files", corpus.len());
                [corpus, files(&folder("crashes", name))].concat()
            }
        };
        run += files.len();
        failed.extend(failures(target, &files));
    }
    assert!(run > 0, "expected a file in a folder of a target's name, got {only:?}");
    assert!(failed.is_empty(), "{} fail:\n{}", failed.len(), failed.join("\n"));
}

/// What is kept is little: a checkout is not to grow by what a fuzzer happens to find.
#[test]
fn corpora_are_small() {
    let mut all = 0;
    for (name, _) in TARGETS {
        let files = files(&folder("corpus", name));
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(files.len() <= 300 && bytes <= 500_000, "{name}: {} files, {bytes} bytes", files.len());
        all += bytes;
    }
    assert!(all < 3_000_000, "{all} bytes");
}
