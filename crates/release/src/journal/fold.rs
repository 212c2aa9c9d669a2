//! What a journal adds up to.

use super::history::{Move, Span};
use super::{Chain, Command, Entry, Event, Request};
use crate::comparison::Comparison;
use crate::machine::{Input, Outcome, Phase, State};
use crate::notify::{Notices, notices};
use crate::plan::{Plan, Refusal};
use crate::report::{Account, Baseline, Course, Evidence, Former, GuardSummary, HoldSummary, update};
use crate::target::EnvironmentSpec;
use std::collections::BTreeSet;

/// A release, as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Its id.
    pub release: String,
    /// What was asked for.
    pub request: Request,
    /// Who asked.
    pub requested_by: String,
    /// When, milliseconds since the Unix epoch.
    pub requested_at_ms: i64,
    /// How it goes; `None` while it waits for its turn.
    pub plan: Option<Plan>,
    /// Where it is; `None` while it has no plan.
    pub state: Option<State>,
    /// What the machine has not yet been told.
    pub inputs: Vec<Input>,
    /// Why it could not begin.
    pub refusals: Vec<Refusal>,
    /// How it ended while it waited.
    pub withdrawn: Option<(Outcome, String)>,
    /// When its outcome was decided, milliseconds since the Unix epoch.
    pub decided_at_ms: Option<i64>,
    /// When it had nothing left to do, milliseconds since the Unix epoch.
    pub ended_at_ms: Option<i64>,
    /// The phases so far, with their times.
    pub spans: Vec<Span>,
    /// The moves of traffic so far, with their times.
    pub moves: Vec<Move>,
    /// The holds that are over.
    pub holds: Vec<HoldSummary>,
    /// The trips of its guard.
    pub guards: Vec<GuardSummary>,
    /// What the comparisons of both versions have found.
    pub evidence: Vec<Evidence>,
    /// How the judge's comparison stood when traffic was last moved.
    pub comparison: Option<Comparison>,
    /// What the old version did last, once all of the traffic has moved.
    pub baseline: Option<Baseline>,
    /// The last counters.
    pub account: Option<Account>,
    /// What had been counted before the release when it began to write.
    pub former: Vec<Former>,
    /// They were taken when nothing was in flight any more: what comes later is not the release's.
    pub is_counted: bool,
    /// What both colours did over time.
    pub course: Course,
    /// What there is to tell, and who was told.
    pub notices: Notices,
    /// The gateways that went while it was in flight and did not come back: what they had counted is not known.
    pub gaps: BTreeSet<String>,
}

/// Adds a journal up. `None`: its first entry is not a request, so there is no release.
#[must_use]
pub fn fold(release: &str, chain: &Chain) -> Option<Folded> {
    let (first, rest) = chain.entries.split_first()?;
    let mut folded = begin(release, first)?;
    rest.iter().for_each(|entry| folded.add(entry));
    Some(folded)
}

fn begin(release: &str, first: &Entry) -> Option<Folded> {
    let Event::Requested(request) = &first.event else { return None };
    Some(Folded {
        release: release.to_owned(),
        request: (**request).clone(),
        requested_by: first.actor.clone(),
        requested_at_ms: first.at_ms,
        plan: None,
        state: None,
        inputs: Vec::new(),
        refusals: Vec::new(),
        withdrawn: None,
        decided_at_ms: None,
        ended_at_ms: None,
        spans: Vec::new(),
        moves: Vec::new(),
        holds: Vec::new(),
        guards: Vec::new(),
        evidence: Vec::new(),
        comparison: None,
        baseline: None,
        account: None,
        former: Vec::new(),
        is_counted: false,
        course: Course::default(),
        notices: Notices::new(request.receivers.clone()),
        gaps: BTreeSet::new(),
    })
}

