//! `mesh.yaml`, good and bad, and Rego beside declarations: what a folder is read as, and what is found in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, build};
use tempfile::TempDir;

const HEAD: &str = "apiVersion: sidegate.io/v1alpha1\nkind: MeshPolicy\n";
const PAY: &str = "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {name: charges, namespace: pay}\n\
                   spec: {owner: team, allow: [{from: [{namespace: pay}]}]}\n";

/// A folder of these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn mesh(files: &[(&str, &str)]) -> Result<Mesh, Vec<String>> {
    let dir = folder(files);
    let shown = |file: &str| {
        Path::new(file).strip_prefix(dir.path()).unwrap_or(Path::new(file)).display().to_string()
    };
    match Sources::read_dir(dir.path()) {
        Ok(sources) => Ok(sources.declared.unwrap()),
        Err(findings) => Err(findings
            .iter()
            .map(|finding| {
                format!("{}:{}:{} {}", shown(&finding.file), finding.line, finding.column, finding.code)
            })
            .collect()),
    }
}

/// Warnings of a folder that is read.
fn warnings(files: &[(&str, &str)]) -> Vec<String> {
    let found = mesh(files).unwrap().review();
    let name = |file: &str| PathBuf::from(file).file_name().unwrap().to_string_lossy().into_owned();
    found.iter().map(|w| format!("{}:{}:{} {}", name(&w.file), w.line, w.column, w.code)).collect()
}

#[test]
fn mesh_yaml_is_read_strictly_and_the_schema_says_the_same() {
    let schema = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies/schema").join(name);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    for name in ["meshpolicy.json", "servicepolicy.json"] {
        compiler.add_resource(name, schema(name)).unwrap();
    }
    let index = compiler.compile("meshpolicy.json", &mut schemas).unwrap();
    for (spec, wanted) in [
        ("{trustDomainAliases: [old.example]}", None),
        ("{owner: platform}", None),
        ("{deny: [{from: [{anonymous: true}]}]}", None),
        ("{deny: [{name: x, to: [{paths: [\"/a/{**}\"]}]}], rego: {widen: [pay/charges, \"edge/*\"]}}", None),
        ("{}", Some("3:7 declare_mesh")),
        ("[]", Some("3:7 declare_kind")),
        ("{allow: [{from: [{authenticated: true}]}]}", Some("3:8 declare_unknown_key")),
        ("{deny: []}", Some("3:14 declare_empty_list")),
        ("{deny: [{}]}", Some("3:15 declare_rule")),
        ("{deny: [{name: x}]}", Some("3:15 declare_rule")),
        ("{deny: [{form: [{anonymous: true}]}]}", Some("3:16 declare_unknown_key")),
        ("{trustDomainAliases: []}", Some("3:28 declare_empty_list")),
        ("{trustDomainAliases: [A]}", Some("3:29 declare_value")),
        ("{owner: \"a b\"}", Some("3:15 declare_owner")),
        ("{rego: {}}", Some("3:14 declare_missing_key")),
        ("{rego: {narrow: [a/b]}}", Some("3:15 declare_unknown_key")),
        ("{rego: {widen: []}}", Some("3:22 declare_empty_list")),
        ("{rego: {widen: [pay]}}", Some("3:23 declare_value")),
        ("{rego: {widen: [\"*/*\"]}}", Some("3:23 declare_value")),
        ("{rego: {widen: [\"pay/c*\"]}}", Some("3:23 declare_value")),
        ("{rego: {widen: [pay/a, pay/a]}}", Some("3:30 declare_twice")),
        ("{mode: shadow}", Some("3:8 declare_unknown_key")),
    ] {
        let text = format!("{HEAD}spec: {spec}\n");
        let found = mesh(&[("mesh.yaml", &text)]);
        let is_as_wanted = match (&found, wanted) {
            (Ok(_), None) => true,
            (Err(findings), Some(wanted)) => findings.contains(&format!("mesh.yaml:{wanted}")),
            _ => false,
        };
        assert!(is_as_wanted, "{spec}: wanted {wanted:?}, got {found:?}");
        let json: serde_json::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(schemas.validate(&json, index).is_ok(), wanted.is_none(), "schema: {spec}");
    }
    assert!(mesh(&[("mesh.yaml", "kind: ServicePolicy\n")]).is_err());
}

