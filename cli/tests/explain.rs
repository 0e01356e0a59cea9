//! `sidegate explain` and `sidegate plan`, as people read them.
//!
//! `SIDEGATE_WRITE_FIXTURES=1` writes the expected texts anew; look at the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value as Json, json};

const PAYMENTS: &str = r#"apiVersion: sidegate.io/v1alpha1
kind: ServicePolicy
metadata: {name: payments, namespace: pay}
spec:
  owner: team-payments
  allow:
  - name: charge
    from: [{serviceAccount: checkout/checkout-api}]
    to: [{methods: [POST], paths: ["/v1/charges"]}]
  - name: look-up
    from: [{serviceAccount: checkout/checkout-api}, {namespace: backoffice}]
    to: [{methods: [GET], paths: ["/v1/charges/{id}"]}]
  - name: refund
    from: [{serviceAccount: backoffice/refunds}]
    to: [{methods: [POST], paths: ["/v1/charges/{id}/refunds"]}]
    when: [{claim: [realm_access, roles], in: [refunds, finance]}]
  deny:
  - name: inside
    to: [{paths: ["/admin/{**}"]}]
"#;

const CART: &str = r#"apiVersion: sidegate.io/v1alpha1
kind: ServicePolicy
metadata: {name: cart, namespace: shop}
spec:
  owner: team-shop
  allow:
  - from: [{authenticated: true}]
    to: [{grpc: ["shop.v1.Cart/*"]}]
  - from: [{anonymous: true}]
    to: [{methods: [GET], paths: ["/healthz"]}]
"#;

