//! One file per command. Each returns how it ended; [`run`] is the only place that prints a failure.

pub mod check;
pub mod output;
pub mod release;

use crate::cli::{Cli, Command, FIRST_STEPS};
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use ::release::target::process::launch;
use clap::CommandFactory as _;
use output::Output;
use std::ffi::OsString;

/// Runs the command and prints why it failed, if it did.
#[must_use]
pub fn run(cli: Cli) -> Exit {
    let output = Output { json: cli.json };
    match dispatch(cli, output) {
        Ok(exit) => exit,
        Err(failure) => {
            if output.json {
                output.data(&failure.json());
            }
            output.talk(&failure.text());
            failure.exit
        }
    }
}

fn dispatch(cli: Cli, output: Output) -> Outcome {
    match cli.command {
        None => {
            output.text(FIRST_STEPS);
            Ok(Exit::Done)
        }
        Some(Command::Check(arguments)) => check::run(&arguments, output),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tealgate", &mut script);
            output.text(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
        Some(Command::Release(command)) => release::run(command, output),
        Some(Command::Serve(arguments)) => crate::serve::run(&arguments, output),
        Some(Command::SampleApp(arguments)) => crate::sample_app::run(arguments),
        Some(Command::Launch { arguments }) => launch(&arguments, output),
        Some(Command::Demo(arguments)) => crate::demo::run(&arguments, output),
    }
}

/// Becomes the program, or says why not and exits as a shell would.
fn launch(arguments: &[OsString], output: Output) -> Outcome {
    let error = launch::launch(arguments);
    output.talk(&Failure::internal(error).text());
    std::process::exit(launch::EXIT_NOT_STARTED.into())
}
