//! A running server: its parts, built in the order in which they need each other, and taken down in reverse.

use super::error::ServeError;
use super::follow::follow;
use super::gateway_settings;
use super::instance::Instance;
use super::options::{KeySource, Options};
use super::reload::{self, FileWatch};
use super::signals::{Asked, Signals};
use crate::cli::serve::Role;
use crate::config::settings::AccessLog;
use crate::running::Running;
use admin::keys::{FILE_NAME as KEYS_FILE, Keys};
use admin::{AdminState, Dialect, Readiness, certificate, server as admin_server, ttl};
use gateway::Gateway;
use model::cidr::Cidr;
use release::controller::{self, Controller, Drivers};
use release::lease::LEASE;
use release::target::process::ProcessDriver;
use release::target::upstream::UpstreamDriver;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::secret::Keyring;
use store::{DirectoryLock, SqliteStore, Store};
use telemetry::process::ProcessInfo;
use telemetry::prometheus;
use telemetry::series::SeriesCounts;
use telemetry::totals::Totals;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long connections that are idle may still send a request once the server drains.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// A running server.
pub struct Server {
    store: Arc<dyn Store>,
    gateway: Option<Arc<Gateway>>,
    controller: Option<Arc<Controller>>,
    processes: Option<Arc<ProcessDriver>>,
    instance: Arc<Instance>,
    log: Option<Arc<telemetry::access_log::AccessLog>>,
    config: Option<PathBuf>,
    file_watch: Option<FileWatch>,
    data_dir: PathBuf,
    keys_file: Option<PathBuf>,
    admin: Option<SocketAddr>,
    admin_tls: Option<SocketAddr>,
    readiness: watch::Sender<Readiness>,
    shutdown: watch::Sender<bool>,
    shutdown_timeout: Duration,
    tasks: JoinSet<()>,
    _lock: DirectoryLock,
}

