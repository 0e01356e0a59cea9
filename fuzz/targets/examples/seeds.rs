//! Writes what fuzzing begins with: `seeds DIR`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let to = std::env::args_os().nth(1).map(PathBuf::from);
    let to = to.ok_or_else(|| std::io::Error::other("expected a folder, got none; run: seeds DIR"))?;
    sidegate_fuzz_targets::seeds::write(&to)
}
