//! What the Admin API is given by the composition root, once, for all listeners.

use crate::keys::Keys;
use model::cidr::Cidr;
use model::plugin::PluginInfo;
use release::controller::Controller;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use store::secret::Keyring;
use tokio::sync::{Mutex, watch};

/// Which Admin API a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Apache APISIX, normally on `:9180`.
    Apisix,
    /// API7 Gateway, normally on `:7443` with TLS.
    Api7,
}

/// Whether this process may get traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It may.
    Ready,
    /// It may not, for this reason.
    NotReady(String),
}

/// Renders the body of `/metrics` in the Prometheus text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that the Admin API works on. Clones share it; all listeners of a process must be given clones of one,
/// so that their writes exclude each other.
#[derive(Clone)]
pub struct AdminState {
    /// Desired state.
    pub store: Arc<dyn Store>,
    /// The plugins that may be configured, highest priority first.
    pub plugins: &'static [PluginInfo],
    /// Who may do what; may change while requests are served.
    pub keys: watch::Receiver<Arc<Keys>>,
    /// Seals private keys before they are stored.
    pub keyring: Arc<Keyring>,
    /// From which addresses; default: loopback.
    pub allow_admin: Arc<[Cidr]>,
    /// The release controller of this process; without one the release API shows apps only.
    pub controller: Option<Arc<Controller>>,
    /// How long a write waits until every live gateway thread runs it.
    pub apply_timeout: Duration,
    /// How old a gateway's report may be for it to count as live. Several times the interval at which gateways report,
    /// so that a late report is waited for; at most `apply_timeout`, so that a dead one does not leave a write pending.
    pub live_within: Duration,
    /// The process's role for `/status`: `all`, `gateway` or `controller`.
    pub role: &'static str,
    /// Whether the process may get traffic.
    pub readiness: watch::Receiver<Readiness>,
    /// The body of `/metrics`.
    pub metrics: RenderMetrics,
    /// Held while a write reads what it depends on and commits.
    pub(crate) writes: Arc<Mutex<()>>,
}

impl AdminState {
    /// A state with the defaults: loopback only, writes wait up to 5 s, role `all`, ready, no metrics.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        plugins: &'static [PluginInfo],
        keys: watch::Receiver<Arc<Keys>>,
        keyring: Arc<Keyring>,
    ) -> AdminState {
        let (_, readiness) = watch::channel(Readiness::Ready);
        AdminState {
            store,
            plugins,
            keys,
            keyring,
            allow_admin: ["127.0.0.0/8", "::1"].into_iter().filter_map(Cidr::parse).collect(),
            controller: None,
            apply_timeout: Duration::from_secs(5),
            live_within: Duration::from_secs(5),
            role: "all",
            readiness,
            metrics: Arc::new(String::new),
            writes: Arc::default(),
        }
    }
}
