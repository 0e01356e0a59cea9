//! `sidegate man`

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Command;
use clap_mangen::Man;

use crate::output::{Answer, Failure};

/// Print the manual page of the program or of a verb, or write all of them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The verb whose page is printed; for those that have verbs of their own, as many as it takes.
    #[arg(value_name = "VERB", conflicts_with = "output")]
    verb: Vec<String>,
    /// Write all pages into this folder, each as `sidegate-VERB.1`.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, command: Command, out: &mut dyn Write) -> Result<Answer, Failure> {
    let Args { verb, output } = args;
    let mut pages = Vec::new();
    let mut command = command.disable_help_subcommand(true);
    command.build();
    collect(&command, &mut pages)?;
    if let Some(dir) = output {
        let failed = |error| Failure::other(format!("expected to write into `{}`: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(failed)?;
        for (name, page) in &pages {
            fs::write(dir.join(format!("{name}.1")), page).map_err(failed)?;
        }
        writeln!(out, "{}: {} pages", dir.display(), pages.len())?;
        return Ok(Answer::Yes);
    }
    let wanted =
        std::iter::once("sidegate").chain(verb.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) else {
        return Err(Failure::other(format!("expected a verb of the program, got `{}`", verb.join(" "))));
    };
    out.write_all(page)?;
    Ok(Answer::Yes)
}

/// The pages of a command and of all below it, by name.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    pages.push((name, page));
    command.get_subcommands().filter(|verb| !verb.is_hide_set()).try_for_each(|verb| collect(verb, pages))
}
