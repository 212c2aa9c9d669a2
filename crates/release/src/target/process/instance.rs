//! One instance and its supervisor: start, ask for readiness, restart after an exit, stop.
//!
//! The supervisor is a task that ends when the instance is stopped, or when Tealgate loses interest (the driver is
//! dropped): then the process goes on, and a later Tealgate adopts it.

use super::backoff::Backoff;
use super::blueprint::Blueprint;
use super::listener::OwnerCheck;
use super::session::Session;
use super::start::{Live, start};
use crate::clock;
use crate::target::probe::{self, Question};
use crate::target::readiness::Window;
use crate::target::{InstanceState, InstanceStatus};
use model::target::Probe;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the size of the log is looked at.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What is wanted of an instance. A channel that is closed means: leave the process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Run,
    Stop,
}

/// How an instance begins to be supervised.
#[derive(Debug)]
pub(super) enum Begin {
    /// Its process runs already.
    Adopt(Box<Live>),
    /// A process is started, on the port that the instance had before if it still is free.
    Start { port: Option<u16> },
}

/// Why a supervisor stopped watching a process or waiting for a restart.
enum Turn {
    Stop,
    Abandon,
    Exited,
}

/// A supervised instance.
#[derive(Debug)]
pub(super) struct Instance {
    wish: watch::Sender<Wish>,
    status: watch::Receiver<InstanceStatus>,
    task: JoinHandle<io::Result<()>>,
}

impl Instance {
    /// Begins to supervise: the adopted process, or a new one.
    pub(super) fn supervise(blueprint: Arc<Blueprint>, number: u16, begin: Begin) -> Instance {
        let (wish, wished) = watch::channel(Wish::Run);
        let (said, status) = watch::channel(InstanceStatus {
            number,
            host: blueprint.reached_at().to_string(),
            port: 0,
            pid: None,
            state: InstanceState::Starting,
            restarts: 0,
            detail: "is being started".to_owned(),
        });
        let backoff = Backoff::new(&blueprint.target.restart);
        let (adopted, port) = match begin {
            Begin::Adopt(live) => (Some(*live), None),
            Begin::Start { port } => (None, port),
        };
        let supervisor = Supervisor { blueprint, number, wished, said, backoff, port, restarts: 0 };
        Instance { wish, status, task: tokio::spawn(supervisor.run(adopted)) }
    }

    /// What is seen of it now.
    pub(super) fn status(&self) -> InstanceStatus {
        self.status.borrow().clone()
    }

    /// Says that it is to stop; [`Instance::stop`] waits for it.
    pub(super) fn wish_stop(&self) {
        self.wish.send_replace(Wish::Stop);
    }

    /// Stops it and returns when nothing of it runs.
    ///
    /// # Errors
    /// When something of it cannot be ended.
    pub(super) async fn stop(self) -> io::Result<()> {
        self.wish_stop();
        self.task.await.map_err(io::Error::other)?
    }

    /// Stops supervising; the process goes on.
    pub(super) async fn abandon(self) {
        drop(self.wish);
        let _ = self.task.await;
    }
}

struct Supervisor {
    blueprint: Arc<Blueprint>,
    number: u16,
    wished: watch::Receiver<Wish>,
    said: watch::Sender<InstanceStatus>,
    backoff: Backoff,
    port: Option<u16>,
    restarts: u32,
}

impl Supervisor {
    async fn run(mut self, mut adopted: Option<Live>) -> io::Result<()> {
        if let Some(live) = &adopted {
            self.blueprint.ports.keep(live.record.port);
            self.restarts = live.record.restarts;
        }
        loop {
            let begun_at = clock::monotonic();
            let started = match adopted.take() {
                Some(live) => Ok(live),
                None => start(&self.blueprint, self.number, self.port, self.restarts).await,
            };
            let why = match started {
                Ok(mut live) => match self.watch(&mut live).await {
                    Turn::Stop => return self.stop(live).await,
                    Turn::Abandon => return Ok(()),
                    Turn::Exited => self.bury(live).await,
                },
                Err(why) => why,
            };
            let pause = self.backoff.pause(clock::monotonic().saturating_duration_since(begun_at));
            self.say_exited(&why, pause);
            match self.wait(pause).await {
                Turn::Stop => return self.forget(),
                Turn::Abandon => return Ok(()),
                Turn::Exited => self.restarts = self.restarts.saturating_add(1),
            }
        }
    }