impl Server {
    /// Starts everything. When this returns, the gateway runs what the store says.
    ///
    /// # Errors
    /// When a part cannot be started; what was started before it is stopped again.
    pub async fn start(options: Options) -> Result<Server, ServeError> {
        let store_error = |source| ServeError::Store { path: options.prepared.data_dir.clone(), source };
        let lock = store::lock(&options.prepared.data_dir, options.role.name()).map_err(store_error)?;
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&options.prepared.data_dir).map_err(store_error)?);
        let keyring = Keyring::load_or_create(&options.prepared.data_dir)?;
        if let (Some(loaded), true) = (&options.prepared.loaded, options.role != Role::Gateway) {
            reload::apply(&*store, loaded).await?;
        }
        let (gateway, log) = start_gateway(&options, &keyring)?;
        let instance = Instance::new(Arc::clone(&store), options.role.name(), gateway.clone());
        instance.forget_the_dead().await;
        let keys = keys(&options)?;
        let (readiness, ready) =
            watch::channel(Readiness::NotReady("the live environments are being started".to_owned()));
        let mut server = Server {
            store,
            gateway,
            controller: None,
            processes: None,
            instance,
            log,
            file_watch: watch_file(&options),
            config: options.config.clone(),
            keys_file: (options.keys == KeySource::DataDir)
                .then(|| options.prepared.data_dir.join(KEYS_FILE)),
            data_dir: options.prepared.data_dir.clone(),
            admin: None,
            admin_tls: None,
            readiness,
            shutdown: watch::channel(false).0,
            shutdown_timeout: Duration::from_millis(options.prepared.settings.shutdown_timeout_ms),
            tasks: JoinSet::new(),
            _lock: lock,
        };
        server.follow_store().await;
        server.control_releases(&options).await;
        server.serve_admin(&options, Arc::new(keys), ready).await?;
        server.announce();
        Ok(server)
    }

    /// Lets the gateway follow the store, and waits until it runs what the store says now.
    async fn follow_store(&mut self) {
        if let Some(gateway) = &self.gateway {
            self.tasks.spawn(follow(
                Arc::clone(&self.store),
                Arc::clone(gateway),
                Arc::clone(&self.instance),
            ));
            let mut applied = self.instance.watch_applied();
            // Ends only when the gateway has ended; `obey` will then say so.
            let _ = applied.wait_for(Option::is_some).await;
        }
        let instance = Arc::clone(&self.instance);
        self.tasks.spawn(async move { instance.report_forever().await });
        let store = Arc::clone(&self.store);
        self.tasks.spawn(async move { ttl::sweep_forever(&*store).await });
    }

    /// Waits until the live environments of all apps are up, and says that this server is ready: traffic is not welcome
    /// before, for example after a reboot.
    pub async fn become_ready(&self) {
        if let Some(controller) = &self.controller {
            let mut ready = controller.ready();
            // Ends only with the controller, which says in the log why.
            let _ = ready.wait_for(|ready| *ready).await;
        }
        self.readiness.send_replace(Readiness::Ready);
    }

    /// Starts the release controller.
    async fn control_releases(&mut self, options: &Options) {
        if options.role == Role::Gateway {
            return;
        }
        self.end_lease_of_the_dead().await;
        // Not the path of the binary: an upgrade puts another one there while this one runs.
        let launcher = ["/proc/self/exe", "launch"].map(str::to_owned).to_vec();
        let processes = Arc::new(ProcessDriver::new(self.data_dir.clone(), launcher));
        self.processes = Some(Arc::clone(&processes));
        let drivers = Drivers { process: processes, upstream: Arc::new(UpstreamDriver::new()) };
        let base_dir = options
            .prepared
            .loaded
            .as_ref()
            .map_or_else(|| PathBuf::from("/"), |loaded| loaded.base_dir.clone());
        let settings =
            controller::Settings::new(self.instance.id().to_owned(), self.data_dir.clone(), base_dir);
        let controller = Controller::new(
            Arc::clone(&self.store),
            drivers,
            controller::standard_gates(),
            settings,
            self.shutdown.subscribe(),
        );
        self.controller = Some(Arc::new(controller));
    }

    /// Ends the lease of a controller that crashed, instead of waiting for it: this process holds the lock on the data
    /// directory, so that one is dead.
    async fn end_lease_of_the_dead(&self) {
        if let Ok(Some(lease)) = self.store.lease(LEASE).await
            && let Err(error) = self.store.release_lease(LEASE, lease.fence).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "releases wait until the old lease is over"
            );
        }
    }

    async fn serve_admin(
        &mut self,
        options: &Options,
        keys: Arc<Keys>,
        ready: watch::Receiver<Readiness>,
    ) -> Result<(), ServeError> {
        let mut state = AdminState::new(Arc::clone(&self.store), plugins::ALL, keys);
        state.allow_admin =
            options.prepared.settings.admin.allow.iter().filter_map(|block| Cidr::parse(block)).collect();
        state.role = options.role.name();
        state.readiness = ready;
        state.metrics = self.metrics();
        state.controller = self.controller.clone();
        if let Some(address) = options.prepared.settings.admin.listen.address() {
            let (listener, address) = bind(address).await?;
            let router = admin::router(state.clone(), Dialect::Apisix);
            self.tasks.spawn(admin_server::serve(listener, router, self.shutdown_asked()));
            self.admin = Some(address);
        }
        if let Some(address) = options.prepared.settings.admin.tls_listen.address() {
            let (listener, address) = bind(address).await?;
            let tls = certificate::load_or_create(&options.prepared.data_dir)?;
            let router = admin::router(state, Dialect::Api7);
            self.tasks.spawn(admin_server::serve_tls(listener, router, tls, self.shutdown_asked()));
            self.admin_tls = Some(address);
        }
        Ok(())
    }

    /// Leaves word where this server is, for commands on the same machine.
    fn announce(&self) {
        let running = Running {
            pid: std::process::id(),
            listen: self.listening(),
            tls_listen: self.tls_listening(),
            admin: self.admin,
            admin_tls: self.admin_tls,
        };
        // A gateway beside a controller leaves the word to it: releases are asked for there.
        let others = Running::read(&self.data_dir).filter(Running::is_alive);
        if self.controller.is_none() && others.is_some() {
            return;
        }
        if let Err(error) = running.write(&self.data_dir) {
            tracing::warn!(%error, "commands on this machine will need --server");
        }
    }

    fn shutdown_asked(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut asked = self.shutdown.subscribe();
        async move {
            let _ = asked.wait_for(|asked| *asked).await;
        }
    }

    fn metrics(&self) -> admin::state::RenderMetrics {
        let gateway = self.gateway.clone();
        Arc::new(move || {
            let series = gateway.as_ref().map(|gateway| gateway.series().snapshot()).unwrap_or_default();
            let totals = gateway.as_ref().map(|gateway| gateway.totals().snapshot()).unwrap_or_default();
            let build = prometheus::BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: "" };
            prometheus::render(&series, &totals, &ProcessInfo::observe(), build)
        })
    }

    /// The store that everything goes through.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where the gateway listens for plain HTTP; empty without one.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.gateway.as_ref().map(|gateway| addresses(gateway, false)).unwrap_or_default()
    }

    /// Where the gateway listens for HTTP over TLS.
    #[must_use]
    pub fn tls_listening(&self) -> Vec<SocketAddr> {
        self.gateway.as_ref().map(|gateway| addresses(gateway, true)).unwrap_or_default()
    }

    /// The counters of the routes that lead to apps.
    #[must_use]
    pub fn counters(&self) -> Vec<SeriesCounts> {
        self.gateway.as_ref().map(|gateway| gateway.series().snapshot_of_apps()).unwrap_or_default()
    }

    /// Where the Admin API listens.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What a person at the terminal wants to know first.
    #[must_use]
    pub fn banner(&self) -> String {
        let mut lines =
            vec![format!("tealgate {} is up ({})", env!("CARGO_PKG_VERSION"), self.instance.id())];
        lines.extend(self.listening().iter().map(|address| format!("  gateway    http://{address}")));
        lines.extend(self.tls_listening().iter().map(|address| format!("             https://{address}")));
        lines.extend(self.admin.map(|address| format!("  Admin API  http://{address}/apisix/admin/")));
        lines.extend(
            self.admin_tls
                .map(|address| format!("             https://{address}/apisix/admin/ (API7's dialect)")),
        );
        lines.extend(self.keys_file.iter().map(|path| format!("  admin key  in {}", path.display())));
        lines.join("\n")
    }

    /// Obeys signals and watches the configuration file until it is asked to end.
    pub(super) async fn obey(&self, signals: &mut Signals) {
        let mut ready = std::pin::pin!(self.become_ready());
        let mut is_ready = false;
        loop {
            tokio::select! {
                () = &mut ready, if !is_ready => is_ready = true,
                asked = signals.next() => match asked {
                    Asked::Stop => return,
                    Asked::Reload => self.reload().await,
                    Asked::Reopen => self.reopen_logs(),
                },
                () = changed(self.file_watch.as_ref()) => self.reload().await,
            }
        }
    }

    async fn reload(&self) {
        match &self.config {
            Some(path) => reload::reload(path, &*self.store).await,
            None => tracing::info!("there is no configuration file to read again"),
        }
    }

    fn reopen_logs(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Ends as a person expects it: unready, no new connections, open requests finished within the time. A second
    /// signal ends at once.
    pub(super) async fn stop(mut self, signals: &mut Signals) {
        self.readiness.send_replace(Readiness::NotReady("shutting down".to_owned()));
        if let Some(gateway) = &self.gateway {
            tracing::info!("draining; once more to end at once");
            let drained = drain(gateway, self.shutdown_timeout);
            tokio::select! {
                whole = drained => if !whole {
                    tracing::warn!("requests were still open when the time for the shutdown was over");
                },
                _ = signals.next() => tracing::warn!("ended at once; open requests were cut"),
            }
        }
        self.end().await;
    }

    /// Ends, and stops the processes of all environments, too: leaves nothing behind.
    pub async fn strike(&mut self) {
        self.end().await;
        if let Some(processes) = &self.processes
            && let Err(error) = processes.stop_everything().await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "a process may still run");
        }
    }

    /// Ends without waiting for open requests; the environments' processes run on.
    pub async fn end(&mut self) {
        self.shutdown.send_replace(true);
        Running::remove(&self.data_dir);
        self.instance.leave().await;
        if let Some(controller) = &self.controller {
            controller.stopped().await;
        }
        self.tasks.shutdown().await;
        // Only now: what the threads still have to log goes to its writer before that ends.
        if let Some(gateway) = self.gateway.clone() {
            match tokio::task::spawn_blocking(move || gateway.stop()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a gateway thread has failed"),
                Err(error) => tracing::error!(%error, "a gateway thread could not be ended"),
            }
        }
    }
}

