//! What a plan is made from: the wish, and the world as it is.

use super::{PreviewToken, RehearsalInput};
use crate::target::EnvironmentSpec;
use model::app::App;
use model::colour::Colour;
use model::policy::Step;
use model::resource::Resource;
use model::target::Target;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that [`super::plan`] looks at.
#[derive(Clone, Debug)]
pub struct PlanInput<'a> {
    /// The id of the release.
    pub release: &'a str,
    /// The app, as it is now.
    pub app: &'a App,
    /// The version to bring live.
    pub version: &'a str,
    /// Who wants it.
    pub actor: &'a str,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Directory against which relative paths are resolved.
    pub base_dir: &'a str,
    /// A whole new target for this version; `None`: the app's.
    pub target: Option<&'a Target>,
    /// A stored environment to go back to as it was; beats `target`. Its instances may still run.
    pub environment: Option<&'a EnvironmentSpec>,
    /// Other steps than the policy's.
    pub steps: Option<&'a [Step]>,
    /// It takes a committed release back: nobody is asked for approval again.
    pub takes_back: bool,
    /// How many gateways live: each compares the versions by itself, too.
    pub gateways: u32,
    /// Whether it is a rehearsal, and which there were.
    pub rehearsal: RehearsalInput<'a>,
    /// Every resource of the store, at one revision.
    pub resources: &'a [Arc<Resource>],
    /// What releases last put into each of the app's environments.
    pub environments: &'a BTreeMap<Colour, EnvironmentSpec>,
    /// The colour that the last committed release made live.
    pub last_live: Option<Colour>,
    /// The secret of the preview.
    pub token: PreviewToken,
}
