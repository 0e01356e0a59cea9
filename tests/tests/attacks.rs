//! Attacks on a policy, tried against real Envoys: what becomes of each is what is written down, and nothing reaches
//! the service that its caller has no right to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use sidegate_compiler::Sources;
use sidegate_compiler::declare::{OddPath, Request, judge};
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::input::InputBuilder;
use sidegate_engine::needs::Needs;
use sidegate_tests::attacks::{Arena, Attacks, Caller, Paths, Seen, Side, Wire, report, violation};
use sidegate_tests::bytes::unescape;
use sidegate_tests::docs::{assert_table, assert_written};
use sidegate_tests::places;
use tempfile::TempDir;

const REPORT: &str = "docs/attacks.md";
const PATHS: &str = "docs/paths.md";

/// Shown in docs/paths.md.
const EXAMPLES: [&str; 38] = [
    "/orders/7",
    "/orders/7/",
    "/orders/7?x=/admin",
    "/caf%C3%A9",
    "/a b%20c",
    "/a%20b",
    "/admin",
    "/ADMIN",
    "/%61dmin",
    "//admin",
    "/admin//x",
    "/./admin",
    "/a/../admin",
    "/a/%2e%2e/admin",
    "/a/..;/admin",
    "/a/..%3b/admin",
    "/admin;x=1",
    "/admin%3Bx=1",
    r"/a\\..\\admin",
    "/a%5C..%5Cadmin",
    "/admin%2Fx",
    "/a%2F..%2Fadmin",
    "/%2561dmin",
    "/admin%00",
    "/admin%0a",
    "/admin#x",
    "/admin%23x",
    "/admin%3Fx",
    "/admin%2Ejson",
    "/admin%zz",
    "/admin%u002fx",
    "/admin%C0%AFx",
    "/%EF%BD%81dmin",
    "/<x>",
    "/a+b",
    "http://evil/admin",
    "*",
    "admin",
];

fn attacks() -> Attacks {
    Attacks::read(&places::root().join("tests/attacks")).unwrap()
}

#[test]
fn no_attack_gets_through() {
    let attacks = attacks();
    let mut seen: Vec<(_, BTreeMap<(String, Side), Seen>)> =
        attacks.rows().map(|row| (row, BTreeMap::new())).collect();
    let (mut wrong, mut bypasses) = (Vec::new(), 0);
    for version in places::envoys() {
        let dir = TempDir::new().unwrap();
        let arena = Arena::start(&version, &attacks, dir.path()).unwrap();
        for (row, found) in &mut seen {
            let wire = row.to_wire().unwrap();
            for side in Side::ALL {
                let at = format!("envoy {version}, {}, `{}`", side.name(), row.id);
                let got = arena.send(side, &row.by, &wire).unwrap_or_else(|e| panic!("{at}: {e}"));
                let want = row.wanted(side, &version);
                if !want.split(" or ").any(|want| want == got.outcome) {
                    wrong.push(format!(
                        "{at}: expected `{want}`, got `{}` (shown {:?})",
                        got.outcome, got.sees
                    ));
                }
                if let Some(sees) = row.sees.as_ref().filter(|sees| got.sees.as_ref() != Some(sees)) {
                    wrong.push(format!("{at}: expected Envoy to show `{sees}`, got {:?}", got.sees));
                }
                let caller = Caller { name: &row.by, uris: &attacks.callers[&row.by] };
                for request in &got.requests {
                    if let Some(why) = violation(&caller, request) {
                        bypasses += 1;
                        wrong.push(format!("{at}: BYPASS: {why}: {request:?}"));
                    }
                }
                found.insert((version.clone(), side), got);
            }
        }
    }
    let text = report(&attacks, &places::envoys(), &seen, bypasses);
    println!("{text}");
    assert!(wrong.is_empty(), "{bypasses} bypasses, and what differs:\n{}", wrong.join("\n"));
    assert_written(REPORT, &text);
}

