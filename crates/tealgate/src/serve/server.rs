//! A running server: its parts, built in the order in which they need each other, and taken down in reverse.

use super::admin_access::AdminAccess;
use super::error::ServeError;
use super::follow::follow;
use super::gateway_settings;
use super::instance::Instance;
use super::options::{KeySource, Options};
use super::reload::{self, FileWatch};
use super::takeover::{Candidate, Giver, Holdings, Program, Taker, Use};
use super::{admin_listeners, controller_watch, failpoints, notify};
use crate::cli::serve::Role;
use crate::config::apply::check_file;
use crate::config::settings::AccessLog;
use crate::running::{Relayed, Running};
use admin::keys::FILE_NAME as KEYS_FILE;
use admin::{AdminState, Dialect, Readiness, server as admin_server, ttl};
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

/// How long the controller may take to end what it does.
const CONTROLLER_LIMIT: Duration = Duration::from_secs(20);

/// A running server.
pub struct Server {
    pub(super) options: Options,
    pub(super) store: Arc<dyn Store>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) gateway: Option<Arc<Gateway>>,
    pub(super) controller: Option<Arc<Controller>>,
    processes: Option<Arc<ProcessDriver>>,
    pub(super) instance: Arc<Instance>,
    pub(super) log: Option<Arc<telemetry::access_log::AccessLog>>,
    pub(super) file_watch: Option<FileWatch>,
    pub(super) readiness: watch::Sender<Readiness>,
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) tasks: JoinSet<()>,
    pub(super) admin_access: AdminAccess,
    /// The lock and the listeners; `None` once a successor has them.
    pub(super) holdings: Option<Arc<Holdings>>,
    pub(super) giver: Option<Giver>,
    /// The process that was started to take over.
    pub(super) started: Option<Candidate>,
    pub(super) program: Option<Program>,
    pub(super) manager: notify::Manager,
}

impl Server {
    /// Starts everything. When this returns, the gateway runs what the store says.
    ///
    /// # Errors
    /// When a part cannot be started; what was started before it is stopped again.
    pub async fn start(options: Options) -> Result<Server, ServeError> {
        Server::take_over(options, None).await
    }

