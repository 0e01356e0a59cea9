//! `sidegate inspect FILE`

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use sidegate_compiler::{EntryReport, Form, files};
use sidegate_engine::bundle::BundleError;
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Signed, signatures_file, unverified};

use crate::output::{Answer, Failure, Format, json};

/// Show what a bundle holds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    revision: String,
    format: u16,
    functions: usize,
    blocks: usize,
    constants: usize,
    depth: u32,
    /// What the bundle says of its signature, which nobody has checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
    entrypoints: Vec<EntryReport>,
    files: Vec<File>,
}

#[derive(Serialize)]
struct Signature {
    key_id: String,
    algorithm: String,
    scope: String,
}

#[derive(Serialize)]
struct File {
    name: String,
    bytes: u64,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let (bytes, bundle) = super::open(&args.file)?;
    let image = bundle.image();
    let (functions, blocks, constants) = image.sizes();
    let files = files(&bytes).map_err(|error| Failure::other(format!("expected a bundle: {error}")))?;
    let signature =
        signature(&bytes).map_err(|error| Failure::other(format!("{error} [{}]", error.code())))?;
    let report = Report {
        signature,
        revision: image.revision().to_owned(),
        format: image.format(),
        functions,
        blocks,
        constants,
        depth: image.depth(),
        entrypoints: EntryReport::all(image),
        files: files.into_iter().map(|(name, bytes)| File { name, bytes }).collect(),
    };
    match args.format {
        Format::Json => json(out, &report)?,
        Format::Text => text(&report, out)?,
    }
    Ok(Answer::Yes)
}

fn signature(bytes: &[u8]) -> Result<Option<Signature>, BundleError> {
    let Some(file) = signatures_file(bytes, &Limits::default())? else { return Ok(None) };
    let Signed { key_id, algorithm, scope, .. } = unverified(&file)?;
    Ok(Some(Signature { key_id, algorithm, scope }))
}

fn text(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    let Report { revision, format, functions, blocks, constants, depth, signature, entrypoints, files } =
        report;
    writeln!(out, "revision  {revision}")?;
    match signature {
        Some(Signature { key_id, algorithm, scope }) => writeln!(
            out,
            "signed    with {algorithm} by `{}`, scope `{}`; not checked, `sidegate verify` does",
            key_id.escape_debug(),
            scope.escape_debug()
        )?,
        None => writeln!(out, "signed    no")?,
    }
    writeln!(
        out,
        "plan      format {format}, {functions} functions, {blocks} blocks, {constants} constants, depth {depth}"
    )?;
    for EntryReport { entrypoint, reads, form, .. } in entrypoints {
        let form = match form {
            Form::Table => "table",
            Form::Plan => "plan",
        };
        let reads: Vec<_> = reads.iter().map(|path| shown(path)).collect();
        writeln!(
            out,
            "entry     {entrypoint}, form: {form}, reads {}",
            if reads.is_empty() { "nothing".into() } else { reads.join(", ") }
        )?;
    }
    for File { name, bytes } in files {
        writeln!(out, "file      {name}, {bytes} bytes")?;
    }
    Ok(())
}

/// A path below `input` as a person would write it.
pub(crate) fn shown(path: &str) -> String {
    if path.is_empty() { "input".to_owned() } else { format!("input.{path}") }
}
