//! `tealgate release ...`: a client of the release API. Everything that is decided is decided by the server.

mod act;
mod ending;
pub(crate) mod follow;
pub(crate) mod paths;
mod refusal;
mod report;
mod show;
mod start;

use crate::cli::release::{ReleaseCommand, ServerArgs};
use crate::client::Client;
use crate::client::find::Server;
use crate::command::output::Output;
use crate::error::{Failure, Outcome};

/// Runs one of the release commands.
///
/// # Errors
/// When the server cannot be found or reached, or says no.
pub fn run(command: ReleaseCommand, output: Output) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::internal)?;
    runtime.block_on(async {
        match command {
            ReleaseCommand::Start(arguments) => start::run(&arguments, false, output).await,
            ReleaseCommand::Rehearse(arguments) => start::run(&arguments, true, output).await,
            ReleaseCommand::Status(arguments) => show::status(&arguments, output).await,
            ReleaseCommand::Promote(arguments) => act::run(act::Act::Promote, &arguments, output).await,
            ReleaseCommand::Rollback(arguments) => act::run(act::Act::Rollback, &arguments, output).await,
            ReleaseCommand::Abort(arguments) => act::run(act::Act::Abort, &arguments, output).await,
            ReleaseCommand::List(arguments) => show::list(&arguments, output).await,
            ReleaseCommand::Report(arguments) => report::run(&arguments, output).await,
        }
    })
}

fn client(arguments: &ServerArgs) -> Outcome<Client> {
    Ok(Client::new(Server::find(arguments)?))
}
