//! `tealgate demo`: a whole release and a rollback under load, on this machine, in about a minute.
//!
//! Nothing is staged: a real server on free ports of loopback, real processes of a sample app, real users in a closed
//! loop, and the same commands that a person would give. Three parties count every request on their own; the demo
//! has succeeded only if they agree and nothing was lost.

mod account;
mod stage;
mod traffic;

use crate::cli::DemoArgs;
use crate::clock;
use crate::command::output::Output;
use crate::command::release::follow::{self, Following, Watched};
use crate::command::release::paths;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use account::{Account, Evidence};
use load::run::Handle;
use release::view::{AppStatus, ReleaseView};
use serde_json::{Value, json};
use stage::{APP, Stage};
use std::time::Duration;
use telemetry::series::SeriesCounts;
use tokio::signal::unix::{SignalKind, signal};

/// How long users are there before the first release of a new version and after the last.
const CALM: Duration = Duration::from_secs(1);
/// How long to wait for the gate to have counted the last answer, which its client has already seen.
const SETTLE_TRIES: u32 = 100;
/// Between two looks at that.
const SETTLE_PAUSE: Duration = Duration::from_millis(20);

/// Plays the demo.
///
/// # Errors
/// When something could not be started, or was interrupted. A demo that ran and did not show what it should ends
/// with [`Exit::Internal`] and says what was wrong.
pub fn run(arguments: &DemoArgs, output: Output) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    runtime.block_on(async {
        let mut stage = Stage::set().await?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::internal)?;
        let played = tokio::select! {
            played = play(&stage, arguments, output) => played,
            _ = tokio::signal::ctrl_c() => Err(interrupted()),
            _ = terminate.recv() => Err(interrupted()),
        };
        stage.server.strike().await;
        played
    })
}

fn interrupted() -> Failure {
    Failure::new(
        Exit::Aborted,
        anyhow::anyhow!("the demo was interrupted; everything it started was stopped"),
        "",
    )
}

async fn play(stage: &Stage, arguments: &DemoArgs, output: Output) -> Outcome {
    output.talk(&format!(
        "gateway on http://{}, everything in {}\n",
        stage.gateway,
        stage.directory.display()
    ));
    output.talk("1. Version 1 becomes live: there is nothing to switch from.");
    let first = release(stage, json!({"version": "v1"}), output).await?;
    output.talk("\n2. Users come. Version 2 is released under their feet: 10 %, 50 %, 100 %.");
    let users = traffic::start(stage.gateway)?;
    clock::pause(CALM).await;
    let second = release(stage, json!({"version": "v2"}), output).await?;
    output.talk("\n3. Version 3 starts healthy, passes its smoke test, and fails for every user.");
    let third = release(stage, json!({"version": "v3", "spec": stage.broken_target()?}), output).await?;
    clock::pause(CALM).await;
    let account = settle(stage, users, &[first, second, third]).await?;
    if output.json {
        output.data(&serde_json::to_value(&account).map_err(Failure::internal)?);
    } else {
        output.text(&format!("\n{}", account.text()));
    }
    if arguments.keep {
        keep(stage, output).await;
    }
    Ok(if account.ok { Exit::Done } else { Exit::Internal })
}

/// Starts a release and watches it to its end.
async fn release(stage: &Stage, wanted: Value, output: Output) -> Outcome<ReleaseView> {
    let answer = stage.client.post(&paths::releases(APP), &wanted).await?;
    let started = follow::view_of(answer)?;
    let following = Following { app: APP, release: &started.release, timeout: None };
    match follow::watch(&stage.client, &following, output).await? {
        Watched::Over(view) => Ok(*view),
        Watched::Left(_) => Err(interrupted()),
    }
}

/// The users leave; everybody's counts are laid side by side.
async fn settle(stage: &Stage, users: Handle, releases: &[ReleaseView]) -> Outcome<Account> {
    let ledger = users.stop().await;
    let gate = gate_counts(stage).await;
    let status = stage.client.get(&format!("{}/{APP}/status", paths::APPS)).await?;
    let status: AppStatus = serde_json::from_value(status).map_err(Failure::internal)?;
    Ok(Account::new(&Evidence {
        ledger: &ledger,
        backends: &stage.backends()?,
        gate: &gate,
        releases,
        live: status.live.as_deref(),
    }))
}

/// The gate's counters, once nothing is open any more.
async fn gate_counts(stage: &Stage) -> Vec<SeriesCounts> {
    let mut counts = stage.server.counters();
    for _ in 0..SETTLE_TRIES {
        if counts.iter().all(|series| series.counts.open == 0) {
            break;
        }
        clock::pause(SETTLE_PAUSE).await;
        counts = stage.server.counters();
    }
    counts
}

/// Leaves everything running until the person has played enough.
async fn keep(stage: &Stage, output: Output) {
    let data_dir = stage.directory.join("data");
    output.talk(&format!(
        "\neverything keeps running; Ctrl-C ends it\n  \
         curl -H 'Host: {}' http://{}/hello\n  \
         tealgate release list {APP} --data-dir {2}\n  \
         tealgate release start {APP} --version v4 --data-dir {2}",
        stage::HOST,
        stage.gateway,
        data_dir.display()
    ));
    std::future::pending::<()>().await;
}
