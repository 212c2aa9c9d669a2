//! The handle on the running gateway: start it, give it configuration, drain it.

use crate::delivery::{Delivery, ThreadEnded};
use crate::guard::{self, Guards};
use crate::health::Checker;
use crate::hold::Holds;
use crate::leave::Leave;
use crate::listen::{Bound, ListenError, Listening, Sockets};
use crate::settings::{Listener, Settings};
use crate::shadow::Shadows;
use crate::table::{Certificate, Compiler, Problem};
use crate::upstream::tls::{CaFileError, Connectors};
use crate::worker::{Census, Message, Start, run};
use model::record::{Answerer, Lane};
use model::resource::{Resource, Revision};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use telemetry::access_log::AccessLog;
use telemetry::health::HealthReport;
use telemetry::samples::Samples;
use telemetry::series::{Registry, SeriesKey};
use telemetry::totals::Totals;
use tokio::sync::{mpsc, oneshot};

/// Why the gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No thread could be started.
    #[error("cannot start a gateway thread")]
    Thread(#[source] io::Error),
    /// The certificate authorities cannot be read.
    #[error(transparent)]
    Tls(#[from] CaFileError),
}

/// A configuration that every thread runs.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its revision.
    pub revision: Revision,
    /// What could not be compiled; the rest runs.
    pub problems: Vec<Problem>,
}

/// The running gateway.
#[derive(Debug)]
pub struct Gateway {
    delivery: Arc<Delivery>,
    threads: std::sync::Mutex<Vec<JoinHandle<io::Result<()>>>>,
    listening: Vec<Listener>,
    /// Until the gateway drains.
    sockets: std::sync::Mutex<Sockets>,
    series: Arc<Registry>,
    totals: Arc<Totals>,
    failures: Arc<Samples>,
    holds: Arc<Holds>,
    certificates: std::sync::Mutex<Vec<Certificate>>,
    guards: Arc<Guards>,
    shadows: Arc<Shadows>,
    /// Ends with the gateway.
    _watch: guard::Stop,
    checker: Checker,
}

impl Gateway {
    /// Starts the threads. They listen at once and accept with the first [`Gateway::apply`].
    ///
    /// # Errors
    /// When an address cannot be listened on or a thread cannot be started.
    pub fn start(
        settings: Settings,
        log: Option<&AccessLog>,
        totals: Arc<Totals>,
    ) -> Result<Gateway, StartError> {
        Gateway::start_on(settings, log, totals, Vec::new())
    }

