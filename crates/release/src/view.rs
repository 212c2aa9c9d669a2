//! A release as people and programs see it: the live tree of the command line, and the API.

mod headline;
mod silence;

pub use headline::Mood;
pub(crate) use headline::ended;
pub use silence::{SILENT_MS, ends_nothing};

use crate::journal::{Folded, Move, Span};
use crate::machine::{Ahead, Cause, GateResult, Outcome, Phase, State, Waiting, WaitingFor, describe};
use crate::notify::ReceiverView;
use crate::plan::{Component, Difference, Plan};
use crate::report::{
    Account, Amiss, CheckSummary, Evidence, GuardSummary, HoldSummary, RehearsalSummary, at_least, duration,
    users_on,
};
use crate::target::EnvironmentStatus;
use crate::ways::{Way, ways};
use model::colour::Colour;
use model::record::{Answerer, Lane};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use telemetry::counts::Counts;
use telemetry::report::Judged;

/// The shortest time that is told to be left, milliseconds: the least that its words can say.
const MIN_TOLD_MS: u64 = 100;

/// How an app stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppStatus {
    /// The app.
    pub app: String,
    /// The version that the last committed release made live; `None`: no release did.
    pub live: Option<String>,
    /// The release in flight, or else the last one.
    pub current: Option<ReleaseView>,
    /// The releases that wait for their turn, oldest first.
    pub queued: Vec<String>,
    /// The environments, as the controller that holds the lease sees them.
    pub environments: BTreeMap<Colour, EnvironmentStatus>,
    /// What is wrong, in words.
    pub trouble: Option<String>,
}

/// One release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseView {
    /// Its id.
    pub release: String,
    /// The app.
    pub app: String,
    /// The version.
    pub version: String,
    /// Who started it.
    pub started_by: String,
    /// When, milliseconds since the Unix epoch.
    pub started_at_ms: i64,
    /// `queued`, a phase's name, or `ended`.
    pub phase: String,
    /// The new version's share of user traffic, percent.
    pub share: u8,
    /// Shares are of users, each of whom keeps a version, and not of requests.
    #[serde(default)]
    pub share_of_users: bool,
    /// Whether another release of the app must wait for it.
    pub in_flight: bool,
    /// Whether the point of no return is behind.
    pub committed: bool,
    /// What it has shown, if it is a rehearsal.
    #[serde(default)]
    pub rehearsal: Option<RehearsalSummary>,
    /// How it ended: `promoted`, `rehearsed`, `rolled_back`, `aborted`, `superseded`, `refused`.
    pub outcome: Option<Outcome>,
    /// Why it ended so, or goes back.
    pub why: Option<String>,
    /// When the outcome was decided, milliseconds since the Unix epoch.
    pub decided_at_ms: Option<i64>,
    /// When nothing was left to do, milliseconds since the Unix epoch.
    pub ended_at_ms: Option<i64>,
    /// The phases so far.
    pub phases: Vec<Span>,
    /// The steps of the shift, and the switch of what the soak holds back.
    pub steps: Vec<StepView>,
    /// The share that stays on the old version until the end of the soak, percent.
    #[serde(default)]
    pub hold_back: u8,
    /// The colours, the old one first.
    pub colours: Vec<ColourView>,
    /// The gates that have spoken.
    pub gates: Vec<GateView>,
    /// What the gate that runs now says of how far it is.
    #[serde(default)]
    pub progress: Option<String>,
    /// What it waits for.
    pub waiting_for: Vec<WaitingView>,
    /// What a person can do about it now.
    #[serde(default)]
    pub ways: Vec<Way>,
    /// The largest share of failed requests that is no reason to take it back, 0 to 1; `None`: no limit is set.
    #[serde(default)]
    pub max_error_rate: Option<f64>,
    /// The moves of traffic, with their measured times.
    pub moves: Vec<Move>,
    /// The hold that is in force now.
    #[serde(default)]
    pub hold: Option<HoldView>,
    /// The holds that are over.
    #[serde(default)]
    pub holds: Vec<HoldSummary>,
    /// The trips of its guard.
    #[serde(default)]
    pub guards: Vec<GuardSummary>,
    /// What the checks of the business have said until now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSummary>,
    /// What the comparisons of both versions have found until now.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What the plan says that a person should know.
    pub notes: Vec<String>,
    /// How the two environments differ.
    pub parity: Vec<Difference>,
    /// Gateways that went during the release, and with them what they had counted.
    pub gaps: Vec<String>,
    /// Who is told of it, and how far they are.
    #[serde(default)]
    pub notifications: Vec<ReceiverView>,
}

