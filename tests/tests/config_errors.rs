//! Every configuration that the filter refuses, and what it then says: asked of the built filter directly
//! and through `envoy --mode validate`, whose exit and log operators see. Run with `SIDEGATE_BLESS=1` to
//! write the messages anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;

use base64::Engine as _;
use serde::Deserialize;
use sidegate_tests::case::CaseFile;
use sidegate_tests::envoy::validate;
use sidegate_tests::envoy_config::{Listener, bootstrap, wasm_filter};
use sidegate_tests::wasm_host::{Filter, Vm};
use sidegate_tests::{certs, paths, places};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    /// The configuration's text; `$BUNDLE` stands for a good bundle in base64.
    config: String,
}

const SNAPSHOT: &str = "tests/snapshots/config-errors.txt";

fn table() -> Vec<Refused> {
    let path = places::root().join("tests/config-errors.yaml");
    serde_yaml_ng::from_str(&std::fs::read_to_string(&path).unwrap())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn text_of(refused: &Refused) -> String {
    let files = CaseFile::read_dir(&places::root().join("tests/cases")).unwrap();
    let file = files.iter().find(|file| file.name == "booleans").expect("tests/cases/booleans.yaml");
    let bundle = base64::engine::general_purpose::STANDARD.encode(paths::build(file).unwrap());
    refused.config.replace("$BUNDLE", &bundle)
}

/// What the filter logs of a refusal, without what precedes it in Envoy's log.
fn messages(log: &str) -> Vec<&str> {
    log.lines().filter_map(|line| line.get(line.rfind("sidegate: ")?..)).collect()
}

#[test]
fn the_filter_says_why() {
    let filter = Filter::load(&places::filter_wasm().unwrap()).unwrap();
    let mut got = String::new();
    for refused in table() {
        let mut vm = Vm::new(&filter).unwrap();
        let said = match vm.configure(text_of(&refused).as_bytes()) {
            Ok(_) => panic!("`{}`: expected the filter to refuse it, it was accepted", refused.name),
            Err(said) => said,
        };
        writeln!(got, "{}\n    {}", refused.name, said.replace('\n', "\n    ")).unwrap();
    }
    let path = places::root().join(SNAPSHOT);
    if std::env::var_os("SIDEGATE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    let differing: Vec<String> = got
        .lines()
        .zip(want.lines().chain(std::iter::repeat("nothing")))
        .filter(|(got, want)| got != want)
        .map(|(got, want)| format!("expected `{}`\n     got `{}`", want.trim(), got.trim()))
        .collect();
    assert!(
        got == want,
        "the messages are not those of {SNAPSHOT}; if they are right, run this test with SIDEGATE_BLESS=1\n{}",
        differing.join("\n")
    );
}

#[test]
fn envoy_refuses_and_shows_it() {
    let wasm = places::filter_wasm().unwrap();
    let want = std::fs::read_to_string(places::root().join(SNAPSHOT)).unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    let own = certs::Authority::new(dir.path()).identity("service", &certs::spiffe("default", "service"));
    let mut wrong = Vec::new();
    for refused in table() {
        let filter = wasm_filter("sidegate", &wasm, &text_of(&refused));
        let listener = Listener {
            name: "a",
            identity: &own,
            plaintext: false,
            filters: vec![filter],
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let config = bootstrap(&[listener.to_json()], &[]);
        let validation = validate(&places::envoy_newest(), &config, dir.path()).unwrap();
        let said = messages(&validation.log);
        let known = !said.is_empty() && said.iter().all(|line| want.lines().any(|want| want.trim() == *line));
        if validation.accepted || !known {
            wrong.push(format!(
                "`{}`: accepted {}, said {said:?}\n{}",
                refused.name, validation.accepted, validation.log
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "expected Envoy to refuse these with the messages of {SNAPSHOT}:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_good_configuration_is_accepted() {
    let wasm = places::filter_wasm().unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    let own = certs::Authority::new(dir.path()).identity("service", &certs::spiffe("default", "service"));
    let good = Refused {
        name: String::new(),
        config: r#"{"version": 1, "bundle": {"inline": "$BUNDLE"}, "verify": {"required": false}}"#
            .to_owned(),
    };
    let filter = wasm_filter("sidegate", &wasm, &text_of(&good));
    let listener = Listener {
        name: "a",
        identity: &own,
        plaintext: false,
        filters: vec![filter],
        route_metadata: None,
        access_log: None,
        cluster: None,
    };
    for version in places::envoys() {
        let config = bootstrap(&[listener.to_json()], &[]);
        let validation = validate(&version, &config, dir.path()).unwrap();
        assert!(validation.accepted, "envoy {version}: expected it to be accepted\n{}", validation.log);
    }
}
