//! `sidegate verify FILE|TREE`

mod tree;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use sidegate_compiler::recompile;
use sidegate_compiler::signing::check_structured;
use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle::{BundleError, VerifiedBundle};
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Trust, TrustedKey};

use crate::output::{Answer, Failure, Format, json, read};

/// Check a bundle or a published tree as the proxies do, and more: signature, every file's hash, and that
/// the compiled policy is what the Rego in it compiles to. Exits with 1 if anything is found.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A bundle, or the folder of a published tree.
    #[arg(value_name = "FILE|TREE")]
    path: PathBuf,
    /// The public key in PEM, or the secret; without it no signature is checked.
    #[arg(long, value_name = "FILE", requires = "key_id")]
    key: Option<PathBuf>,
    /// What signatures name the key by.
    #[arg(long, value_name = "ID", requires = "key")]
    key_id: Option<String>,
    /// Its algorithm [default: the key's usual one].
    #[arg(long, value_name = "ALG", requires = "key")]
    algorithm: Option<String>,
    /// The scope that a bundle must be signed for.
    #[arg(long, value_name = "TEXT", default_value_t, hide_default_value = true, requires = "key")]
    scope: String,
    /// The mesh that pointers must be for.
    #[arg(long, value_name = "NAME", default_value_t, hide_default_value = true)]
    mesh: String,
    /// The time to compare expiries with, in seconds since 1970 [default: the clock's].
    #[arg(long, value_name = "S")]
    now: Option<i64>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Something that is not as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    path: String,
    code: &'static str,
    message: String,
}

impl Finding {
    fn new(path: &Path, code: &'static str, message: &dyn std::fmt::Display) -> Self {
        Self { path: path.display().to_string(), code, message: message.to_string() }
    }
}

#[derive(Serialize)]
struct Report {
    path: String,
    /// Whether signatures were checked.
    signatures: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<Signed>,
    /// What was checked: `1 bundle`, `12 pointers`, …
    checked: Vec<String>,
    notes: Vec<String>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Signed {
    key_id: String,
    algorithm: String,
    scope: String,
    files: usize,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let trust = trust(args)?;
    let mut report = Report {
        path: args.path.display().to_string(),
        signatures: args.key.is_some(),
        signed: None,
        checked: Vec::new(),
        notes: Vec::new(),
        findings: Vec::new(),
    };
    if args.path.is_dir() {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs().try_into().ok();
        let now = args.now.or_else(clock).ok_or_else(|| Failure::other("expected a clock, or `--now`"))?;
        tree::verify(&args.path, &trust, now, &mut report)?;
    } else {
        file(&args.path, &trust, &mut report)?;
    }
    match args.format {
        Format::Json => json(out, &report)?,
        Format::Text => text(&report, out)?,
    }
    Ok(if report.findings.is_empty() { Answer::Yes } else { Answer::No })
}

fn trust(args: &Args) -> Result<Trust, Failure> {
    let Args { key, key_id, algorithm, scope, mesh, .. } = args;
    let mut trust = Trust { scope: scope.clone(), mesh: mesh.clone(), ..Trust::nothing_required() };
    let (Some(file), Some(id)) = (key, key_id) else { return Ok(trust) };
    let text = String::from_utf8(read(file)?)
        .map_err(|_| Failure::other(format!("expected a key in `{}`, got no text", file.display())))?;
    let with = |algorithm: &str| TrustedKey::new(id, algorithm, &text, vec!["*".to_owned()]);
    let usual = || ["ES256", "ES384", "ES512"].iter().find_map(|name| with(name).ok());
    let found = match algorithm {
        Some(algorithm) => with(algorithm),
        None => usual().map_or_else(|| with("RS256"), Ok),
    };
    let found = found.map_err(|error| Failure::other(format!("`{}`: {error}", file.display())))?;
    trust.keys.push(found);
    trust.required = true;
    Ok(trust)
}

fn file(path: &Path, trust: &Trust, report: &mut Report) -> Result<(), Failure> {
    let bytes = read(path)?;
    let limits = Limits::default();
    report.checked.push("1 bundle".to_owned());
    match signed(&bytes, trust, &limits) {
        Ok((bundle, signed)) => {
            report.signed = signed;
            report.findings.extend(compiled(path, &bytes, &bundle));
        }
        Err(error) => report.findings.push(Finding::new(path, error.code(), &error)),
    }
    Ok(())
}

/// The bundle as the proxy takes it, and the hashes that the proxy leaves out.
fn signed(
    bytes: &[u8],
    trust: &Trust,
    limits: &Limits,
) -> Result<(VerifiedBundle, Option<Signed>), BundleError> {
    let workload = Workload::default();
    let bundle = trust.bundle(bytes, limits, &workload)?;
    let signed = trust.signed(bytes, limits, &workload)?;
    if let Some(signed) = &signed {
        check_structured(bytes, signed, limits)?;
    }
    let shown = signed.map(|signed| Signed {
        key_id: signed.key_id,
        algorithm: signed.algorithm,
        scope: signed.scope,
        files: signed.files.len(),
    });
    Ok((bundle, shown))
}

/// What is found when a bundle's sources are compiled again.
fn compiled(path: &Path, bytes: &[u8], bundle: &VerifiedBundle) -> Option<Finding> {
    let error = recompile(bytes, bundle.image(), &Limits::default()).err()?;
    Some(Finding::new(path, error.code(), &error))
}

fn text(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    let Report { path, signatures, signed, checked, notes, findings } = report;
    for Finding { path, code, message } in findings {
        writeln!(out, "{path}: {message} [{code}]")?;
    }
    for note in notes {
        writeln!(out, "{note}")?;
    }
    let checked = checked.join(", ");
    match signed {
        Some(Signed { key_id, algorithm, scope, files }) => {
            let scope = if scope.is_empty() { String::new() } else { format!(" for scope `{scope}`") };
            writeln!(out, "{path}: {checked}, {files} files signed with {algorithm} by `{key_id}`{scope}")?;
        }
        None => writeln!(out, "{path}: {checked}")?,
    }
    if !signatures {
        writeln!(out, "WARNING: no signature was checked (give the key: `--key FILE --key-id ID`)")?;
    }
    match findings.len() {
        0 => writeln!(out, "all as it should be: the compiled policies are what their Rego compiles to")?,
        1 => writeln!(out, "1 finding")?,
        count => writeln!(out, "{count} findings")?,
    }
    Ok(())
}
