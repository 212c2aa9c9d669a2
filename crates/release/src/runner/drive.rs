//! Driving one release: observe, step, write down, act.

use super::app::{AppRunner, PassError, Task};
use super::window::with_recent;
use crate::book::Release;
use crate::clock;
use crate::counters::Gateways;
use crate::journal::Event;
use crate::machine::{Action, ActionRequest, Decision, State, step};
use crate::plan::Plan;
use crate::switch::upstream_value;
use std::sync::Arc;

/// The watched time is written down at least this often, milliseconds, or when it has grown by a tenth: a crash
/// repeats at most as much, and a day of keeping an environment warm does not fill the journal.
const CHECKPOINT_MS: u64 = 30_000;

impl AppRunner {
    pub(super) async fn drive(
        &mut self,
        release: &Arc<Release>,
        releases: &[Arc<Release>],
        gateways: &Gateways,
    ) -> Result<(), PassError> {
        let folded = &release.folded;
        let (Some(plan), Some(journaled)) = (&folded.plan, &folded.state) else { return Ok(()) };
        let now_ms = clock::now_ms();
        let before = match self.memory.get(&folded.release) {
            Some(known) if known.same_but_for_time(journaled) => known.clone(),
            _ => journaled.clone().resumed(now_ms),
        };
        let mut seen = self.observe(release, &before, releases, gateways).await;
        let recent = self.judge_recent(release, &before, gateways, now_ms);
        seen.traffic = with_recent(std::mem::take(&mut seen.traffic), recent);
        seen.traffic = self.spread_over_users(plan, &before, gateways, seen.traffic);
        seen.judged = self.compare(release, &before, gateways, now_ms, seen.foreign.is_some());
        self.gather(release, &seen, gateways);
        let decision = step(plan, &before, &seen, now_ms);
        let changed = !seen.inputs.is_empty() || !decision.state.same_but_for_time(journaled);
        if changed || checkpoint_is_due(journaled, &decision.state) {
            let event = Event::Decided {
                notes: decision.notes.clone(),
                intents: intents(&before, &decision),
                state: Box::new(decision.state.clone()),
            };
            self.context.book.append_at(release, self.fence, &self.context.actor(), &event).await?;
        }
        self.memory.insert(folded.release.clone(), decision.state.clone());
        self.waiting.insert(folded.release.clone(), decision.waiting_for.clone());
        self.make_real(release, &decision).await;
        self.record(release, &before, &decision.state, gateways).await
    }

    /// What runs becomes what should run: what is not wanted is dropped, and only then what is missing is begun.
    async fn make_real(&mut self, release: &Arc<Release>, decision: &Decision) {
        let id = &release.folded.release;
        let wanted = decision.actions.first();
        // A task that is over without a word has died of a mistake of ours; the action is begun again.
        let all_heard = self.results.1.is_empty() && self.unwritten.is_empty();
        if let Some(task) = self.tasks.get(id)
            && (wanted.is_none_or(|wanted| wanted.id != task.id) || (task.handle.is_finished() && all_heard))
            && let Some(task) = self.tasks.remove(id)
        {
            task.handle.abort();
            let _ = task.handle.await;
        }
        let Some(request) = wanted.filter(|_| !self.tasks.contains_key(id)) else { return };
        if !self.is_seen_enough(release, &request.action) {
            return;
        }
        let handle = self.begin_action(release, &decision.state, request);
        self.tasks.insert(id.clone(), Task { id: request.id.clone(), handle });
    }
}

impl AppRunner {
    /// A controller that has just begun has not looked at the environments yet. What is done with their addresses waits
    /// for the first look, which wakes the reconciler; the machine's own limits bound that.
    fn is_seen_enough(&self, release: &Release, action: &Action) -> bool {
        let Some(lead) = release.folded.plan.as_ref().and_then(Plan::lead) else { return true };
        let (new, old) = (self.environments.status(&lead.new), lead.old_environment());
        let has_address = upstream_value(&lead.new, new.as_ref(), 0).is_some();
        match action {
            Action::SetShare { .. } | Action::Copy { .. } => has_address,
            Action::RunGate { .. } => {
                has_address && new.is_some() && old.is_none_or(|old| self.environments.status(old).is_some())
            }
            Action::Provision
            | Action::Restore
            | Action::CleanUp { .. }
            | Action::StopOld
            | Action::ReduceOld { .. }
            | Action::StopNew => true,
        }
    }
}

fn intents(before: &State, decision: &Decision) -> Vec<ActionRequest> {
    let known = before.pending.as_ref().map(|pending| pending.id.as_str());
    decision.actions.iter().filter(|request| known != Some(request.id.as_str())).cloned().collect()
}

fn checkpoint_is_due(journaled: &State, now: &State) -> bool {
    let grown = |then: u64, now: u64| now.saturating_sub(then) >= CHECKPOINT_MS.max(then / 10);
    let held = |state: &State| state.hold.as_ref().map_or(0, |hold| hold.ms);
    grown(journaled.stage_ms, now.stage_ms)
        || grown(journaled.watched_ms, now.watched_ms)
        || grown(held(journaled), held(now))
}