/// Exit code, output, errors.
fn sidegate(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn mesh(dir: &Path, name: &str, payments: &str, cart: &str) {
    write(dir, &format!("{name}/services/pay/payments.yaml"), payments);
    write(dir, &format!("{name}/services/shop/cart.yaml"), cart);
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// The terminal's text of these commands is that of a file.
fn snapshot(dir: &Path, name: &str, commands: &[(&str, i32)]) {
    let mut text = String::new();
    for (command, wanted) in commands {
        let (code, out, err) = sidegate(dir, &words(command));
        assert_eq!(code, *wanted, "{command}\n{out}{err}");
        text.push_str(&format!("$ sidegate {command}\n{out}{err}\n"));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explain").join(name);
    if std::env::var_os("SIDEGATE_WRITE_FIXTURES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{}", path.display());
    let is_wide = |line: &&str| !line.starts_with("$ ") && !line.contains(" | ") && line.chars().count() > 80;
    let wide: Vec<&str> = text.lines().filter(is_wide).collect();
    assert!(wide.is_empty(), "lines of more than 80 columns: {wide:#?}");
}

#[test]
fn why_and_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    mesh(dir.path(), "policies", PAYMENTS, CART);
    let commands = [
        ("explain policies --from checkout/checkout-api --to pay/payments POST /v1/charges", 0),
        ("explain policies --from backoffice/x --to pay/payments POST /v1/charges/7", 1),
        ("explain policies --from shop/web --to pay/payments GET /v2", 1),
        ("explain policies --from shop/web --to pay/payments GET /Admin/x", 1),
        ("explain policies --from shop/web --to pay/payments GET /v1//charges", 1),
        ("explain policies --from backoffice/refunds --to pay/payments POST /v1/charges/7/refunds", 1),
        (
            "explain policies --from backoffice/refunds --to pay/payments POST /v1/charges/7/refunds \
             --claims {\"realm_access\":{\"roles\":[\"finance\"]}}",
            0,
        ),
        ("explain policies --from anonymous --to shop/cart POST /shop.v1.Cart/Add", 1),
        ("explain policies --from pay/x --to shop/cart POST /shop.v1.Cart/Add", 1),
        (
            "explain policies --from pay/x --to shop/cart POST /shop.v1.Cart/Add -H content-type:application/grpc",
            0,
        ),
        ("explain policies --from a/b --from c/d --to shop/cart GET /", 1),
        ("explain policies --from a/b --to shop/none GET /", 1),
        ("explain policies --from checkout/checkout-api --to pay/payments", 0),
        ("explain policies --from shop/web --to pay/payments", 1),
    ];
    snapshot(dir.path(), "why.txt", &commands);
    let (code, _, err) = sidegate(dir.path(), &words("explain policies --from web --to pay/payments"));
    assert!(code == 2 && err.contains("expected `--from` as NAMESPACE/SERVICE-ACCOUNT"), "{err}");
}

/// What is to be written is written, and it is allowed then.
#[test]
fn what_is_said_to_write_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    mesh(dir.path(), "policies", PAYMENTS, CART);
    let ask = "explain policies --from shop/web --to pay/payments POST /v1/charges --format json";
    let (code, out, _) = sidegate(dir.path(), &words(ask));
    assert_eq!(code, 1);
    let report: Json = serde_json::from_str(&out).unwrap();
    let yaml = report.pointer("/write/yaml").unwrap().as_str().unwrap();
    assert_eq!(report.pointer("/nearest/0/line").unwrap(), 8);
    let with = PAYMENTS.replace("  deny:\n", &format!("{yaml}  deny:\n"));
    mesh(dir.path(), "policies", &with, CART);
    assert_eq!(sidegate(dir.path(), &words(ask)).0, 0);
    let other = ask.replace("shop/web", "shop/other");
    assert_eq!(sidegate(dir.path(), &words(&other)).0, 1);
}

/// A bundle has its declarations with it; so has a slice, its own alone.
#[test]
fn bundles_explain_themselves() {
    let dir = tempfile::tempdir().unwrap();
    mesh(dir.path(), "policies", PAYMENTS, CART);
    let asks = "--from backoffice/x --to pay/payments POST /v1/charges/7";
    for build in ["build policies -o b.tgz", "build policies -o b.tgz --workload pay/payments"] {
        let (code, _, err) = sidegate(dir.path(), &words(build));
        assert_eq!(code, 0, "{err}");
        let (code, out, err) = sidegate(dir.path(), &words(&format!("explain -b b.tgz {asks}")));
        assert_eq!(code, 1, "{err}");
        assert!(out.contains("  services/pay/payments.yaml:12 (allow `look-up`)\n"), "{out}");
        assert!(out.contains("   12 |     to: [{methods: [GET], paths: [\"/v1/charges/{id}\"]}]\n"), "{out}");
        let (code, _, err) = sidegate(dir.path(), &words("verify b.tgz"));
        assert_eq!(code, 0, "{err}");
    }
    let (_, files, _) = sidegate(dir.path(), &words("inspect b.tgz"));
    assert!(files.contains("services/pay/payments.yaml") && !files.contains("cart.yaml"), "{files}");
    let other = asks.replace("pay/payments", "shop/cart");
    let (code, _, err) = sidegate(dir.path(), &words(&format!("explain -b b.tgz {other}")));
    assert!(code == 2 && err.contains("got the slice of another workload"), "{code} {err}");
}

/// A declaration in the bundle that is not the one that it was built from: no answer, rather than a wrong reason.
#[test]
fn reasons_that_do_not_fit_the_answer_are_not_given() {
    let dir = tempfile::tempdir().unwrap();
    mesh(dir.path(), "policies", PAYMENTS, CART);
    assert_eq!(sidegate(dir.path(), &words("build policies -o b.tgz")).0, 0);
    let bytes = fs::read(dir.path().join("b.tgz")).unwrap();
    let limits = sidegate_engine::limits::Limits::default();
    let mut files = sidegate_engine::bundle::files(&bytes, &limits).unwrap();
    let own = files.iter_mut().find(|(name, _)| name == "services/pay/payments.yaml").unwrap();
    own.1 = PAYMENTS.replace("methods: [GET], ", "").into_bytes();
    fs::write(dir.path().join("b.tgz"), sidegate_compiler::pack(files).unwrap()).unwrap();
    let ask = "explain -b b.tgz --from backoffice/x --to pay/payments POST /v1/charges/7";
    let (code, out, err) = sidegate(dir.path(), &words(ask));
    assert!(code == 2 && err.contains("the compiled policy says denied"), "{code} {out}{err}");
}

#[test]
fn rego_alone_answers_without_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let rego = "package envoy.authz\n\ndefault allow := false\n\nallow if input.attributes.request.http.method == \"GET\"\n";
    write(dir.path(), "policies/authz.rego", rego);
    let (code, out, err) = sidegate(dir.path(), &words("explain policies --from a/b --to pay/x GET /"));
    assert!(code == 0 && out.contains("sidegate eval"), "{out}{err}");
    assert_eq!(sidegate(dir.path(), &words("explain policies --from a/b --to pay/x PUT /")).0, 1);
}

