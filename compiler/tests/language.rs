//! Every construct of the language, through the plan and through regorus's interpreter.
//!
//! The cases are in `language.yaml` and `documents.yaml`. Each gives a body for `package t` and what `data.t.r` is then:
//! `want` a value, `undefined: true`, `error` an evaluation error's code, or `refused` the code of the
//! build error. Where the interpreter is known to differ from OPA, `reference: differs` says so and the
//! comment why.

use serde::Deserialize;
use sidegate_compiler::{BuildOptions, Sources, build, reference};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rego: String,
    #[serde(default)]
    more: Vec<String>,
    data: Option<serde_json::Value>,
    input: Option<serde_json::Value>,
    want: Option<serde_json::Value>,
    #[serde(default)]
    undefined: bool,
    error: Option<String>,
    refused: Option<String>,
    reference: Option<String>,
}

fn sources(case: &Case) -> Sources {
    let first = ("t.rego".to_owned(), format!("package t\n\n{}", case.rego));
    let more = case.more.iter().enumerate().map(|(at, text)| (format!("more{at}.rego"), text.clone()));
    let data = case.data.clone().map_or_else(Value::new_object, Value::from);
    Sources::from_parts(std::iter::once(first).chain(more).collect(), data)
}

fn run(case: &Case) -> Result<(), String> {
    let sources = sources(case);
    let options = BuildOptions { entrypoints: vec!["t/r".into()], ..BuildOptions::default() };
    let built = match (build(&sources, &options), &case.refused) {
        (Err(found), Some(code)) if found.iter().any(|finding| finding.code == code && finding.line > 0) => {
            return Ok(());
        }
        (Err(found), _) => return Err(format!("expected {:?}, got a refusal:\n{found}", case.refused)),
        (Ok(_), Some(code)) => return Err(format!("expected the refusal {code}, got a bundle")),
        (Ok(built), None) => built,
    };
    let limits = Limits::default();
    let opened = Trust::nothing_required()
        .bundle(&built.bundle, &limits, &Workload::default())
        .map_err(|error| error.to_string())?;
    let policy = Policy::load(opened, "t/r", limits).map_err(|error| error.to_string())?;
    let input = case.input.clone().map_or_else(Value::new_object, Value::from);
    let got = policy.evaluate(&input, &Context::default());
    let expected = reference::evaluate(&sources, "t/r", &input);
    if case.reference.is_none() {
        let same = match (&got, &expected) {
            (Ok(a), Ok(b)) => a == b,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if !same {
            return Err(format!("plan {got:?}\ninterpreter {expected:?}"));
        }
    }
    match (&case.error, &case.want) {
        (Some(code), _) => match &got {
            Err(error) if error.code() == code => Ok(()),
            other => Err(format!("expected the error {code}, got {other:?}")),
        },
        (None, want) => {
            let want = want.clone().map_or(Value::Undefined, Value::from);
            let got = got.map_err(|error| error.to_string())?;
            // A set reads as an array in YAML.
            let same = Value::from_json_str(&got.to_string()).unwrap_or(Value::Undefined) == want
                || (got == Value::Undefined && case.undefined);
            if same { Ok(()) } else { Err(format!("expected {want}, got {got}")) }
        }
    }
}

#[test]
fn every_construct_answers_as_the_interpreter_and_as_written_down() {
    let files = [include_str!("language.yaml"), include_str!("documents.yaml")];
    let cases: Vec<Case> =
        files.iter().flat_map(|file| serde_yaml_ng::from_str::<Vec<Case>>(file).unwrap()).collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| run(case).err().map(|why| format!("--- {}\n{}\n{why}", case.name, case.rego)))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases\n{}", failures.len(), cases.len(), failures.join("\n"));
}
