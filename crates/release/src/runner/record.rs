//! What the report will need, written down when it can still be seen.

use super::act::last_log_lines;
use super::app::{AppRunner, PassError};
use crate::book::{Page, Release};
use crate::clock;
use crate::counters::Gateways;
use crate::journal::Event;
use crate::machine::{Cause, Phase, Stage, State};
use crate::plan::Plan;
use crate::report::GuardSummary;
use model::resource::Revision;

/// How many of the new version's last log lines are kept when it failed.
const LOG_LINES: usize = 50;
/// How many of its failed requests.
const FAILURES: usize = 20;

/// How often it is told at most how much is open on a colour that drains, milliseconds.
const TELL_EVERY_MS: i64 = 1_000;

impl AppRunner {
    pub(super) async fn record(
        &mut self,
        release: &Release,
        before: &State,
        after: &State,
        gateways: &Gateways,
    ) -> Result<(), PassError> {
        self.tell_draining(release, after, gateways, clock::now_ms());
        self.tell_silent(release, after, gateways, clock::now_ms());
        let mut events = Vec::new();
        events.extend(self.sample(release, before, after, gateways, clock::now_ms()));
        events.extend(self.newly_judged(release, before, after));
        events.extend(self.last_window(release, after, gateways, clock::now_ms()));
        let sampled = events.len();
        // An account is closed when the colour that traffic has left has drained; until then a gateway can be missed.
        if after.in_flight() || before.stage == Stage::Drain {
            events.extend(self.comings_and_goings(release, gateways));
        }
        events.extend(trips(release, gateways));
        let failed = after.cause.as_ref().is_some_and(|cause| *cause != Cause::Rehearsed);
        if before.cause.is_none() && failed {
            events.extend(self.look_at_failed(release, after, gateways).await);
        }
        if events.len() > sampled || is_turning_point(before, after) {
            let id = release.folded.request.app.as_str();
            let account = gateways.account(id, after.first_revision, clock::now_ms());
            events.push(Event::Counted { account: Box::new(account) });
        }
        for event in events {
            let id = &release.folded.release;
            self.context.book.append(id, self.fence, &self.context.actor(), &event).await?;
        }
        Ok(())
    }

    /// Says now and then how much is still open on the colour that traffic has left.
    fn tell_draining(&mut self, release: &Release, state: &State, gateways: &Gateways, now_ms: i64) {
        let Some(lead) = release.folded.plan.as_ref().and_then(Plan::lead) else { return };
        let colour = match state.phase {
            Phase::Decommission => lead.old.as_ref().map(|old| old.colour),
            Phase::KeepFailed => Some(lead.new.colour),
            _ => None,
        };
        let Some(colour) = colour.filter(|_| state.stage == Stage::Drain) else { return };
        let open = gateways.open_now(&lead.app).into_iter().find(|open| open.answerer == colour.into());
        let Some(open) = open else { return };
        let known = self.told.get(&release.folded.release);
        let is_news = known.is_none_or(|(at_ms, known)| *known != open && now_ms - at_ms >= TELL_EVERY_MS);
        if is_news && (open.open > 0 || known.is_some()) {
            self.told.insert(release.folded.release.clone(), (now_ms, open));
            let text = format!("{colour}: {} open, {} of them streams", open.open, open.streams);
            self.context.book.events().tell(release, now_ms, &self.context.actor(), "draining", text);
        }
    }

    /// What can be seen of a version that failed, while it still runs.
    async fn look_at_failed(&self, release: &Release, state: &State, gateways: &Gateways) -> Option<Event> {
        let lead = release.folded.plan.as_ref().and_then(Plan::lead)?;
        let since = state.first_revision.unwrap_or(Revision::MAX);
        let failures = gateways.failures(lead.new.colour, since, FAILURES);
        let log_lines = last_log_lines(&self.context, release, LOG_LINES).await;
        (!failures.is_empty() || !log_lines.is_empty()).then_some(Event::Seen { log_lines, failures })
    }

    /// Gateways that came or went since the last account.
    fn comings_and_goings(&self, release: &Release, gateways: &Gateways) -> Vec<Event> {
        let Some(Page::Whole(current)) = self.context.book.get(&release.folded.release) else {
            return Vec::new();
        };
        let Some(account) = &current.folded.account else { return Vec::new() };
        let alive = gateways.instances();
        let gone = account.gateways.iter().filter(|known| !alive.contains(known));
        let gone = gone.map(|instance| Event::Gateway { instance: instance.clone(), alive: false });
        let came = alive.iter().filter(|one| !account.gateways.contains(one));
        let came = came.map(|instance| Event::Gateway { instance: instance.clone(), alive: true });
        gone.chain(came).collect()
    }
}

/// The trips of the release's guard that are not written down yet, or of which more is known now.
fn trips(release: &Release, gateways: &Gateways) -> Vec<Event> {
    let folded = &release.folded;
    let guard = folded.plan.as_ref().and_then(|plan| plan.guard.as_ref());
    let trips = guard.map(|guard| gateways.trips(&guard.rule.id)).unwrap_or_default();
    let is_news = |trip: &GuardSummary| {
        let known = folded.guards.iter().find(|known| known.is_the_same(trip));
        known.is_none_or(|known| known.trip != trip.trip)
    };
    trips.into_iter().filter(is_news).map(|trip| Event::Guarded { guard: Box::new(trip) }).collect()
}

/// A change has spread, or a colour has drained: what was counted up to now is worth keeping.
fn is_turning_point(before: &State, after: &State) -> bool {
    let moved = (before.phase, before.stage) != (after.phase, after.stage);
    moved && matches!(before.stage, Stage::Spread { .. } | Stage::Drain)
}
