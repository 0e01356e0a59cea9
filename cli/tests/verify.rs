//! `sidegate build --sign-key`, `verify` and `inspect`: the program run as users run it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run_with(args: &[&str], secret: Option<&str>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(args).env_remove("SIDEGATE_SIGN_KEY");
    if let Some(secret) = secret {
        command.env("SIDEGATE_SIGN_KEY", secret);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(args: &[&str]) -> Run {
    run_with(args, None)
}

fn key(name: &str) -> String {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/fixtures/keys");
    keys.join(name).to_str().unwrap().to_owned()
}

/// A folder with a policy, and another to write to.
fn policy() -> (TempDir, String, TempDir) {
    let (dir, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let rego = "package envoy.authz\n\nallow if input.attributes.request.http.method in data.services[data.sidegate.workload.namespace].methods\n";
    fs::write(dir.path().join("authz.rego"), rego).unwrap();
    fs::write(dir.path().join("data.json"), r#"{"services": {"shop": {"methods": ["GET"]}}, "limit": 1.0}"#)
        .unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path, out)
}

fn file(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_signed_bundle_is_verified_by_its_key() {
    let (_dir, path, out) = policy();
    let bundle = file(&out, "b.tar.gz");
    let built = run(&[
        "build",
        &path,
        "-o",
        &bundle,
        "--sign-key",
        &key("p256-sec1.pem"),
        "--key-id",
        "net",
        "--scope",
        "prod",
    ]);
    assert_eq!(built.code, 0, "{}", built.err);
    assert!(built.out.contains("signed with ES256 by `net`"), "{}", built.out);
    let first = fs::read(&bundle).unwrap();

    let good = run(&["verify", &bundle, "--key", &key("p256.pub"), "--key-id", "net", "--scope", "prod"]);
    assert_eq!(good.code, 0, "{}{}", good.out, good.err);
    assert!(good.out.contains("4 files signed with ES256 by `net` for scope `prod`"), "{}", good.out);
    assert!(!good.out.contains("WARNING"), "{}", good.out);
    let unchecked = run(&["verify", &bundle]);
    assert_eq!(unchecked.code, 0);
    assert!(unchecked.out.contains("WARNING: no signature was checked"), "{}", unchecked.out);
    let public = key("p256.pub");
    for (args, code) in [
        (["--key-id", "net", "--scope", "test"], "bundle_scope"),
        (["--key-id", "old", "--scope", "prod"], "key_unknown"),
    ] {
        let args = [["verify", &bundle, "--key", &public, "--format", "json"].as_slice(), &args].concat();
        let bad = run(&args);
        assert_eq!(bad.code, 1, "{}", bad.out);
        let report: Value = serde_json::from_str(&bad.out).unwrap();
        assert_eq!(report["findings"][0]["code"], code, "{}", bad.out);
    }
    let other = run(&["verify", &bundle, "--key", &key("p384.pub"), "--key-id", "net"]);
    assert_eq!(other.code, 1);
    assert!(other.out.contains("[signature_algorithm]"), "{}", other.out);
    let shown = run(&["inspect", &bundle]);
    assert!(shown.out.contains("signed    with ES256 by `net`, scope `prod`"), "{}", shown.out);

    // The same again, with the key from the variable.
    let pem = fs::read_to_string(key("p256-sec1.pem")).unwrap();
    let again = run_with(&["build", &path, "-o", &bundle, "--key-id", "net", "--scope", "prod"], Some(&pem));
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(fs::read(&bundle).unwrap(), first);
}

#[test]
fn an_unsigned_bundle_is_no_signed_one() {
    let (_dir, path, out) = policy();
    let bundle = file(&out, "b.tar.gz");
    assert_eq!(run(&["build", &path, "-o", &bundle]).code, 0);
    let bad = run(&["verify", &bundle, "--key", &key("p256.pub"), "--key-id", "net"]);
    assert_eq!(bad.code, 1);
    assert!(bad.out.contains("[bundle_unsigned]"), "{}", bad.out);
    assert!(run(&["inspect", &bundle]).out.contains("signed    no"));
}

#[test]
fn a_plan_of_other_rego_is_found() {
    let (dir, path, out) = policy();
    let (one, two) = (file(&out, "1.tar.gz"), file(&out, "2.tar.gz"));
    assert_eq!(run(&["build", &path, "-o", &one, "--revision", "r"]).code, 0);
    fs::write(dir.path().join("authz.rego"), "package envoy.authz\n\nallow := true\n").unwrap();
    assert_eq!(run(&["build", &path, "-o", &two, "--revision", "r"]).code, 0);
    let files = |path: &str| {
        let bytes = fs::read(path).unwrap();
        sidegate_engine::bundle::files(&bytes, &sidegate_engine::limits::Limits::default()).unwrap()
    };
    // The Rego of the first, which is what people read, and the plan of the second, which is what runs.
    let mut mixed = files(&one);
    mixed.retain(|(name, _)| name != "sidegate.bin");
    mixed.extend(files(&two).into_iter().filter(|(name, _)| name == "sidegate.bin"));
    fs::write(&one, sidegate_compiler::pack(mixed).unwrap()).unwrap();
    let found = run(&["verify", &one]);
    assert_eq!(found.code, 1);
    assert!(found.out.contains("[recompile_differs]"), "{}", found.out);
    assert_eq!(run(&["verify", &two]).code, 0);
}

#[test]
fn what_cannot_sign_is_told_before_anything_is_built() {
    let (_dir, path, out) = policy();
    let bundle = file(&out, "b.tar.gz");
    let refused = |args: &[&str], part: &str| {
        let run = run(&[["build", &path, "-o", &bundle].as_slice(), args].concat());
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.err.contains(part), "{args:?}: {}", run.err);
        assert!(!Path::new(&bundle).exists());
    };
    let pem = key("p256-sec1.pem");
    refused(&["--sign-key", &pem], "expected `--key-id ID`");
    refused(&["--key-id", "net"], "`--sign-key FILE` or `--sign-cmd CMD`");
    refused(&["--scope", "prod"], "expected a key to sign for `--scope`");
    refused(&["--sign-key", &pem, "--key-id", "net", "--sign-alg", "RS256"], "an RSA key for RS256");
    refused(&["--sign-key", "/nowhere.pem", "--key-id", "net"], "/nowhere.pem");
    refused(&["--sign-cmd", "exit 3", "--sign-alg", "ES256", "--key-id", "net"], "[sign_command]");
    refused(&["--sign-cmd", "x", "--sign-alg", "ES256"], "--key-id");
}

fn only_file(folder: PathBuf) -> PathBuf {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.pop().unwrap()
}

#[test]
fn a_tree_is_verified_whole() {
    let (_dir, path, out) = policy();
    let tree = file(&out, "tree");
    let published = run(&[
        "publish",
        &path,
        "--to",
        &tree,
        "--workload",
        "shop/cart",
        "--mesh",
        "eu",
        "--sign-key",
        &key("p384-sec1.pem"),
        "--key-id",
        "net",
        "--by",
        "ci",
    ]);
    assert_eq!(published.code, 0, "{}{}", published.out, published.err);
    let verify = |more: &[&str]| {
        let args = ["verify", &tree, "--mesh", "eu", "--key", &key("p384.pub"), "--key-id", "net"];
        run(&[args.as_slice(), more].concat())
    };
    let good = verify(&[]);
    assert_eq!(good.code, 0, "{}{}", good.out, good.err);
    assert!(good.out.contains("1 pointer, 1 blob"), "{}", good.out);
    let expired = verify(&["--now", "4000000000"]);
    assert_eq!((expired.code, expired.out.contains("[pointer_expired]")), (1, true), "{}", expired.out);
    let other = run(&["verify", &tree, "--mesh", "us", "--key", &key("p384.pub"), "--key-id", "net"]);
    assert_eq!((other.code, other.out.contains("[pointer_mesh]")), (1, true), "{}", other.out);
    let another = run(&["verify", &tree, "--mesh", "eu", "--key", &key("p256.pub"), "--key-id", "net"]);
    assert_eq!((another.code, another.out.contains("[signature_algorithm]")), (1, true), "{}", another.out);
    // A pointer where another workload's belongs.
    let shop = Path::new(&tree).join("v1/shop");
    fs::copy(shop.join("cart.json"), shop.join("checkout.json")).unwrap();
    let moved = verify(&[]);
    assert_eq!((moved.code, moved.out.contains("[pointer_workload]")), (1, true), "{}", moved.out);
    fs::remove_file(shop.join("checkout.json")).unwrap();
    let blob = only_file(Path::new(&tree).join("blobs/sha256"));
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let changed = verify(&[]);
    assert_eq!((changed.code, changed.out.contains("[bundle_digest]")), (1, true), "{}", changed.out);
    fs::remove_file(&blob).unwrap();
    let missing = verify(&[]);
    assert_eq!((missing.code, missing.out.contains("[blob_missing]")), (1, true), "{}", missing.out);
    assert_eq!(run(&["verify", &file(&out, "nowhere")]).code, 2);
    assert_eq!(run(&["verify", out.path().to_str().unwrap()]).code, 2);
}
