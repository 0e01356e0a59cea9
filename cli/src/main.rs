//! `sidegate`: builds, checks and asks policy bundles.
//!
//! Exit codes: 0 yes, 1 no (a finding, a denied request, a failing test), 2 could not answer.

mod commands;
mod output;
mod signing;
mod wrap;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{build, check, eval, explain, init, inspect, plan, publish, test, verify};
use output::{Answer, Failure};

/// Builds, checks and asks Sidegate's policy bundles.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Build(build::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Eval(eval::Args),
    Explain(Box<explain::Args>),
    Plan(plan::Args),
    Init(init::Args),
    Test(test::Args),
    Publish(Box<publish::Args>),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let mut out = io::stdout().lock();
    let result = match command {
        Command::Check(args) => check::run(&args, &mut out),
        Command::Build(args) => build::run(&args, &mut out),
        Command::Inspect(args) => inspect::run(&args, &mut out),
        Command::Verify(args) => verify::run(&args, &mut out),
        Command::Eval(args) => eval::run(&args, &mut out),
        Command::Explain(args) => explain::run(&args, &mut out),
        Command::Plan(args) => plan::run(&args, &mut out),
        Command::Init(args) => init::run(&args, &mut out),
        Command::Test(args) => test::run(&args, &mut out),
        Command::Publish(args) => publish::run(&args, &mut out),
    };
    let result = result.and_then(|answer| out.flush().map(|()| answer).map_err(Failure::from));
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        // Whoever read our output has seen enough (`sidegate inspect … | head`).
        Err(Failure::Pipe) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "sidegate: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
