//! `release promote`, `rollback` and `abort`.

use crate::cli::release::ActArgs;
use crate::client::Client;
use crate::command::output::Output;
use crate::command::release::follow::{self, Following, Watched};
use crate::command::release::{client, ending, paths};
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use serde_json::json;

/// What is asked of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A person says yes.
    Promote,
    /// The way back, before the commit or after it.
    Rollback,
    /// The way back before the commit.
    Abort,
}

pub(super) async fn run(act: Act, arguments: &ActArgs, output: Output) -> Outcome {
    let client = client(&arguments.server)?;
    let app = &arguments.app;
    let path = match act {
        Act::Rollback => paths::rollback(app),
        Act::Promote => format!("{}/promote", paths::release(app, &newest(&client, arguments).await?)),
        Act::Abort => format!("{}/abort", paths::release(app, &newest(&client, arguments).await?)),
    };
    let view = follow::view_of(client.post(&path, &json!({})).await?)?;
    let following = Following { app, release: &view.release, timeout: arguments.wait.timeout };
    if arguments.wait.detach {
        return follow::left(&following, &view, output);
    }
    match follow::watch(&client, &following, output).await? {
        Watched::Over(view) => {
            ending::print(&view, output);
            let went_back = act != Act::Promote && ending::is_back(&view);
            Ok(if went_back { Exit::Done } else { ending::exit(&view) })
        }
        Watched::Left(view) => follow::left(&following, &view, output),
    }
}

/// The release that is meant: the one that was named, else the one in flight, else the newest that waits for its turn,
/// else the newest.
async fn newest(client: &Client, arguments: &ActArgs) -> Outcome<String> {
    if let Some(id) = &arguments.release {
        return Ok(id.clone());
    }
    let releases = super::show::releases(client, &arguments.app).await?;
    let open = || releases.iter().filter(|view| !ending::is_over(view));
    let meant =
        open().find(|view| view.phase != "queued").or_else(|| open().next()).or_else(|| releases.first());
    meant.map(|view| view.release.clone()).ok_or_else(|| none(&arguments.app))
}

pub(super) fn none(app: &str) -> Failure {
    let hint = format!("start one: tealgate release start {app} --version V");
    Failure::new(Exit::Refused, anyhow::anyhow!("the app `{app}` has no release"), hint)
}