/// The examples of docs/paths.md: what Envoy shows, whether it is plain, and what `parsed_path` is then.
#[test]
fn paths_mean_what_is_documented() {
    let attacks = attacks();
    let dir = TempDir::new().unwrap();
    let arena = Arena::start(&places::envoy_newest(), &attacks, dir.path()).unwrap();
    let mut table =
        "| sent | shown by Envoy | declarations | `parsed_path` |\n|---|---|---|---|\n".to_owned();
    for path in EXAMPLES {
        let bytes = [b"GET ", &unescape(path).unwrap()[..], b" HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
        let seen = arena.send(Side::Table, "web", &Wire::http1(bytes)).unwrap();
        let shown = seen.sees.as_deref().filter(|_| !seen.outcome.starts_with("refused"));
        let row = match shown {
            None => format!("| `{path}` | {} by Envoy | | |\n", seen.outcome),
            Some(shown) => {
                let is_odd = reading(shown).err();
                // Where it is odd, nobody may have it.
                assert!(is_odd.is_none() || seen.outcome.starts_with("denied"), "{path}: {seen:?}");
                let said = is_odd.map_or("plain".to_owned(), |odd| format!("denied: {odd}"));
                format!("| `{path}` | `{shown}` | {said} | {} |\n", parsed_path(shown))
            }
        };
        table.push_str(&row);
    }
    assert_table(PATHS, "paths", &table);
}

/// A path as a declaration reads it, by a rule that allows everything.
fn reading(path: &str) -> Result<(), OddPath> {
    let sources = Sources::read_dir(&places::root().join("tests/attacks/declared")).unwrap();
    let mesh = sources.mesh().unwrap().expect("declarations");
    let request = Request { path: Some(path.to_owned()), ..Request::default() };
    judge(&mesh, &mesh.services[0], &request).odd.map_or(Ok(()), Err)
}

/// As the input has it.
fn parsed_path(path: &str) -> String {
    let headers = [(":path", path), (":method", "GET"), (":authority", "a"), (":scheme", "https")];
    let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let attributes = Attributes { headers: headers.into_iter().collect(), ..Attributes::default() };
    match InputBuilder::new(&Workload::default()).build(&Needs::all(), &attributes) {
        Ok(input) => {
            let input: serde_json::Value = serde_json::from_str(&input.to_string()).unwrap();
            format!("`{}`", input["parsed_path"])
        }
        Err(error) => format!("{}", error.status(403)),
    }
}

/// Random paths by callers who may do something, judged by their rights alone.
#[test]
fn no_random_path_gets_through() {
    let number = |name: &str, default| {
        std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
    };
    let (count, seed) = (number("SIDEGATE_ATTACKS", 300), number("SIDEGATE_ATTACKS_SEED", 1));
    let attacks = attacks();
    let count = usize::try_from(count).unwrap();
    let paths: Vec<String> = Paths::new(seed).take(count).collect();
    let dir = TempDir::new().unwrap();
    let arena = Arena::start(&places::envoy_newest(), &attacks, dir.path()).unwrap();
    let (mut wrong, mut passed) = (Vec::new(), BTreeMap::<Side, usize>::new());
    for side in Side::ALL {
        for name in ["web", "guest", "sre"] {
            let caller = Caller { name, uris: &attacks.callers[name] };
            let mut connection = arena.connect(side, name).unwrap();
            for path in &paths {
                let request = format!("GET {path} HTTP/1.1\r\nhost: service.test\r\n\r\n");
                // Envoy closes after what it takes for no request.
                if connection
                    .send_bytes(request.as_bytes(), false)
                    .map_or(true, |response| response.status == 400)
                {
                    connection = arena.connect(side, name).unwrap();
                }
                for echo in arena.reached() {
                    *passed.entry(side).or_default() += 1;
                    wrong.extend(
                        violation(&caller, &echo).map(|why| format!("{side:?}, {name}, {path}: {why}")),
                    );
                }
            }
        }
    }
    println!("{count} paths, seed {seed}, passed: {passed:?}");
    assert!(wrong.is_empty(), "bypasses:\n{}", wrong.join("\n"));
    // A policy that lets nothing pass is got around by nobody.
    assert!(
        Side::ALL.iter().all(|side| passed.get(side).is_some_and(|passed| *passed > count / 100)),
        "{passed:?}"
    );
}
