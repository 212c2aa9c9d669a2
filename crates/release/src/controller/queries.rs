//! Answers about releases.

use super::Controller;
use crate::book::{Page, Release};
use crate::counters::Gateways;
use crate::journal::{Folded, fold, read};
use crate::machine::{Action, State, Waiting, WaitingFor, question};
use crate::report::{Account, Report, Seen, update};
use crate::switch::hold_id;
use crate::view::{AppStatus, HoldView, ReleaseView};
use crate::ways::ahead;
use model::record::Answerer;
use std::sync::Arc;
use store::StoreError;
use telemetry::report::Waits;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The release or app does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The journal is damaged.
    #[error("the journal of release {release} is damaged: {what}")]
    Damaged {
        /// The release.
        release: String,
        /// What is wrong.
        what: String,
    },
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Controller {
    /// One release, as it is now.
    ///
    /// # Errors
    /// When it is not known or cannot be read.
    pub async fn get(&self, release: &str) -> Result<ReleaseView, QueryError> {
        self.context.book.refresh().await?;
        match self.context.book.get(release) {
            Some(Page::Whole(page)) => self.view(&page).await,
            Some(Page::Damaged { what, .. }) => {
                Err(QueryError::Damaged { release: release.to_owned(), what })
            }
            Some(Page::Void { .. }) | None => Err(QueryError::NotFound(format!("release {release}"))),
        }
    }

    /// All releases of an app, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, app: &str, limit: usize) -> Result<Vec<ReleaseView>, QueryError> {
        self.context.book.refresh().await?;
        let mut views = Vec::new();
        for page in self.context.book.whole_of_app(app).iter().rev().take(limit) {
            views.push(self.view(page).await?);
        }
        Ok(views)
    }

    /// How an app stands: what is live, what is in flight, what waits.
    ///
    /// # Errors
    /// When the app is not known or the store cannot be read.
    pub async fn status(&self, app: &str) -> Result<AppStatus, QueryError> {
        self.context.book.refresh().await?;
        let releases = self.context.book.whole_of_app(app);
        if releases.is_empty() && self.context.store.get(model::resource::Kind::App, app).await?.is_none() {
            return Err(QueryError::NotFound(format!("app {app}")));
        }
        let current = releases
            .iter()
            .find(|release| release.folded.in_flight())
            .or_else(|| releases.iter().rev().find(|release| !release.folded.queued()));
        let current = match current {
            Some(release) => Some(self.view(release).await?),
            None => None,
        };
        let sight = self.context.sight(app);
        let queued = releases.iter().filter(|release| release.folded.queued());
        Ok(AppStatus {
            app: app.to_owned(),
            live: crate::view::live_version(releases.iter().map(|release| &release.folded)),
            current,
            queued: queued.map(|release| release.folded.release.clone()).collect(),
            environments: sight.environments,
            trouble: sight.trouble.or_else(|| self.context.book.damage(app)),
        })
    }

    /// The report of a release as it is now, of its journal and of what the gateways say.
    ///
    /// # Errors
    /// When it is not known or cannot be read.
    pub async fn report(&self, release: &str) -> Result<Report, QueryError> {
        let entries = self.context.store.journal(release).await?;
        if entries.is_empty() {
            return Err(QueryError::NotFound(format!("release {release}")));
        }
        let damaged = |what: String| QueryError::Damaged { release: release.to_owned(), what };
        let chain = read(&entries).map_err(|damage| damaged(damage.to_string()))?;
        let folded =
            fold(release, &chain).ok_or_else(|| damaged("it does not begin with a request".to_owned()))?;
        let now = self.now(&folded).await?;
        let sight = self.context.sight(&folded.request.app);
        let course = sight.course.get(&folded.release).cloned().unwrap_or_default();
        let seen = now.account.clone().map(|account| Seen { account, course });
        let report = Report::of(&folded, &chain);
        Ok(report.at_present(self.view_of(&folded, now), seen, crate::clock::now_ms()))
    }

    /// Name and value that lead to the new version through the gateway: a header, or `Cookie`. A secret.
    ///
    /// # Errors
    /// When the release is not known or has no preview.
    pub async fn preview(&self, release: &str) -> Result<(String, String), QueryError> {
        self.context.book.refresh().await?;
        let Some(Page::Whole(page)) = self.context.book.get(release) else {
            return Err(QueryError::NotFound(format!("release {release}")));
        };
        let preview = page.folded.plan.as_ref().and_then(|plan| plan.preview.as_ref());
        let named = preview.and_then(crate::plan::PlannedPreview::request_header);
        named.ok_or_else(|| QueryError::NotFound(format!("a preview of release {release}")))
    }

    async fn view(&self, release: &Arc<Release>) -> Result<ReleaseView, QueryError> {
        let now = self.now(&release.folded).await?;
        Ok(self.view_of(&release.folded, now))
    }

    /// What the gateways say of a release, or said last.
    async fn now(&self, folded: &Folded) -> Result<Now, QueryError> {
        let unended = folded.account.as_ref().map_or(0, |account| account.unended(folded.until()));
        let since = folded.state.as_ref().and_then(|state| state.first_revision);
        // A moment lies between a decision, the last one too, and the counts of it.
        let is_open = !folded.is_counted;
        let (account, hold, waits) = match &folded.state {
            Some(state) if is_open || unended > 0 => {
                let gateways = self.context.gateways().await?;
                let live = gateways.account(&folded.request.app, since, crate::clock::now_ms());
                let account = folded.account_by(live);
                if is_open && !folded.ended() {
                    let waits = guard_id(folded).map(|id| gateways.waits(id));
                    (Some(account), hold(folded, state, &gateways), waits)
                } else {
                    (Some(account), None, None)
                }
            }
            _ => (folded.account.clone(), None, None),
        };
        let account = account.map(|account| folded.account_of(&account));
        Ok(Now { account, hold, waits: waits.unwrap_or_default() })
    }

    /// What a release waits for, as far as this controller can know it.
    fn waiting(&self, folded: &Folded) -> Vec<Waiting> {
        if !folded.queued() {
            let sight = self.context.sight(&folded.request.app);
            if let Some(known) = sight.waiting.get(&folded.release) {
                return known.clone();
            }
            // Another controller drives it; what is asked of people stands in the journal.
            let asked = folded.plan.as_ref().zip(folded.state.as_ref()).filter(|_| !folded.ended());
            let asked = asked.and_then(|(plan, state)| question(plan, state));
            return asked.map(|what| Waiting { what, remaining_ms: None }).into_iter().collect();
        }
        let releases = self.context.book.whole_of_app(&folded.request.app);
        let before = releases.iter().take_while(|other| other.folded.release != folded.release);
        let queued = before.filter(|other| other.folded.queued());
        let in_flight = releases.iter().filter(|other| other.folded.in_flight());
        let behind =
            in_flight.chain(queued).map(|other| ahead(&other.folded, &self.waiting_now(&other.folded)));
        vec![Waiting { what: WaitingFor::Turn { behind: behind.collect() }, remaining_ms: None }]
    }

    /// What a release waits for that is before another one; of one that is queued itself, nothing is asked.
    fn waiting_now(&self, folded: &Folded) -> Vec<Waiting> {
        if folded.queued() { Vec::new() } else { self.waiting(folded) }
    }

    fn view_of(&self, folded: &Folded, now: Now) -> ReleaseView {
        let Now { account, hold, waits } = now;
        let sight = self.context.sight(&folded.request.app);
        let trouble = |receiver: &str| self.context.trouble(&folded.release, receiver);
        let notifications = folded.notices.view(trouble);
        let progress = self.context.progress(&folded.release);
        let mut evidence = folded.evidence.clone();
        update(&mut evidence, sight.evidence.get(&folded.release).map_or(&[], Vec::as_slice));
        let mut view = ReleaseView::of(folded, account.as_ref(), self.waiting(folded));
        for colour in &mut view.colours {
            let [old, new] = waits;
            let waits = if colour.is_new { new } else { old };
            colour.waiting = waits.requests;
            colour.unanswered_ms = waits.unanswered_ms.filter(|_| waits.requests > 0);
            colour.unended = waits.unended;
            colour.unended_ms = waits.unended_ms.filter(|_| waits.unended > 0);
        }
        ReleaseView { hold, evidence, progress, notifications, ..view }
    }
}

/// What the gateways say of a release.
struct Now {
    /// What it answers for.
    account: Option<Account>,
    hold: Option<HoldView>,
    /// Who waits for the old version and for the new one.
    waits: [Waits; 2],
}

/// What the gateways know the guard of a release by.
fn guard_id(folded: &Folded) -> Option<&str> {
    folded.plan.as_ref()?.guard.as_ref().map(|guard| guard.rule.id.as_str())
}

/// The hold that is in force, if one is.
fn hold(folded: &Folded, state: &State, gateways: &Gateways) -> Option<HoldView> {
    let Action::SetShare { hold: Some(number), .. } = state.pending.as_ref()?.action else { return None };
    let plan = folded.plan.as_ref()?;
    let old = plan.lead()?.old.as_ref().map_or(Answerer::Upstream, |old| old.colour.into());
    Some(gateways.holding(&hold_id(plan, number), old))
}