    /// The same in the place of a running process, which drains then. If it fails, that one goes on as if nothing had
    /// happened: nothing that it or the others see is changed before it has said that it is gone.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn take_over(options: Options, taker: Option<Taker>) -> Result<Server, ServeError> {
        let Some(mut taker) = taker else {
            let mut server = Server::build(options, None).await?;
            server.control_releases().await;
            server.serve_admin().await?;
            server.announce();
            return Ok(server);
        };
        let mut server = match Server::build(options, Some(&mut taker)).await {
            Ok(server) => server,
            Err(error) => {
                taker.give_up(error.chain()).await;
                return Err(error);
            }
        };
        if let Err(error) = server.claim(&taker).await {
            taker.give_up(error.chain()).await;
            server.withdraw().await;
            return Err(error);
        }
        server.take_charge(taker).await;
        Ok(server)
    }

    async fn build(mut options: Options, mut taker: Option<&mut Taker>) -> Result<Server, ServeError> {
        let store_error = |source| ServeError::Store { path: options.prepared.data_dir.clone(), source };
        let lock = match &mut taker {
            Some(taker) => DirectoryLock::handed(std::mem::take(&mut taker.estate.lock)),
            None => store::lock(&options.prepared.data_dir, options.role.name()).map_err(store_error)?,
        };
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&options.prepared.data_dir).map_err(store_error)?);
        let keyring = Arc::new(Keyring::load_or_create(&options.prepared.data_dir)?);
        let (gateway, log) = start_gateway(&mut options, &keyring, taker.as_deref_mut())?;
        let admin = admin_listeners::open(&mut options, taker.as_deref_mut())?;
        // What can fail has failed before anything is written or taken.
        let admin_access = AdminAccess::open(&options)?;
        match options.file_of_resources() {
            // It becomes what everybody runs once nobody can take that back.
            Some(loaded) if taker.is_some() => check_file(&*store, loaded).await?,
            Some(loaded) => reload::apply(&*store, loaded, &keyring).await?,
            None => {}
        }
        let instance =
            Instance::new(Arc::clone(&store), options.role.name(), gateway.clone(), taker.is_some());
        instance.forget_the_dead().await;
        let welcome = taker.as_ref().is_some_and(|taker| taker.estate.ready);
        let (readiness, ready) = watch::channel(if welcome {
            Readiness::Ready
        } else {
            Readiness::NotReady("the live environments are being started".to_owned())
        });
        let holdings = Arc::new(Holdings { gateway: gateway.clone(), admin, lock, readiness: ready });
        let mut server = Server {
            store,
            keyring,
            gateway,
            controller: None,
            processes: None,
            instance,
            log,
            file_watch: watch_file(&options),
            readiness,
            shutdown: watch::channel(false).0,
            tasks: JoinSet::new(),
            holdings: Some(holdings),
            admin_access,
            giver: None,
            started: None,
            program: None,
            manager: notify::Manager::default(),
            options,
        };
        server.follow_store().await;
        Ok(server)
    }

    /// Lets the running process stop all that only one may do, accepts connections beside it, and gets its word that it
    /// is gone.
    async fn claim(&self, taker: &Taker) -> Result<(), ServeError> {
        taker.claim().await?;
        if let Some(gateway) = &self.gateway {
            gateway.accept().await.map_err(gateway::StartError::Listen)?;
        }
        Ok(taker.serving().await?)
    }

    /// Does all that only one may do. There is no way back: what fails here is told, and the rest goes on.
    async fn take_charge(&mut self, taker: Taker) {
        let pid = taker.pid();
        self.instance.takes_charge();
        self.begin_to_hand_over();
        // From now on, who wants to take over finds this process: the other one need not listen any more.
        drop(taker);
        if let Some(loaded) = self.options.file_of_resources() {
            reload::take(&*self.store, loaded, &self.keyring).await;
        }
        if let Some(Err(error)) = self.holdings.as_ref().map(|holdings| holdings.lock.name_holder()) {
            tracing::warn!(%error, "who holds the data directory is not written down");
        }
        self.control_releases().await;
        self.serve_admin_or_tell().await;
        self.announce();
        tracing::info!(pid, "taken over");
    }

    /// Lets the gateway follow the store, and waits until it runs what the store says now.
    async fn follow_store(&mut self) {
        if let Some(gateway) = &self.gateway {
            self.tasks.spawn(follow(
                Arc::clone(&self.store),
                Arc::clone(gateway),
                Arc::clone(&self.instance),
            ));
            self.tasks.spawn(controller_watch::watch(Arc::clone(&self.store), Arc::clone(gateway)));
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
        become_ready(self.controller.clone(), self.readiness.clone()).await;
    }

    /// Starts the release controller.
    pub(super) async fn control_releases(&mut self) {
        if self.options.role == Role::Gateway {
            return;
        }
        self.end_lease_of_the_dead().await;
        // Not the path of the binary: an upgrade puts another one there while this one runs.
        let launcher = ["/proc/self/exe", "launch"].map(str::to_owned).to_vec();
        let prepared = &self.options.prepared;
        let failpoints = failpoints::from_environment();
        let processes = ProcessDriver::new(prepared.data_dir.clone(), launcher).telling(failpoints.clone());
        let processes = Arc::new(processes);
        self.processes = Some(Arc::clone(&processes));
        let drivers = Drivers { process: processes, upstream: Arc::new(UpstreamDriver::new()) };
        let loaded = prepared.loaded.as_ref();
        let base_dir = loaded.map_or_else(|| PathBuf::from("/"), |loaded| loaded.base_dir.clone());
        let instance = self.instance.id().to_owned();
        let settings = controller::Settings {
            failpoints,
            ..controller::Settings::new(instance, prepared.data_dir.clone(), base_dir)
        };
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

    pub(super) async fn serve_admin(&mut self) -> Result<(), ServeError> {
        let Some(holdings) = self.holdings.clone() else { return Ok(()) };
        let prepared = &self.options.prepared;
        let keys = self.admin_access.keys();
        let mut state =
            AdminState::new(Arc::clone(&self.store), plugins::ALL, keys, Arc::clone(&self.keyring));
        state.allow_admin =
            prepared.settings.admin.allow.iter().filter_map(|block| Cidr::parse(block)).collect();
        state.role = self.options.role.name();
        state.readiness = self.readiness.subscribe();
        state.metrics = self.metrics();
        state.controller = self.controller.clone();
        for listener in admin_listeners(&holdings, Use::Admin)? {
            let router = admin::router(state.clone(), Dialect::Apisix);
            self.tasks.spawn(admin_server::serve(listener, router, self.shutdown_asked()));
        }
        let Some(tls) = self.admin_access.tls() else { return Ok(()) };
        for listener in admin_listeners(&holdings, Use::AdminTls)? {
            let (router, tls) = (admin::router(state.clone(), Dialect::Api7), tls.clone());
            self.tasks.spawn(admin_server::serve_tls(listener, router, tls, self.shutdown_asked()));
        }
        Ok(())
    }

    /// The same where a server goes on without.
    pub(super) async fn serve_admin_or_tell(&mut self) {
        if let Err(error) = self.serve_admin().await {
            tracing::error!(error = &error as &dyn std::error::Error, "there is no Admin API any more");
        }
    }

    /// Leaves word where this server is, for commands on the same machine.
    fn announce(&self) {
        let running = Running {
            pid: std::process::id(),
            listen: self.listening(),
            tls_listen: self.tls_listening(),
            proxy_protocol: Relayed {
                listen: self.relayed_listening(false),
                tls_listen: self.relayed_listening(true),
            },
            admin: self.admin(),
            admin_tls: self.admin_tls(),
        };
        // A gateway beside a controller leaves the word to it: releases are asked for there.
        let others = Running::read(&self.options.prepared.data_dir).filter(Running::is_alive);
        if self.controller.is_none() && others.is_some() {
            return;
        }
        if let Err(error) = running.write(&self.options.prepared.data_dir) {
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
            let checks = gateway.as_ref().map(|gateway| gateway.series().checks()).unwrap_or_default();
            let totals = gateway.as_ref().map(|gateway| gateway.totals().snapshot()).unwrap_or_default();
            let build = prometheus::BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: "" };
            let health = gateway.as_ref().map(|gateway| gateway.health()).unwrap_or_default();
            let certificates = gateway.as_ref().map(|gateway| gateway.certificates()).unwrap_or_default();
            let now_s = crate::clock::now_s();
            let process_wide = prometheus::render(&series, &totals, &ProcessInfo::observe(), build);
            process_wide
                + &prometheus::render_checks(&checks)
                + &prometheus::render_nodes(&health)
                + &super::certificates::render(&certificates, now_s)
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

    /// Where the gateway listens for proxies that speak the PROXY protocol.
    fn relayed_listening(&self, tls: bool) -> Vec<SocketAddr> {
        self.gateway.as_ref().map(|gateway| of_kind(gateway, tls, true)).unwrap_or_default()
    }

    /// The counters of the routes that lead to apps.
    #[must_use]
    pub fn counters(&self) -> Vec<SeriesCounts> {
        self.gateway.as_ref().map(|gateway| gateway.series().snapshot_of_apps()).unwrap_or_default()
    }

    /// Where the Admin API listens.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.holdings.as_ref()?.admin_address(Use::Admin)
    }

    fn admin_tls(&self) -> Option<SocketAddr> {
        self.holdings.as_ref()?.admin_address(Use::AdminTls)
    }

    /// The file with the generated keys, if they come from there.
    fn keys_file(&self) -> Option<PathBuf> {
        let generated = self.options.keys == KeySource::DataDir;
        generated.then(|| self.options.prepared.data_dir.join(KEYS_FILE))
    }

    /// What a person at the terminal wants to know first.
    #[must_use]
    pub fn banner(&self) -> String {
        let mut lines =
            vec![format!("tealgate {} is up ({})", env!("CARGO_PKG_VERSION"), self.instance.id())];
        lines.extend(self.listening().iter().map(|address| format!("  gateway    http://{address}")));
        lines.extend(self.tls_listening().iter().map(|address| format!("             https://{address}")));
        for (scheme, tls) in [("http", false), ("https", true)] {
            let relayed = self.relayed_listening(tls);
            lines.extend(relayed.iter().map(|address| {
                format!("             {scheme}://{address} (behind a proxy: PROXY protocol)")
            }));
        }
        lines.extend(self.admin().map(|address| format!("  Admin API  http://{address}/apisix/admin/")));
        lines.extend(
            self.admin_tls()
                .map(|address| format!("             https://{address}/apisix/admin/ (API7's dialect)")),
        );
        lines.extend(self.keys_file().iter().map(|path| format!("  admin key  in {}", path.display())));
        lines.join("\n")
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
        let taken_over = self.holdings.is_none();
        if !taken_over {
            // What stands there after a takeover is the successor's, or is about to be.
            Running::remove(&self.options.prepared.data_dir);
            self.instance.leave().await;
        }
        self.end_controller().await;
        self.tasks.shutdown().await;
        // Only now: what the threads still have to log goes to its writer before that ends.
        if let Some(gateway) = self.gateway.clone() {
            match tokio::task::spawn_blocking(move || gateway.stop()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a gateway thread has failed"),
                Err(error) => tracing::error!(%error, "a gateway thread could not be ended"),
            }
        }
        if taken_over {
            // With what became of the last requests.
            self.instance.bequeath().await;
        }
        self.holdings = None;
    }

    /// Waits until the controller does nothing any more.
    pub(super) async fn end_controller(&mut self) {
        if let Some(controller) = self.controller.take()
            && tokio::time::timeout(CONTROLLER_LIMIT, controller.stopped()).await.is_err()
        {
            tracing::warn!("the controller does not end; its lease keeps it from writing");
        }
    }
}

/// The addresses of a gateway's listeners of one kind.
pub(super) fn addresses(gateway: &Gateway, tls: bool) -> Vec<SocketAddr> {
    of_kind(gateway, tls, false)
}

/// The same; `relayed`: of those for proxies that speak the PROXY protocol.
fn of_kind(gateway: &Gateway, tls: bool, relayed: bool) -> Vec<SocketAddr> {
    let listening = gateway.listening().iter();
    listening
        .filter(|listener| listener.tls == tls && listener.relayed == relayed)
        .map(|listener| listener.address)
        .collect()
}

/// See [`Server::become_ready`].
pub(super) async fn become_ready(controller: Option<Arc<Controller>>, readiness: watch::Sender<Readiness>) {
    if let Some(controller) = controller {
        let mut ready = controller.ready();
        // Ends only with the controller, which says in the log why.
        let _ = ready.wait_for(|ready| *ready).await;
    }
    readiness.send_replace(Readiness::Ready);
}

fn admin_listeners(holdings: &Holdings, purpose: Use) -> Result<Vec<TcpListener>, ServeError> {
    let listeners = holdings.admin_listeners(purpose);
    listeners.map(|listener| listener.and_then(TcpListener::from_std)).collect::<Result<_, _>>().map_err(
        |source| {
            let address = holdings.admin_address(purpose).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            ServeError::AdminListen { address, source }
        },
    )
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

fn start_gateway(
    options: &mut Options,
    keyring: &Arc<Keyring>,
    taker: Option<&mut Taker>,
) -> Result<Started, ServeError> {
    if options.role == Role::Controller {
        return Ok((None, None));
    }
    let asked = options.gateway_addresses();
    let settings = gateway_settings::of(&options.prepared, keyring);
    let totals = Arc::new(Totals::new(settings.threads));
    let log = match &options.prepared.settings.access_log {
        AccessLog::Off => None,
        AccessLog::File(path) => {
            Some(Arc::new(telemetry::access_log::AccessLog::start(path, Arc::clone(&totals))?))
        }
    };
    let start = if taker.is_some() { Gateway::start_with } else { Gateway::start_on };
    let handed = taker.map(|taker| taker.estate.take(Use::Gateway)).unwrap_or_default();
    let sockets = options.passed.join(&asked, handed).map_err(ServeError::Sockets)?;
    let gateway = start(settings, log.as_deref(), totals, sockets)?;
    Ok((Some(Arc::new(gateway)), log))
}
