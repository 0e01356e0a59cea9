//! The filter as an OCI image: `oci WASM DIR [--revision COMMIT]` writes the layout DIR and DIR.tar, and prints what it is
//! called.
#![allow(clippy::print_stdout, reason = "a program that prints what it made")]

use std::path::Path;
use std::process::ExitCode;

use sidegate_tests::oci::{self, About};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (wasm, dir, revision) = match arguments.as_slice() {
        [wasm, dir] => (wasm, dir, None),
        [wasm, dir, flag, revision] if flag == "--revision" => (wasm, dir, Some(revision.clone())),
        _ => {
            eprintln!("usage: oci WASM DIR [--revision COMMIT]");
            return ExitCode::from(2);
        }
    };
    match make(Path::new(wasm), Path::new(dir), revision) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

fn make(wasm: &Path, dir: &Path, revision: Option<String>) -> Result<String, String> {
    let bytes = std::fs::read(wasm).map_err(|e| format!("{}: {e}; run: make wasm", wasm.display()))?;
    let about = About { version: env!("CARGO_PKG_VERSION").to_owned(), revision };
    let files = oci::layout(&bytes, &about)?;
    let contents = oci::read(&files)?;
    oci::write(&files, dir)?;
    Ok(format!(
        "oci: {} and {}.tar: sidegate:{}@{}",
        dir.display(),
        dir.display(),
        contents.tag,
        contents.digest
    ))
}
