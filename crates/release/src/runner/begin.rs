//! The queue: when nothing is in flight, the oldest release that waits gets its plan.

use super::app::{AppRunner, PassError};
use super::wanted::environments_of;
use crate::book::Release;
use crate::clock;
use crate::controller::Context;
use crate::journal::{Event, Request};
use crate::machine::{Input, Outcome};
use crate::plan::{PastRehearsal, Plan, PlanInput, PreviewToken, Refusal, RehearsalInput, plan};
use crate::target::TargetError;
use model::app::App;
use model::resource::Kind;
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use tokio::time::timeout;

/// How long a driver may check a spec.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// Why no plan was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("app {0} does not exist")]
    NoSuchApp(String),
    #[error("the plan was refused")]
    Refused(Vec<Refusal>),
    #[error("no random bytes for the preview's token")]
    Random,
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl AppRunner {
    pub(super) async fn begin_next(&mut self) -> Result<(), PassError> {
        let releases = self.context.book.whole_of_app(&self.app);
        for release in releases.iter().filter(|release| release.folded.queued()) {
            if let Some((outcome, why)) = withdrawal(release) {
                let event = Event::Withdrawn { outcome, why };
                return Ok(self
                    .context
                    .book
                    .append_at(release, self.fence, &self.context.actor(), &event)
                    .await?);
            }
        }
        let busy = releases.iter().any(|release| release.folded.in_flight());
        if busy || self.context.book.damage(&self.app).is_some() {
            return Ok(());
        }
        let Some(next) = releases.iter().find(|release| release.folded.queued()) else { return Ok(()) };
        let id = &next.folded.release;
        let made =
            make_plan(&self.context, &releases, id, &next.folded.request, &next.folded.requested_by).await;
        let event = match made {
            Ok(mut plan) => {
                let gateways = self.context.gateways().await?;
                plan.notes.extend(self.already_broken(&plan, &gateways, clock::now_ms()));
                Event::Planned { plan: Box::new(plan) }
            }
            Err(PlanError::Refused(refusals)) => Event::Refused { refusals },
            Err(PlanError::Store(error)) => return Err(error.into()),
            Err(error) => Event::Refused { refusals: vec![Refusal::Environment { what: error.to_string() }] },
        };
        let actor = self.context.actor();
        self.context.book.append_at(next, self.fence, &actor, &event).await?;
        let account = self.context.gateways().await?.account(&self.app, None, clock::now_ms());
        let counted = Event::Counted { account: Box::new(account) };
        Ok(self.context.book.append(id, self.fence, &actor, &counted).await?)
    }
}

/// What was said to a release that waits for its turn.
fn withdrawal(release: &Release) -> Option<(Outcome, String)> {
    release.folded.inputs.iter().find_map(|input| match input {
        Input::Abort { actor, reason } => Some((Outcome::Aborted, format!("aborted by {actor}: {reason}"))),
        Input::Supersede { by } => Some((Outcome::Superseded, format!("superseded by {by}"))),
        Input::Ended { .. } | Input::Promote { .. } => None,
    })
}

/// Makes the plan of a release from the world as it is now.
pub(crate) async fn make_plan(
    context: &Context,
    releases: &[Arc<Release>],
    id: &str,
    request: &Request,
    actor: &str,
) -> Result<Plan, PlanError> {
    let app = context.store.get(Kind::App, &request.app).await?;
    let app = app.ok_or_else(|| PlanError::NoSuchApp(request.app.clone()))?;
    let app = App::from_value(&app.value).map_err(|error| {
        PlanError::Refused(vec![Refusal::Environment { what: format!("app {}: {error}", request.app) }])
    })?;
    let snapshot = context.store.snapshot().await?;
    let last_live = releases.iter().rev().find_map(|release| release.folded.promoted_environment());
    let plan = plan(&PlanInput {
        release: id,
        app: &app,
        version: &request.version,
        actor,
        now_ms: clock::now_ms(),
        base_dir: &context.settings.base_dir.to_string_lossy(),
        target: request.target.as_ref(),
        environment: request.environment.as_ref(),
        steps: request.steps.as_deref(),
        takes_back: request.takes_back.is_some(),
        gateways: context.gateways().await?.carrying(),
        rehearsal: RehearsalInput { wanted: request.rehearsal, past: &past_rehearsals(releases) },
        resources: &snapshot.resources,
        environments: &environments_of(releases.iter().map(|release| &release.folded)),
        last_live: last_live.map(|environment| environment.colour),
        token: token().ok_or(PlanError::Random)?,
    })
    .map_err(PlanError::Refused)?;
    check_environments(context, &plan).await?;
    Ok(plan)
}

/// The rehearsals that went well, by their journals.
fn past_rehearsals(releases: &[Arc<Release>]) -> Vec<PastRehearsal> {
    let past = releases.iter().filter_map(|release| {
        let folded = &release.folded;
        let rehearsal = folded.plan.as_ref()?.rehearsal.as_ref()?;
        let at_ms = folded.decided_at_ms.filter(|_| folded.outcome() == Some(Outcome::Rehearsed))?;
        let (release, version) = (folded.release.clone(), folded.request.version.clone());
        Some(PastRehearsal { release, version, of: rehearsal.of.clone(), at_ms })
    });
    past.collect()
}

/// The drivers find what is wrong with an environment without starting it.
async fn check_environments(context: &Context, plan: &Plan) -> Result<(), PlanError> {
    let mut refusals = Vec::new();
    for component in &plan.components {
        let driver = context.drivers.of(&component.new.target);
        let what = match timeout(CHECK_LIMIT, driver.check(&component.new)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => words(&error),
            Err(_) => "the environment could not be checked in time".to_owned(),
        };
        refusals.push(Refusal::Environment { what });
    }
    if refusals.is_empty() { Ok(()) } else { Err(PlanError::Refused(refusals)) }
}

fn words(error: &TargetError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// 128 random bits.
fn token() -> Option<PreviewToken> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(PreviewToken::new(hex::encode(bytes)))
}
