//! Bundles for tests: policies that say which version they are, and archives taken apart and put together
//! again.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::bundle::{self, PLAN_FILE};
use sidegate_engine::limits::Limits;

use super::refusals::DEPTH;

/// A bundle that no pointer makes good: what it is, the code that refuses it, and how it is made.
type BadBundle = (&'static str, &'static str, fn() -> Vec<u8>);

pub(super) const BAD_BUNDLES: &[BadBundle] = &[
    ("a bundle without sidegate.bin", "bundle_no_plan", || change_plan(|_| None)),
    ("a bundle of a later format", "bundle_version", || {
        change_plan(|mut plan| {
            plan[4] = 0xFF;
            Some(plan)
        })
    }),
    ("a compiled policy that is damaged", "bundle_plan", || {
        change_plan(|mut plan| {
            plan.truncate(plan.len() / 2);
            Some(plan)
        })
    }),
    ("a truncated archive", "bundle_archive", || {
        let mut bytes = versioned(9);
        bytes.truncate(bytes.len() - 20);
        bytes
    }),
    ("no archive at all", "bundle_archive", || b"<html>it works</html>".to_vec()),
    ("a zip bomb", "bundle_size", bomb),
    ("a bundle with another entry point", "bundle_entrypoint", || {
        let options = BuildOptions { entrypoints: vec!["other/allow".to_owned()], ..BuildOptions::default() };
        of_policy("package other\n\nimport rego.v1\n\nallow := true\n", &options)
    }),
    ("a policy that nests too deep", "bundle_depth", || of_policy(&deep(), &BuildOptions::default())),
];

/// The bundle of a policy that allows everything and says which version it is, but for `/denied/<version>`.
pub fn versioned(version: u32) -> Vec<u8> {
    let text = format!(
        r#"package envoy.authz

import rego.v1

default allow := {{"allowed": true, "response_headers_to_add": {{"x-policy": "{version}"}}}}

allow := {{"allowed": false, "headers": {{"x-policy": "{version}"}}}} if input.parsed_path == ["denied", "{version}"]
"#
    );
    of_policy(&text, &BuildOptions::default())
}

fn of_policy(text: &str, options: &BuildOptions) -> Vec<u8> {
    let sources = Sources::from_parts(vec![("policy.rego".to_owned(), text.to_owned())], Value::new_object());
    build(&sources, options).expect("the policy of a test compiles").bundle
}

/// The same of a policy that reads bodies: a request with one is waited for.
pub fn reading_bodies(version: u32) -> Vec<u8> {
    let text = format!(
        r#"package envoy.authz

import rego.v1

default allow := {{"allowed": true, "response_headers_to_add": {{"x-policy": "{version}"}}}}

allow := {{"allowed": false}} if input.parsed_body.denied
"#
    );
    of_policy(&text, &BuildOptions::default())
}

/// A bundle that is good but for its compiled policy.
fn change_plan(change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    change_file(&versioned(9), PLAN_FILE, change)
}

/// 64 MiB of zeros, packed.
fn bomb() -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![0; 64 << 20]).expect("nothing is written to a disk");
    gzip.finish().expect("nothing is written to a disk")
}

/// Rules that call one another deeper than the site takes.
fn deep() -> String {
    let rules: String = (0..DEPTH).map(|n| format!("r{n} if r{}\n\n", n + 1)).collect();
    format!("package envoy.authz\n\nimport rego.v1\n\nallow if r0\n\n{rules}r{DEPTH} if input.parsed_path\n")
}

/// A bundle of files.
fn repack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice()).expect("a short name");
    }
    let mut gzip = tar.into_inner().expect("nothing is written to a disk");
    gzip.flush().expect("nothing is written to a disk");
    gzip.finish().expect("nothing is written to a disk")
}

/// The bundle with one file changed, or without it.
fn change_file(bundle: &[u8], name: &str, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut files = bundle::files(bundle, &Limits::default()).expect("a bundle of ours");
    let at = files.iter().position(|(found, _)| found == name).expect("the bundle has the file");
    let (name, bytes) = files.remove(at);
    if let Some(bytes) = change(bytes) {
        files.insert(at, (name, bytes));
    }
    repack(&files)
}
