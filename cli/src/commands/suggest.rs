//! `sidegate suggest LOG…`

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sidegate_compiler::Sources;
use sidegate_compiler::declare::suggest::{
    LeftOut, Options, Reason, Suggester, Suggestion, Suggestions, open, service, time,
};
use sidegate_compiler::declare::{CodeOwners, Mesh};

use super::check::read_owners;
use crate::output::{Answer, Failure, Format, json};

/// Suggest declarations that allow the traffic of a log: OPA's decision logs, or Envoy's access logs as JSON.
///
/// Templates go no further than what was seen: `{id}` stands where one caller asked for enough different values by one
/// method. What declarations allow already is not suggested again, and no file that is there is changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Logs, JSON objects on lines or in lists, also compressed by gzip; `-` is the standard input.
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    /// Write `services/NAMESPACE/SERVICE.yaml` into this folder instead of printing them.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Suggest only what the declarations of this folder do not say; that of `--output` where it is not given.
    #[arg(long, value_name = "DIR")]
    existing: Option<PathBuf>,
    /// The service that all of the logs are about.
    #[arg(long, value_name = "NAMESPACE/SERVICE", value_parser = service)]
    to: Option<(String, String)>,
    /// The mesh's trust domain, where the logs do not have the service's own certificate.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    trust_domain: String,
    /// How to name callers.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// How to name services that the logs do not name.
    #[arg(long, value_enum, default_value_t)]
    service_by: ServiceBy,
    /// How many requests a path, or a template, has to have had.
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_count: u64,
    /// How many different values make a `{id}`.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    min_values: u32,
    /// How many different words in one place make a `{id}`, though they do not look like ids; 0 for never.
    #[arg(long, value_name = "N", default_value_t = 50)]
    vary: u32,
    /// Allow all below this template, such as `/static/{**}`, if enough of it was seen. May stand several times.
    #[arg(long, value_name = "TEMPLATE", value_parser = open)]
    open: Vec<String>,
    /// How many different paths to keep of each service, caller and method.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_paths: u32,
    /// Leave out what is older: a day, or a time as RFC 3339 writes it.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<i64>,
    /// Take requests that were answered with a status below this one, where the log says so.
    #[arg(long, value_name = "STATUS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(200..=600))]
    status_below: u32,
    /// Take what the policy denied, too: for logs of a policy that only watched.
    #[arg(long)]
    denied: bool,
    /// The team that answers for the services.
    #[arg(long, value_name = "TEAM", conflicts_with = "codeowners")]
    owner: Option<String>,
    /// Take the owners from this `CODEOWNERS` file.
    #[arg(long, value_name = "FILE")]
    codeowners: Option<PathBuf>,
    /// Answer with exit code 1 if something could not be read or cannot be allowed.
    #[arg(long)]
    strict: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How callers are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// Each by its service account.
    #[default]
    Account,
    /// All of a namespace, which allows more than was seen.
    Namespace,
}

