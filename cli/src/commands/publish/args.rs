//! What `publish` is told.

use std::path::PathBuf;

use clap::ValueEnum;
use sidegate_compiler::Workload;
use sidegate_compiler::publish::Try;
use sidegate_engine::trust::PointerMode;

use super::duration;
use crate::output::{Failure, Format};
use crate::signing::SignArgs;

/// Publish the policies of a folder as a tree of signed pointers and slices, for any web server to serve.
///
/// What changed since the last publish is made, checked as `sidegate check` and `sidegate test` do, loaded
/// as a proxy does, signed and written: blobs first, then each pointer in one step. What did not change is
/// not touched. Without `--candidate`, `--promote`, `--drop-candidate`, `--rollback`, `--refresh`,
/// `--break-glass`, `--gc`, `--list` or `--history` the slices become what decides. Exits with 1 if the
/// policies are refused, with 2 if they could not be published.
#[derive(clap::Args)]
#[command(after_help = "docs/publish.md says what the tree is and how to serve it.")]
#[group(skip)]
pub(crate) struct Args {
    /// Folder with `*.rego`, `data.json`, `data.yaml`, `.manifest`.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The published tree.
    #[arg(long, value_name = "TREE")]
    pub(super) to: PathBuf,
    /// Publish for this workload; may be repeated [default: every `services/<namespace>/<name>` that has data].
    #[arg(long, value_name = "NS/NAME")]
    pub(super) workload: Vec<Workload>,
    /// Publish for the workloads in this file, one `NS/NAME` a line.
    #[arg(long, value_name = "FILE")]
    pub(super) workloads: Option<PathBuf>,
    /// Document that can be asked for; may be repeated [default: envoy/authz/allow].
    #[arg(short, long, value_name = "PATH")]
    pub(super) entrypoint: Vec<String>,
    /// What the release is called [default: that of `.manifest`, else a hash of the sources].
    #[arg(long, value_name = "TEXT")]
    pub(super) revision: Option<String>,
    /// Remove the pointers of workloads that the folder does not name any more. Without it they are named.
    #[arg(long)]
    pub(super) prune: bool,
    /// Make the new slices candidates beside what decides.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    candidate: bool,
    /// With `--candidate`: how many of a hundred sidecars try it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100), help_heading = "Instead of publishing what decides")]
    percent: Option<u8>,
    /// With `--candidate`: what they do with its decisions [default: shadow].
    #[arg(long, value_enum, help_heading = "Instead of publishing what decides")]
    mode: Option<Mode>,
    /// Make the candidates decide.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    promote: bool,
    /// Take the candidates back.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    drop_candidate: bool,
    /// Give every workload what decided after the publish of this revision.
    #[arg(long, value_name = "REVISION", help_heading = "Instead of publishing what decides")]
    rollback: Option<String>,
    /// Sign all pointers anew, so that they do not expire.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    refresh: bool,
    /// Lower a workload to shadow, where its configuration has `allow_lowering`.
    #[arg(long, value_name = "NS/NAME", help_heading = "Instead of publishing what decides")]
    break_glass: Option<Workload>,
    /// With `--break-glass`: for how long (`30m`, `1h`; at most `7d`).
    #[arg(long = "for", value_name = "TIME", value_parser = duration::seconds, help_heading = "Instead of publishing what decides")]
    for_: Option<i64>,
    /// Remove blobs that no pointer names and that no rollback to the last publishes needs.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    gc: bool,
    /// With `--gc`: how many publishes can still be rolled back to [default: 10].
    #[arg(long, value_name = "N", help_heading = "Instead of publishing what decides")]
    pub(super) keep: Option<usize>,
    /// Show what is published.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    list: bool,
    /// Show who published what.
    #[arg(long, help_heading = "Instead of publishing what decides")]
    history: bool,
    /// The mesh that the pointers are for [default: the tree's].
    #[arg(long, value_name = "NAME")]
    pub(super) mesh: Option<String>,
    /// Epoch of the pointers, never lower than the tree's [default: the tree's].
    #[arg(long, value_name = "N")]
    pub(super) epoch: Option<u64>,
    /// How long the pointers are good for [default: 14d].
    #[arg(long, value_name = "TIME", value_parser = duration::seconds)]
    pub(super) expires_in: Option<i64>,
    #[command(flatten)]
    pub(super) sign: SignArgs,
    /// Check each signature by this public key (PEM) before it is published [default: that of `--sign-key`].
    #[arg(long, value_name = "FILE")]
    pub(super) verify_key: Option<PathBuf>,
    /// Who publishes, for the history [default: $USER].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, for the history; `--break-glass` needs it.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// What sidecars do with a candidate's decisions.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Compare and count them.
    Shadow,
    /// Carry them out.
    Enforce,
}

