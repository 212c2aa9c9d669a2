//! A server between its start and its end: it obeys signals, follows its file, and ends or hands over.

use super::reload::{self, FileWatch};
use super::server::{Server, become_ready};
use super::signals::{Asked, Signals};
use super::takeover::{Candidate, Giver, Program, Successor};
use admin::Readiness;
use gateway::{Gateway, Leave};
use std::time::Duration;

/// How long requests may go on that a process has accepted that was to take over and does not.
const WITHDRAW_LIMIT: Duration = Duration::from_secs(5);

/// Why a server is to end.
pub(super) enum End {
    /// It was asked to.
    Asked,
    /// The process with this id has taken over.
    TakenOver(u32),
}

impl Server {
    /// Obeys signals and watches the configuration file until it is asked to end or another process has taken over.
    pub(super) async fn obey(&mut self, signals: &mut Signals) -> End {
        self.manager.ready();
        if self.giver.is_none() {
            self.begin_to_hand_over();
        }
        self.watch_readiness();
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => return End::Asked,
                    Asked::Reload => {
                        self.admin_access.renew(&self.options);
                        self.reload().await;
                    }
                    Asked::Reopen => self.reopen_logs(),
                    Asked::Upgrade => self.start_successor(),
                },
                () = changed(self.file_watch.as_ref()) => self.reload().await,
                successor = next(self.giver.as_mut()) => {
                    let pid = successor.pid();
                    if self.hand_over(successor).await {
                        return End::TakenOver(pid);
                    }
                }
            }
        }
    }

    /// From now on another process may take over, once this one obeys.
    pub(super) fn begin_to_hand_over(&mut self) {
        let (Some(holdings), data_dir) = (&self.holdings, &self.options.prepared.data_dir) else { return };
        match Giver::start(data_dir, self.options.role, holdings.clone()) {
            Ok(giver) => self.giver = Some(giver),
            Err(error) => tracing::warn!(%error, "no other process will be able to take over from this one"),
        }
    }

    fn watch_readiness(&mut self) {
        self.tasks.spawn(become_ready(self.controller.clone(), self.readiness.clone()));
    }

    async fn reload(&self) {
        self.manager.reloading();
        match &self.options.config {
            Some(path) => reload::reload(path, &*self.store, &self.keyring).await,
            None => tracing::info!("there is no configuration file to read again"),
        }
        self.manager.ready();
    }

    fn reopen_logs(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Starts the process that is to take over, as this one was started.
    fn start_successor(&mut self) {
        if self.started.as_ref().is_some_and(Candidate::runs) {
            tracing::warn!("a process that is to take over has been started already");
            return;
        }
        let Some(program) = &self.program else { return };
        let path = program.path().display();
        match program.start() {
            Ok(started) => {
                tracing::info!(%path, "started the process that is to take over");
                self.started = Some(started);
            }
            Err(error) => tracing::error!(%path, %error, "cannot be started, everything goes on as it was"),
        }
    }

    /// Lets another process take over; whether it has.
    async fn hand_over(&mut self, successor: Successor) -> bool {
        let pid = successor.pid();
        self.stand_down().await;
        match successor.hand_over().await {
            Ok(()) => {
                tracing::info!(pid, "another process has taken over");
                self.manager.main_process(pid);
                true
            }
            Err(error) => {
                tracing::error!(pid, "not taken over, everything goes on as it was: {error}");
                self.resume().await;
                false
            }
        }
    }

    /// Ends what only one process may do; the gateway goes on.
    async fn stand_down(&mut self) {
        self.shutdown.send_replace(true);
        self.end_controller().await;
    }

    /// Takes it up again.
    async fn resume(&mut self) {
        self.shutdown = tokio::sync::watch::channel(false).0;
        self.control_releases().await;
        self.serve_admin_or_tell().await;
        self.watch_readiness();
    }

    /// Ends after another process has taken over: no new connections, open requests and streams finished within the
    /// time. A signal to stop ends at once.
    pub(super) async fn leave(mut self, signals: &mut Signals, successor: u32) {
        if let Some(started) = self.started.take() {
            started.end_unless(Some(successor)).await;
        }
        if let Some(giver) = self.giver.take() {
            giver.end().await;
        }
        // With the last of these the lock and the listeners are the successor's alone.
        self.holdings = None;
        self.readiness.send_replace(Readiness::NotReady("another process has taken over".to_owned()));
        self.drain(signals, Leave::late).await;
        self.end().await;
    }

    /// Ends because the process that was to be taken over from goes on. What was accepted meanwhile is answered.
    pub(super) async fn withdraw(mut self) {
        if let Some(gateway) = &self.gateway {
            drain(gateway, &Leave::soon(WITHDRAW_LIMIT, self.jitter())).await;
        }
        self.tasks.shutdown().await;
        self.instance.leave().await;
    }

    /// Ends as a person expects it: unready, no new connections, open requests finished within the time. A second
    /// signal ends at once.
    pub(super) async fn stop(mut self, signals: &mut Signals) {
        self.manager.stopping();
        if let Some(started) = self.started.take() {
            started.end_unless(None).await;
        }
        if let Some(giver) = self.giver.take() {
            giver.remove().await;
        }
        self.readiness.send_replace(Readiness::NotReady("shutting down".to_owned()));
        self.drain(signals, Leave::soon).await;
        self.end().await;
    }

    fn jitter(&self) -> Duration {
        Duration::from_millis(self.options.prepared.settings.drain_jitter_ms)
    }

    async fn drain(&self, signals: &mut Signals, leave: fn(Duration, Duration) -> Leave) {
        let Some(gateway) = &self.gateway else { return };
        tracing::info!("draining; once more to end at once");
        let within = Duration::from_millis(self.options.prepared.settings.shutdown_timeout_ms);
        let leave = leave(within, self.jitter());
        let mut drained = std::pin::pin!(drain(gateway, &leave));
        loop {
            tokio::select! {
                whole = &mut drained => {
                    if !whole {
                        tracing::warn!("requests were still open when the time was over");
                    }
                    return;
                }
                asked = signals.next() => match asked {
                    Asked::Stop => {
                        tracing::warn!("ended at once; open requests were cut");
                        return;
                    }
                    Asked::Reopen => self.reopen_logs(),
                    Asked::Reload | Asked::Upgrade => tracing::info!("nothing to do while draining"),
                },
            }
        }
    }

    /// Remembers how this process was started and who is to be told of its life: only for one that obeys signals.
    pub(super) fn of_this_process(&mut self) {
        self.manager = super::notify::Manager::of_environment();
        self.program = Program::of_this_process()
            .inspect_err(|error| tracing::warn!(%error, "SIGUSR2 will not start another process"))
            .ok();
    }
}

/// Drains the gateway; whether everything ended within the time. Connections that are idle are closed in theirs: clients that
/// send something before get an answer with `Connection: close`.
async fn drain(gateway: &Gateway, leave: &Leave) -> bool {
    gateway.end_streams(leave);
    let idle = async {
        crate::clock::pause(leave.idle).await;
        gateway.close_idle();
        std::future::pending().await
    };
    let drained = async {
        tokio::select! {
            () = gateway.drain() => {}
            () = idle => {}
        }
    };
    tokio::time::timeout(leave.within, drained).await.is_ok()
}

/// Tells when a process wants to take over; never without someone who listens for it.
async fn next(giver: Option<&mut Giver>) -> Successor {
    match giver {
        Some(giver) => giver.next().await,
        None => std::future::pending().await,
    }
}

/// Tells when the file was changed; never without one.
async fn changed(file: Option<&FileWatch>) {
    match file {
        Some(file) => file.changed().await,
        None => std::future::pending().await,
    }
}
