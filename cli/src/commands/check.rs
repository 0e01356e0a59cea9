//! `sidegate check DIR`

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sidegate_compiler::declare::CodeOwners;
use sidegate_compiler::{Diagnostic, Diagnostics, Sources, check};
use sidegate_engine::eval::Builtin;

use super::sarif::sarif;
use crate::output::{Answer, Failure, json, read};

/// Check that declarations are right, and that every rule of a folder of policies can be compiled.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `services/<namespace>/<service>.yaml`, `*.rego`, `data.json`, `data.yaml`, `.manifest`.
    #[arg(value_name = "DIR", required_unless_present = "builtins")]
    dir: Option<PathBuf>,
    /// List the builtin functions that policies may call.
    #[arg(long)]
    builtins: bool,
    /// Check that the owner of every declaration is the one of this `CODEOWNERS` file.
    #[arg(long, value_name = "FILE")]
    codeowners: Option<PathBuf>,
    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: CheckFormat,
}

/// How to print what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum CheckFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, for code review.
    Sarif,
}

#[derive(Serialize)]
struct Report<'a> {
    files: usize,
    rules: usize,
    services: usize,
    findings: &'a Diagnostics,
    warnings: &'a [Diagnostic],
}

#[derive(Default)]
struct Checked {
    files: usize,
    rules: usize,
    services: usize,
    findings: Diagnostics,
    warnings: Vec<Diagnostic>,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Some(dir) = &args.dir else { return builtins(args.format, out) };
    let owners = args.codeowners.as_deref().map(read_owners).transpose()?;
    let checked = look(dir, owners.as_ref());
    let Checked { files, rules, services, findings, warnings } = &checked;
    let is_bad = !findings.is_empty() || args.strict && !warnings.is_empty();
    match args.format {
        CheckFormat::Json => {
            let (files, rules, services) = (*files, *rules, *services);
            json(out, &Report { files, rules, services, findings, warnings })?;
        }
        CheckFormat::Sarif => json(out, &sarif(findings.iter(), warnings))?,
        CheckFormat::Text => {
            for warning in warnings {
                writeln!(out, "warning: {warning}")?;
            }
            if !findings.is_empty() {
                return Err(Failure::Findings(checked.findings));
            }
            let seen = match warnings.len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                count => format!(", {count} warnings"),
            };
            let word = if is_bad { "not ok" } else { "ok" };
            let declared = if *services > 0 { format!("{services} services, ") } else { String::new() };
            writeln!(out, "{word}: {declared}{rules} rules in {files} files{seen}")?;
        }
    }
    if Failure::Findings(checked.findings).code() == 2 {
        return Err(Failure::other("could not read the folder"));
    }
    Ok(if is_bad { Answer::No } else { Answer::Yes })
}

/// The file, and the root of the repository that it speaks of.
pub(super) fn read_owners(path: &Path) -> Result<(CodeOwners, PathBuf), Failure> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let owners =
        CodeOwners::parse(&text).map_err(|error| Failure::other(format!("`{}`: {error}", path.display())))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_inside =
        folder.file_name().is_some_and(|name| [".github", ".gitlab", "docs"].iter().any(|own| name == *own));
    let root = if is_inside { folder.join("..") } else { folder.to_owned() };
    Ok((owners, root))
}

fn look(dir: &Path, owners: Option<&(CodeOwners, PathBuf)>) -> Checked {
    let sources = match Sources::read_dir(dir) {
        Ok(sources) => sources,
        Err(findings) => return Checked { findings, ..Checked::default() },
    };
    let declared = sources.declared.as_ref();
    let mut checked = Checked {
        files: sources.modules.len(),
        services: declared.map_or(0, |mesh| mesh.services.len()),
        warnings: declared.map(|mesh| mesh.review()).unwrap_or_default(),
        ..Checked::default()
    };
    match check(&sources) {
        Ok(rules) => checked.rules = rules,
        Err(findings) => checked.findings = findings,
    }
    if let (Some(mesh), Some((owners, root))) = (declared, owners) {
        let wrong = checked.findings.iter().cloned().chain(mesh.review_owners(owners, root));
        checked.findings = Diagnostics::new(wrong.collect());
    }
    checked
}

fn builtins(format: CheckFormat, out: &mut dyn Write) -> Result<Answer, Failure> {
    let names: Vec<_> = Builtin::names().collect();
    match format {
        CheckFormat::Json | CheckFormat::Sarif => json(out, &names)?,
        CheckFormat::Text => names.iter().try_for_each(|name| writeln!(out, "{name}"))?,
    }
    Ok(Answer::Yes)
}
