//! `sidegate plan OLD NEW`

mod markdown;
mod text;
mod words;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sidegate_compiler::declare::{self, Mesh, Plan};
use sidegate_compiler::replay::{Options, Replay};
use sidegate_compiler::{Sources, Workload};
use sidegate_engine::Value;
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;

use super::logs;
use super::replay::usable;
use crate::output::{Answer, Failure, json, read};

/// Show who gains and who loses access from one state of the policies to another, service by service. Exits with 0
/// if nothing changes, 1 if something does.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The policies as they are: a folder or a bundle.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policies as they will be: a folder or a bundle.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Recorded decisions to decide anew by OLD and by NEW: logs as `replay` reads them. May stand several times.
    #[arg(long, value_name = "LOG")]
    decisions: Vec<PathBuf>,
    /// The workload of recorded decisions that do not name one.
    #[arg(long, value_name = "NS/NAME", requires = "decisions")]
    workload: Option<Workload>,
    /// The mesh's trust domain.
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    trust_domain: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
}

/// How to print a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// For a comment of a pull request.
    Markdown,
}

#[derive(Serialize)]
struct Report<'a> {
    summary: Summary,
    #[serde(flatten)]
    plan: &'a Plan,
    /// Rego that changed and is not compared.
    rego: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<&'a Replay>,
}

/// Services, counted. One that gains and loses counts for both.
#[derive(Serialize)]
struct Summary {
    gain: usize,
    lose: usize,
    changed: usize,
    unchanged: usize,
}

impl Summary {
    fn of(plan: &Plan) -> Self {
        let count =
            |is: fn(&declare::ServiceChange) -> bool| plan.services.iter().filter(|one| is(one)).count();
        Self {
            gain: count(|service| !service.gains.is_empty()),
            lose: count(|service| !service.loses.is_empty()),
            changed: count(|service| {
                !service.notes.is_empty() || service.gains.is_empty() && service.loses.is_empty()
            }),
            unchanged: plan.unchanged,
        }
    }

    fn words(&self) -> String {
        let Self { gain, lose, changed, unchanged } = self;
        let s = |count: &usize| if *count == 1 { "s" } else { "" };
        format!("{gain} gain{}, {lose} lose{}, {changed} changed, {unchanged} unchanged", s(gain), s(lose))
    }
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let (old, new) = (sources(&args.old)?, sources(&args.new)?);
    let (old_mesh, new_mesh) = (mesh(&old)?, mesh(&new)?);
    let plan = declare::plan(&old_mesh, &new_mesh, &args.trust_domain);
    let rego = rego(&old, &new);
    let replay = if args.decisions.is_empty() { None } else { Some(replay(args)?) };
    let report = Report { summary: Summary::of(&plan), plan: &plan, rego: &rego, decisions: replay.as_ref() };
    let own = args.trust_domain.as_str();
    match args.format {
        PlanFormat::Json => json(out, &report)?,
        PlanFormat::Markdown => markdown::print(&report, own, out)?,
        PlanFormat::Text => {
            let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            text::print(&report, own, is_coloured, out)?;
        }
    }
    let is_empty =
        plan.is_empty() && rego.is_empty() && replay.is_none_or(|replay| replay.counts.differ() == 0);
    Ok(if is_empty { Answer::Yes } else { Answer::No })
}

fn sources(path: &Path) -> Result<Sources, Failure> {
    if path.is_dir() {
        return Sources::read_dir(path).map_err(Failure::Findings);
    }
    let files = bundle::files(&read(path)?, &Limits::default())
        .map_err(|error| Failure::other(format!("`{}`: {error} [{}]", path.display(), error.code())))?;
    Sources::from_files(files).map_err(Failure::Findings)
}

fn mesh(sources: &Sources) -> Result<Mesh, Failure> {
    let mesh = sources.mesh().map_err(Failure::Findings)?;
    Ok(mesh.map(std::borrow::Cow::into_owned).unwrap_or_default())
}

fn replay(args: &Args) -> Result<Replay, Failure> {
    let logs = logs::open(&args.decisions)?;
    let (old, new) = (logs::state(&args.old, None)?, logs::state(&args.new, None)?);
    let options = Options { workload: args.workload.clone(), ..Options::default() };
    let replay = logs::replayed(&new, Some(&old), options, logs)?;
    usable(&replay)?;
    Ok(replay)
}

/// Files of Rego, and data, that differ and are not a service's own: those are in the plan.
fn rego(old: &Sources, new: &Sources) -> Vec<String> {
    let is_other = |path: &str| {
        !path.starts_with("services/") && !path.starts_with("mesh/") && !path.starts_with("sidegate-lib/")
    };
    let modules = |sources: &Sources| -> std::collections::BTreeMap<String, String> {
        sources.modules.iter().filter(|(path, _)| is_other(path)).cloned().collect()
    };
    let (before, after) = (modules(old), modules(new));
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned();
    // What is below `sidegate` is made from the declarations.
    let data = |sources: &Sources| -> Vec<(Value, Value)> {
        let fields = sources.data.as_object().ok();
        let fields = fields.into_iter().flat_map(|fields| fields.iter_sorted());
        let own = fields.filter(|(key, _)| **key != Value::from("sidegate"));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    changed.chain((data(old) != data(new)).then(|| "data".to_owned())).collect()
}
