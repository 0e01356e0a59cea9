//! Logs of recorded decisions, for the verbs that read them.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use sidegate_compiler::Sources;
use sidegate_compiler::replay::{Log, Options, Replay, State, replay};

use crate::output::{Failure, read};

/// From one line about the progress to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// Opens logs; `-` is the standard input.
pub(crate) fn open(paths: &[PathBuf]) -> Result<Vec<Log<'static>>, Failure> {
    let one = |path: &PathBuf| {
        let name = path.display().to_string();
        let reader: Box<dyn Read + Send> = if name == "-" {
            Box::new(io::stdin())
        } else {
            let failed =
                |error: io::Error| Failure::other(format!("expected a readable log at `{name}`: {error}"));
            Box::new(File::open(path).map_err(failed)?)
        };
        Ok(Log { name, reader })
    };
    paths.iter().map(one).collect()
}

/// The policies of a folder or a bundle, to ask about recorded decisions.
pub(crate) fn state(path: &Path, entrypoint: Option<&str>) -> Result<State, Failure> {
    let state = match path.is_dir() {
        true => {
            let entrypoints: Vec<String> = entrypoint.map(str::to_owned).into_iter().collect();
            Sources::read_dir(path).and_then(|sources| State::of_folder(sources, &entrypoints))
        }
        false => State::of_bundle(&read(path)?, &path.display().to_string()),
    };
    // Not a finding about the log: there is no answer.
    state.map_err(|findings| Failure::other(findings.to_string()))
}

/// Decides the decisions of logs anew, and says how far it is where somebody watches.
pub(crate) fn replayed(
    new: &State,
    old: Option<&State>,
    options: Options,
    logs: Vec<Log<'static>>,
) -> Result<Replay, Failure> {
    let threads = available_parallelism().map_or(1, usize::from);
    let is_watched = io::stderr().is_terminal();
    let start = Instant::now();
    let mut said = start;
    let mut progress = |records: u64| {
        let now = Instant::now();
        if is_watched && now.duration_since(said) >= PAUSE {
            said = now;
            let millis = now.duration_since(start).as_millis().max(1);
            let rate = u128::from(records).saturating_mul(1000).checked_div(millis).unwrap_or_default();
            let _ = write!(io::stderr(), "\r{records} events, {rate} events/s");
        }
    };
    let options = Options { threads, ..options };
    let result = replay(new, old, &options, logs.into_iter(), &mut progress);
    if is_watched {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    result.map_err(|findings| Failure::other(findings.to_string()))
}
