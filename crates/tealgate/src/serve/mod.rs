//! `tealgate serve`: the composition root. Only this folder builds the parts and hands each what it needs.
//!
//! ```text
//! file ──reload──▶ store ──follow──▶ gateway threads ──instance──▶ store ──▶ admin, release
//! ```

mod error;
mod follow;
mod gateway_settings;
mod instance;
mod options;
pub mod prepare;
mod reload;
mod server;
mod signals;

pub use error::ServeError;
pub use options::{KeySource, Options};
pub use server::Server;

use crate::cli::serve::ServeArgs;
use crate::command::output::Output;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use crate::logging;
use signals::Signals;

/// Threads of the control plane: the Admin API, releases, the store's waiters. The gateway has its own.
const CONTROL_THREADS: usize = 2;

/// Serves until SIGTERM or SIGINT; a second one ends at once.
///
/// # Errors
/// When the configuration is wrong, an address or the data directory is taken, or a part cannot be started.
pub fn run(arguments: &ServeArgs, output: Output) -> Outcome {
    let options = Options::new(arguments)?;
    logging::start(&options.prepared.settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let server = Server::start(options).await?;
        output.talk(&server.banner());
        server.obey(&mut signals).await;
        server.stop(&mut signals).await;
        Ok(Exit::Done)
    })
}