impl Folded {
    /// Adds the next entry.
    pub fn add(&mut self, entry: &Entry) {
        let to_tell = notices(self, entry);
        self.notices.add(to_tell);
        match &entry.event {
            Event::Planned { plan } => {
                let state = State::new(entry.at_ms);
                self.follow_phases(entry.at_ms, &state);
                self.state = Some(state);
                self.plan = Some((**plan).clone());
            }
            Event::Refused { refusals } => {
                self.refusals.clone_from(refusals);
                self.withdraw(entry, Outcome::Refused, "the plan was refused");
            }
            Event::Withdrawn { outcome, why } => self.withdraw(entry, *outcome, why),
            Event::Decided { state, intents, .. } => {
                self.inputs.clear();
                self.follow_phases(entry.at_ms, state);
                self.follow_moves(entry, state, intents);
                if state.outcome.is_some() {
                    self.decided_at_ms.get_or_insert(entry.at_ms);
                }
                if state.phase == Phase::Ended {
                    self.ended_at_ms.get_or_insert(entry.at_ms);
                }
                self.state = Some((**state).clone());
            }
            Event::Ended { id, result } => {
                self.written(id, result);
                self.inputs.push(Input::Ended { id: id.clone(), result: result.clone() });
            }
            Event::Commanded(command) => self.inputs.push(input_of(command, &entry.actor)),
            Event::Counted { account } => {
                let has_begun = self.account.as_ref().is_some_and(|account| account.since.is_some());
                if account.since.is_some() && !has_begun {
                    self.former.clone_from(&account.former);
                }
                self.account = Some((**account).clone());
                self.is_counted = self.state.as_ref().is_some_and(|state| !state.in_flight());
            }
            Event::Sampled { points } => self.course.extend(points),
            Event::Held { hold } => {
                self.holds.retain(|known| known.id != hold.id);
                self.holds.push(hold.clone());
            }
            Event::Notified { receiver, mark, failure, .. } => {
                self.notices.told(&self.release, receiver, *mark, failure.as_deref());
            }
            Event::Guarded { guard } => {
                let mut guard = (**guard).clone();
                if let Some(known) = self.guards.iter().position(|known| known.is_the_same(&guard)) {
                    // Who tells it again after a restart has only read it.
                    guard.gateway = self.guards.remove(known).gateway;
                }
                self.guards.push(guard);
            }
            Event::Judged { evidence, comparison, .. } => {
                update(&mut self.evidence, evidence);
                if let Some(comparison) = comparison {
                    self.comparison = Some((**comparison).clone());
                }
            }
            Event::Baseline { baseline } => self.baseline = Some((**baseline).clone()),
            Event::Gateway { instance, alive: true } => {
                self.gaps.remove(instance);
            }
            Event::Gateway { instance, alive: false } => {
                self.gaps.insert(instance.clone());
            }
            Event::Requested(_) | Event::Seen { .. } | Event::Dropped { .. } => {}
        }
    }

    fn withdraw(&mut self, entry: &Entry, outcome: Outcome, why: &str) {
        self.withdrawn.get_or_insert((outcome, why.to_owned()));
        self.decided_at_ms.get_or_insert(entry.at_ms);
        self.ended_at_ms.get_or_insert(entry.at_ms);
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        let of_state = self.state.as_ref().and_then(|state| state.outcome);
        of_state.or(self.withdrawn.as_ref().map(|(outcome, _)| *outcome))
    }

    /// Whether nothing is left to do for it.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended_at_ms.is_some()
    }

    /// Whether it waits for its turn.
    #[must_use]
    pub fn queued(&self) -> bool {
        self.plan.is_none() && !self.ended()
    }

    /// Whether another release of the app must wait for it.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        !self.ended() && self.state.as_ref().is_some_and(State::in_flight)
    }

    /// The environment that it brought live, if it did.
    #[must_use]
    pub fn promoted_environment(&self) -> Option<&EnvironmentSpec> {
        let lead = self.plan.as_ref()?.lead()?;
        self.state.as_ref()?.committed().then_some(&lead.new)
    }
}

fn input_of(command: &Command, actor: &str) -> Input {
    let actor = actor.to_owned();
    match command {
        Command::Abort { reason } => Input::Abort { actor, reason: reason.clone() },
        Command::Promote { subject } => Input::Promote { actor, subject: subject.clone() },
        Command::Supersede { by } => Input::Supersede { by: by.clone() },
    }
}