    /// Watches a running process until it exits or something else is wanted.
    async fn watch(&mut self, live: &mut Live) -> Turn {
        let mark = live.session.mark().clone();
        self.port = Some(live.record.port);
        self.said.send_modify(|status| {
            status.port = live.record.port;
            status.pid = Some(mark.pid);
            status.restarts = live.record.restarts;
            status.state = InstanceState::Starting;
            status.detail = "was started".to_owned();
        });
        let leader = live.session.leader();
        let mut wished = self.wished.clone();
        tokio::select! {
            turn = decided(&mut wished) => turn,
            () = leader.exited() => Turn::Exited,
            never = self.ask_again_and_again(&mut live.session, live.record.port) => match never {},
            never = self.bound_log() => match never {},
        }
    }

    async fn ask_again_and_again(&self, session: &mut Session, port: u16) -> Infallible {
        let readiness = &self.blueprint.target.readiness;
        let mut window = Window::new(readiness);
        let mut owner = OwnerCheck::default();
        let mut was_ready = false;
        loop {
            let answer = self.ask(&mut owner, session, port).await;
            window.record(answer.is_ok());
            was_ready |= window.ready();
            self.said.send_modify(|status| {
                status.state = match (window.ready(), was_ready) {
                    (true, _) => InstanceState::Ready,
                    (false, true) => InstanceState::Unready,
                    (false, false) => InstanceState::Starting,
                };
                status.detail = answer.unwrap_or_else(|wrong| wrong);
            });
            clock::pause(Duration::from_millis(readiness.interval_ms.max(1))).await;
        }
    }

    async fn ask(&self, owner: &mut OwnerCheck, session: &mut Session, port: u16) -> Result<String, String> {
        let address = self.blueprint.reached_at();
        owner.check(session, address, port).await?;
        let resolver = self.blueprint.resolver(self.number, port);
        let probe = match resolver.probe()? {
            Probe::Http { .. } if self.speaks_https() => Probe::Tcp {},
            probe => probe,
        };
        let question = Question {
            probe: &probe,
            host: &address.to_string(),
            port,
            limit: Duration::from_millis(self.blueprint.target.readiness.timeout_ms),
        };
        probe::ask(&question, || Ok((resolver.variables()?, resolver.working_dir()?))).await
    }

    fn speaks_https(&self) -> bool {
        let upstream = self.blueprint.target.upstream.as_ref();
        upstream.and_then(|upstream| upstream.get("scheme")).is_some_and(|scheme| scheme == "https")
    }

    async fn bound_log(&self) -> Infallible {
        loop {
            clock::pause(LOG_INTERVAL).await;
            let log = self.blueprint.log(self.number);
            let path = log.path().display().to_string();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || log.cut()).await {
                tracing::warn!(path, %error, "cannot rotate the log of an instance");
            }
        }
    }

    /// Clears away what an exited leader has left behind; says how it ended.
    async fn bury(&mut self, mut live: Live) -> String {
        let ending = live.session.leader().ending();
        if let Err(error) = live.session.kill().await {
            tracing::warn!(instance = live.record.instance, %error, "cannot end what an exited process left behind");
        }
        self.blueprint.ports.release(live.record.port);
        self.restarts = live.record.restarts;
        ending.to_string()
    }

    fn say_exited(&self, why: &str, pause: Duration) {
        let (app, colour) = (&self.blueprint.spec.app, self.blueprint.spec.colour);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(app, %colour, number = self.number, why, pause_ms, "an instance does not run; it is restarted");
        self.said.send_modify(|status| {
            status.state = InstanceState::Exited;
            status.pid = None;
            status.restarts = self.restarts;
            status.detail = format!("{why}; is started again in {pause_ms} ms");
        });
    }

    async fn wait(&mut self, pause: Duration) -> Turn {
        tokio::select! {
            turn = decided(&mut self.wished) => turn,
            () = clock::pause(pause) => Turn::Exited,
        }
    }

    async fn stop(&mut self, mut live: Live) -> io::Result<()> {
        live.session.terminate(Duration::from_millis(self.blueprint.target.stop_timeout_ms)).await?;
        self.blueprint.ports.release(live.record.port);
        self.forget()
    }

    /// Nothing of it runs any more: its record goes.
    fn forget(&self) -> io::Result<()> {
        if let Some(record) = self.blueprint.records.read(self.number)? {
            self.blueprint.records.remove(self.number, &record.instance)?;
        }
        self.said.send_modify(|status| {
            status.state = InstanceState::Stopped;
            status.pid = None;
            status.detail = "was stopped".to_owned();
        });
        Ok(())
    }
}

/// Returns when the process is not to be watched any longer.
async fn decided(wished: &mut watch::Receiver<Wish>) -> Turn {
    match wished.wait_for(|wish| *wish == Wish::Stop).await {
        Ok(_) => Turn::Stop,
        Err(_) => Turn::Abandon,
    }
}