/// A hold that is in force, added up over the gateways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// Requests that wait.
    pub waiting: u64,
    /// Requests on the old colour that are waited for.
    pub open: u64,
}

/// One step of the shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// The new version's share, percent.
    pub share: u8,
    /// How long it is watched, milliseconds.
    pub pause_ms: u64,
    /// How far it is.
    pub state: Progress,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Not yet.
    Pending,
    /// Now.
    Active,
    /// Over.
    Done,
}

/// One colour in a release: user traffic since the release's first change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColourView {
    /// Which.
    pub colour: Colour,
    /// Its version.
    pub version: String,
    /// Whether it is the new version's.
    pub is_new: bool,
    /// Its share of user traffic, percent.
    pub share: u8,
    /// Requests that were answered, or cut short.
    pub requests: u64,
    /// Of these, how many failed.
    pub errors: u64,
    /// Median time of whole answers, milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile, milliseconds.
    pub p99_ms: Option<f64>,
    /// Requests that are open, streams included, whenever they began.
    pub open: u64,
    /// Of these, streams (WebSockets, server-sent events, calls of gRPC).
    #[serde(default)]
    pub streams: u64,
    /// User requests that the release answers for and that have not ended, streams excluded: once its last write is in force, no
    /// more of them come.
    #[serde(default)]
    pub own_open: u64,
    /// Requests whose clients went away before the answer was whole.
    #[serde(default)]
    pub client_left: u64,
    /// Requests that were sent to it whole and wait for their answer to begin, as long as a guard watches.
    #[serde(default)]
    pub waiting: u64,
    /// No answer of it has begun for so long, milliseconds: since the last one, or since somebody waits if that is later; `None`: nobody
    /// does, or no guard watches.
    #[serde(default)]
    pub unanswered_ms: Option<u64>,
    /// Answers of it that have begun and not ended, WebSockets excluded, as long as a guard watches.
    #[serde(default)]
    pub unended: u64,
    /// None of them has ended for so long, milliseconds: since the last one that has, or since one is open if that is later; `None`:
    /// none is, or no guard watches.
    #[serde(default)]
    pub unended_ms: Option<u64>,
    /// Requests that came by the preview.
    pub previewed: u64,
}

/// A gate's last verdict on one occasion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// `before the shift`, `step 1`, `soak`, `end of soak`.
    pub when: String,
    /// The verdict.
    pub verdict: crate::machine::Verdict,
    /// How often it was run.
    pub runs: u32,
    /// One line.
    pub summary: String,
}

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// In words.
    pub what: String,
    /// Whether a person can answer it with `promote`.
    pub asks_person: bool,
    /// Watched time that is left, milliseconds; `None`: no limit.
    pub remaining_ms: Option<u64>,
    /// The releases that come before it, in their order, if it waits for its turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<Ahead>,
}

impl WaitingView {
    /// What, and for how long at most.
    #[must_use]
    pub fn words(&self) -> String {
        // Of a time that is over, or nearly, there is nothing to tell.
        match self.remaining_ms.filter(|ms| *ms >= MIN_TOLD_MS) {
            Some(ms) => format!("{}, at most {}", self.what, duration(ms)),
            None => self.what.clone(),
        }
    }
}

impl ReleaseView {
    /// What became of users' requests of the new version besides good answers, in words; empty: nothing. Of one that was
    /// promoted also how many there were. `number` writes numbers.
    #[must_use]
    pub fn amiss(&self, number: impl Fn(u64) -> String) -> Vec<String> {
        let Some(new) = self.colours.iter().find(|colour| colour.is_new) else { return Vec::new() };
        let is_promoted = self.outcome == Some(Outcome::Promoted);
        // Of a version that is live some requests are always open; those of the release come to an end.
        let open = if is_promoted { new.own_open } else { new.open.saturating_sub(new.streams) };
        let amiss =
            Amiss { failed: new.errors, client_left: new.client_left, open, is_least: !self.gaps.is_empty() };
        if !is_promoted {
            return amiss.words(&self.checks, number);
        }
        let users = users_on(
            new.colour,
            new.requests,
            new.errors,
            self.max_error_rate,
            !self.gaps.is_empty(),
            &number,
        );
        std::iter::once(users).chain(amiss.besides_failures().words(&self.checks, number)).collect()
    }

