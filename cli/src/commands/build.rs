//! `sidegate build DIR -o FILE`

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use sidegate_compiler::signing::sign_bundle;
use sidegate_compiler::{BuildOptions, DataRead, EntryReport, Form, Note, Sources, Workload, build};

use crate::output::{Answer, Failure, Format, json};
use crate::signing::SignArgs;

/// Compile a folder of policies into a bundle that the proxy and OPA both load.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `*.rego`, `data.json`, `data.yaml`, `.manifest`.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Where to write the bundle.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Document that can be asked for; may be repeated [default: envoy/authz/allow].
    #[arg(short, long, value_name = "PATH")]
    entrypoint: Vec<String>,
    /// Revision [default: that of `.manifest`, else a hash of the sources].
    #[arg(long, value_name = "TEXT")]
    revision: Option<String>,
    #[command(flatten)]
    sign: SignArgs,
    /// OPA's scope that it is signed for.
    #[arg(long, value_name = "TEXT", default_value_t, hide_default_value = true)]
    scope: String,
    /// Build the slice of one workload: the code and the data that it needs, with
    /// `data.sidegate.workload` set to its names. Its revision is a hash of its content.
    #[arg(long, value_name = "NS/NAME")]
    workload: Option<Workload>,
    /// Show what each entry point depends on, and which data a slice keeps.
    #[arg(long)]
    report: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    output: String,
    bytes: usize,
    revision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<Signed<'a>>,
    functions: usize,
    blocks: usize,
    constants: usize,
    depth: u32,
    entrypoints: &'a [EntryReport],
    /// Paths below `data` that a slice keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Signed<'a> {
    key_id: &'a str,
    algorithm: &'a str,
    scope: &'a str,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { dir, output, entrypoint, revision, sign, scope, workload, report, format } = args;
    // Before anything is compiled: a key that cannot be read is told at once.
    let signer = sign.signing()?.map(|signing| signing.signer);
    if signer.is_none() && !scope.is_empty() {
        return Err(Failure::other("expected a key to sign for `--scope` with (`--sign-key`), got none"));
    }
    let options = BuildOptions {
        entrypoints: entrypoint.clone(),
        revision: revision.clone(),
        workload: workload.clone(),
        is_linear: false,
        keeps_registers: false,
    };
    let sources = Sources::read_dir(dir).map_err(Failure::Findings)?;
    let mut built = build(&sources, &options).map_err(Failure::Findings)?;
    if let Some(signer) = &signer {
        built.bundle = sign_bundle(&built.bundle, signer.as_ref(), scope)
            .map_err(|error| Failure::other(format!("{error} [{}]", error.code())))?;
    }
    std::fs::write(output, &built.bundle).map_err(|error| {
        Failure::other(format!("expected to write the bundle to `{}`: {error}", output.display()))
    })?;
    let (functions, blocks, constants) = built.image.sizes();
    let shown = Report {
        output: output.display().to_string(),
        bytes: built.bundle.len(),
        revision: &built.revision,
        signed: signer.as_ref().map(|signer| Signed {
            key_id: signer.key_id(),
            algorithm: signer.algorithm(),
            scope,
        }),
        functions,
        blocks,
        constants,
        depth: built.image.depth(),
        entrypoints: &built.entries,
        data: built.reads.as_ref().map(|reads| reads.iter().map(DataRead::shown).collect()),
    };
    match format {
        Format::Json => json(out, &shown)?,
        Format::Text => text(&shown, *report, out)?,
    }
    Ok(Answer::Yes)
}

fn text(shown: &Report<'_>, report: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let Report { output, bytes, revision, signed, functions, blocks, constants, depth, entrypoints, data } =
        shown;
    write!(out, "{output}: {bytes} bytes, revision {revision}")?;
    match signed {
        Some(Signed { key_id, algorithm, .. }) => writeln!(out, ", signed with {algorithm} by `{key_id}`")?,
        None => writeln!(out)?,
    }
    if !report {
        return Ok(());
    }
    writeln!(out, "plan: {functions} functions, {blocks} blocks, {constants} constants, depth {depth}")?;
    for entry in *entrypoints {
        let EntryReport { entrypoint, functions, statements, reads, impure, form, plan_because, lookups } =
            entry;
        writeln!(out, "entry point {entrypoint}: {functions} functions, {statements} statements")?;
        match (form, plan_because) {
            (Form::Table, _) => writeln!(out, "  form: table")?,
            (Form::Plan, None) => writeln!(out, "  form: plan")?,
            (Form::Plan, Some(reason)) => writeln!(out, "  form: plan, for {reason}")?,
        }
        for Note { rule, place, lowered, what } in lookups {
            let place = place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
            let word = if *lowered { "lookup" } else { "no lookup" };
            writeln!(out, "  {word} in {rule}{place}: {what}")?;
        }
        if impure.is_empty() {
            writeln!(out, "  pure: the same input has the same answer")?;
        } else {
            writeln!(out, "  not pure: calls {}", impure.join(", "))?;
        }
        writeln!(out, "  reads{}", if reads.is_empty() { " nothing of the input" } else { "" })?;
        for path in reads {
            writeln!(out, "    {}", super::inspect::shown(path))?;
        }
    }
    if let Some(data) = data {
        writeln!(out, "data{}", if data.is_empty() { ": none" } else { "" })?;
        data.iter().try_for_each(|path| writeln!(out, "  {path}"))?;
    }
    Ok(())
}