/// How services are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ServiceBy {
    /// Only as the logs do.
    #[default]
    Workload,
    /// As the service account that they run under.
    Account,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let folder = args.existing.clone().or_else(|| args.output.clone().filter(|dir| dir.is_dir()));
    let mesh = folder.as_deref().map(declared).transpose()?.unwrap_or_default();
    let owners = args.codeowners.as_deref().map(read_owners).transpose()?;
    let mut suggester = Suggester::new(options(args), &mesh);
    let mut cut_off = Vec::new();
    for log in &args.logs {
        read(&mut suggester, log, &mut cut_off)?;
    }
    let kept = suggester.kept();
    let base = args.output.as_deref().or(folder.as_deref()).unwrap_or(Path::new("."));
    let owner = |namespace: &str, name: &str| {
        let known = owners.as_ref().and_then(|(owners, root)| owner_of(owners, root, base, namespace, name));
        args.owner.clone().or(known)
    };
    let suggestions = suggester.finish(owner).map_err(Failure::Refused)?;
    let has_problems = suggestions.left_out.keys().any(|reason| reason.is_problem()) || !cut_off.is_empty();
    if kept == 0 && (has_problems || suggestions.records == 0) {
        return Err(Failure::other(unusable(&suggestions, &cut_off)));
    }
    let written = match &args.output {
        Some(dir) => write_files(dir, &suggestions.services)?,
        None => BTreeMap::new(),
    };
    match (args.format, args.output.is_some()) {
        (Format::Json, _) => json(out, &suggestions)?,
        (Format::Text, true) => {
            print_written(out, &suggestions, &written)?;
            summary(out, &suggestions, &cut_off)?;
        }
        (Format::Text, false) => {
            print_all(out, &suggestions)?;
            summary(&mut io::stderr().lock(), &suggestions, &cut_off)?;
        }
    }
    Ok(if args.strict && has_problems { Answer::No } else { Answer::Yes })
}

/// What a folder declares. It may be empty: this is how it begins.
fn declared(dir: &Path) -> Result<Mesh, Failure> {
    match Sources::read_dir(dir) {
        Ok(sources) => Ok(sources.declared.unwrap_or_default()),
        Err(findings) if findings.iter().all(|finding| finding.code == "source_empty") => Ok(Mesh::default()),
        Err(findings) => Err(Failure::Findings(findings)),
    }
}

fn options(args: &Args) -> Options {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Options {
        to: args.to.clone(),
        trust_domain: args.trust_domain.clone(),
        by_namespace: args.by == By::Namespace,
        by_account: args.service_by == ServiceBy::Account,
        min_count: args.min_count,
        min_values: size(args.min_values),
        vary: size(args.vary),
        max_paths: size(args.max_paths),
        since: args.since,
        status_below: args.status_below,
        denied: args.denied,
        open: args.open.clone(),
    }
}

/// Reads a log. One that ends too early is noted, and counts as far as it goes.
fn read(suggester: &mut Suggester<'_>, log: &Path, cut_off: &mut Vec<String>) -> Result<(), Failure> {
    let name = log.display().to_string();
    let source: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin().lock())
    } else {
        let failed =
            |error: io::Error| Failure::other(format!("expected a readable log at `{name}`: {error}"));
        Box::new(File::open(log).map_err(failed)?)
    };
    let is_watched = io::stderr().is_terminal();
    let result = suggester.read(&name, source, |records| {
        if is_watched {
            let _ = write!(io::stderr(), "\r{name}: {records} records");
        }
    });
    if is_watched {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    if let Err(error) = result {
        cut_off.push(format!("`{name}` ends early: {error}"));
    }
    Ok(())
}

fn owner_of(owners: &CodeOwners, root: &Path, base: &Path, namespace: &str, name: &str) -> Option<String> {
    let (root, base) = (root.canonicalize().ok()?, base.canonicalize().ok()?);
    let inside = base.strip_prefix(root).ok()?.join(format!("services/{namespace}/{name}.yaml"));
    let owner = owners.owners(&inside.to_string_lossy().replace('\\', "/")).first()?.trim_start_matches('@');
    Some(owner.rsplit_once('/').map_or(owner, |(_, team)| team).to_owned())
}

