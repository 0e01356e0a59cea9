//! AuthorizationPolicies as an operator has them: imported, checked, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// Exit code, output, errors.
fn sidegate(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import").join(name)
}

fn import(dir: &Path, file: &Path, more: &[&str]) -> (i32, String, String) {
    let file = file.to_str().unwrap();
    sidegate(dir, &[&["import", "authorization-policy", file, "-o", "out"], more].concat())
}

/// `SIDEGATE_WRITE=1` writes fixtures anew.
fn same(got: &str, name: &str) {
    let path = fixture(name);
    if std::env::var_os("SIDEGATE_WRITE").is_some() {
        fs::write(&path, got).unwrap();
    }
    assert_eq!(got, fs::read_to_string(path).unwrap(), "{name}");
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

#[test]
fn a_shop_of_books() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = import(dir.path(), &fixture("bookinfo.yaml"), &["--owner", "team-books"]);
    assert_eq!((code, err.as_str()), (1, ""));
    same(&out, "bookinfo.txt");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let written = |name: &str| fs::read_to_string(dir.path().join("out/services/books").join(name)).unwrap();
    same(&written("productpage.yaml"), "productpage.yaml");
    same(&written("reviews.yaml"), "reviews.yaml");
    let (code, out, _) = sidegate(dir.path(), &["check", "out"]);
    assert!(code == 0 && out.contains("ok: 3 services"), "{out}");
}

#[test]
fn what_kubectl_prints() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["--label", "app", "--undeclared-open"];
    let (code, out, err) = import(dir.path(), &fixture("httpbin.yaml"), &more);
    assert_eq!((code, err.as_str()), (1, ""));
    same(&out, "httpbin.txt");
    let services = dir.path().join("out/services/tools");
    same(&fs::read_to_string(services.join("echo.yaml")).unwrap(), "echo.yaml");
    assert!(!services.join("httpbin.yaml").exists(), "a service whose DENY is refused lets nobody in");

    let dir = tempfile::tempdir().unwrap();
    let (_, out, _) = import(dir.path(), &fixture("httpbin.yaml"), &["--label", "app"]);
    assert!(out.contains("`--undeclared-open` declares that"), "{out}");
    assert!(!dir.path().join("out").exists(), "nothing is written where nothing can be");

    let (code, out, _) = import(dir.path(), &fixture("httpbin.yaml"), &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert_eq!(report["services"], serde_json::json!([]), "no service is known");
    let reason =
        report["policies"].as_array().unwrap().iter().find(|item| item["policy"] == "tools/httpbin-curl");
    assert!(reason.unwrap()["reason"].as_str().unwrap().starts_with("no service is known"), "{out}");
}

#[test]
fn everything_carried_over_is_yes_and_what_is_there_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let text = policy(
        "web",
        "{selector: {matchLabels: {app: cart}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}",
    );
    let file = dir.path().join("p.yaml");
    fs::write(&file, &text).unwrap();
    let service = ["--service", "app=cart,tier=back:shop/cart"];
    let (code, out, err) = import(dir.path(), &file, &service);
    assert_eq!(code, 0, "{out}{err}");
    let path = dir.path().join("out/services/shop/cart.yaml");
    let before = fs::read_to_string(&path).unwrap();
    assert!(before.contains("from: [{serviceAccount: shop/web}]"), "{before}");

    fs::write(&file, text.replace("sa/web", "sa/other")).unwrap();
    let (code, out, _) = import(dir.path(), &file, &service);
    assert!(code == 1 && out.contains("is there already"), "{out}");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let (code, _, _) = import(dir.path(), &file, &[service[0], service[1], "--force"]);
    assert!(code == 0 && fs::read_to_string(&path).unwrap().contains("shop/other"));

    // Of a service that is declared, no labels are known: the policy may be about it.
    let (code, out, _) = import(dir.path(), &file, &["--force"]);
    assert!(code == 1 && out.contains("it is about some of the service's pods"), "{out}");
}

#[test]
fn a_deny_that_cannot_be_said_takes_the_service_with_it() {
    let allow = policy("all", "{rules: [{}]}");
    let service = ["--service", "app=cart:shop/cart"];
    for (name, spec) in [
        ("prefix", "{action: DENY, rules: [{to: [{operation: {paths: ['/admin*']}}]}]}"),
        ("not", "{action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]}"),
        ("token", "{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}"),
        ("remote", "{action: DENY, rules: [{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}]}"),
        ("sni", "{action: DENY, rules: [{when: [{key: connection.sni, values: [a]}]}]}"),
        ("some-pods", "{selector: {matchLabels: {version: v2}}, action: DENY, rules: [{}]}"),
        ("any-domain", "{action: DENY, rules: [{from: [{source: {namespaces: [bad]}}]}]}"),
        ("custom", "{action: CUSTOM, provider: {name: ext}, rules: [{}]}"),
        ("unknown", "{action: DENY, rules: [{to: [{operation: {path: [/a]}}]}]}"),
        ("number", "{action: DENY, rules: [{to: [{operation: {ports: [80]}}]}]}"),
        ("waypoint", "{targetRefs: [{kind: Service, group: '', name: cart}], rules: [{}]}"),
        ("nothing", "{action: DENY, rules: [null]}"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.yaml");
        fs::write(&file, format!("{allow}{}", policy(name, spec))).unwrap();
        let (code, out, err) = import(dir.path(), &file, &service);
        assert_eq!(code, 1, "{name}: {out}{err}");
        assert!(out.contains("shop/cart: not written: a policy that keeps callers out"), "{name}: {out}");
        assert!(!dir.path().join("out").exists(), "{name}");
    }
    // With the same policies, but of what can be said.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yaml");
    let deny = policy("bad", "{action: DENY, rules: [{from: [{source: {namespaces: [bad]}}]}]}");
    fs::write(&file, format!("{allow}{deny}")).unwrap();
    let (code, out, _) = import(dir.path(), &file, &[service[0], service[1], "--own-trust-domain-only"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn trust_domains_are_those_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yaml");
    let spec = "{rules: [{from: [{source: {principals: [old.example/ns/shop/sa/web, far/ns/a/sa/b]}}]}]}";
    fs::write(&file, policy("web", spec)).unwrap();
    let args =
        ["--service", "app=cart:shop/cart", "--trust-domain", "td1", "--trust-domain-alias", "old.example"];
    let (code, out, err) = import(dir.path(), &file, &args);
    assert_eq!(code, 0, "{out}{err}");
    let text = fs::read_to_string(dir.path().join("out/services/shop/cart.yaml")).unwrap();
    assert!(text.contains("[{serviceAccount: shop/web}, {serviceAccount: a/b, trustDomain: far}]"), "{text}");
    let mesh = fs::read_to_string(dir.path().join("out/mesh.yaml")).unwrap();
    assert!(mesh.contains("trustDomainAliases: [old.example]"), "{mesh}");
    let (code, _, err) = import(dir.path(), &file, &args[..4]);
    assert!(code == 2 && err.contains("expected the aliases of `out/mesh.yaml`, `old.example`"), "{err}");
}

#[test]
fn what_is_no_manifest_is_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["- a\n", "a: [", "kind: Service\napiVersion: v1\nspec: {selector: 1}\n"] {
        let file = dir.path().join("p.yaml");
        fs::write(&file, text).unwrap();
        let (code, out, err) = import(dir.path(), &file, &[]);
        assert!(code == 2 && out.is_empty() && err.contains("`p.yaml`, document 1"), "{text}: {err}");
    }
    let (code, ..) = import(dir.path(), Path::new("nowhere.yaml"), &[]);
    assert_eq!(code, 2);
}
