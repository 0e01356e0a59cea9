//! A real OPA's answers from bundles.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::places;

/// An answer to each input; `None` where the document is undefined or its evaluation an error.
pub type Answers = Vec<Option<Json>>;

#[derive(Serialize)]
struct Question<'a> {
    bundle: &'a Path,
    query: String,
    inputs: &'a [Json],
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    error: String,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    defined: bool,
    #[serde(default)]
    value: Json,
}

/// What OPA answers at `entrypoint` from each of the bundles to its inputs. An error in a place of them is
/// OPA's about the bundle.
///
/// # Errors
/// There is no Go, or the program that asks OPA failed.
pub fn ask(
    bundles: &[(PathBuf, Vec<Json>)],
    entrypoint: &str,
) -> Result<Vec<Result<Answers, String>>, String> {
    let query = format!("data.{}", entrypoint.replace('/', "."));
    let questions: Vec<Question<'_>> =
        bundles.iter().map(|(bundle, inputs)| Question { bundle, query: query.clone(), inputs }).collect();
    let mut child = Command::new("go")
        .args(["run", "."])
        .current_dir(places::root().join("tests/opa/slices"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("expected go 1.26, got {error}; run: apt-get install golang"))?;
    let text = serde_json::to_vec(&questions).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).map_err(|error| error.to_string())?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("expected answers of tests/opa/slices, it ended with {}", output.status));
    }
    let answered: Vec<Answered> =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let answered = answered.into_iter().map(|Answered { error, answers }| {
        if error.is_empty() {
            Ok(answers.into_iter().map(|answer| answer.defined.then_some(answer.value)).collect())
        } else {
            Err(error)
        }
    });
    Ok(answered.collect())
}