/// Writes the files of services that have none. Nothing is written if one of them is there.
fn write_files(dir: &Path, services: &[Suggestion]) -> Result<BTreeMap<(String, String), String>, Failure> {
    let new = services.iter().filter(|service| service.existing.is_none());
    let paths: Vec<_> = new
        .map(|service| {
            let path = dir.join("services").join(&service.namespace).join(format!("{}.yaml", service.name));
            (service, path)
        })
        .collect();
    if let Some((_, path)) = paths.iter().find(|(_, path)| path.exists()) {
        let message =
            format!("`{}` is there already, and is left as it is; say `--existing DIR`", path.display());
        return Err(Failure::other(message));
    }
    let mut written = BTreeMap::new();
    for (service, path) in paths {
        let failed =
            |error: io::Error| Failure::other(format!("expected to write `{}`: {error}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        file.write_all(service.yaml.as_bytes()).map_err(failed)?;
        written.insert((service.namespace.clone(), service.name.clone()), path.display().to_string());
    }
    Ok(written)
}

fn print_written(
    out: &mut dyn Write,
    suggestions: &Suggestions,
    written: &BTreeMap<(String, String), String>,
) -> Result<(), Failure> {
    for service in &suggestions.services {
        match written.get(&(service.namespace.clone(), service.name.clone())) {
            Some(path) => writeln!(out, "{path}: written, {}", count(service.rules.len(), "rule"))?,
            None => to_add(out, service)?,
        }
    }
    Ok(())
}

fn print_all(out: &mut dyn Write, suggestions: &Suggestions) -> Result<(), Failure> {
    for (service, at) in suggestions.services.iter().zip(0_usize..) {
        if at > 0 {
            writeln!(out, "---")?;
        }
        if service.existing.is_some() {
            to_add(out, service)?;
        } else {
            write!(out, "# services/{}/{}.yaml\n{}", service.namespace, service.name, service.yaml)?;
        }
    }
    Ok(())
}

fn to_add(out: &mut dyn Write, service: &Suggestion) -> Result<(), Failure> {
    let file = service.existing.as_deref().unwrap_or_default();
    write!(out, "# {file}: add below `allow:`\n{}", service.yaml)?;
    Ok(())
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn summary(out: &mut dyn Write, suggestions: &Suggestions, cut_off: &[String]) -> Result<(), Failure> {
    let Suggestions { records, suggested, allowed_already, left_out, services } = suggestions;
    writeln!(
        out,
        "{records} records: {suggested} requests suggested for {}, {allowed_already} allowed already",
        count(services.len(), "service")
    )?;
    for note in cut_off {
        writeln!(out, "{note}")?;
    }
    write!(out, "{}", left(left_out))?;
    if services.iter().any(|service| service.existing.is_none()) {
        writeln!(out, "next: read them, then `sidegate check` and `sidegate plan`")?;
    }
    Ok(())
}

/// What was left out, a line or two for each reason.
fn left(left_out: &BTreeMap<Reason, LeftOut>) -> String {
    let mut text = String::new();
    for (reason, left) in left_out {
        let LeftOut { count, place, example } = left;
        text.push_str(&format!("left out: {count} ({}): {}\n", reason.code(), reason.text()));
        let parts: Vec<&str> = place
            .as_deref()
            .into_iter()
            .chain(Some(example.as_str()))
            .filter(|part| !part.is_empty())
            .collect();
        if !parts.is_empty() {
            text.push_str(&format!("          first: {}\n", parts.join(": ")));
        }
    }
    text
}

/// Why nothing at all could be suggested.
fn unusable(suggestions: &Suggestions, cut_off: &[String]) -> String {
    let mut text = format!("expected requests, got none that can be used in {} records", suggestions.records);
    for note in cut_off {
        text.push_str(&format!("\n{note}"));
    }
    let left_out = left(&suggestions.left_out);
    if !left_out.is_empty() {
        text.push_str(&format!("\n{}", left_out.trim_end()));
    }
    let is_format = [Reason::NotJson, Reason::NotARequest, Reason::NoPeer, Reason::NoDirection];
    if is_format.iter().any(|reason| suggestions.left_out.contains_key(reason)) {
        text.push_str(HELP);
    }
    text
}

const HELP: &str = "
help: an access log has to be JSON and to say who calls; in Istio's MeshConfig:
  accessLogEncoding: JSON
  accessLogFormat: '{\"start_time\": \"%START_TIME%\", \"method\": \"%REQ(:METHOD)%\", …}'
  docs/suggest.md has the whole format";
