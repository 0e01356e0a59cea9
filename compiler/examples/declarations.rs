//! Random declarations, decided by a real OPA with the library, by the plan, by the model of the tests, and by
//! what explains decisions.
//!
//! `declarations OPA [DECLARATIONS [SEED]]`; `make declarations` finds OPA.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::exit,
    reason = "a tool of the tests: what fails may panic"
)]

#[path = "../tests/declare/mod.rs"]
mod declare;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sidegate_engine::Value;
use sidegate_engine::eval::Context;

use declare::generate::{self, Random};
use declare::{beside, model, requests, sides};

/// Declarations that one run of OPA decides by, and requests for each.
const CHUNK: u64 = 50;
const REQUESTS: usize = 100;

/// As a module: OPA 1.22 takes references after `with … as` in a query for undefined.
const QUESTION: &str = "package ask

answers := [answers |
	some case in data.cases
	answers := [decision |
		some question in case.questions
		decision := data.sidegate.authz.decision with input as question
			with data.sidegate.services as case.sidegate.services
			with data.sidegate.workloads as case.sidegate.workloads
			with data.sidegate.workload as case.sidegate.workload
			with data.sidegate.trust_domain_aliases as case.sidegate.trust_domain_aliases
			with data.sidegate.base as object.get(case.sidegate, \"base\", false)
	]
]
";

fn ask(opa: &str, cases: &Json, modules: &[(String, String)]) -> Vec<Vec<Json>> {
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().join("data.json");
    std::fs::write(&data, json!({"cases": cases}).to_string()).unwrap();
    let question = dir.path().join("ask.rego");
    std::fs::write(&question, QUESTION).unwrap();
    let mut command = Command::new(opa);
    command.args(["eval", "--format", "json", "--data"]).arg(&data).arg("--data").arg(&question);
    for (at, (_, text)) in modules.iter().enumerate() {
        let module = dir.path().join(format!("beside{at}.rego"));
        std::fs::write(&module, text).unwrap();
        command.arg("--data").arg(module);
    }
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/lib/sidegate");
    for entry in std::fs::read_dir(library).unwrap().map(|entry| entry.unwrap().path()) {
        if !entry.to_string_lossy().ends_with("_test.rego") {
            command.arg("--data").arg(entry);
        }
    }
    let output = command.arg("data.ask.answers").output().unwrap_or_else(|error| panic!("`{opa}`: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let answer: Json = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(answer["result"][0]["expressions"][0]["value"].clone()).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(opa) = args.first() else { panic!("expected the path of OPA; run: make declarations") };
    let number = |at: usize, default: u64| args.get(at).map_or(default, |text| text.parse().unwrap());
    let (count, first) = (number(1, 1000), number(2, 1));
    let (mut compared, mut allowed, mut failures) = (0_u32, 0_u64, Vec::new());
    let mut spent = Duration::ZERO;
    for chunk in (first..first + count).step_by(usize::try_from(CHUNK).unwrap()) {
        let mut asked = Vec::new();
        let mut cases = Vec::new();
        let mut modules = vec![("mesh.rego".to_owned(), beside::MESH.to_owned())];
        for seed in chunk..(chunk + CHUNK).min(first + count) {
            let mut random = Random(seed);
            let mut declaration = generate::declaration(&mut random);
            // OPA has the Rego of all of them at once, each in a package of its own.
            declaration.name = if seed % 2 == 0 { format!("c{seed}") } else { format!("c-{seed}") };
            let asked_for: Vec<_> =
                (0..REQUESTS).map(|_| requests::request(&mut random, &declaration)).collect();
            let sources = sides::sources(&declaration);
            let data = sides::json_of(&sources.data);
            let beside = sources.modules.iter().filter(|(path, _)| path.starts_with("services/"));
            modules.extend(beside.cloned());
            let questions: Vec<Json> = asked_for.iter().map(model::Request::input).collect();
            cases.push(json!({"sidegate": data["sidegate"], "questions": questions}));
            let mesh = sides::mesh(&declaration);
            asked.push((seed, declaration, mesh, asked_for, sides::plan(&sources)));
        }
        let answers = ask(opa, &json!(cases), &modules);
        assert_eq!(answers.len(), asked.len(), "every declaration has answers");
        for ((seed, declaration, mesh, requests, policy), answers) in asked.iter().zip(answers) {
            assert_eq!(answers.len(), requests.len(), "every request has an answer");
            for (request, opa) in requests.iter().zip(answers) {
                let input = request.input();
                let value = Value::from(input.clone());
                let began = Instant::now();
                let planned = policy.evaluate(&value, &Context::default());
                spent += began.elapsed();
                let planned = planned.map(|value| sides::json_of(&value));
                let wanted = model::decide(declaration, request);
                compared += 1;
                allowed += u64::from(wanted["allowed"] == true);
                let judged = sides::judge(mesh, request);
                let agrees = sides::agrees(declaration, &judged, &opa);
                if planned.as_ref() != Ok(&opa) || wanted != opa || !agrees {
                    let yaml = declaration.shown();
                    failures.push(format!(
                        "--- seed {seed}\n{yaml}{input}\nOPA {opa}\nplan {planned:?}\nmodel {wanted}\njudge {judged:?}"
                    ));
                }
            }
        }
    }
    println!(
        "declarations: {compared} decisions of OPA compared, {allowed} of them allow, {} differ",
        failures.len()
    );
    println!(
        "declarations: {:.1} µs for a decision of the plan, on average",
        spent.as_secs_f64() * 1e6 / f64::from(compared)
    );
    if !failures.is_empty() {
        println!("{}", failures.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n"));
        std::process::exit(1);
    }
}
