//! Asks other programs about the manifests for Istio: `check-manifests [--kubectl FILE] [--server FILE] [--istioctl FILE]…`.
//! `kubectl` has to make of every folder what `sidegate render` makes of its values, `server` is a `kubectl` that finds an
//! API server with Istio's CRDs, whose dry run has to take all of them, and every `istioctl` has to find nothing wrong.
#![allow(clippy::print_stdout, reason = "a program that prints what it found")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sidegate_tests::manifests::{check_kustomizations, check_with_istioctl, check_with_server};

fn main() -> ExitCode {
    match run() {
        Ok(0) => {
            eprintln!("check-manifests: expected --kubectl, --server or --istioctl, got nothing to ask");
            ExitCode::from(2)
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("check-manifests: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<usize, String> {
    let mut args = std::env::args().skip(1);
    let mut asked = 0;
    while let Some(option) = args.next() {
        let file = PathBuf::from(args.next().ok_or_else(|| format!("expected a file after `{option}`"))?);
        let what = ask(&option, &file)?;
        println!("{}: {what}", file.display());
        asked += 1;
    }
    Ok(asked)
}

fn ask(option: &str, file: &Path) -> Result<&'static str, String> {
    match option {
        "--kubectl" => check_kustomizations(file)
            .map(|()| "every folder makes what `sidegate render` makes of its values"),
        "--server" => check_with_server(|| Command::new(file)).map(|()| "the API server takes all of them"),
        "--istioctl" => check_with_istioctl(file).map(|()| "nothing is wrong with any of them"),
        other => Err(format!("expected --kubectl, --server or --istioctl, got `{other}`")),
    }
}
