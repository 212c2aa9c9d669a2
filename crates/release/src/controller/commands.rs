//! What people want of a release that exists.

use super::start::StartError;
use super::{Actor, Controller};
use crate::book::{AppendError, Page, Release};
use crate::journal::{Command, Event};
use crate::machine::{Phase, question};
use crate::plan::Plan;
use crate::target::EnvironmentSpec;
use model::policy::Permissions;
use std::sync::Arc;
use store::StoreError;

/// Why a command was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The release or app does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The key may not.
    #[error("{0}")]
    Forbidden(String),
    /// It makes no sense now.
    #[error("{0}")]
    Conflict(String),
    /// No controller has taken the lease yet.
    #[error("no controller is there yet; try again in a moment")]
    NoController,
    /// The way back could not be started.
    #[error("the way back could not be started")]
    Start(#[source] Box<StartError>),
    /// The journal could not be written.
    #[error("the command could not be written down")]
    Append(#[from] AppendError),
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Controller {
    /// Says yes to what the release waits for: an approval, a missing verdict, someone's edit. Answers what that was.
    ///
    /// # Errors
    /// When nothing waits for a person, or the key may not.
    pub async fn promote(&self, release: &str, actor: &Actor) -> Result<String, CommandError> {
        let release = self.find(release).await?;
        let folded = &release.folded;
        let (Some(plan), Some(state)) = (&folded.plan, &folded.state) else {
            return Err(CommandError::Conflict(format!("release {} has not begun yet", folded.release)));
        };
        if let Some(why) = actor.lacks(plan.permissions.approve) {
            return Err(CommandError::Forbidden(why));
        }
        if !plan.permissions.self_approval && folded.requested_by == actor.name {
            let why = format!("{} started this release, so someone else must approve it", actor.name);
            return Err(CommandError::Forbidden(why));
        }
        let question = question(plan, state);
        let Some((subject, words)) = question.and_then(|what| Some((what.subject()?, what.to_string())))
        else {
            let phase = state.phase.name();
            let why = format!("release {} is in {phase} and waits for nobody's yes", folded.release);
            return Err(CommandError::Conflict(why));
        };
        self.command(&folded.release, Command::Promote { subject }, actor).await?;
        Ok(words)
    }

    /// Stops a release that is not committed; it goes back. Doing it again does nothing.
    ///
    /// # Errors
    /// When it is committed or has ended, or the key may not.
    pub async fn abort(&self, release: &str, reason: &str, actor: &Actor) -> Result<(), CommandError> {
        let release = self.find(release).await?;
        let folded = &release.folded;
        self.may_roll_back(&release, actor).await?;
        let goes_back = |phase: Phase| matches!(phase, Phase::Revert | Phase::KeepFailed);
        match &folded.state {
            Some(state) if state.committed() => Err(CommandError::Conflict(format!(
                "release {} is committed, version {} is live; `release rollback {}` goes back",
                folded.release, folded.request.version, folded.request.app
            ))),
            Some(state) if goes_back(state.phase) => Ok(()),
            _ if folded.ended() => {
                Err(CommandError::Conflict(format!("release {} has ended", folded.release)))
            }
            _ => {
                let reason = if reason.is_empty() { "no reason was given" } else { reason };
                let reason: String = reason.chars().take(1_000).collect();
                self.command(&folded.release, Command::Abort { reason }, actor).await
            }
        }
    }

    /// Goes back: aborts the release in flight, or else releases the version that was live before. Answers the release
    /// that was aborted or started.
    ///
    /// # Errors
    /// When there is nothing to go back to, or the key may not.
    pub async fn rollback(&self, app: &str, actor: &Actor) -> Result<String, CommandError> {
        self.context.book.refresh().await?;
        let releases = self.context.book.whole_of_app(app);
        let uncommitted = releases.iter().rev().find(|release| {
            let state = release.folded.state.as_ref();
            release.folded.in_flight() && state.is_some_and(|state| !state.committed())
        });
        if let Some(release) = uncommitted {
            let id = release.folded.release.clone();
            self.abort(&id, "rollback", actor).await?;
            return Ok(id);
        }
        let of_start = |error| CommandError::Start(Box::new(error));
        let found = self.app(app).await.map_err(|error| match error {
            StartError::NoSuchApp(app) => CommandError::NotFound(format!("app {app}")),
            other => of_start(other),
        })?;
        if let Some(why) = actor.lacks(found.release.permissions.rollback) {
            return Err(CommandError::Forbidden(why));
        }
        let Some((environment, takes_back)) = version_before(&releases) else {
            let why = format!("no version of {app} is known that was live before the present one");
            return Err(CommandError::Conflict(why));
        };
        self.start_back(&found, environment, takes_back, actor).await.map_err(of_start)
    }

    async fn command(&self, release: &str, command: Command, actor: &Actor) -> Result<(), CommandError> {
        let fence = self.fence().await?.ok_or(CommandError::NoController)?;
        let event = Event::Commanded(command);
        Ok(self.context.book.append(release, fence, &actor.name, &event).await?)
    }

    async fn find(&self, release: &str) -> Result<Arc<Release>, CommandError> {
        self.context.book.refresh().await?;
        match self.context.book.get(release) {
            Some(Page::Whole(page)) => Ok(page),
            Some(Page::Damaged { what, .. }) => {
                Err(CommandError::Conflict(format!("the journal of release {release} is damaged: {what}")))
            }
            Some(Page::Void { .. }) | None => Err(CommandError::NotFound(format!("release {release}"))),
        }
    }

    /// The plan's permissions hold for a release that has begun, the app's for one that waits.
    async fn may_roll_back(&self, release: &Release, actor: &Actor) -> Result<(), CommandError> {
        let permissions = match &release.folded.plan {
            Some(plan) => plan.permissions.clone(),
            None => match self.app(&release.folded.request.app).await {
                Ok(app) => app.release.permissions,
                Err(_) => Permissions::default(),
            },
        };
        match actor.lacks(permissions.rollback) {
            Some(why) => Err(CommandError::Forbidden(why)),
            None => Ok(()),
        }
    }
}

/// The environment to go back to and the release that is taken back. Releases that took others back do not count as
/// new versions: going back twice goes back by two.
fn version_before(releases: &[Arc<Release>]) -> Option<(EnvironmentSpec, String)> {
    let mut live: Vec<(EnvironmentSpec, String)> = Vec::new();
    for release in releases {
        let folded = &release.folded;
        let Some(environment) = folded.promoted_environment() else { continue };
        let lead = folded.plan.as_ref().and_then(Plan::lead);
        if folded.request.takes_back.is_some() {
            live.pop();
            live.pop();
        } else if live.is_empty()
            && let Some(old) = lead.and_then(|lead| lead.old_environment())
        {
            live.push((old.clone(), String::new()));
        }
        live.push((environment.clone(), folded.release.clone()));
    }
    let (_, takes_back) = live.pop()?;
    let (environment, _) = live.pop()?;
    Some((environment, takes_back))
}
