//! `sidegate`: builds, checks and asks policy bundles.
//!
//! Exit codes: 0 yes, 1 no (a finding, a denied request, a failing test), 2 could not answer.

mod commands;
mod output;
mod signing;
mod wrap;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use commands::{
    build, check, completions, eval, explain, graph, import, init, inspect, man, plan, publish, render,
    replay, status, suggest, test, verify,
};
use output::{Answer, Failure};

/// Builds, checks and asks Sidegate's policy bundles.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit code: 0 yes; 1 no: denied, a finding, changes, a failing test; 2 could not answer."
)]
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
    Graph(graph::Args),
    Explain(Box<explain::Args>),
    Plan(plan::Args),
    Replay(replay::Args),
    Init(init::Args),
    Import(import::Args),
    Test(test::Args),
    Publish(Box<publish::Args>),
    Render(render::Args),
    Status(status::Args),
    Suggest(Box<suggest::Args>),
    Completions(completions::Args),
    Man(man::Args),
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
        Command::Graph(args) => graph::run(&args, &mut out),
        Command::Explain(args) => explain::run(&args, &mut out),
        Command::Plan(args) => plan::run(&args, &mut out),
        Command::Replay(args) => replay::run(&args, &mut out),
        Command::Init(args) => init::run(&args, &mut out),
        Command::Import(args) => import::run(&args, &mut out),
        Command::Test(args) => test::run(&args, &mut out),
        Command::Publish(args) => publish::run(&args, &mut out),
        Command::Render(args) => render::run(&args, &mut out),
        Command::Status(args) => status::run(&args, &mut out),
        Command::Suggest(args) => suggest::run(&args, &mut out),
        Command::Completions(args) => completions::run(&args, Cli::command(), &mut out),
        Command::Man(args) => man::run(&args, Cli::command(), &mut out),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use clap::{Command, CommandFactory};

    use super::Cli;

    fn every(command: &Command, look: &mut dyn FnMut(&Command)) {
        look(command);
        command.get_subcommands().for_each(|verb| every(verb, look));
    }

    #[test]
    fn every_verb_and_every_option_says_what_it_is() {
        let mut command = Cli::command();
        command.build();
        let mut verbs = 0;
        every(&command, &mut |verb| {
            verbs += 1;
            let name = verb.get_display_name().unwrap_or(verb.get_name()).to_owned();
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.len() > 10 && about.len() < 200, "{name}: {about}");
            for arg in verb.get_arguments() {
                assert!(arg.get_help().is_some(), "{name}: {}", arg.get_id());
            }
            let help = verb.clone().term_width(80).render_long_help().to_string();
            let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(
                wide.iter().all(|line| line.starts_with("Usage: ") || !line.contains(' ')),
                "{name}: {wide:#?}"
            );
        });
        assert!(verbs > 10, "{verbs}");
    }
}
