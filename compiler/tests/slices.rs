//! What a slice keeps, and what it does not depend on. That it answers as the whole does is asked in
//! `tests/tests/slices.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sidegate_compiler::{
    BuildOptions, Built, DataRead, Diagnostics, Manifest, Sources, Workload, build, files, recompile,
};
use sidegate_engine::Value;
use sidegate_engine::limits::Limits;

const POLICY: &str = "package envoy.authz

workload := data.sidegate.workload

service := data.services[workload.namespace][workload.name]

default allow := false

allow if {
	some caller in service.callers
	data.lib.is(caller)
	data.teams[workload.namespace].allow
}
";

fn sources(data: &str) -> Sources {
    let modules = [
        ("authz.rego", POLICY),
        ("lib.rego", "package lib\n\nis(x) if x == input.source_principal\n\nunasked := data.far.f(1)\n"),
        ("far.rego", "package far\n\nf(x) := x\n\nall := data.services\n"),
        ("teams/shop.rego", "package teams.shop\n\nallow if input.method == \"GET\"\n"),
        ("teams/bank.rego", "package teams.bank\n\nallow if data.limits[input.method] > 1\n"),
        ("alone.rego", "package alone\n\nx := data.services\n"),
    ];
    let modules = modules.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Sources::from_parts(modules.to_vec(), Value::from_json_str(data).unwrap())
}

const DATA: &str = r#"{
    "services": {"shop": {"cart": {"callers": ["a"], "owner": "x"}, "pay": {"callers": ["b"]}}, "bank": {"pay": {}}},
    "limits": {"GET": 1}
}"#;

fn slice(sources: &Sources, workload: &str) -> Result<Built, Diagnostics> {
    build(sources, &BuildOptions { workload: Some(workload.parse().unwrap()), ..BuildOptions::default() })
}

fn reads(built: &Built) -> Vec<String> {
    built.reads.iter().flatten().map(DataRead::shown).collect()
}

fn names(built: &Built) -> Vec<String> {
    files(&built.bundle).unwrap().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_slice_keeps_what_it_reads_and_what_opa_needs_to_compile_it() {
    let cart = slice(&sources(DATA), "shop/cart").unwrap();
    assert_eq!(reads(&cart), ["data.services.shop.cart.callers"]);
    let kept =
        [".manifest", "authz.rego", "data.json", "far.rego", "lib.rego", "sidegate.bin", "teams/shop.rego"];
    assert_eq!(names(&cart), kept);
    let pay = slice(&sources(DATA), "bank/pay").unwrap();
    assert_eq!(reads(&pay), ["data.limits", "data.services.bank.pay.callers"]);
    let unknown = slice(&sources(DATA), "none/none").unwrap();
    assert_eq!(reads(&unknown), ["data.services.none", "data.teams"]);
}

#[test]
fn what_others_have_changes_nothing() {
    let before = slice(&sources(DATA), "shop/cart").unwrap();
    let others = DATA
        .replace(r#""b""#, r#""b", "c""#)
        .replace(r#""GET": 1"#, r#""GET": 2"#)
        .replace(r#""x""#, r#""y""#);
    let mut sources = sources(&others);
    sources.modules.retain(|(name, _)| name != "alone.rego");
    sources.modules.push(("new.rego".to_owned(), "package new\n\ny := data.services\n".to_owned()));
    let after = slice(&sources, "shop/cart").unwrap();
    assert_eq!(before.bundle, after.bundle);
    assert_eq!(before.revision, after.revision);
    let own = DATA.replace(r#"["a"]"#, r#"["a", "c"]"#);
    let changed = slice(&self::sources(&own), "shop/cart").unwrap();
    assert_ne!(before.revision, changed.revision);
}

#[test]
fn the_revision_is_of_the_content_whatever_the_manifest_says() {
    let mut named = sources(DATA);
    let manifest = |revision: &str| Manifest {
        revision: revision.to_owned(),
        roots: ["envoy", "lib", "far", "teams", "alone", "services", "limits"].map(str::to_owned).to_vec(),
        ..Manifest::default()
    };
    named.manifest = Some(manifest("1"));
    let first = slice(&named, "shop/cart").unwrap();
    named.manifest = Some(manifest("2"));
    let second = slice(&named, "shop/cart").unwrap();
    assert_eq!(first.bundle, second.bundle);
    assert_eq!(first.revision.len(), 16);
}

#[test]
fn the_place_of_the_workload_must_be_free() {
    for data in [r#"{"sidegate": {"workload": {}}}"#, r#"{"sidegate": 1}"#] {
        let found = slice(&sources(data), "shop/cart").unwrap_err();
        assert!(found.iter().any(|finding| finding.code == "slice_workload"), "{found}");
    }
    let mut rules = sources(DATA);
    rules.modules.push(("s.rego".to_owned(), "package sidegate.workload\n\nname := \"x\"\n".to_owned()));
    let found = slice(&rules, "shop/cart").unwrap_err();
    assert!(found.iter().any(|finding| finding.code == "slice_workload"), "{found}");
    assert!(slice(&sources(r#"{"sidegate": {"other": 1}}"#), "shop/cart").is_ok());
    assert!(Workload::new("shop", "../cart").is_err());
}

#[test]
fn what_does_not_compile_is_not_cut() {
    // Through the variable each team may be meant, this one too: OPA sees recursion.
    let mut round = sources(DATA);
    round.modules.push((
        "teams/round.rego".to_owned(),
        "package teams.round\n\nallow if data.envoy.authz.allow\n".to_owned(),
    ));
    let found = slice(&round, "shop/cart").unwrap_err();
    assert!(found.iter().any(|finding| finding.code == "rego_recursion"), "{found}");
}

#[test]
fn a_slice_compiles_to_itself() {
    for workload in ["shop/cart", "bank/pay", "none/none"] {
        let built = slice(&sources(DATA), workload).unwrap();
        recompile(&built.bundle, &built.image, &Limits::default()).unwrap();
    }
}
