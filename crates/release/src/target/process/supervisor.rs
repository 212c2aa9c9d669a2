//! The supervisor of one instance: start, watch, restart after an exit, stop.
//!
//! It is a task that ends when the instance is stopped, or when Tealgate loses interest (the driver is dropped): then
//! the process goes on, and a later Tealgate adopts it.

use super::backoff::Backoff;
use super::blueprint::Blueprint;
use super::crash_loop::Exits;
use super::instance::{Begin, Wish};
use super::port::{Held, is_free};
use super::prober::Prober;
use super::start::{Live, start};
use crate::clock;
use crate::failpoint::ProcessStep;
use crate::target::{InstanceState, InstanceStatus};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the size of the log is looked at.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Why a supervisor stopped watching a process, or waiting for a restart.
enum Turn {
    Stop,
    Abandon,
    /// The process exited; the pause is over.
    Restart,
}

/// What a supervisor knows and remembers.
#[derive(Debug)]
pub(super) struct Supervisor {
    blueprint: Arc<Blueprint>,
    number: u16,
    wished: watch::Receiver<Wish>,
    said: watch::Sender<InstanceStatus>,
    backoff: Backoff,
    /// Kept over restarts.
    port: Option<Held>,
    restarts: u32,
    exits: Exits,
}

impl Supervisor {
    pub(super) fn new(
        blueprint: Arc<Blueprint>,
        number: u16,
        wished: watch::Receiver<Wish>,
        said: watch::Sender<InstanceStatus>,
    ) -> Supervisor {
        let backoff = Backoff::new(&blueprint.target.restart);
        let exits = Exits::new(blueprint.target.restart.crash_loop);
        Supervisor { blueprint, number, wished, said, backoff, port: None, restarts: 0, exits }
    }

    /// Runs until the instance is stopped or abandoned.
    ///
    /// # Errors
    /// When something of it cannot be ended.
    pub(super) async fn run(mut self, begin: Begin) -> io::Result<()> {
        let (mut adopted, before) = match begin {
            Begin::Adopt(live) => {
                self.port = Some(self.blueprint.ports.hold(live.record.port));
                self.restarts = live.record.restarts;
                (Some(*live), None)
            }
            Begin::Start { port } => (None, port),
        };
        loop {
            let begun_at = clock::monotonic();
            let started = match adopted.take() {
                Some(live) => Ok(live),
                None => self.start(before).await,
            };
            let why = match started {
                Err(why) => why,
                Ok(mut live) => match self.watch(&mut live).await {
                    Turn::Stop => return self.stop(live).await,
                    Turn::Abandon => return Ok(()),
                    Turn::Restart => self.bury(live).await,
                },
            };
            let pause = self.backoff.pause(clock::monotonic().saturating_duration_since(begun_at));
            self.say_exited(&why, pause);
            match self.wait(pause).await {
                Turn::Stop => return self.forget().await,
                Turn::Abandon => return Ok(()),
                Turn::Restart => self.restarts = self.restarts.saturating_add(1),
            }
        }
    }

    /// Starts the process on the port that it holds; on another one only if somebody listens there.
    async fn start(&mut self, before: Option<u16>) -> Result<Live, String> {
        let address = self.blueprint.address;
        let held = self.port.take().filter(|held| is_free(address, held.port()));
        let held = match held {
            Some(held) => held,
            None => {
                let taken = self.blueprint.ports.take(address, self.blueprint.target.ports, before);
                taken.map_err(|error| format!("no port: {error}"))?
            }
        };
        let port = self.port.insert(held).port();
        start(&self.blueprint, self.number, port, self.restarts).await
    }

    /// Watches a running process until it exits or something else is wanted.
    async fn watch(&mut self, live: &mut Live) -> Turn {
        let pid = live.session.mark().pid;
        self.said.send_modify(|status| {
            status.port = live.record.port;
            status.pid = Some(pid);
            status.restarts = self.restarts;
            status.state = InstanceState::Starting;
            status.detail = "was started".to_owned();
        });
        let prober = Prober { blueprint: &self.blueprint, number: self.number, port: live.record.port };
        let leader = live.session.leader();
        tokio::select! {
            turn = decided(&mut self.wished) => turn,
            () = leader.exited() => Turn::Restart,
            never = prober.run(&mut live.session, &self.said) => match never {},
            never = bound_log(&self.blueprint, self.number) => match never {},
            never = forgive(&self.blueprint, &self.said) => match never {},
        }
    }

    fn say_exited(&mut self, why: &str, pause: Duration) {
        let was_ready = matches!(self.said.borrow().state, InstanceState::Ready | InstanceState::Unready);
        let crash_loop = self.exits.exited(clock::monotonic(), was_ready, why);
        let (app, colour, number) = (&self.blueprint.spec.app, self.blueprint.spec.colour, self.number);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(app, %colour, number, why, pause_ms, "an instance does not run; it is started again");
        self.said.send_modify(|status| {
            status.state = InstanceState::Exited;
            status.pid = None;
            status.restarts = self.restarts;
            status.detail = format!("{why}; is started again in {pause_ms} ms");
            // What was said stands until it is forgiven: who looks, looks now and then.
            status.crash_loop = crash_loop.or(status.crash_loop.take());
        });
    }

    async fn wait(&mut self, pause: Duration) -> Turn {
        tokio::select! {
            turn = decided(&mut self.wished) => turn,
            () = clock::pause(pause) => Turn::Restart,
        }
    }

    async fn stop(&self, mut live: Live) -> io::Result<()> {
        self.blueprint.end(self.number, &mut live.session).await?;
        self.forget().await
    }

    /// Nothing of it runs any more: its record goes.
    async fn forget(&self) -> io::Result<()> {
        if let Some(record) = self.blueprint.records.read(self.number)? {
            self.blueprint.forget(self.number, &record.instance).await?;
        }
        self.said.send_modify(|status| {
            status.state = InstanceState::Stopped;
            status.pid = None;
            status.detail = "was stopped".to_owned();
        });
        Ok(())
    }

    /// Clears away what an exited leader has left behind; says how it ended.
    async fn bury(&self, mut live: Live) -> String {
        let ending = live.session.leader().ending();
        let killing = live.session.kill();
        if let Err(error) = self.blueprint.step(self.number, ProcessStep::Kill, killing).await {
            let instance = live.record.instance;
            tracing::warn!(instance, %error, "cannot end what an exited process left behind");
        }
        ending.to_string()
    }
}

/// Returns when the process is not to be watched any longer.
async fn decided(wished: &mut watch::Receiver<Wish>) -> Turn {
    match wished.wait_for(|wish| *wish == Wish::Stop).await {
        Ok(_) => Turn::Stop,
        Err(_) => Turn::Abandon,
    }
}

/// Who has run for as long as a crash loop may take is in none any more.
async fn forgive(blueprint: &Blueprint, said: &watch::Sender<InstanceStatus>) -> Infallible {
    let within_ms = blueprint.target.restart.crash_loop.map_or(0, |rule| rule.within_ms);
    clock::pause(Duration::from_millis(within_ms)).await;
    said.send_if_modified(|status| status.crash_loop.take().is_some());
    std::future::pending().await
}

async fn bound_log(blueprint: &Blueprint, number: u16) -> Infallible {
    loop {
        clock::pause(LOG_INTERVAL).await;
        let log = blueprint.log(number);
        let path = log.path().display().to_string();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || log.cut()).await {
            tracing::warn!(path, %error, "cannot rotate the log of an instance");
        }
    }
}
