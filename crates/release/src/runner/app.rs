//! The reconciler of one app: its releases, its queue, its environments.

use super::baseline::Past;
use super::couriers::Couriers;
use super::environments::Environments;
use super::sampler::Sampler;
use super::window::Window;
use crate::book::AppendError;
use crate::clock::{now_ms, pause};
use crate::comparison::Comparison;
use crate::controller::{Context, Sight};
use crate::journal::Event;
use crate::machine::{ActionResult, Phase, Stage, State, Waiting};
use crate::report::{Evidence, OpenNow};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// While traffic moves, the counters are looked at this often, milliseconds.
const SHIFTING_MS: u64 = 100;
/// While a release waits for time to pass, milliseconds; the machine counts at most 5 s for one look.
const WAITING_MS: u64 = 1_000;
/// While nothing goes on, milliseconds.
const IDLE_MS: u64 = 5_000;

/// Why a pass was given up; the next one begins from what is true then.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    #[error("the journal cannot be written")]
    Append(#[from] AppendError),
}

pub(crate) struct AppRunner {
    pub(super) context: Arc<Context>,
    pub(super) app: String,
    pub(super) fence: u64,
    /// The states with the time that was watched; the journal knows it only now and then.
    pub(super) memory: BTreeMap<String, State>,
    pub(super) waiting: BTreeMap<String, Vec<Waiting>>,
    pub(super) tasks: BTreeMap<String, Task>,
    pub(super) windows: BTreeMap<String, Window>,
    pub(super) comparisons: BTreeMap<String, Comparison>,
    /// What the comparisons of each release have found.
    pub(super) evidence: BTreeMap<String, Vec<Evidence>>,
    pub(super) samplers: BTreeMap<String, Sampler>,
    pub(super) past: Past,
    /// When it was last told how much is open on a colour that drains, and what.
    pub(super) told: BTreeMap<String, (i64, OpenNow)>,
    /// Whether the old version and the new one are silent, and that was told.
    pub(super) silent: BTreeMap<String, [bool; 2]>,
    pub(super) environments: Environments,
    pub(super) couriers: Couriers,
    /// Outcomes that are not in the journal yet.
    pub(super) unwritten: Vec<Finished>,
    pub(super) results: (mpsc::Sender<Finished>, mpsc::Receiver<Finished>),
}

/// An action under way.
pub(super) struct Task {
    pub(super) id: String,
    pub(super) handle: JoinHandle<()>,
}

/// An action that ended.
pub(super) struct Finished {
    pub(super) release: String,
    pub(super) id: String,
    pub(super) result: ActionResult,
}