    /// The same, and listens on sockets that someone else has opened for it; what is not among them is opened.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_on(
        settings: Settings,
        log: Option<&AccessLog>,
        totals: Arc<Totals>,
        opened: Vec<Listening>,
    ) -> Result<Gateway, StartError> {
        let mut sockets = Sockets::open(&addresses(&settings), settings.threads.max(1), opened)?;
        let by_thread = sockets.by_thread(settings.threads.max(1))?;
        Gateway::with(settings, log, totals, sockets, by_thread)
    }

    /// Starts the threads with the sockets of the process before. Nothing is accepted before [`Gateway::accept`].
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_with(
        settings: Settings,
        log: Option<&AccessLog>,
        totals: Arc<Totals>,
        handed: Vec<Listening>,
    ) -> Result<Gateway, StartError> {
        let sockets = Sockets::open(&addresses(&settings), settings.threads.max(1), handed)?;
        let no_sockets = (0..settings.threads.max(1)).map(|_| Vec::new()).collect();
        Gateway::with(settings, log, totals, sockets, no_sockets)
    }

    fn with(
        settings: Settings,
        log: Option<&AccessLog>,
        totals: Arc<Totals>,
        sockets: Sockets,
        by_thread: Vec<Vec<Bound>>,
    ) -> Result<Gateway, StartError> {
        let threads = by_thread.len();
        let tls = Connectors::new(settings.tls_ca_file.as_deref())?;
        let series = Arc::new(Registry::new(threads));
        let unmatched = series.series(&unmatched());
        let guards = Arc::new(Guards::new(settings.guard_dir.clone(), threads));
        let settings = Arc::new(settings);
        let shadows = Arc::new(Shadows::new(Arc::clone(&settings)));
        let compiler = Compiler::new(threads, settings.always_verify_upstreams, Arc::clone(&series))
            .with_assignment_key(&settings.assignment_key)
            .with_retry_budget(settings.retry_budget)
            .with_plugins(settings.plugins, settings.limit_keys)
            .with_guards(&guards)
            .with_shadows(&shadows)
            .with_secrets(Arc::clone(&settings.secrets), settings.fallback_sni.clone(), tls.clone());
        let given = sockets.given();
        let listening = settings.listen.iter().zip(given);
        let listening = listening.map(|(listener, address)| Listener { address, ..*listener }).collect();
        let failures = Arc::new(Samples::new(threads));
        let census = Arc::new(Census::default());
        let mut mailboxes = Vec::with_capacity(threads);
        let mut handles = Vec::with_capacity(threads);
        for (thread, listeners) in by_thread.into_iter().enumerate() {
            let (sender, mailbox) = mpsc::unbounded_channel();
            let start = Start {
                thread,
                settings: Arc::clone(&settings),
                listeners,
                mailbox,
                tls: tls.clone(),
                log: log.map(AccessLog::buffer),
                totals: Arc::clone(&totals),
                failures: Arc::clone(&failures),
                unmatched: Arc::clone(&unmatched),
                census: Arc::clone(&census),
            };
            let builder = std::thread::Builder::new().name(format!("gateway-{thread}"));
            handles.push(builder.spawn(move || run(start)).map_err(StartError::Thread)?);
            mailboxes.push(sender);
        }
        let holds = Arc::clone(compiler.holds());
        let delivery = Arc::new(Delivery::new(mailboxes, compiler));
        let watch = guard::watch(&guards, &delivery).map_err(StartError::Thread)?;
        let checker = Checker::new(Duration::from_millis(settings.dns_valid_ms), Arc::clone(&settings.names));
        Ok(Gateway {
            delivery,
            threads: std::sync::Mutex::new(handles),
            listening,
            sockets: std::sync::Mutex::new(sockets),
            series,
            totals,
            failures,
            holds,
            certificates: std::sync::Mutex::default(),
            guards,
            shadows,
            _watch: watch,
            checker,
        })
    }

    /// Accepts from the sockets that were handed over, and returns when every thread does.
    ///
    /// # Errors
    /// When the system has no descriptors left; some threads may accept then.
    pub async fn accept(&self) -> Result<(), ListenError> {
        let by_thread = self.sockets().by_thread(self.delivery.mailboxes().len())?;
        let mut accepting = Vec::with_capacity(by_thread.len());
        for (mailbox, bound) in self.delivery.mailboxes().iter().zip(by_thread) {
            let (sender, done) = oneshot::channel();
            if mailbox.send(Message::Listen(bound, sender)).is_ok() {
                accepting.push(done);
            }
        }
        for done in accepting {
            // A thread that has ended is told of elsewhere.
            let _ = done.await;
        }
        Ok(())
    }

    /// Duplicates of all sockets that are listened on, for the process that takes over. None once the gateway drains.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn duplicates(&self) -> io::Result<Vec<Listening>> {
        self.sockets().duplicates()
    }

    fn sockets(&self) -> std::sync::MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens, in the order of the settings, with the ports that were given for port 0.
    #[must_use]
    pub fn listening(&self) -> &[Listener] {
        &self.listening
    }

    /// The counters of all routes.
    #[must_use]
    pub fn series(&self) -> &Arc<Registry> {
        &self.series
    }

    /// The counters of the process.
    #[must_use]
    pub fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    /// The holds that requests wait for.
    #[must_use]
    pub fn holds(&self) -> &Arc<Holds> {
        &self.holds
    }

    /// The guards of releases: the rollbacks that it carries out by itself.
    #[must_use]
    pub fn guards(&self) -> &Arc<Guards> {
        &self.guards
    }

    /// The shadows: copies of requests whose answers are compared.
    #[must_use]
    pub fn shadows(&self) -> &Arc<Shadows> {
        &self.shadows
    }

    /// The newest failed requests of each thread.
    #[must_use]
    pub fn failures(&self) -> &Arc<Samples> {
        &self.failures
    }

    /// The certificates that are shown to clients.
    #[must_use]
    pub fn certificates(&self) -> Vec<Certificate> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Compiles a configuration and returns once every thread runs it: a request whose upstream is claimed after that
    /// is claimed under it.
    ///
    /// # Errors
    /// When a thread has ended.
    pub async fn apply(
        &self,
        revision: Revision,
        resources: Vec<Arc<Resource>>,
    ) -> Result<Applied, ThreadEnded> {
        let mut configuration = self.delivery.configuration().await;
        let problems = self.delivery.deliver(&mut configuration, revision, resources).await?;
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) =
            configuration.compiler.certificates();
        // Now, for no request is claimed for the others any more.
        self.checker.check(configuration.compiler.checked());
        Ok(Applied { revision, problems })
    }

    /// How the nodes of upstreams with health checks are.
    #[must_use]
    pub fn health(&self) -> HealthReport {
        self.checker.report()
    }

    /// A number that is another one once the status of a node has changed.
    #[must_use]
    pub fn health_changes(&self) -> u64 {
        self.checker.changes()
    }

    /// Accepts no more connections and returns when the last one has gone. Requests are answered, with
    /// `Connection: close`.
    pub async fn drain(&self) {
        // A socket is closed with its last duplicate.
        *self.sockets() = Sockets::default();
        let mut waiting = Vec::new();
        for mailbox in self.delivery.mailboxes() {
            let (sender, done) = oneshot::channel();
            if mailbox.send(Message::Drain(sender)).is_ok() {
                waiting.push(done);
            }
        }
        for done in waiting {
            let _ = done.await;
        }
    }

    /// Ends streams, each in its time from now on, also those that are still to come.
    pub fn end_streams(&self, leave: &Leave) {
        for mailbox in self.delivery.mailboxes() {
            // A thread that has ended has no streams.
            let _ = mailbox.send(Message::Leave(leave.clone()));
        }
    }

    /// Closes idle connections at once, after [`Gateway::drain`] was called.
    pub fn close_idle(&self) {
        for mailbox in self.delivery.mailboxes() {
            // A thread that has ended has no connections.
            let _ = mailbox.send(Message::Close);
        }
    }

    /// Ends the threads; what is still open is cut. Waits until they have ended, and gives the first error of one.
    ///
    /// # Errors
    /// What a thread failed with.
    pub fn stop(&self) -> io::Result<()> {
        self.checker.stop();
        self.shadows.stop();
        for mailbox in self.delivery.mailboxes() {
            // A thread that has ended needs no word.
            let _ = mailbox.send(Message::Stop);
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for thread in threads {
            let ended =
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a gateway thread has panicked")));
            result = result.and(ended);
        }
        result
    }
}

fn addresses(settings: &Settings) -> Vec<SocketAddr> {
    settings.listen.iter().map(|listener| listener.address).collect()
}

fn unmatched() -> SeriesKey {
    SeriesKey {
        route: String::new(),
        service: String::new(),
        app: String::new(),
        answerer: Answerer::Gate,
        lane: Lane::Share,
        epoch: 0,
    }
}