/// Another state of both files.
fn changed() -> (String, String) {
    let payments = PAYMENTS
        .replace(
            "methods: [GET], paths: [\"/v1/charges/{id}\"]",
            "methods: [GET, HEAD], paths: [\"/v1/charges/{**}\"]",
        )
        .replace("owner: team-payments", "owner: team-money");
    let payments =
        format!("{payments}  headers:\n    request: {{set: {{x-caller: \"{{source.principal}}\"}}}}\n");
    let cart = CART
        .replace("{authenticated: true}", "{namespace: shop}")
        .replace("/healthz\"", "/healthz\", \"/metrics\"");
    (payments, format!("{cart}  deny:\n  - from: [{{serviceAccount: shop/old}}]\n"))
}

#[test]
fn who_gains_and_who_loses() {
    let dir = tempfile::tempdir().unwrap();
    mesh(dir.path(), "old", PAYMENTS, CART);
    let (payments, cart) = changed();
    mesh(dir.path(), "new", &payments, &cart);
    let added = CART.replace("name: cart", "name: search");
    write(dir.path(), "new/services/shop/search.yaml", &added);
    write(dir.path(), "old/services/shop/gone.yaml", &CART.replace("name: cart", "name: gone"));
    // The same, written otherwise.
    let text = CART.replace("name: cart", "name: same");
    write(dir.path(), "old/services/shop/same.yaml", &text);
    let turned =
        text.replace("  - from: [{authenticated: true}]\n    to: [{grpc: [\"shop.v1.Cart/*\"]}]\n", "");
    let turned = format!(
        "# A comment\n{turned}  - name: all\n    from: [{{authenticated: true}}]\n    to: [{{grpc: [\"shop.v1.Cart/*\"]}}]\n"
    );
    write(dir.path(), "new/services/shop/same.yaml", &turned);
    snapshot(dir.path(), "plan.txt", &[("plan old new", 1), ("plan old old", 0), ("plan new new", 0)]);
    let (code, out, _) = sidegate(dir.path(), &words("plan old new --format markdown"));
    assert_eq!(code, 1);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explain/plan.md");
    if std::env::var_os("SIDEGATE_WRITE_FIXTURES").is_some() {
        fs::write(&path, &out).unwrap();
    }
    assert_eq!(out, fs::read_to_string(path).unwrap_or_default());
    let (_, out, _) = sidegate(dir.path(), &words("plan old new --format json"));
    let report: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(report.get("summary").unwrap(), &json!({"gain": 3, "lose": 2, "changed": 1, "unchanged": 1}));
    // Bundles say the same, but for where the files are.
    for state in ["old", "new"] {
        let (code, _, err) = sidegate(dir.path(), &words(&format!("build {state} -o {state}.tgz")));
        assert_eq!(code, 0, "{err}");
    }
    let (code, bundles, _) = sidegate(dir.path(), &words("plan old.tgz new.tgz --format json"));
    assert_eq!(code, 1);
    let bundles: Json = serde_json::from_str(&bundles).unwrap();
    let lines = |report: &Json| {
        let text = report.get("services").unwrap().to_string().replace("old/", "").replace("new/", "");
        let mut parts: Vec<String> = text.split('{').map(str::to_owned).collect();
        parts.sort();
        parts
    };
    assert_eq!(bundles.get("summary"), report.get("summary"));
    assert_eq!(lines(&bundles).len(), lines(&report).len());
}