#[test]
fn rego_beside_is_found_with_what_it_defines() {
    let rego = "package services.pay.charges\n\ndeny contains \"x\" if input.x\n";
    let more = "package services.pay.charges\n\nimport rego.v1\n\nallow if helper\n\nhelper if input.y\n";
    let test = "package services.pay.charges_test\n\nallow := true\n";
    let mesh = mesh(&[
        ("mesh.yaml", &format!("{HEAD}spec: {{rego: {{widen: [pay/charges]}}}}\n")),
        ("mesh/policy.rego", "package mesh\n\ndeny if input.z\n"),
        ("services/pay/charges.yaml", PAY),
        ("services/pay/charges/policy.rego", rego),
        ("services/pay/charges/lib/more.rego", more),
        ("services/pay/charges/policy_test.rego", test),
    ])
    .unwrap();
    let service = &mesh.services[0];
    let found = service.rego.as_ref().unwrap();
    let place = |defined: &Option<sidegate_compiler::declare::Defined>| {
        defined
            .as_ref()
            .map(|defined| (defined.file.ends_with("more.rego"), defined.place.line, defined.place.column))
    };
    assert_eq!((place(&found.allow), place(&found.deny)), (Some((true, 5, 1)), Some((false, 3, 1))));
    assert_eq!(found.files.len(), 2);
    assert!(mesh.may_widen(service));
    assert!(mesh.base.rego.as_ref().unwrap().deny.is_some());
    let data = serde_json::to_value(mesh.data().unwrap()).unwrap();
    assert_eq!(
        data["services"]["pay"]["charges"]["rego"],
        serde_json::json!({"allow": "widen", "deny": true})
    );
    assert_eq!(data["base"], serde_json::json!({"rego": {"deny": true}}));
}

#[test]
fn what_stands_where_it_must_not_is_refused() {
    let declared = ("services/pay/charges.yaml", PAY);
    let base = format!("{HEAD}spec: {{owner: platform}}\n");
    let base = ("mesh.yaml", base.as_str());
    for (file, text, wanted) in [
        // A package of another, of all, of a rule's path, of the library.
        ("services/pay/charges/policy.rego", "package services.pay.ledger\n", "1:1 declare_package"),
        ("services/pay/charges/policy.rego", "package services.pay\n", "1:1 declare_package"),
        ("services/pay/charges/policy.rego", "package services.pay.charges.deny\n", "1:1 declare_package"),
        ("services/pay/charges/policy.rego", "package envoy.authz\n", "1:1 declare_package"),
        ("services/pay/charges/policy.rego", "package mesh\n", "1:1 declare_package"),
        ("services/pay/charges/policy.rego", "package sidegate.authz\n", "1:1 declare_package"),
        ("services/pay/charges/policy.rego", "package services.pay.charges_test\n", "1:1 declare_package"),
        ("a.rego", "package services.pay.charges\n", "1:1 declare_package"),
        ("a.rego", "package services\n", "1:1 declare_package"),
        ("a.rego", "package services.pay\n\ncharges.allow := true\n", "1:1 declare_package"),
        ("a.rego", "package mesh.deny\n", "1:1 declare_package"),
        ("deep/services/pay/charges/a.rego", "package services.pay.charges\n", "1:1 declare_package"),
        ("mesh/policy.rego", "package services.pay.charges\n", "1:1 declare_package"),
        ("services/pay/policy.rego", "package services.pay.charges\n", "1:1 declare_package"),
        // Beside nothing.
        ("services/pay/ledger/policy.rego", "package services.pay.ledger\n", "0:0 declare_rego"),
        // Not rules that decide.
        (
            "services/pay/charges/policy.rego",
            "package services.pay.charges\n\nallow(x) if x\n",
            "3:1 declare_rego",
        ),
        (
            "services/pay/charges/policy.rego",
            "package services.pay.charges\n\ndeny(x) if x\n",
            "3:1 declare_rego",
        ),
        ("mesh/policy.rego", "package mesh\n\nallow if input.x\n", "3:1 declare_rego"),
        (
            "services/pay/charges/policy.rego",
            "package services.pay.charges\n\n# METADATA\n# entrypoint: true\ndeny := true\n",
            "1:1 declare_rego",
        ),
        ("services/pay/charges/policy.rego", "package services.pay.charges\n\nallow {\n", "3:7 rego_parse"),
        // Data of another, and data that look like rules.
        ("data.json", "{\"services\": {\"pay\": {\"charges\": {\"vip\": []}}}}", "0:0 declare_data"),
        ("services/data.json", "{\"pay\": {\"charges\": {\"vip\": []}}}", "0:0 declare_data"),
        ("services/pay/data.yaml", "charges: {vip: []}\n", "0:0 declare_data"),
        ("services/pay/charges/data.json", "{\"allow\": true}", "0:0 declare_data"),
        ("services/pay/charges/data.json", "{\"deny\": false}", "0:0 declare_data"),
        ("mesh/data.json", "{\"deny\": false}", "0:0 declare_data"),
    ] {
        let found = mesh(&[declared, base, (file, text)]);
        let found = found.err().unwrap_or_default();
        let wanted = format!("{file}:{wanted}");
        assert!(found.contains(&wanted), "{text}\nwanted {wanted}\ngot {found:?}");
    }
    // Rego of the base without one.
    let found = mesh(&[declared, ("mesh/policy.rego", "package mesh\n")]).unwrap_err();
    assert_eq!(found, ["mesh/policy.rego:0:0 declare_rego"]);
    // The same names in a folder without declarations are nobody's.
    let dir = folder(&[("services/pay/a.rego", "package services.pay\n\nallow := true\n")]);
    assert!(Sources::read_dir(dir.path()).is_ok());
    // Its own data are its own.
    let own = [declared, ("services/pay/charges/data.json", "{\"vip\": [\"x\"]}")];
    assert!(mesh(&own).is_ok());
}

