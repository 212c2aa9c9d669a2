//! What a gate may know of the version that users have, and whom it tells how far it is.

use async_trait::async_trait;
use model::colour::Colour;
use std::fmt;
use std::sync::Arc;
use telemetry::counts::Counts;

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