/// What is to be done.
pub(super) enum Verb {
    Publish(PathBuf),
    Candidate(PathBuf, Try),
    Promote,
    DropCandidate,
    Rollback(String),
    Refresh,
    BreakGlass(Workload, i64),
    Collect,
    List,
    History,
}

impl Args {
    /// Who publishes.
    pub(super) fn by(&self) -> String {
        self.by.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default()
    }

    /// The one thing that is to be done, if what is written fits together.
    pub(super) fn verb(&self) -> Result<Verb, Failure> {
        let verbs: Vec<&str> = [
            (self.candidate, "--candidate"),
            (self.promote, "--promote"),
            (self.drop_candidate, "--drop-candidate"),
            (self.rollback.is_some(), "--rollback"),
            (self.refresh, "--refresh"),
            (self.break_glass.is_some(), "--break-glass"),
            (self.gc, "--gc"),
            (self.list, "--list"),
            (self.history, "--history"),
        ]
        .into_iter()
        .filter_map(|(given, name)| given.then_some(name))
        .collect();
        let verb = match verbs.as_slice() {
            [] => "",
            [one] => one,
            [one, other, ..] => {
                return Err(Failure::other(format!(
                    "expected one of `{one}` and `{other}`, got both; call `sidegate publish` for each"
                )));
            }
        };
        let publishes = matches!(verb, "" | "--candidate");
        self.only(verb, publishes)?;
        let dir = || {
            let missing =
                || "expected the folder to publish, got none; write `sidegate publish DIR --to TREE`";
            self.dir.clone().ok_or_else(|| Failure::other(missing()))
        };
        Ok(match verb {
            "--promote" => Verb::Promote,
            "--drop-candidate" => Verb::DropCandidate,
            "--refresh" => Verb::Refresh,
            "--gc" => Verb::Collect,
            "--list" => Verb::List,
            "--history" => Verb::History,
            "--candidate" => {
                let percent = self.percent.ok_or_else(|| {
                    Failure::other(
                        "expected how many sidecars try the candidate, got none; write `--percent 10`",
                    )
                })?;
                let mode = match self.mode {
                    Some(Mode::Enforce) => PointerMode::Enforce,
                    Some(Mode::Shadow) | None => PointerMode::Shadow,
                };
                Verb::Candidate(dir()?, Try { percent, mode })
            }
            _ => match (&self.rollback, &self.break_glass) {
                (Some(revision), _) => Verb::Rollback(revision.clone()),
                (None, Some(workload)) => {
                    let seconds = self.for_.ok_or_else(|| {
                        Failure::other(
                            "expected for how long `--break-glass` holds, got nothing; write `--for 1h`",
                        )
                    })?;
                    Verb::BreakGlass(workload.clone(), seconds)
                }
                (None, None) => Verb::Publish(dir()?),
            },
        })
    }

    /// Refuses what would have no effect.
    fn only(&self, verb: &str, publishes: bool) -> Result<(), Failure> {
        let signs = !matches!(verb, "--gc" | "--list" | "--history");
        let needs = [
            (self.dir.is_some() && !publishes, "DIR", "for publishing slices"),
            (!self.workload.is_empty() && !publishes, "--workload", "for publishing slices"),
            (self.workloads.is_some() && !publishes, "--workloads", "for publishing slices"),
            (!self.entrypoint.is_empty() && !publishes, "--entrypoint", "for publishing slices"),
            (self.revision.is_some() && !publishes, "--revision", "for publishing slices"),
            (self.prune && !publishes, "--prune", "for publishing slices"),
            (self.percent.is_some() && verb != "--candidate", "--percent", "with `--candidate`"),
            (self.mode.is_some() && verb != "--candidate", "--mode", "with `--candidate`"),
            (self.for_.is_some() && verb != "--break-glass", "--for", "with `--break-glass`"),
            (self.keep.is_some() && verb != "--gc", "--keep", "with `--gc`"),
            (self.mesh.is_some() && !signs, "--mesh", "for what signs pointers"),
            (self.epoch.is_some() && !signs, "--epoch", "for what signs pointers"),
            (self.expires_in.is_some() && !signs, "--expires-in", "for what signs pointers"),
            (self.verify_key.is_some() && !signs, "--verify-key", "for what signs pointers"),
            (self.reason.is_some() && !signs, "--reason", "for what signs pointers"),
        ];
        if let Some((_, option, place)) = needs.iter().find(|(wrong, ..)| *wrong) {
            let with = if verb.is_empty() { "without it".to_owned() } else { format!("with `{verb}`") };
            return Err(Failure::other(format!(
                "expected `{option}` only {place}, got it {with}; leave it out"
            )));
        }
        if self.prune && !self.workload.is_empty() {
            return Err(Failure::other(
                "expected `--prune` for all workloads of the folder, got it with `--workload`; leave one of them out",
            ));
        }
        Ok(())
    }
}