/// The addresses of a gateway's listeners of one kind.
pub(super) fn addresses(gateway: &Gateway, tls: bool) -> Vec<SocketAddr> {
    let listening = gateway.listening().iter();
    listening.filter(|listener| listener.tls == tls).map(|listener| listener.address).collect()
}

/// Drains the gateway; whether everything ended within the time.
async fn drain(gateway: &Gateway, within: Duration) -> bool {
    let idle = async {
        // Clients that are about to send get an answer with `Connection: close`; the others are closed after that.
        crate::clock::pause(IDLE_GRACE.min(within)).await;
        gateway.close_idle();
        std::future::pending().await
    };
    let drained = async {
        tokio::select! {
            () = gateway.drain() => {}
            () = idle => {}
        }
    };
    tokio::time::timeout(within, drained).await.is_ok()
}

/// Tells when the file was changed; never without one.
async fn changed(file: Option<&FileWatch>) {
    match file {
        Some(file) => file.changed().await,
        None => std::future::pending().await,
    }
}

fn watch_file(options: &Options) -> Option<FileWatch> {
    let path = options.config.as_deref()?;
    FileWatch::new(path)
        .inspect_err(
            |error| tracing::warn!(%error, "changes of the configuration file are not noticed; send SIGHUP"),
        )
        .ok()
}

type Started = (Option<Arc<Gateway>>, Option<Arc<telemetry::access_log::AccessLog>>);

fn start_gateway(options: &Options, keyring: &Keyring) -> Result<Started, ServeError> {
    if options.role == Role::Controller {
        return Ok((None, None));
    }
    let settings = gateway_settings::of(&options.prepared.settings, keyring);
    let totals = Arc::new(Totals::new(settings.threads));
    let log = match &options.prepared.settings.access_log {
        AccessLog::Off => None,
        AccessLog::File(path) => {
            Some(Arc::new(telemetry::access_log::AccessLog::start(path, Arc::clone(&totals))?))
        }
    };
    let gateway = Gateway::start(settings, log.as_deref(), totals)?;
    Ok((Some(Arc::new(gateway)), log))
}

fn keys(options: &Options) -> Result<Keys, ServeError> {
    Ok(match &options.keys {
        KeySource::Key(key) => Keys::single(key)?,
        KeySource::File(path) => Keys::from_file(path)?,
        KeySource::DataDir => Keys::load_or_create(&options.prepared.data_dir)?.0,
    })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::AdminListen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