impl AppRunner {
    pub(super) fn new(context: Arc<Context>, app: String, fence: u64) -> AppRunner {
        AppRunner {
            environments: Environments::new(Arc::clone(&context), app.clone()),
            context,
            app,
            fence,
            memory: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tasks: BTreeMap::new(),
            windows: BTreeMap::new(),
            comparisons: BTreeMap::new(),
            evidence: BTreeMap::new(),
            samplers: BTreeMap::new(),
            past: Past::default(),
            told: BTreeMap::new(),
            silent: BTreeMap::new(),
            couriers: Couriers::default(),
            unwritten: Vec::new(),
            results: mpsc::channel(64),
        }
    }

    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut revisions = self.context.store.watch();
        let mut journals = self.context.store.watch_journals();
        let mut reports = self.context.store.watch_reports();
        let mut seen = self.environments.watch();
        while !*stopped.borrow() {
            revisions.mark_unchanged();
            journals.mark_unchanged();
            reports.mark_unchanged();
            seen.mark_unchanged();
            let trouble = match self.pass().await {
                Ok(()) => None,
                Err(PassError::Append(AppendError::Stale { .. })) => continue,
                Err(error) => {
                    let why = chain(&error);
                    tracing::warn!(
                        app = self.app,
                        error = why,
                        "releases of this app cannot go on; trying again"
                    );
                    Some(why)
                }
            };
            self.publish(trouble.clone());
            let (rest_ms, busy) = self.rest_ms(trouble.is_some());
            tokio::select! {
                changed = stopped.changed() => if changed.is_err() { break },
                _ = revisions.changed(), if trouble.is_none() => {}
                _ = journals.changed(), if trouble.is_none() => {}
                _ = reports.changed(), if busy && trouble.is_none() => {}
                _ = seen.changed() => {}
                finished = self.results.1.recv() => self.keep_result(finished),
                () = pause(Duration::from_millis(rest_ms)) => {}
            }
        }
        self.stop().await;
    }

    /// One look at everything, and what follows from it.
    async fn pass(&mut self) -> Result<(), PassError> {
        self.context.book.refresh().await?;
        self.journal_results().await?;
        let gateways = self.context.gateways().await?;
        self.journal_holds(&gateways).await?;
        let releases = self.context.book.whole_of_app(&self.app);
        self.couriers.follow(&self.context, &releases, self.fence);
        self.environments.follow(&releases, self.fence).await?;
        self.look_back(&releases, &gateways, now_ms());
        for release in releases.iter().filter(|release| !release.folded.ended()) {
            self.drive(release, &releases, &gateways).await?;
        }
        self.settle(&releases, &gateways).await?;
        self.forget_ended();
        self.begin_next().await
    }

    /// How long to rest if nothing happens, and whether gateways' reports matter.
    fn rest_ms(&self, in_trouble: bool) -> (u64, bool) {
        if in_trouble {
            return (WAITING_MS, false);
        }
        let moves = |state: &State| {
            state.phase.has_traffic()
                || matches!(state.stage, Stage::Spread { .. } | Stage::Drain)
                || state.phase == Phase::Revert
        };
        match (self.memory.values().any(moves), self.memory.is_empty()) {
            (true, _) => (SHIFTING_MS, true),
            (false, false) => (WAITING_MS, false),
            (false, true) => (IDLE_MS, false),
        }
    }

    fn keep_result(&mut self, finished: Option<Finished>) {
        self.unwritten.extend(finished);
    }

    async fn journal_results(&mut self) -> Result<(), PassError> {
        while let Ok(finished) = self.results.1.try_recv() {
            self.keep_result(Some(finished));
        }
        while let Some(finished) = self.unwritten.first() {
            let (release, event) = (
                finished.release.clone(),
                Event::Ended { id: finished.id.clone(), result: finished.result.clone() },
            );
            self.context.book.append(&release, self.fence, &self.context.actor(), &event).await?;
            self.unwritten.remove(0);
        }
        Ok(())
    }

    fn forget_ended(&mut self) {
        let book = &self.context.book;
        let goes_on = |release: &str| match book.get(release) {
            Some(crate::book::Page::Whole(page)) => !page.folded.ended(),
            _ => false,
        };
        self.memory.retain(|release, _| goes_on(release));
        self.waiting.retain(|release, _| goes_on(release));
        self.windows.retain(|release, _| goes_on(release));
        self.comparisons.retain(|release, _| goes_on(release));
        self.evidence.retain(|release, _| goes_on(release));
        self.samplers.retain(|release, _| goes_on(release));
        self.told.retain(|release, _| goes_on(release));
        self.silent.retain(|release, _| goes_on(release));
        self.tasks.retain(|release, task| goes_on(release) || !task.handle.is_finished());
    }

    fn publish(&self, trouble: Option<String>) {
        let sight = Sight {
            waiting: self.waiting.clone(),
            evidence: self.evidence.clone(),
            course: self.samplers.iter().map(|(id, one)| (id.clone(), one.unwritten().to_vec())).collect(),
            environments: self.environments.statuses(),
            settled: self.environments.settled(),
            trouble: trouble.or_else(|| self.context.book.damage(&self.app)),
        };
        self.context.put_sight(&self.app, sight);
    }

    /// Lets go of everything; what the environments run goes on.
    async fn stop(&mut self) {
        for (_, task) in std::mem::take(&mut self.tasks) {
            task.handle.abort();
            let _ = task.handle.await;
        }
        self.couriers.stop().await;
        self.environments.stop().await;
    }
}

/// An error with its reasons, for the one place where it is printed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    text
}
