//! Declarations as their owner meets them: written, wrong, put right, built.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// Exit code, output, errors.
fn sidegate(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn write(dir: &Path, service: &str, text: &str) {
    let path = dir.join(format!("services/{service}.yaml"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn declaration(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  owner: team\n{spec}"
    )
}

#[test]
fn a_new_declaration_is_good_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = sidegate(dir.path(), &["init", "shop/web", "--owner", "team-web"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "./services/shop/web.yaml: written; next: edit it, then `sidegate check .`\n")
    );
    let (code, out, err) = sidegate(dir.path(), &["check", "."]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("ok: 1 services, "), "{out}");
    let (code, _, err) = sidegate(dir.path(), &["init", "shop/web"]);
    assert_eq!(
        (code, err.as_str()),
        (2, "sidegate: `./services/shop/web.yaml` is there already, and is left as it is\n")
    );
    for name in ["web", "shop/", "../x/y", "shop/Web", "shop/a.b", "shop/a/b"] {
        let (code, _, err) = sidegate(dir.path(), &["init", name]);
        assert_eq!(code, 2, "{name}: {err}");
    }
}

#[test]
fn a_slip_is_shown_with_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let spec = "  allow:\n  - from: [{serviceacount: shop/web}]\n    to: [{paths: [/v1/*]}]\n";
    write(dir.path(), "pay/charges", &declaration("pay", "charges", spec));
    let (code, _, err) = sidegate(dir.path(), &["check", "."]);
    assert_eq!(code, 1);
    let wanted = "sidegate: 3 findings
./services/pay/charges.yaml:7:12: expected one kind of caller, got none [declare_caller]
 7 |   - from: [{serviceacount: shop/web}]
   |            ^
   help: write each caller as an entry of its own; only `trustDomain` goes with `serviceAccount` or `namespace`
./services/pay/charges.yaml:7:13: unknown key `serviceacount` in a caller [declare_unknown_key]
 7 |   - from: [{serviceacount: shop/web}]
   |             ^
   help: did you mean `serviceAccount`?
./services/pay/charges.yaml:8:19: `/v1/*`: expected plain segments, got `*`: `*` has no meaning here; write `{id}` for one segment, `{**}` for the rest [declare_value]
 8 |     to: [{paths: [/v1/*]}]
   |                   ^
";
    assert_eq!(err, wanted);
}

const WIDE: &str = "  allow:
  - from: [{authenticated: true}, {serviceAccount: shop/wep}]
  - from: [{serviceAccount: shop/web}]
    to: [{methods: [GET]}]
";

#[test]
fn what_is_seldom_meant_is_a_warning_that_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "shop/web", &declaration("shop", "web", "  allow: [{from: [{namespace: pay}]}]\n"));
    write(dir.path(), "pay/charges", &declaration("pay", "charges", WIDE));
    let (code, out, _) = sidegate(dir.path(), &["check", "."]);
    assert_eq!(code, 0);
    for code in [
        "7:12: everybody in the mesh may write everywhere [declare_broad]",
        "[declare_unknown_caller]",
        "did you mean `web`?",
        "8:5: this rule changes nothing: the one at line 7 says it all [declare_shadowed]",
        ", 3 warnings\n",
    ] {
        assert!(out.contains(code), "{code} in {out}");
    }
    let (code, out, _) = sidegate(dir.path(), &["check", ".", "--strict"]);
    assert!(code == 1 && out.ends_with(", 3 warnings\n"), "{out}");

    let ignored = WIDE
        .replace("  - from: [{auth", "  # sidegate:ignore declare_broad a test\n  # sidegate:ignore declare_unknown_caller\n  - from: [{auth");
    write(dir.path(), "pay/charges", &declaration("pay", "charges", &ignored));
    let (_, out, _) = sidegate(dir.path(), &["check", "."]);
    assert!(out.contains("expected a reason after `declare_unknown_caller` [declare_ignore]"), "{out}");

    let ignored = WIDE
        .replace("  - from: [{auth", "  # sidegate:ignore declare_broad a test\n  - from: [{auth")
        .replace(", {serviceAccount: shop/wep}", "")
        .replace("  - from: [{service", "  # sidegate:ignore declare_shadowed a test\n  - from: [{service");
    write(dir.path(), "pay/charges", &declaration("pay", "charges", &ignored));
    let (code, out, _) = sidegate(dir.path(), &["check", ".", "--strict"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn code_review_gets_sarif() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "pay/charges", &declaration("pay", "charges", WIDE));
    let (code, out, _) = sidegate(dir.path(), &["check", ".", "--format", "sarif"]);
    assert_eq!(code, 0);
    let sarif: serde_json::Value = serde_json::from_str(&out).unwrap();
    let results = sarif.pointer("/runs/0/results").unwrap().as_array().unwrap();
    let broad = results.iter().find(|result| result.get("ruleId").unwrap() == "declare_broad").unwrap();
    assert_eq!(broad.get("level").unwrap(), "warning");
    let place = broad.pointer("/locations/0/physicalLocation").unwrap();
    assert_eq!(place.pointer("/artifactLocation/uri").unwrap(), "./services/pay/charges.yaml");
    assert_eq!(place.pointer("/region").unwrap(), &serde_json::json!({"startLine": 7, "startColumn": 12}));
}

#[test]
fn nothing_else_may_change_what_declarations_mean() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "pay/charges",
        &declaration("pay", "charges", "  allow: [{from: [{anonymous: true}]}]\n"),
    );
    let rego = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    for text in [
        "package sidegate.authz\n\nallowed := true\n",
        "package sidegate\n\nauthz.allowed := true\n",
        "package sidegate[\"authz\"].x\n\na := 1\n",
    ] {
        rego("more.rego", text);
        let (code, _, err) = sidegate(dir.path(), &["check", "."]);
        assert!(code == 1 && err.contains("[declare_reserved]"), "{err}");
        let (code, _, err) = sidegate(dir.path(), &["build", ".", "-o", "b"]);
        assert!(code == 1 && err.contains("[declare_reserved]"), "{err}");
    }
    rego("more.rego", "package other\n\nx := 1\n");
    fs::write(dir.path().join("data.json"), r#"{"sidegate": {"services": {}}}"#).unwrap();
    let (code, _, err) = sidegate(dir.path(), &["check", "."]);
    assert!(code == 1 && err.contains("[declare_reserved]"), "{err}");
    fs::write(dir.path().join("data.json"), "{}").unwrap();
    fs::create_dir(dir.path().join("sidegate-lib")).unwrap();
    rego("sidegate-lib/x.rego", "package x\n");
    let (code, _, err) = sidegate(dir.path(), &["check", "."]);
    assert!(code == 1 && err.contains("[declare_reserved]"), "{err}");
}

#[test]
fn files_that_would_be_overlooked_are_refused() {
    let text = declaration("pay", "charges", "");
    for name in [
        "services/pay/charges.yml",
        "services/charges.yaml",
        "services/a/pay/charges.yaml",
        "services/Pay/charges.yaml",
        "services/pay/a_b.yaml",
        "services/pay/a.b.yaml",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &text).unwrap();
        let (code, _, err) = sidegate(dir.path(), &["check", "."]);
        assert!(code == 1 && err.contains("[declare_path]"), "{name}: {err}");
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "pay/a", &declaration("pay", "a", "  workloads: [x]\n"));
    write(dir.path(), "pay/b", &declaration("pay", "b", "  workloads: [x]\n"));
    let (code, _, err) = sidegate(dir.path(), &["check", "."]);
    assert!(code == 1 && err.contains("[declare_workload]"), "{err}");
}

#[test]
fn owners_are_those_of_codeowners() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "pay/charges",
        &declaration("pay", "charges", "  allow: [{from: [{anonymous: true}], to: [{methods: [GET]}]}]\n"),
    );
    fs::create_dir(dir.path().join(".github")).unwrap();
    let with = |text: &str| {
        fs::write(dir.path().join(".github/CODEOWNERS"), text).unwrap();
        sidegate(dir.path(), &["check", ".", "--codeowners", ".github/CODEOWNERS"])
    };
    assert_eq!(with("/services/pay/ @org/team\n").0, 0);
    let (code, _, err) = with("/services/pay/ @org/other\n");
    assert_eq!(code, 1);
    assert!(err.contains("charges.yaml:5:10: expected `team` to own `services/pay/charges.yaml`"), "{err}");
    let (code, _, err) = with("/docs/ @org/team\n");
    assert!(code == 1 && err.contains("got none [declare_codeowners]"), "{err}");
    assert_eq!(with("[Section]\n").0, 2);
}

#[test]
fn a_slice_reads_what_its_own_service_asks_for() {
    let dir = tempfile::tempdir().unwrap();
    let greedy = "  allow:\n  - from: [{anonymous: true}]\n    to: [{ports: [80]}]\n    \
        when: [{claim: sub, exact: a}, {header: x-a, present: true}, {source: [10.0.0.0/8]}]\n  \
        headers: {request: {set: {x-id: \"{request.id}\"}}}\n";
    write(dir.path(), "pay/greedy", &declaration("pay", "greedy", greedy));
    write(
        dir.path(),
        "pay/modest",
        &declaration("pay", "modest", "  allow: [{from: [{anonymous: true}]}]\n"),
    );
    let reads = |workload: &str| {
        let (code, out, err) =
            sidegate(dir.path(), &["build", ".", "-o", "b", "--workload", workload, "--report"]);
        assert_eq!(code, 0, "{err}");
        // Of requests and of connections.
        let reads =
            out.lines().filter(|line| line.starts_with("    input.")).map(|line| line.trim().to_owned());
        reads.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let modest = [
        "input.attributes.destination.principal",
        "input.attributes.request.http.headers.content-type",
        "input.attributes.request.http.host",
        "input.attributes.request.http.method",
        "input.attributes.request.http.path",
        "input.attributes.source.principal",
        "input.sidegate.source.uri_sans",
    ];
    assert_eq!(reads("pay/modest"), modest);
    assert_eq!(reads("pay/none"), modest);
    let greedy = reads("pay/greedy");
    for path in ["destination.address", "metadataContext", "source.address", "request.http.headers"] {
        assert!(greedy.iter().any(|read| read.contains(path)), "{path}: {greedy:?}");
    }
}

/// Two decisions about the files as they are, one of them wrong about what they say.
#[test]
fn declarations_are_tested_in_rego() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "pay/charges",
        &declaration("pay", "charges", "  allow: [{from: [{namespace: shop}], to: [{methods: [GET]}]}]\n"),
    );
    let rego = r#"package pay_test

import data.sidegate.authz

ask(method) := decision if {
	decision := authz.decision with data.sidegate.workload as {"namespace": "pay", "name": "charges"}
		with input as {"attributes": {
			"source": {"principal": "spiffe://cluster.local/ns/shop/sa/web"},
			"destination": {"principal": "spiffe://cluster.local/ns/pay/sa/charges"},
			"request": {"http": {"method": method, "path": "/x", "headers": {}}},
		}}
}

test_shop_reads if ask("GET").allowed

test_shop_writes if ask("POST").allowed
"#;
    fs::write(dir.path().join("charges_test.rego"), rego).unwrap();
    let (code, out, err) = sidegate(dir.path(), &["test", "."]);
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("PASS: 1/2") && out.contains("test_shop_writes: FAIL"), "{out}");
}

const REGO: &str = "package services.pay.charges

default allow := true

deny contains \"no\" if input.attributes.request.http.method == \"TRACE\"
";

#[test]
fn rego_beside_a_declaration_is_checked_and_built() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "pay/charges",
        &declaration(
            "pay",
            "charges",
            "  allow:\n  - from: [{namespace: pay}]\n    to: [{methods: [GET]}]\n",
        ),
    );
    let mesh = |spec: &str| {
        let text = format!("apiVersion: sidegate.io/v1alpha1\nkind: MeshPolicy\nspec: {spec}\n");
        fs::write(dir.path().join("mesh.yaml"), text).unwrap();
    };
    fs::create_dir_all(dir.path().join("services/pay/charges")).unwrap();
    let policy = dir.path().join("services/pay/charges/policy.rego");
    fs::write(&policy, REGO).unwrap();
    mesh("{owner: platform, rego: {widen: [pay/charges]}}");
    let (code, out, err) = sidegate(dir.path(), &["check", "."]);
    assert_eq!((code, err.as_str()), (0, ""));
    let wanted = "warning: ./services/pay/charges/policy.rego:3:1: everybody may do everything: this allows \
                  whatever is asked, and may widen the declaration [declare_open]";
    assert!(out.starts_with(wanted), "{out}");
    assert_eq!(sidegate(dir.path(), &["check", ".", "--strict"]).0, 1);
    // It is widened, for a workload that the bundle is made for.
    let input = r#"{"attributes":{"source":{"principal":"spiffe://td/ns/x/sa/y"},"request":{"http":{"method":"METHOD","path":"/","headers":{}}}}}"#;
    let decided = |method: &str, workload: &str| {
        fs::write(dir.path().join("in.json"), input.replace("METHOD", method)).unwrap();
        let (code, _, err) = sidegate(dir.path(), &["build", ".", "-o", "b.tar.gz", "--workload", workload]);
        assert_eq!(code, 0, "{err}");
        let (code, out, _) = sidegate(dir.path(), &["eval", "-b", "b.tar.gz", "--input", "in.json"]);
        (code, out.contains("undeclared"))
    };
    assert_eq!(decided("GET", "pay/charges"), (0, false));
    assert_eq!(decided("TRACE", "pay/charges"), (1, false));
    assert_eq!(decided("GET", "pay/nobodys"), (1, true));
    mesh("{owner: platform}");
    assert_eq!(decided("GET", "pay/charges"), (1, false));
    fs::write(&policy, REGO.replace("services.pay.charges", "services.pay.ledger")).unwrap();
    let (code, _, err) = sidegate(dir.path(), &["check", "."]);
    assert_eq!(code, 1);
    let wanted = "expected `package services.pay.charges`, as the folder says [declare_package]";
    assert!(err.contains(wanted), "{err}");
}

#[test]
fn a_report_says_what_answers() {
    let dir = tempfile::tempdir().unwrap();
    let spec = "  allow:\n  - from: [{serviceAccount: shop/web}]\n    to: [{paths: [/v1]}]\n";
    write(dir.path(), "pay/charges", &declaration("pay", "charges", spec));
    let build = |args: &[&str]| {
        let (code, out, err) = sidegate(dir.path(), &[&["build", ".", "-o", "b", "--report"], args].concat());
        assert_eq!(code, 0, "{err}");
        out
    };
    let whole = build(&[]);
    assert!(whole.contains("  form: plan, for no workload is fixed: build with `--workload`\n"), "{whole}");
    let slice = build(&["--workload", "pay/charges"]);
    assert!(slice.contains("  form: table\n"), "{slice}");
    let (code, out, _) = sidegate(dir.path(), &["inspect", "b"]);
    assert!(code == 0 && out.contains("sidegate/authz/decision, form: table, reads "), "{out}");
}
