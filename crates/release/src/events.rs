//! The stream of what happens in releases, for those who watch: one event for each journal entry, and while a colour
//! drains, how much is still open on it.

use crate::book::Release;
use crate::journal::{Entry, Event, Folded};
use judge::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How many events are kept for those who come late.
const MAX_KEPT: usize = 4_096;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseEvent {
    /// Rises by one with each event of this process; another process counts for itself.
    pub seq: u64,
    /// The release.
    pub release: String,
    /// Its app.
    pub app: String,
    /// The version.
    pub version: String,
    /// Number of the entry in the release's journal.
    pub entry: u64,
    /// When it was written, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who did it.
    pub actor: String,
    /// The kind of the journal's entry ([`Event::name`]), `noticed` for what nobody has done, `draining` or
    /// `silent`.
    pub kind: String,
    /// The phase after it, if the release has a plan.
    pub phase: Option<String>,
    /// In words; may have several lines.
    pub text: String,
}

/// Keeps the last events and tells when there are new ones.
pub struct EventLog {
    kept: Mutex<VecDeque<ReleaseEvent>>,
    newest: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        EventLog { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Adds the events of entries that were just read.
    pub(crate) fn add<'a>(&self, release: &Folded, entries: impl Iterator<Item = &'a Entry>) {
        let mut kept = self.lock();
        let mut seq = *self.newest.borrow();
        for entry in entries {
            let Some(text) = words(&entry.event) else { continue };
            seq += 1;
            kept.push_back(ReleaseEvent {
                seq,
                release: release.release.clone(),
                app: release.request.app.clone(),
                version: release.request.version.clone(),
                entry: entry.seq,
                at_ms: entry.at_ms,
                actor: entry.actor.clone(),
                kind: kind(&entry.event).to_owned(),
                phase: phase_after(&entry.event),
                text,
            });
        }
        let surplus = kept.len().saturating_sub(MAX_KEPT);
        kept.drain(..surplus);
        drop(kept);
        self.newest.send_replace(seq);
    }

    /// Adds something that is worth knowing now and stands in no journal: how far a release's phase is.
    pub(crate) fn tell(&self, release: &Release, at_ms: i64, actor: &str, kind: &str, text: String) {
        let folded = &release.folded;
        let mut kept = self.lock();
        let seq = *self.newest.borrow() + 1;
        kept.push_back(ReleaseEvent {
            seq,
            release: folded.release.clone(),
            app: folded.request.app.clone(),
            version: folded.request.version.clone(),
            entry: release.head.seq,
            at_ms,
            actor: actor.to_owned(),
            kind: kind.to_owned(),
            phase: folded.state.as_ref().map(|state| state.phase.name().to_owned()),
            text,
        });
        let surplus = kept.len().saturating_sub(MAX_KEPT);
        kept.drain(..surplus);
        drop(kept);
        self.newest.send_replace(seq);
    }

    /// The events after `seq`, oldest first, as far as they are kept. A `seq` of another process gives all.
    #[must_use]
    pub fn since(&self, seq: u64) -> Vec<ReleaseEvent> {
        let kept = self.lock();
        let from_elsewhere = kept.back().is_some_and(|newest| seq > newest.seq);
        kept.iter().filter(|event| from_elsewhere || event.seq > seq).cloned().collect()
    }

    /// The newest event's number; level-triggered.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<ReleaseEvent>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn phase_after(event: &Event) -> Option<String> {
    match event {
        Event::Planned { .. } => Some("plan".to_owned()),
        Event::Decided { state, .. } => Some(state.phase.name().to_owned()),
        _ => None,
    }
}

/// The kind of an event as it is told: what nobody has done is noticed.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Gateway { .. } | Event::Dropped { .. } => "noticed",
        other => other.name(),
    }
}

/// An event in words; `None`: nothing that a watcher needs.
pub(crate) fn words(event: &Event) -> Option<String> {
    let lines = |lines: Vec<String>| lines.join("\n");
    Some(match event {
        Event::Requested(request) => format!("release of {} version {}", request.app, request.version),
        Event::Planned { plan } => lines(plan.notes.clone()),
        Event::Refused { refusals } => lines(refusals.iter().map(ToString::to_string).collect()),
        Event::Withdrawn { outcome, why } => format!("{}: {why}", outcome.name()),
        Event::Decided { notes, .. } if notes.is_empty() => return None,
        Event::Decided { notes, .. } => lines(notes.clone()),
        Event::Commanded(command) => command.to_string(),
        Event::Gateway { instance, alive: true } => format!("gateway {instance} is there"),
        Event::Gateway { instance, alive: false } => {
            format!("gateway {instance} is gone, and with it what it had counted")
        }
        Event::Dropped { seq } => format!("journal entry {seq} was cut off and does not count"),
        Event::Guarded { guard } => format!("the guard has fired in {}: {}", guard.gateway, guard.words()),
        Event::Judged { evidence, proven: true, .. } => {
            let proven = evidence.iter().filter(|one| one.finding.verdict == Verdict::Fail);
            lines(proven.map(|one| format!("proven by {}: {}", one.by, one.finding.words)).collect())
        }
        Event::Baseline { baseline } => format!("the old version's last window: {}", baseline.words()),
        Event::Held { hold } => format!("hold {}: {}", hold.id, hold.words()),
        Event::Notified { receiver, failure: Some(why), .. } => {
            format!("{receiver} could not be told: {why}")
        }
        Event::Notified { failure: None, .. }
        | Event::Ended { .. }
        | Event::Counted { .. }
        | Event::Sampled { .. }
        | Event::Seen { .. }
        | Event::Judged { .. } => return None,
    })
}
