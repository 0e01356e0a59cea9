//! `sidegate status ADMIN…`

mod dump;
mod figures;
mod fleet;
mod http;
mod source;
mod text;
mod tree;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::output::{Answer, Failure, Format, json};
use fleet::Fleet;
use tree::Tree;

/// Look at sidecars: mode, serial, expiry, errors, refusals, who lags, which listeners lack the filter. Exits with 1
/// if anything is amiss.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Admin pages (`HOST:PORT`), saved `/stats` in any form (`NAME.stats.json`, with `NAME.config_dump.json` beside
    /// it), folders of such files, or `@FILE` with one of these a line.
    #[arg(value_name = "ADMIN", required = true)]
    sidecars: Vec<String>,
    /// The published tree, which says what revision a sidecar has and which serial is the newest.
    #[arg(long, value_name = "TREE")]
    tree: Option<PathBuf>,
    /// What the name of the filter, of its plugin or its root id has in it.
    #[arg(long, value_name = "NAME", default_value = "sidegate")]
    filter: String,
    /// Seconds that an admin page has for each of three answers.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Ask twice, so many seconds apart, and count only what happened in between [default: all since the proxy began].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    during: Option<u64>,
    /// The time to compare with, in seconds since 1970 [default: the clock's].
    #[arg(long, value_name = "S")]
    now: Option<u64>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { sidecars, tree, filter, timeout, during, now, format } = args;
    let clock = || Some(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs());
    let mut sources = Vec::new();
    for argument in sidecars {
        for source in source::expand(argument)? {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    if sources.is_empty() {
        return Err(Failure::other("expected sidecars, got an empty list"));
    }
    let look = || source::look(&sources, filter, Duration::from_secs(*timeout));
    let seen = match during {
        None => look(),
        Some(_) if sources.iter().any(source::Source::is_saved) => {
            return Err(Failure::other("expected admin pages with `--during`, got saved files"));
        }
        Some(seconds) => {
            let before = look();
            std::thread::sleep(Duration::from_secs(*seconds));
            source::since(before, look())
        }
    };
    let now = now.or_else(clock).ok_or_else(|| Failure::other("expected a clock, or `--now`"))?;
    let tree = match tree {
        Some(path) => Some(Tree::open(path, i64::try_from(now).unwrap_or(i64::MAX))?),
        None => None,
    };
    let fleet = Fleet::new(seen, tree.as_ref(), now);
    match format {
        Format::Json => json(out, &fleet)?,
        Format::Text => text::write(&fleet, out)?,
    }
    Ok(if fleet.findings.is_empty() { Answer::Yes } else { Answer::No })
}
