//! `tealgate serve`: the composition root. Only this folder builds the parts and hands each what it needs.
//!
//! ```text
//! file ──reload──▶ store ──follow──▶ gateway threads ──instance──▶ store ──▶ admin, release
//! ```

mod admin_access;
mod admin_listeners;
mod certificates;
mod controller_watch;
mod descriptors;
mod error;
mod failpoints;
mod follow;
mod gateway_settings;
mod inheritance;
mod instance;
mod life;
mod notify;
mod options;
mod passed;
pub mod prepare;
mod reload;
mod server;
mod signals;
mod takeover;

pub use error::ServeError;
pub use options::{KeySource, Options};
pub use passed::{Passed, PassedError};
pub use server::Server;
pub use takeover::{TakeoverError, Taker};

use crate::cli::serve::ServeArgs;
use crate::command::output::Output;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use crate::logging;
use life::End;
use signals::Signals;

/// Threads of the control plane: the Admin API, releases, the store's waiters. The gateway has its own.
const CONTROL_THREADS: usize = 2;

/// Serves until SIGTERM or SIGINT, a second one ends at once; or until another process has taken over.
///
/// # Errors
/// When the configuration is wrong, an address or the data directory is taken, or a part cannot be started.
pub fn run(arguments: &ServeArgs, output: Output) -> Outcome {
    let mut options = Options::new(arguments)?;
    // Before anything else is opened.
    options.passed = Passed::receive(&options.addresses()).map_err(ServeError::Passed)?;
    logging::start(&options.prepared.settings.log);
    descriptors::raise(options.prepared.settings.limits.connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let taker = if arguments.takeover { find_predecessor(&options).await? } else { None };
        let mut server = Server::take_over(options, taker).await?;
        server.of_this_process();
        output.talk(&server.banner());
        match server.obey(&mut signals).await {
            End::Asked => server.stop(&mut signals).await,
            End::TakenOver(successor) => server.leave(&mut signals, successor).await,
        }
        Ok(Exit::Done)
    })
}

/// The running process of this role. Without one, this is a start like any other.
async fn find_predecessor(options: &Options) -> Result<Option<Taker>, ServeError> {
    let taker = Taker::connect(&options.prepared.data_dir, options.role).await?;
    if taker.is_none() {
        tracing::info!("there is no process to take over from");
    }
    Ok(taker)
}
