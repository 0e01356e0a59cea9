//! `sidegate replay LOG… --bundle NEW`

pub(crate) mod text;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use sidegate_compiler::Workload;
use sidegate_compiler::replay::{Options, Replay};

use super::logs;
use crate::output::{Answer, Failure, Format, json};

/// Decide recorded decisions anew by another policy, and show which of them change.
///
/// Events of decision logs, as OPA and the filter write them. What the policy reads and an event does not have makes it
/// unknown. Exits with 0 if nothing changes, 1 if something does.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Logs: events on lines or in lists, or Envoy's log, also compressed by gzip; `-` is the standard input.
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    /// The policy that decides now: a bundle or a folder.
    #[arg(short, long, value_name = "NEW")]
    bundle: PathBuf,
    /// The entry point that is asked about requests, instead of the one that each event names.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The workload of events that do not name one.
    #[arg(long, value_name = "NS/NAME")]
    workload: Option<Workload>,
    /// Answer with exit code 1 if something is unknown or could not be read, too.
    #[arg(long)]
    strict: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { logs: paths, bundle, path, workload, strict, format } = args;
    let logs = logs::open(paths)?;
    let state = logs::state(bundle, path.as_deref())?;
    let options = Options { path: path.clone(), workload: workload.clone(), ..Options::default() };
    let replay = logs::replayed(&state, None, options, logs)?;
    usable(&replay)?;
    match format {
        Format::Json => json(out, &replay)?,
        Format::Text => {
            let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            text::print(&replay, state.mesh().is_some(), is_coloured, out)?;
        }
    }
    let Replay { counts, left_out, cut_off, .. } = &replay;
    if counts.decided() == 0 {
        return Err(Failure::other("none of the decisions could be taken anew"));
    }
    let is_doubtful = counts.unknown > 0 || !left_out.is_empty() || !cut_off.is_empty();
    Ok(if counts.differ() > 0 || *strict && is_doubtful { Answer::No } else { Answer::Yes })
}

/// That the logs had a decision at all.
pub(crate) fn usable(replay: &Replay) -> Result<(), Failure> {
    if replay.counts.decided().saturating_add(replay.counts.unknown) > 0 {
        return Ok(());
    }
    let mut message = format!("expected decisions, got none in {}", text::count(replay.records, "record"));
    for line in text::notes(replay) {
        message.push('\n');
        message.push_str(&line);
    }
    Err(Failure::other(message))
}
