//! What a gate may know of the version that users have, and whom it tells how far it is.

use async_trait::async_trait;
use model::colour::Colour;
use std::fmt;
use std::sync::Arc;
use telemetry::counts::Counts;
use telemetry::report::ShadowReport;

/// The version that users have.
#[derive(Clone, Debug)]
pub struct LiveSide {
    /// Its environment.
    pub colour: Colour,
    /// Its version.
    pub version: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Its instances: host and port; empty if they are not known.
    pub instances: Vec<(String, u16)>,
    /// What the gateways count of its users.
    pub users: Arc<dyn LiveUsers>,
}

/// What the gateways count of the live version's users.
#[async_trait]
pub trait LiveUsers: fmt::Debug + Send + Sync {
    /// The cumulative counts of all gateways; `None`: they cannot be read.
    async fn counts(&self) -> Option<Counts>;
}

/// What one gateway says of the copies of live requests that are made for a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadowing {
    /// Its instance.
    pub gateway: String,
    /// What it has counted; `None`: it knows nothing of them yet.
    pub report: Option<ShadowReport>,
}

/// The copies of live requests that are made for a gate.
#[async_trait]
pub trait Shadows: fmt::Debug + Send + Sync {
    /// What the gateways that live now say of them; `None`: they cannot be asked.
    async fn look(&self) -> Option<Vec<Shadowing>>;
}

type Listener = dyn Fn(&str) + Send + Sync;

/// Takes what a gate says of how far it is; nobody listens by default.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Listener>>);

impl Progress {
    /// To a listener.
    #[must_use]
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Progress {
        Progress(Some(Arc::new(listener)))
    }

    /// Says how far the gate is, in one line without secrets.
    pub fn tell(&self, text: &str) {
        if let Some(listener) = &self.0 {
            listener(text);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
