//! The thread that sends copies. What the new version does there, or does not, holds up nobody but other copies.

use super::Shadow;
use super::account::{Accounts, Pair};
use super::ask::{Line, Question};
use super::compare::Head;
use super::tally::Slot;
use crate::clock;
use crate::kept::Kept;
use crate::settings::Settings;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use telemetry::report::Unanswered;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};

/// Copies that wait for the thread; beyond it they are not made. What is under way is bounded by the rules.
pub(super) const MAX_WAITING: usize = 1_024;
/// Threads that wait for the system's name resolver.
const MAX_BLOCKING_THREADS: usize = 2;
/// Between two sweeps of idle connections.
const SWEEP: Duration = Duration::from_secs(1);

/// A request that was answered, and is to be copied.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) shadow: Arc<Shadow>,
    pub(super) slot: Slot,
    pub(super) method: String,
    pub(super) path: String,
    /// To the new version; `None`: it has no node.
    pub(super) to: Option<Question>,
    /// To the live version, once more.
    pub(super) again: Option<Question>,
    pub(super) body: Option<Kept>,
    /// What the live version has answered.
    pub(super) live: (Head, Kept),
}

/// Sends copies until nobody can hand any over, or it is to stop.
///
/// # Errors
/// When the runtime cannot be made.
pub(super) fn run(
    copies: mpsc::Receiver<Box<Copied>>,
    settings: Arc<Settings>,
    accounts: Accounts,
    stop: &Notify,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build_local(LocalOptions::default())?;
    runtime.block_on(async {
        tokio::select! {
            () = send_all(copies, settings, accounts) => {}
            () = stop.notified() => {}
        }
    });
    // Whoever waits for this thread does not wait for the system's name resolver.
    runtime.shutdown_background();
    Ok(())
}

async fn send_all(mut copies: mpsc::Receiver<Box<Copied>>, settings: Arc<Settings>, accounts: Accounts) {
    let (line, accounts) = (Rc::new(Line::new(settings)), Rc::new(accounts));
    let mut pause = std::pin::pin!(clock::pause(SWEEP));
    loop {
        tokio::select! {
            copy = copies.recv() => {
                let Some(copy) = copy else { return };
                let (line, accounts) = (Rc::clone(&line), Rc::clone(&accounts));
                tokio::task::spawn_local(async move { send(&line, &accounts, *copy).await });
            }
            () = &mut pause => {
                line.sweep();
                pause.set(clock::pause(SWEEP));
            }
        }
    }
}

/// Asks the new version, and the live one again if that is wanted, and hands over what they have said.
async fn send(line: &Line, accounts: &Accounts, copy: Copied) {
    let Copied { shadow, slot, method, path, to, again, body, live } = copy;
    let body = body.as_ref().and_then(|body| body.body().ok());
    let to_new = async {
        shadow.tally.sent();
        match &to {
            Some(question) => line.ask(&shadow, question, body).await,
            None => Err(Unanswered::Connect),
        }
    };
    let to_live = async {
        shadow.tally.asked_again();
        // It may be down for this alone; that says nothing of the new version.
        line.ask(&shadow, again.as_ref()?, body).await.ok()
    };
    let to_live = async { if again.is_some() { to_live.await } else { None } };
    let (new, second) = tokio::join!(to_new, to_live);
    let new = new.map_err(|why| shadow.tally.unanswered(why)).ok();
    accounts.compare(Pair { shadow, slot, method, path, live, new, second });
}
