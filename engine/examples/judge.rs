//! Compares builtins with what OPA answered: reads the lines of `tests/opa/values` from its input.
//!
//!     judge            prints what differs, and counts
//!     judge fixture    prints the calls as a fixture of `engine/tests/builtins.rs`

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::exit,
    reason = "a tool of the tests"
)]

use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::{Value as Json, json};
use sidegate_engine::Value;
use sidegate_engine::eval::{Builtin, Context};

#[path = "../tests/recorded/mod.rs"]
mod recorded;

use recorded::value;

/// As `engine/tests/builtins.rs` reads values.

#[derive(Default)]
struct Count {
    right: u64,
    refused: u64,
    undefined: u64,
    wrong: u64,
}

fn main() {
    let fixture = std::env::args().nth(1).is_some_and(|arg| arg == "fixture");
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut cases: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let call: Json = serde_json::from_str(&line).unwrap();
        let name = call["name"].as_str().unwrap();
        let Some(builtin) = Builtin::find(name) else { panic!("`{name}` is not allowed") };
        let args: Vec<Value> = call["args"].as_array().unwrap().iter().map(value).collect();
        let want = call.get("opa").map_or(Value::Undefined, value);
        let count = counts.entry(name.to_owned()).or_default();
        let cost = builtin.cost(&args, 100_000);
        if cost > 100_000 {
            count.refused += 1;
            continue;
        }
        let mut case = json!({"args": call["args"]});
        if let Some(opa) = call.get("opa") {
            case["opa"] = opa.clone();
        }
        match builtin.call(&args, &Context::default()) {
            Err(_) => {
                count.refused += 1;
                case["refused"] = json!(true);
            }
            Ok(got) if got == want => {
                count.right += 1;
                count.undefined += u64::from(want == Value::Undefined);
            }
            Ok(got) => {
                count.wrong += 1;
                if count.wrong <= 12 {
                    eprintln!("WRONG {name}({})\n  OPA {want:?}\n  got {got:?}", call["args"]);
                }
            }
        }
        cases.entry(name.to_owned()).or_default().push(case);
    }
    if fixture {
        let rows = cases.iter().map(|(name, cases)| {
            let lines: Vec<_> = cases.iter().map(|case| format!("  {case}")).collect();
            format!("\"{name}\": [\n{}\n]", lines.join(",\n"))
        });
        println!("{{\n{}\n}}", rows.collect::<Vec<_>>().join(",\n"));
    }
    let mut wrong = 0;
    for (name, Count { right, refused, undefined, wrong: bad }) in counts {
        eprintln!(
            "{name:36} right {right:7} (of them undefined {undefined:7}) refused {refused:6} wrong {bad:5}"
        );
        wrong += bad;
    }
    if wrong > 0 {
        std::process::exit(1);
    }
}
