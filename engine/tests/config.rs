//! Configurations as data: `fixtures/config/NAME.json` is read, `NAME.txt` beside it holds what has to
//! come out. `BLESS=1 cargo test -p sidegate-engine --test config` writes the answers down anew.

use std::fs;
use std::path::Path;

use sidegate_engine::config::{Config, DecisionLog, Entrypoints, Sources};

fn answer(json: &[u8]) -> String {
    match Config::parse(json) {
        Ok(Config {
            entrypoints,
            mode,
            on_error_status,
            limits,
            allow_lowering,
            is_guarded,
            waives_undeclared,
            trust_domain_aliases,
            trust,
            decision_log,
            bundle,
        }) => {
            let Sources { inline, http } = bundle;
            let mode = mode.as_str();
            let Entrypoints { request, response, connection } = entrypoints;
            let mut asked = request;
            for (of, path) in [("responses", response), ("connections", connection)] {
                asked += &path.map(|path| format!(", of {of} {path}")).unwrap_or_default();
            }
            if !trust_domain_aliases.is_empty() {
                asked += &format!(", also called {}", trust_domain_aliases.join(" "));
            }
            let inline = inline.map_or(0, |inline| inline.len());
            let lowering = if allow_lowering { ", may be lowered" } else { "" };
            let guard = if is_guarded { ", marks what it sees" } else { "" };
            let undeclared = if waives_undeclared { ", what is undeclared passes" } else { "" };
            let http = http.map(|http| format!("{http:?}\n")).unwrap_or_default();
            let logs = if decision_log == DecisionLog::default() {
                String::new()
            } else {
                format!("{decision_log:?}\n")
            };
            format!(
                "{mode} {asked}, {on_error_status} on error, {inline} bytes of bundle{lowering}{guard}{undeclared}\n{limits:?}\n{trust:?}\n{http}{logs}"
            )
        }
        Err(error) => format!("{error} [{}]\n", error.code()),
    }
}

#[test]
fn every_configuration_is_answered_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    let bless = std::env::var_os("BLESS").is_some();
    let mut seen = 0;
    let mut wrong = String::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        seen += 1;
        let got = answer(&fs::read(&path).unwrap());
        let expected = path.with_extension("txt");
        if bless {
            fs::write(&expected, &got).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if wanted != got {
            wrong += &format!("{}\n  expected {wanted}  got      {got}", path.display());
        }
    }
    assert!(seen >= 30, "expected the configurations in {}, got {seen}", folder.display());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn messages_keep_to_the_rules_of_style() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        if let Err(error) = Config::parse(&fs::read(&path).unwrap()) {
            let text = error.to_string();
            assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
            assert!(!text.starts_with(char::is_uppercase), "{text}");
            assert!(text.len() < 400, "{text}");
        }
    }
}

#[test]
fn arbitrary_bytes_are_refused_not_feared() {
    for byte in 0..=u8::MAX {
        assert!(Config::parse(&[byte]).is_err());
        assert!(Config::parse(&[b'{', byte, b'}']).is_err() || byte == b' ');
    }
    let deep = "[".repeat(100_000);
    assert!(Config::parse(deep.as_bytes()).is_err());
}