#[test]
fn what_is_seldom_meant_is_said() {
    let declared = ("services/pay/charges.yaml", PAY);
    let widen = format!("{HEAD}spec: {{rego: {{widen: [\"pay/*\", edge/gateway]}}}}\n");
    let rego = |rules: &str| format!("package services.pay.charges\n\n{rules}");
    let found = |rules: &str, base: &str| {
        let rego = rego(rules);
        warnings(&[declared, ("mesh.yaml", base), ("services/pay/charges/policy.rego", &rego)])
    };
    let gone = "mesh.yaml:3:32 declare_widen";
    for open in [
        "allow := true\n",
        "allow = true\n",
        "default allow := true\n",
        "allow if true\n",
        "allow\tif {\n\ttrue\n}\n",
    ] {
        assert_eq!(found(open, &widen), [gone, "policy.rego:3:1 declare_open"], "{open}");
    }
    assert_eq!(found("# sidegate:ignore declare_open a public API\nallow := true\n", &widen), [gone]);
    assert_eq!(found("allow if input.x\n", &widen), [gone]);
    let narrow = format!("{HEAD}spec: {{owner: platform}}\n");
    assert_eq!(found("allow := true\n", &narrow), Vec::<String>::new());
    assert_eq!(found("deny if input.x\n", &widen), ["mesh.yaml:3:23 declare_widen", gone]);
    assert_eq!(found("helper if input.x\n", &narrow), ["policy.rego:1:1 declare_idle"]);
    let base =
        format!("{HEAD}spec: {{deny: [{{from: [{{namespace: pay}}]}}, {{from: [{{namespace: pay}}]}}]}}\n");
    let found = warnings(&[declared, ("mesh.yaml", &base)]);
    assert_eq!(found, ["mesh.yaml:3:43 declare_shadowed", "charges.yaml:4:29 declare_dead"]);
}

/// What the Rego names of the library is there, though nothing of the declaration needs it: also by way of another's.
#[test]
fn the_library_is_whole_where_rego_names_it() {
    let other = PAY.replace("charges", "other");
    let third = PAY.replace("charges", "third");
    let dir = folder(&[
        ("services/pay/charges.yaml", PAY),
        ("services/pay/other.yaml", &other),
        ("services/pay/third.yaml", &third),
        (
            "services/pay/charges/policy.rego",
            "package services.pay.charges\n\ndeny if data.services.pay.other.flag\n",
        ),
        (
            "services/pay/other/policy.rego",
            "package services.pay.other\n\nflag if data.sidegate.authz.claims.sub == \"x\"\n\ndeny if flag\n",
        ),
        ("services/pay/third/policy.rego", "package services.pay.third\n\ndeny if input.sidegate.x\n"),
    ]);
    let sources = Sources::read_dir(dir.path()).unwrap();
    let reads_claims = |workload: &str| {
        let workload = Some(format!("pay/{workload}").parse().unwrap());
        let built = build(&sources, &BuildOptions { workload, ..BuildOptions::default() }).unwrap();
        built.entries[0].reads.iter().any(|read| read.contains("jwt_authn"))
    };
    assert_eq!(["charges", "other", "third"].map(reads_claims), [true, true, false]);
}