#[test]
fn names_of_files_are_no_markup() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = "a|b<script>`@team`";
    let header = format!("  headers:\n    request: {{set: {{x-a: \"{hostile}\"}}}}\n");
    mesh(dir.path(), "old", PAYMENTS, CART);
    mesh(dir.path(), "new", &format!("{PAYMENTS}{header}"), CART);
    let (code, out, err) = sidegate(dir.path(), &words("plan old new --format markdown"));
    assert_eq!(code, 1, "{err}");
    assert!(!out.contains("<script") && !out.contains("@team") && !out.contains("a|b"), "{out}");
}

#[test]
fn rego_that_changed_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let rego = |word: &str| {
        format!(
            "package services.pay.payments\n\ndeny if input.attributes.request.http.method == \"{word}\"\n"
        )
    };
    for (state, word) in [("old", "PUT"), ("new", "PATCH")] {
        mesh(dir.path(), state, PAYMENTS, CART);
        write(dir.path(), &format!("{state}/services/pay/payments/policy.rego"), &rego(word));
    }
    let (code, out, err) = sidegate(dir.path(), &words("plan old new"));
    assert!(code == 1 && out.contains("Rego changed: replay decisions"), "{out}{err}");
    assert!(out.ends_with("Plan: 0 gain, 0 lose, 1 changed, 1 unchanged.\n"), "{out}");
}

fn event(caller: &str, method: &str, path: &str, result: Json) -> Json {
    json!({
        "decision_id": format!("{method}-{path}"),
        "input": {
            "attributes": {
                "source": {"principal": format!("spiffe://cluster.local/ns/{}/sa/{}", caller.split('/').next().unwrap(), caller.split('/').nth(1).unwrap())},
                "destination": {"principal": "spiffe://cluster.local/ns/pay/sa/payments"},
                "request": {"http": {"method": method, "path": path, "headers": {}}},
                "metadataContext": {},
            },
            "sidegate": {"workload": {"namespace": "pay", "name": "payments"}},
        },
        "result": result,
    })
}

#[test]
fn recorded_decisions_are_decided_anew() {
    let dir = tempfile::tempdir().unwrap();
    mesh(dir.path(), "old", PAYMENTS, CART);
    let (payments, cart) = changed();
    let payments = payments.replace("  - name: inside\n", "  - to: [{methods: [POST]}]\n  - name: inside\n");
    mesh(dir.path(), "new", &payments, &cart);
    let mut events = vec![
        event("checkout/checkout-api", "POST", "/v1/charges", json!({"allowed": true})),
        event("backoffice/x", "GET", "/v1/charges/7", json!({"allowed": true})),
        event("backoffice/x", "HEAD", "/v1/charges/7", json!({"allowed": false})),
        event("backoffice/x", "HEAD", "/v1/charges/8", json!(false)),
        event("backoffice/x", "PUT", "/v1/charges/8", json!({"allowed": false})),
    ];
    let mut masked = event("backoffice/x", "HEAD", "/v1/charges/9", json!(false));
    *masked.pointer_mut("/decision_id").unwrap() = json!("masked");
    masked.as_object_mut().unwrap().insert("erased".to_owned(), json!(["/input/attributes/source"]));
    events.push(masked);
    events.push(json!({"decision_id": "none"}));
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    write(dir.path(), "log.jsonl", &lines);
    write(dir.path(), "log.json", &format!("  {}", json!(events)));
    snapshot(
        dir.path(),
        "decisions.txt",
        &[("plan old new --decisions log.jsonl", 1), ("plan new new --decisions log.json", 0)],
    );
    let (code, out, err) =
        sidegate(dir.path(), &words("plan old new --decisions log.json --format markdown"));
    assert!(code == 1 && out.contains("- pay/payments: 1 decision would be denied, denied by"), "{out}{err}");
    write(dir.path(), "bad.jsonl", "{\"input\": \n");
    let (code, _, err) = sidegate(dir.path(), &words("plan new new --decisions bad.jsonl"));
    assert!(code == 2 && err.contains("expected decisions, got none in 1 record"), "{code} {err}");
}
