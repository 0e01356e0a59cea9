//! `sidegate publish` as a user runs it: output, exit codes, what is in the tree.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

const POLICY: &str = "package envoy.authz

mine := data.sidegate.workload

default allow := false

allow if input.source_principal in data.services[mine.namespace][mine.name].callers
";
const TEST: &str = "package envoy.authz_test

import data.envoy.authz

test_callers if authz.allow with input as {\"source_principal\": \"p\"}
	with data.sidegate.workload as {\"namespace\": \"n\", \"name\": \"w\"}
	with data.services as {\"n\": {\"w\": {\"callers\": [\"p\"]}}}
";

struct Run {
    code: i32,
    out: String,
    err: String,
}

/// A folder with policies in `p/` for three services.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("p/authz.rego", POLICY);
        place.write("p/authz_test.rego", TEST);
        for name in ["shop/cart", "shop/pay", "bank/pay"] {
            place.callers(name, &["p"]);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn callers(&self, service: &str, callers: &[&str]) {
        let data = serde_json::json!({"callers": callers});
        self.write(&format!("p/services/{service}/data.json"), &data.to_string());
    }

    /// `sidegate publish …`, signed where it has to be.
    fn run(&self, args: &str) -> Run {
        let key =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/fixtures/keys/p256-pkcs8.pem");
        let mut command = Command::cargo_bin("sidegate").unwrap();
        command.current_dir(self.0.path()).env("USER", "ann").env_remove("SIDEGATE_SIGN_KEY");
        command.arg("publish").args(args.split_whitespace());
        let signs = ["--list", "--history", "--gc", "--sign"];
        if !signs.iter().any(|verb| args.contains(verb)) {
            command.arg("--sign-key").arg(key).args(["--key-id", "k"]);
        }
        let output = command.output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn ok(&self, args: &str) -> String {
        let run = self.run(args);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{args}: {}", run.out);
        run.out
    }

    fn report(&self, args: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{args} --format json"))).unwrap()
    }

    fn list(&self) -> Vec<Value> {
        self.report("--to t --list")["workloads"].as_array().unwrap().clone()
    }

    fn listed(&self, workload: &str) -> Value {
        self.list().into_iter().find(|listed| listed["workload"] == workload).unwrap()
    }

    fn pointer(&self, workload: &str) -> Vec<u8> {
        fs::read(self.path(&format!("t/v1/{workload}.json"))).unwrap()
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.path("t/blobs/sha256")).unwrap().count()
    }
}

#[test]
fn what_changed_is_published_and_nothing_else() {
    let place = Place::new();
    let first = place.ok("p --to t --revision r1");
    assert_eq!(
        first,
        "published: serial 1, epoch 0, revision r1, good for 14d
3 changed, 0 unchanged, 3 slices made
  bank/pay
  shop/cart
  shop/pay
"
    );
    let (cart, pay) = (place.pointer("shop/cart"), place.pointer("shop/pay"));
    assert_eq!(
        place.ok("p --to t --revision r2"),
        "nothing changed, revision r2\n0 changed, 3 unchanged, 0 slices made\n"
    );
    place.callers("shop/cart", &["p", "q"]);
    let second = place.report("p --to t --revision r2 --mesh m1 --workload shop/cart");
    assert_eq!((&second["serial"], &second["made"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(second["changed"], serde_json::json!(["shop/cart"]));
    assert_ne!(place.pointer("shop/cart"), cart);
    assert_eq!(place.pointer("shop/pay"), pay, "not named, not touched");
    assert_eq!((place.listed("shop/cart")["revision"].as_str(), place.blobs()), (Some("r2"), 4));
    // The mesh is the tree's now.
    let third = place.report("p --to t --revision r3 --mesh m1");
    assert_eq!(third["changed"], serde_json::json!(["bank/pay", "shop/pay"]));
    assert_eq!(place.report("p --to t --revision r3")["serial"], Value::Null);
    assert_eq!(place.listed("shop/pay")["revision"], "r1", "its policy is as it was");
}

#[test]
fn the_blob_is_a_bundle_for_this_workload_and_the_pointer_names_it() {
    let place = Place::new();
    place.ok("p --to t");
    let blob = fs::read_dir(place.path("t/blobs/sha256")).unwrap().next().unwrap().unwrap().path();
    let run = Command::cargo_bin("sidegate").unwrap().arg("inspect").arg(&blob).output().unwrap();
    let shown = String::from_utf8(run.stdout).unwrap();
    assert!(shown.contains("data.json") && shown.contains("authz.rego"), "{shown}");
    assert!(!shown.contains("authz_test.rego"), "{shown}");
    let pointer: Value = serde_json::from_slice(&place.pointer("shop/cart")).unwrap();
    let keys: Vec<&String> = pointer.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 3);
    for key in ["payload", "protected", "signature"] {
        assert!(pointer[key].is_string(), "{key}");
    }
}

#[test]
fn a_candidate_is_tried_promoted_and_rolled_back() {
    let place = Place::new();
    place.ok("p --to t --revision r1");
    place.callers("shop/cart", &["q"]);
    let tried = place.report("p --to t --revision r2 --candidate --percent 10 --mode shadow");
    assert_eq!((&tried["action"], &tried["serial"]), (&Value::from("candidate"), &Value::from(2)));
    assert_eq!(tried["changed"], serde_json::json!(["shop/cart"]));
    let cart = place.listed("shop/cart");
    assert_eq!((cart["revision"].as_str(), &cart["candidate"]["percent"]), (Some("r1"), &Value::from(10)));
    assert_eq!(cart["candidate"]["mode"], "shadow");
    let same = place.report("p --to t --revision r2 --candidate --percent 10");
    assert_eq!(same["serial"], Value::Null);
    let more = place.report("p --to t --revision r2 --candidate --percent 50 --mode enforce");
    assert_eq!(more["serial"], Value::from(3));
    let refused = place.run("p --to t");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("write `--promote` or `--drop-candidate` first"), "{}", refused.err);
    assert_eq!(place.run("--to t --rollback r2").code, 2, "r2 never decided");
    let promoted = place.ok("--to t --promote");
    assert!(promoted.starts_with("promoted: serial 4, epoch 0, revision r2"), "{promoted}");
    let cart = place.listed("shop/cart");
    assert_eq!((cart["revision"].as_str(), cart.get("candidate")), (Some("r2"), None));
    let none = place.run("--to t --promote");
    assert_eq!(none.code, 2);
    assert!(none.err.contains("expected candidates to promote, got none"), "{}", none.err);
    let back = place.report("--to t --rollback r1 --reason late");
    assert_eq!((&back["serial"], &back["changed"]), (&Value::from(5), &serde_json::json!(["shop/cart"])));
    assert_eq!(place.listed("shop/cart")["revision"], "r1");
    assert_eq!(place.report("--to t --rollback r1")["serial"], Value::Null);
    place.ok("--to t --rollback r2");
    // A candidate that is as what decides is none any more.
    place.callers("shop/pay", &["z"]);
    place.ok("p --to t --revision r3 --candidate --percent 1");
    place.callers("shop/pay", &["p"]);
    assert_eq!(place.report("p --to t --candidate --percent 1")["changed"], serde_json::json!(["shop/pay"]));
    assert!(place.list().iter().all(|listed| listed.get("candidate").is_none()));
    place.callers("shop/pay", &["z"]);
    place.ok("p --to t --revision r3 --candidate --percent 1");
    assert!(place.ok("--to t --drop-candidate").starts_with("candidates dropped: serial 10"));
    assert_eq!(place.run("--to t --rollback none").code, 2);
}

#[test]
fn the_history_says_who_did_what() {
    let place = Place::new();
    place.ok("p --to t --revision r1 --by bob --reason first");
    place.ok("--to t --refresh");
    place.ok("--to t --break-glass shop/cart --for 1h --reason outage");
    let lines = place.report("--to t --history");
    let of = |at: usize, key: &str| lines[at][key].clone();
    assert_eq!([of(0, "action"), of(1, "action"), of(2, "action")], ["publish", "refresh", "break-glass"]);
    assert_eq!(
        [of(0, "by"), of(1, "by"), of(0, "reason"), of(2, "reason")],
        ["bob", "ann", "first", "outage"]
    );
    assert_eq!([of(0, "serial"), of(1, "renewed"), of(2, "epoch")], [1, 3, 0]);
    assert_eq!(of(0, "key"), "k");
    assert!(of(0, "workloads")["shop/cart"]["layers"][0]["digest"].as_str().unwrap().starts_with("sha256:"));
    let text = place.ok("--to t --history");
    assert!(text.lines().nth(2).unwrap().ends_with("lowered by ann, key k, 1 changed: outage"), "{text}");
    let kept = fs::read_to_string(place.path("t/.sidegate/history.jsonl")).unwrap();
    place.ok("--to t --refresh --epoch 2");
    let now = fs::read_to_string(place.path("t/.sidegate/history.jsonl")).unwrap();
    assert!(now.starts_with(&kept) && now.len() > kept.len(), "only added to");
    assert_eq!(place.listed("shop/cart")["epoch"], 2);
    assert_eq!(place.run("p --to t --epoch 1").code, 2);
}

#[test]
fn glass_is_broken_for_a_time_and_with_a_reason() {
    let place = Place::new();
    place.ok("p --to t --expires-in 1h");
    for wrong in [
        "--to t --break-glass shop/cart --for 1h",
        "--to t --break-glass shop/cart --reason x",
        "--to t --break-glass shop/none --for 1h --reason x",
        "--to t --break-glass shop/cart --for 8d --reason x",
        "--to t --break-glass ../cart --for 1h --reason x",
    ] {
        assert_eq!(place.run(wrong).code, 2, "{wrong}");
    }
    place.ok("--to t --break-glass shop/cart --for 2h --reason outage --expires-in 1h");
    let cart = place.listed("shop/cart");
    assert_eq!(
        (cart["lowering"]["mode"].as_str(), cart["lowering"]["reason"].as_str()),
        (Some("shadow"), Some("outage"))
    );
    assert!(cart["expires_in"].as_i64().unwrap() > 7000, "the pointer lasts as long as what it says: {cart}");
    // What is published meanwhile does not mend it.
    place.callers("shop/cart", &["q"]);
    place.ok("p --to t");
    assert_eq!(place.listed("shop/cart")["lowering"]["reason"], "outage");
    assert!(place.ok("--to t --list").contains("LOWERED to shadow: outage"));
}

#[test]
fn blobs_go_when_no_rollback_needs_them() {
    let place = Place::new();
    place.ok("p --to t --revision r1");
    for (revision, caller) in [("r2", "b"), ("r3", "c"), ("r4", "d")] {
        place.callers("shop/cart", &[caller]);
        place.ok(&format!("p --to t --revision {revision}"));
    }
    assert_eq!(place.blobs(), 6);
    fs::write(place.path("t/blobs/sha256/.unfinished-x"), "").unwrap();
    fs::write(place.path("t/blobs/sha256/README"), "").unwrap();
    assert_eq!(place.report("--to t --gc --keep 4")["blobs"], 0);
    let freed = place.report("--to t --gc --keep 2");
    assert_eq!((&freed["blobs"], &freed["kept"]), (&Value::from(2), &Value::from(4)));
    assert!(
        place.path("t/blobs/sha256/README").exists() && !place.path("t/blobs/sha256/.unfinished-x").exists()
    );
    let gone = place.run("--to t --rollback r1");
    assert_eq!(gone.code, 2);
    assert!(gone.err.contains("`--gc` removed them"), "{}", gone.err);
    place.ok("--to t --rollback r3");
    assert_eq!(place.listed("shop/cart")["revision"], "r3");
    assert!(place.ok("--to t --gc --keep 1").starts_with("removed 1 blobs of "));
    // What was removed is made again where it is needed.
    assert_eq!(place.report("p --to t")["made"], 1);
}

#[test]
fn a_service_that_is_gone_keeps_its_pointer_until_pruned() {
    let place = Place::new();
    place.ok("p --to t");
    fs::remove_dir_all(place.path("p/services/bank")).unwrap();
    let named = place.ok("p --to t");
    assert!(
        named.contains("1 not in the folder any more; `--prune` would remove their pointers\n  bank/pay\n"),
        "{named}"
    );
    assert!(place.path("t/v1/bank/pay.json").exists());
    let pruned = place.report("p --to t --prune");
    assert_eq!((&pruned["removed"], &pruned["serial"]), (&serde_json::json!(["bank/pay"]), &Value::from(2)));
    assert!(!place.path("t/v1/bank/pay.json").exists());
    assert_eq!(place.report("--to t --history")[1]["removed"], serde_json::json!(["bank/pay"]));
}

#[test]
fn what_does_not_hold_is_not_published() {
    let place = Place::new();
    place.ok("p --to t");
    let before = place.pointer("shop/cart");
    place.write("p/bad.rego", "package bad\n\nx if http.send({})\n");
    let run = place.run("p --to t");
    assert_eq!(run.code, 1);
    assert!(run.err.contains("p/bad.rego:3:"), "{}", run.err);
    place.write("p/bad.rego", "package bad\n");
    place.write("p/bad_test.rego", "package bad\n\ntest_x if false\n");
    let run = place.run("p --to t");
    assert_eq!(run.code, 1);
    assert!(run.err.contains("got 1 of 2 that do not; `sidegate test` shows them"), "{}", run.err);
    fs::remove_file(place.path("p/bad_test.rego")).unwrap();
    place.write("p/data.json", r#"{"sidegate": {"workload": {"name": "x"}}}"#);
    assert_eq!(place.run("p --to t").code, 1);
    place.write("p/data.json", r#"{"services": {"shop": {"Not_A_Name": {}}}}"#);
    let run = place.run("p --to t");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("data.services.shop.Not_A_Name: expected a workload's name"), "{}", run.err);
    assert_eq!(place.pointer("shop/cart"), before);
}

#[test]
fn what_does_not_fit_together_is_an_error_that_says_so() {
    let place = Place::new();
    place.ok("p --to t");
    for (args, part) in [
        ("--to t", "expected the folder to publish"),
        ("p --to t --promote", "expected `DIR` only for publishing slices"),
        ("--to t --promote --refresh", "expected one of `--promote` and `--refresh`, got both"),
        ("p --to t --percent 5", "expected `--percent` only with `--candidate`, got it without it"),
        ("p --to t --candidate", "write `--percent 10`"),
        ("--to t --refresh --keep 3", "expected `--keep` only with `--gc`"),
        ("--to t --list --epoch 3", "expected `--epoch` only for what signs pointers"),
        ("p --to t --prune --workload a/b", "leave one of them out"),
        ("p --to t --workload a_b/c", "expected a namespace"),
        ("p --to t --expires-in 3", "expected a time like"),
        ("p --to t --candidate --percent 101", "101 is not in 1..=100"),
        ("none --to t", "expected a folder with policies"),
        ("p --to p/authz.rego", "expected a folder for the tree"),
        ("--to p --list", "expected a published tree in `p`, got none"),
        ("--to none --gc", "expected a published tree in `none`, got none"),
        ("--to none --refresh", "expected pointers to renew, got none"),
        ("p --to t --workloads none.txt", "expected a readable file"),
    ] {
        let run = place.run(args);
        assert_eq!(run.code, 2, "{args}: {}", run.err);
        assert!(run.err.contains(part), "{args}: {}", run.err);
    }
    let mut unsigned = Command::cargo_bin("sidegate").unwrap();
    let unsigned = unsigned.current_dir(place.0.path()).args(["publish", "p", "--to", "t"]).output().unwrap();
    assert_eq!(unsigned.status.code(), Some(2));
    assert!(String::from_utf8(unsigned.stderr).unwrap().contains("write `--sign-key FILE --key-id ID`"));
}

#[test]
fn workloads_can_come_from_a_file() {
    let place = Place::new();
    place.write("w.txt", "# ours\nshop/cart\n\nshop/unheard-of\n");
    let report = place.report("p --to t --workloads w.txt");
    assert_eq!(report["changed"], serde_json::json!(["shop/cart", "shop/unheard-of"]));
    place.write("w.txt", "shop/cart\nshop/../x\n");
    let run = place.run("p --to t --workloads w.txt");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("w.txt:2: expected a workload's name"), "{}", run.err);
}

#[test]
fn a_command_can_sign_and_a_key_check_it() {
    let place = Place::new();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/fixtures/keys");
    let wrong = format!(
        "p --to t --sign-cmd false --sign-alg ES256 --key-id k --verify-key {}/p256.pub",
        keys.display()
    );
    let run = place.run(&wrong);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("[sign_command]"), "{}", run.err);
    assert!(!place.path("t/v1").exists());
    place.write("sig", &"AQ".repeat(43));
    let run = place.run(&wrong.replace("--sign-cmd false", "--sign-cmd cat>/dev/null;cat<sig"));
    assert_eq!(run.code, 2);
    assert!(run.err.contains("that the key verifies") && run.err.contains("[signature_bad]"), "{}", run.err);
    assert!(!place.path("t/v1").exists());
    let secret = "0123456789012345678901234567890123456789";
    place.write("secret", secret);
    let run = place.run("p --to t --sign-key secret --sign-alg HS256 --key-id k");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("expected a key pair to sign pointers with"), "{}", run.err);
}
