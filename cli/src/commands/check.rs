//! `sidegate check DIR`

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use sidegate_compiler::{Diagnostics, Sources, check};
use sidegate_engine::eval::Builtin;

use crate::output::{Answer, Failure, Format, json};

/// Check that every rule of a folder of policies can be compiled.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `*.rego`, `data.json`, `data.yaml`, `.manifest`.
    #[arg(value_name = "DIR", required_unless_present = "builtins")]
    dir: Option<PathBuf>,
    /// List the builtin functions that policies may call.
    #[arg(long)]
    builtins: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    files: usize,
    rules: usize,
    findings: Diagnostics,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Some(dir) = &args.dir else { return builtins(args.format, out) };
    let checked = Sources::read_dir(dir).and_then(|sources| Ok((sources.modules.len(), check(&sources)?)));
    match (checked, args.format) {
        (Ok((files, rules)), Format::Text) => {
            writeln!(out, "ok: {rules} rules in {files} files")?;
            Ok(Answer::Yes)
        }
        (Ok((files, rules)), Format::Json) => {
            json(out, &Report { files, rules, findings: Diagnostics::default() })?;
            Ok(Answer::Yes)
        }
        (Err(findings), Format::Text) => Err(Failure::Findings(findings)),
        (Err(findings), Format::Json) => {
            json(out, &Report { files: 0, rules: 0, findings: findings.clone() })?;
            Ok(if Failure::Findings(findings).code() == 1 {
                Answer::No
            } else {
                return Err(Failure::other("could not read the folder"));
            })
        }
    }
}

fn builtins(format: Format, out: &mut dyn Write) -> Result<Answer, Failure> {
    let names: Vec<_> = Builtin::names().collect();
    match format {
        Format::Json => json(out, &names)?,
        Format::Text => names.iter().try_for_each(|name| writeln!(out, "{name}"))?,
    }
    Ok(Answer::Yes)
}