    /// Makes the view of a release from its journal, the counters and what its runner waits for.
    #[must_use]
    pub fn of(folded: &Folded, account: Option<&Account>, waiting: Vec<Waiting>) -> ReleaseView {
        let state = folded.state.as_ref();
        let component = folded.plan.as_ref().and_then(Plan::lead);
        let phase = match state {
            _ if folded.ended() => "ended",
            Some(state) => state.phase.name(),
            None => "queued",
        };
        let mut colours = component.map(|component| colours(component, state, account)).unwrap_or_default();
        if !folded.gaps.is_empty() {
            colours.iter_mut().filter(|colour| colour.is_new).for_each(|new| new.know(&folded.guards));
        }
        ReleaseView {
            release: folded.release.clone(),
            app: folded.request.app.clone(),
            version: folded.request.version.clone(),
            started_by: folded.requested_by.clone(),
            started_at_ms: folded.requested_at_ms,
            phase: phase.to_owned(),
            share: state.map_or(0, State::share),
            share_of_users: folded.plan.as_ref().is_some_and(|plan| plan.assignment.sticky.is_some()),
            in_flight: folded.in_flight(),
            committed: state.is_some_and(State::committed),
            rehearsal: RehearsalSummary::of(folded, account),
            outcome: folded.outcome(),
            why: why(folded),
            decided_at_ms: folded.decided_at_ms,
            ended_at_ms: folded.ended_at_ms,
            phases: folded.spans.clone(),
            steps: folded.plan.as_ref().map(|plan| steps(plan, state)).unwrap_or_default(),
            hold_back: folded.plan.as_ref().map_or(0, |plan| plan.soak.hold_back),
            colours,
            gates: state.map(|state| state.gates.iter().map(gate).collect()).unwrap_or_default(),
            progress: None,
            ways: ways(folded, &waiting),
            waiting_for: waiting.into_iter().map(waiting_view).collect(),
            max_error_rate: folded.plan.as_ref().and_then(|plan| plan.limits.as_ref()?.max_error_rate),
            moves: folded.moves.clone(),
            hold: None,
            holds: folded.holds.clone(),
            guards: folded.guards.clone(),
            checks: CheckSummary::all(folded.plan.as_ref(), account),
            evidence: folded.evidence.clone(),
            notes: folded.plan.as_ref().map(|plan| plan.notes.clone()).unwrap_or_default(),
            parity: component.map(|component| component.parity.clone()).unwrap_or_default(),
            gaps: folded.gaps.iter().cloned().collect(),
            notifications: folded.notices.view(|_| None),
        }
    }
}

impl ColourView {
    /// A gateway went with what it had counted: what its guard had counted when it fired is the least.
    fn know(&mut self, guards: &[GuardSummary]) {
        let known = at_least(Judged { requests: self.requests, failed: self.errors }, guards);
        (self.requests, self.errors) = (known.requests, known.failed);
    }
}

/// The version that the last committed release made live.
#[must_use]
pub(crate) fn live_version<'a>(releases: impl DoubleEndedIterator<Item = &'a Folded>) -> Option<String> {
    let promoted = releases.rev().find_map(Folded::promoted_environment)?;
    Some(promoted.version.clone())
}

/// Why a release ended as it did, or goes back.
#[must_use]
pub(crate) fn why(folded: &Folded) -> Option<String> {
    if !folded.refusals.is_empty() {
        let reasons: Vec<String> = folded.refusals.iter().map(ToString::to_string).collect();
        return Some(reasons.join("; "));
    }
    let cause = folded.state.as_ref().and_then(|state| state.cause.as_ref());
    // Where a rehearsal turns, nothing has gone wrong.
    let cause = cause.filter(|cause| **cause != Cause::Rehearsed).map(ToString::to_string);
    cause.or_else(|| folded.withdrawn.as_ref().map(|(_, why)| why.clone()))
}

