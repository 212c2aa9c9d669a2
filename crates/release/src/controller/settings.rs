//! What a controller needs to be told.

use crate::failpoint::Failpoints;
use crate::gate::{self, GateRunner};
use crate::target::EnvironmentDriver;
use model::policy::Check;
use model::target::Target;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a controller lives and how patient it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Unique per start of a process; names the holder of the lease.
    pub instance: String,
    /// Output of gates goes to `releases/` in it.
    pub data_dir: PathBuf,
    /// Directory against which relative paths of apps are resolved: that of the configuration file.
    pub base_dir: PathBuf,
    /// How long the lease lasts unless it is renewed, milliseconds; a successor waits this long after a crash.
    pub lease_ttl_ms: u64,
    /// A gateway counts as alive while its report is at most this old, milliseconds.
    pub live_within_ms: i64,
    /// Who is told of the moments at which a crash could be; nobody but a test.
    pub failpoints: Failpoints,
}

impl Settings {
    /// Settings with the usual times: a lease of 3 s, gateways alive for 5 s.
    #[must_use]
    pub fn new(instance: String, data_dir: PathBuf, base_dir: PathBuf) -> Settings {
        Settings {
            instance,
            data_dir,
            base_dir,
            lease_ttl_ms: 3_000,
            live_within_ms: 5_000,
            failpoints: Failpoints::default(),
        }
    }
}

/// The environment drivers, one per kind of target.
#[derive(Clone)]
pub struct Drivers {
    /// For processes of this machine.
    pub process: Arc<dyn EnvironmentDriver>,
    /// For environments that someone else runs.
    pub upstream: Arc<dyn EnvironmentDriver>,
}

impl Drivers {
    pub(crate) fn of(&self, target: &Target) -> Arc<dyn EnvironmentDriver> {
        match target {
            Target::Process(_) => Arc::clone(&self.process),
            Target::Upstream(_) => Arc::clone(&self.upstream),
        }
    }
}

/// Makes the runner of a check; `None` for a check that only a person can give.
pub type Gates = Arc<dyn Fn(&Check) -> Option<Box<dyn GateRunner>> + Send + Sync>;

/// The gates of [`crate::gate`].
#[must_use]
pub fn standard_gates() -> Gates {
    Arc::new(gate::runner)
}
