//! `sidegate completions SHELL`

use std::io::Write;

use clap_complete::{Shell, generate};

use crate::output::{Answer, Failure};

/// Print a script that completes verbs and options in a shell.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command, out: &mut dyn Write) -> Result<Answer, Failure> {
    // Not straight to the output: the generator cannot say that nobody reads it any more.
    let mut script = Vec::new();
    generate(args.shell, &mut command, "sidegate", &mut script);
    out.write_all(&script)?;
    Ok(Answer::Yes)
}
