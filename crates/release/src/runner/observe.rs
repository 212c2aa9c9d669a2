//! One look at the world for one release.

use super::app::AppRunner;
use super::identity;
use super::window::asked;
use crate::book::Release;
use crate::counters::{self, Gateways, Held};
use crate::machine::{Action, Observation, Phase, Readiness, Spread, Stage, State, Written};
use crate::plan::{Component, Plan};
use crate::switch::{Position, Switch, difference, owned_at};
use model::colour::Colour;
use model::overlay::Owned;
use std::sync::Arc;

/// A release that goes back begins so few actions between the hold and the write that puts everything back.
const LAST_ACTIONS: u32 = 4;

impl AppRunner {
    pub(super) async fn observe(
        &self,
        release: &Release,
        state: &State,
        releases: &[Arc<Release>],
        gateways: &Gateways,
    ) -> Observation {
        let inputs = release.folded.inputs.clone();
        let Some((plan, component)) =
            release.folded.plan.as_ref().and_then(|plan| Some((plan, plan.lead()?)))
        else {
            return Observation { inputs, ..Observation::default() };
        };
        let (app, new) = (component.app.as_str(), component.new.colour);
        let revision = state.written.map_or(0, |written| written.revision);
        let open = |colour: Colour| counters::Gateways::open(gateways, app, colour, revision);
        let Held { traffic, told } =
            asked(plan, state).map(|asked| gateways.held(&asked)).unwrap_or_default();
        let guard = plan.guard.as_ref().map(|guard| guard.rule.id.as_str());
        let seen = self.context.switch.observe(plan, component).await.ok();
        let status = self.environments.status(&component.new);
        Observation {
            inputs,
            crash_loop: status.as_ref().and_then(|status| status.crash_loop(new)),
            new: status.map(|status| Readiness { ready: status.ready, detail: status.detail }),
            spread: match state.stage {
                // A share counts only with its guard.
                Stage::Spread { revision } if state.phase.has_traffic() => {
                    gateways.spread_guarded(revision, guard.filter(|_| is_armed(state)))
                }
                Stage::Spread { revision } => counters::spread(gateways, revision),
                _ => Spread::NotAsked,
            },
            traffic,
            told,
            guard: guard.map(|id| gateways.guarded(id)).unwrap_or_default(),
            judged: None,
            identity: identity::findings(plan, component, state, gateways),
            old_open: component.old.as_ref().and_then(|old| open(old.colour)),
            new_open: open(new),
            foreign: seen.as_ref().and_then(|seen| foreign_edit(plan, component, state, seen.owned.as_ref())),
            serving: seen.map(|seen| seen.serving),
            taken: is_taken(release, component, state, releases),
        }
    }
}

/// What may stand in the service now: what was last written, and what is being written.
pub(super) fn expected(plan: &Plan, component: &Component, state: &State) -> Vec<Owned> {
    let last = match (state.phase, state.written) {
        // On the way back, whatever share was written last is ours, also one whose outcome nobody heard of.
        (Phase::Revert, Some(written)) => {
            let steps = plan.shares().map(|share| match plan.rehearsal {
                Some(_) => Position::Rehearsed(share),
                None => Position::Share(share),
            });
            [position(written), Position::Before, Position::Share(0)]
                .into_iter()
                .chain(steps)
                .chain(last_holds(plan, state, written.share))
                .collect()
        }
        (_, None) | (Phase::KeepFailed, _) => vec![Position::Before],
        (Phase::Commit, _) => vec![Position::Share(100), Position::Committed],
        (Phase::Decommission | Phase::Ended, _) => vec![Position::Committed],
        (_, Some(written)) => vec![position(written)],
    };
    let (pending, held) = match state.pending.as_ref().map(|pending| &pending.action) {
        Some(Action::SetShare { rehearses: Some(share), .. }) => (Some(Position::Rehearsed(*share)), None),
        Some(Action::SetShare { share, hold, .. }) => {
            let held = hold.map(|number| Position::Held { share: state.share(), number });
            (Some(Position::Share(*share)), held)
        }
        Some(Action::CleanUp { .. }) => (Some(Position::Committed), None),
        Some(Action::Restore) => (Some(Position::Before), None),
        _ => (None, None),
    };
    let copied = state.copying.map(|one| Position::Copied { gate: one.gate, number: one.number });
    let all = last.into_iter().chain(pending).chain(held).chain(copied);
    all.map(|position| owned_at(plan, component, position)).collect()
}

/// Where a share that was written has put the traffic.
fn position(written: Written) -> Position {
    written.rehearses.map_or(Position::Share(written.share), Position::Rehearsed)
}

/// Whether the guard was written with the share.
fn is_armed(state: &State) -> bool {
    state.written.is_some_and(|written| written.share > 0 || written.rehearses.is_some())
}

/// The holds of the last actions: one may stand if its release went back while requests waited.
fn last_holds(plan: &Plan, state: &State, share: u8) -> impl Iterator<Item = Position> {
    let numbers = state.counter.saturating_sub(LAST_ACTIONS)..=state.counter;
    numbers.filter(|_| plan.hold.is_some()).map(move |number| Position::Held { share, number })
}

/// How what the release owns differs from what may stand there.
fn foreign_edit(plan: &Plan, component: &Component, state: &State, owned: Option<&Owned>) -> Option<String> {
    if !state.phase.may_pause() {
        return None;
    }
    let Some(owned) = owned else { return Some(format!("service {} was deleted", component.service)) };
    let expected = expected(plan, component, state);
    if expected.contains(owned) {
        return None;
    }
    difference(plan, expected.first()?, owned)
}

/// Whether a later release of the app has the environment that this one only keeps.
fn is_taken(release: &Release, component: &Component, state: &State, releases: &[Arc<Release>]) -> bool {
    let kept = match state.phase {
        Phase::KeepFailed => Some(component.new.colour),
        Phase::Decommission => component.old.as_ref().map(|old| old.colour),
        _ => None,
    };
    let id = &release.folded.release;
    let later = releases.iter().skip_while(|other| other.folded.release != *id).skip(1);
    let takes = |other: &Arc<Release>| {
        let lead = other.folded.plan.as_ref().and_then(Plan::lead);
        lead.is_some_and(|lead| Some(lead.new.colour) == kept)
    };
    kept.is_some() && later.into_iter().any(takes)
}
