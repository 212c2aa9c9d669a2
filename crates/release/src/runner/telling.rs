//! What a gate that runs is given of the world and shows of itself: the live version's users, and how far it is.

use crate::controller::Context;
use crate::gate::{LiveUsers, Progress, Shadowing, Shadows};
use async_trait::async_trait;
use model::colour::Colour;
use model::record::Lane;
use std::fmt;
use std::sync::Arc;
use telemetry::counts::Counts;

/// The users of an app's colour.
pub(super) struct UsersOf {
    pub(super) context: Arc<Context>,
    pub(super) app: String,
    pub(super) colour: Colour,
}

impl fmt::Debug for UsersOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsersOf")
            .field("app", &self.app)
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl LiveUsers for UsersOf {
    async fn counts(&self) -> Option<Counts> {
        let gateways = self.context.gateways().await.ok()?;
        Some(gateways.of_colour(&self.app, self.colour, 0, Some(Lane::Share)))
    }
}

/// The copies of live requests with an id.
pub(super) struct ShadowsOf {
    pub(super) context: Arc<Context>,
    pub(super) id: String,
}

impl fmt::Debug for ShadowsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShadowsOf").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shadows for ShadowsOf {
    async fn look(&self) -> Option<Vec<Shadowing>> {
        Some(self.context.gateways().await.ok()?.shadows(&self.id))
    }
}

/// Shows what a gate says for as long as it runs, also if it is dropped.
pub(super) struct Telling {
    context: Arc<Context>,
    release: String,
}

impl Telling {
    pub(super) fn begin(context: &Arc<Context>, release: &str) -> Telling {
        Telling { context: Arc::clone(context), release: release.to_owned() }
    }

    pub(super) fn of_gate(&self, gate: &str) -> Progress {
        let (context, release, gate) = (Arc::clone(&self.context), self.release.clone(), gate.to_owned());
        Progress::to(move |text| context.put_progress(&release, Some(format!("{gate}: {text}"))))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.context.put_progress(&self.release, None);
    }
}
