//! Starting a release.

use super::{Actor, Controller};
use crate::book::{AppendError, Release};
use crate::journal::{Command, Event, Request};
use crate::plan::Refusal;
use crate::runner::{PlanError, make_plan};
use crate::target::EnvironmentSpec;
use model::app::App;
use model::policy::{OnConflict, Role, Step};
use model::resource::Kind;
use model::target::Target;
use std::sync::Arc;
use store::StoreError;

/// Most releases of one app that wait for their turn.
const MAX_QUEUED: usize = 16;
/// How often another id is tried when someone else takes it first.
const MAX_ID_TRIES: u64 = 64;

/// What to release.
#[derive(Clone, Debug, Default)]
pub struct StartRequest {
    /// The app.
    pub app: String,
    /// The version to bring live.
    pub version: String,
    /// A whole new target for this version; default: the app's, with `{version}` replaced. Only an administrator may
    /// give one: it says which programs run as Tealgate's user.
    pub target: Option<Target>,
    /// Other steps than the policy's.
    pub steps: Option<Vec<Step>>,
    /// Only rehearse it: there and back, with no user on the new version.
    pub rehearsal: bool,
}

/// Why a release was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The app does not exist.
    #[error("app {0} does not exist: it is one under `apps` in tealgate.yaml, or made through the Admin API")]
    NoSuchApp(String),
    /// The plan was refused, for all these reasons.
    #[error("the release is refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// The key may not.
    #[error("{0}")]
    Forbidden(String),
    /// Something else is in the way.
    #[error("{0}")]
    Conflict(String),
    /// A journal of the app is damaged.
    #[error("releases of {app} are refused, because a journal is damaged: {what}; traffic goes on")]
    Damaged {
        /// The app.
        app: String,
        /// What is wrong.
        what: String,
    },
    /// No controller has taken the lease yet.
    #[error("no controller is there yet; try again in a moment")]
    NoController,
    /// The journal could not be written.
    #[error("the release could not be written down")]
    Append(#[from] AppendError),
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl From<PlanError> for StartError {
    fn from(error: PlanError) -> StartError {
        match error {
            PlanError::NoSuchApp(app) => StartError::NoSuchApp(app),
            PlanError::Refused(refusals) => StartError::Refused(refusals),
            PlanError::Random => StartError::Conflict(PlanError::Random.to_string()),
            PlanError::Store(error) => StartError::Store(error),
        }
    }
}

impl Controller {
    /// Starts a release, or queues it behind the one in flight, or takes that one back first: as the policy says.
    ///
    /// # Errors
    /// When it cannot begin; nothing was written then.
    pub async fn start(&self, request: StartRequest, actor: &Actor) -> Result<String, StartError> {
        let app = self.app(&request.app).await?;
        if let Some(why) = actor.lacks(app.release.permissions.start) {
            return Err(StartError::Forbidden(why));
        }
        if request.target.is_some()
            && let Some(why) = actor.lacks(Role::Admin)
        {
            let why = format!("{why}: a spec may run any program as Tealgate's user");
            return Err(StartError::Forbidden(why));
        }
        let StartRequest { app: id, version, target, steps, rehearsal } = request;
        let receivers = app.release.notifications.clone();
        let (environment, takes_back) = (None, None);
        let request =
            Request { app: id, version, target, environment, steps, takes_back, rehearsal, receivers };
        self.open(&app, request, actor).await
    }

    /// Starts the way back to an environment that was live before.
    pub(super) async fn start_back(
        &self,
        app: &App,
        environment: EnvironmentSpec,
        takes_back: String,
        actor: &Actor,
    ) -> Result<String, StartError> {
        let request = Request {
            app: app.id.clone(),
            version: environment.version.clone(),
            target: None,
            environment: Some(environment),
            steps: Some(vec![Step::Share(100)]),
            takes_back: Some(takes_back),
            rehearsal: false,
            receivers: app.release.notifications.clone(),
        };
        self.open(app, request, actor).await
    }

    async fn open(&self, app: &App, request: Request, actor: &Actor) -> Result<String, StartError> {
        let book = &self.context.book;
        book.refresh().await?;
        if let Some(what) = book.damage(&app.id) {
            return Err(StartError::Damaged { app: app.id.clone(), what });
        }
        let releases = book.whole_of_app(&app.id);
        self.refuse_hopeless(&releases, &request, actor).await?;
        // A rehearsal takes nobody's place.
        let supersedes = app.release.on_conflict == OnConflict::Supersede && !request.rehearsal;
        let queued = releases.iter().filter(|release| release.folded.queued()).count();
        if queued >= MAX_QUEUED && !supersedes {
            return Err(StartError::Conflict(format!("{queued} releases of {} wait already", app.id)));
        }
        let fence = self.fence().await?.ok_or(StartError::NoController)?;
        let id = self.take_id(&app.id, fence, &request, actor).await?;
        if supersedes {
            let earlier = releases.iter().filter(|release| {
                let uncommitted = release.folded.state.as_ref().is_some_and(|state| !state.committed());
                release.folded.queued() || (release.folded.in_flight() && uncommitted)
            });
            for release in earlier {
                let event = Event::Commanded(Command::Supersede { by: id.clone() });
                book.append(&release.folded.release, fence, &actor.name, &event).await?;
            }
        }
        Ok(id)
    }

    /// A plan that is refused now is not worth queueing; the one that counts is made when its turn has come.
    async fn refuse_hopeless(
        &self,
        releases: &[Arc<Release>],
        request: &Request,
        actor: &Actor,
    ) -> Result<(), StartError> {
        match make_plan(&self.context, releases, "trial", request, &actor.name).await {
            Ok(_) => Ok(()),
            Err(PlanError::Refused(mut refusals)) => {
                // The split of the release in flight will be gone by then.
                if releases.iter().any(|release| release.folded.in_flight()) {
                    refusals.retain(|refusal| !matches!(refusal, Refusal::ForeignSplit { .. }));
                }
                if refusals.is_empty() { Ok(()) } else { Err(StartError::Refused(refusals)) }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn take_id(
        &self,
        app: &str,
        fence: u64,
        request: &Request,
        actor: &Actor,
    ) -> Result<String, StartError> {
        let event = Event::Requested(Box::new(request.clone()));
        let taken = self.context.store.releases().await?;
        let number = |id: &String| id.strip_prefix(app)?.strip_prefix('-')?.parse::<u64>().ok();
        let next = taken.iter().filter_map(number).max().unwrap_or(0) + 1;
        for number in next..next.saturating_add(MAX_ID_TRIES) {
            let id = format!("{app}-{number}");
            if self.context.book.open(&id, fence, &actor.name, &event).await? {
                return Ok(id);
            }
        }
        Err(StartError::Conflict(format!("others start releases of {app} at the same time; try again")))
    }

    pub(super) async fn app(&self, id: &str) -> Result<App, StartError> {
        let resource = self.context.store.get(Kind::App, id).await?;
        let resource = resource.ok_or_else(|| StartError::NoSuchApp(id.to_owned()))?;
        App::from_value(&resource.value).map_err(|error| {
            StartError::Refused(vec![Refusal::Environment { what: format!("app {id}: {error}") }])
        })
    }
}