fn steps(plan: &Plan, state: Option<&State>) -> Vec<StepView> {
    let phase = state.map(|state| state.phase);
    let progress = |number: usize| match phase {
        Some(Phase::Shift { step }) if step == number => Progress::Active,
        Some(Phase::Shift { step }) if step > number => Progress::Done,
        Some(Phase::Soak | Phase::Commit | Phase::Decommission) => Progress::Done,
        Some(Phase::Ended) if state.is_some_and(State::committed) => Progress::Done,
        _ => Progress::Pending,
    };
    let of_shift = plan.steps.iter().enumerate().map(|(number, step)| StepView {
        share: step.share,
        pause_ms: step.pause_ms,
        state: progress(number),
    });
    let held_back = (plan.soak.hold_back > 0).then(|| {
        let state = match progress(plan.steps.len()) {
            Progress::Done if phase == Some(Phase::Soak) => {
                if state.is_some_and(|state| state.is_emptying(&plan.soak)) {
                    Progress::Active
                } else {
                    Progress::Pending
                }
            }
            state => state,
        };
        StepView { share: 100, pause_ms: 0, state }
    });
    of_shift.chain(held_back).collect()
}

fn colours(component: &Component, state: Option<&State>, account: Option<&Account>) -> Vec<ColourView> {
    let share = state.map_or(0, State::share);
    let old = component.old.as_ref().map(|old| {
        let rest = 100u8.saturating_sub(share);
        colour(old.colour, &old.version, false, rest, account)
    });
    let new = colour(component.new.colour, &component.new.version, true, share, account);
    old.into_iter().chain([new]).collect()
}

fn colour(colour: Colour, version: &str, is_new: bool, share: u8, account: Option<&Account>) -> ColourView {
    let mut shares = Counts::default();
    let mut previewed = 0u64;
    let rows = account.into_iter().flat_map(|account| &account.rows);
    for row in rows.filter(|row| row.answerer == Answerer::from(colour)) {
        match row.lane {
            Lane::Share => shares.merge(&row.counts),
            Lane::Matched => previewed = previewed.saturating_add(row.counts.received),
        }
    }
    let open = account.into_iter().flat_map(|account| &account.open);
    let open = open.copied().find(|open| open.answerer == Answerer::from(colour));
    let ms = |quantile: f64| shares.latency.quantile(quantile).map(|us| us as f64 / 1_000.0);
    ColourView {
        colour,
        version: version.to_owned(),
        is_new,
        share,
        requests: shares.requests(),
        errors: shares.failed(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        open: open.map_or(shares.open, |open| open.open),
        streams: open.map_or(0, |open| open.streams),
        own_open: shares.open.saturating_sub(shares.streams),
        client_left: shares.client_left,
        waiting: 0,
        unanswered_ms: None,
        unended: 0,
        unended_ms: None,
        previewed,
    }
}

fn gate(result: &GateResult) -> GateView {
    GateView {
        name: result.gate.clone(),
        when: describe(result.round),
        verdict: result.verdict,
        runs: result.runs,
        summary: result.summary.clone(),
    }
}

fn waiting_view(waiting: Waiting) -> WaitingView {
    WaitingView {
        what: waiting.what.to_string(),
        asks_person: waiting.what.subject().is_some(),
        remaining_ms: waiting.remaining_ms,
        behind: match waiting.what {
            WaitingFor::Turn { behind } => behind,
            _ => Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Event, fold, read};
    use crate::report::{OpenNow, Row};

    /// A promoted release whose new version is green, by its account.
    fn promoted(account: &Account) -> ReleaseView {
        let requested = Event::Requested(Box::new(crate::example::request("2")));
        let chain = read(&crate::example::journal_of(&[requested])).unwrap();
        let mut view = ReleaseView::of(&fold("shop-2", &chain).unwrap(), Some(account), Vec::new());
        view.outcome = Some(Outcome::Promoted);
        view.colours = vec![colour(Colour::Green, "2", true, 100, Some(account))];
        view
    }

    #[test]
    fn a_promotion_names_its_own_requests_that_have_no_answer_and_not_those_of_the_live_version_since() {
        let whole = [0, 274, 0, 0, 0];
        let counts =
            Counts { received: 540, whole, client_left: 102, open: 164, streams: 3, ..Counts::default() };
        let row = Row { epoch: 5, answerer: Answerer::Green, lane: Lane::Share, counts };
        let open = vec![OpenNow { answerer: Answerer::Green, open: 900, streams: 3 }];
        let account = Account { since: Some(5), rows: vec![row], open, ..Account::default() };
        let expected = [
            "274 requests on green, none failed",
            "102 of its requests were left by their clients",
            "161 of its requests have no answer yet",
        ];
        assert_eq!(promoted(&account).amiss(|number| number.to_string()), expected);
    }
}
