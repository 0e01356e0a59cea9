//! `sidegate eval -b FILE --input JSON`

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sidegate_engine::Value;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;

use crate::output::{Answer, Failure, Format, json, read};

/// Evaluate an entry point of a bundle, as the proxy does. Exits with 1 if the answer is a deny: `false`,
/// an object whose `allowed` is not `true`, or no value.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle.
    #[arg(short, long, value_name = "FILE")]
    bundle: PathBuf,
    /// The input document: JSON text, a file, or `-` for standard input.
    #[arg(short, long, value_name = "JSON")]
    input: String,
    /// Entry point [default: the bundle's first].
    #[arg(short, long, value_name = "PATH")]
    path: Option<String>,
    /// The time that the policy sees, in nanoseconds since 1970 [default: the clock's].
    #[arg(long, value_name = "NS", allow_negative_numbers = true)]
    now: Option<i64>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    entrypoint: &'a str,
    revision: &'a str,
    steps: u64,
    /// Absent where the document is undefined.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let (_, bundle) = super::open(&args.bundle)?;
    let first = bundle.image().entries().first().map(|entry| entry.path.clone());
    let entrypoint =
        args.path.clone().or(first).ok_or_else(|| Failure::other("the bundle has no entry point"))?;
    let policy = Policy::load(bundle, &entrypoint, Limits::default())
        .map_err(|error| Failure::other(format!("{error} [{}]", error.code())))?;
    let input = input(&args.input)?;
    let (result, steps) = policy.measure(&input, &super::context(args.now));
    let value = result.map_err(|error| Failure::other(format!("{error} [{}]", error.code())))?;
    let defined = (value != Value::Undefined).then_some(&value);
    match args.format {
        Format::Json => {
            json(
                out,
                &Report { entrypoint: &entrypoint, revision: policy.revision(), steps, result: defined },
            )?;
        }
        Format::Text => match defined {
            Some(value) => json(out, value)?,
            None => writeln!(out, "undefined")?,
        },
    }
    Ok(if denied(&value) { Answer::No } else { Answer::Yes })
}

/// Whether a document says no. One that is no decision at all (a set, a string) says neither.
fn denied(value: &Value) -> bool {
    match value {
        Value::Undefined | Value::Bool(false) => true,
        Value::Object(fields) => {
            fields.get(&Value::from("allowed")).is_some_and(|allowed| *allowed != Value::Bool(true))
        }
        _ => false,
    }
}

fn input(text: &str) -> Result<Value, Failure> {
    let json = if text == "-" {
        let mut json = String::new();
        std::io::stdin()
            .read_to_string(&mut json)
            .map_err(|error| Failure::other(format!("expected JSON on standard input: {error}")))?;
        json
    } else if text.trim_start().starts_with(['{', '[', '"']) {
        text.to_owned()
    } else {
        String::from_utf8(read(Path::new(text))?)
            .map_err(|_| Failure::other(format!("expected JSON in `{text}`, got bytes that are no text")))?
    };
    Value::from_json_str(&json)
        .map_err(|error| Failure::other(format!("expected JSON as the input: {error}")))
}
