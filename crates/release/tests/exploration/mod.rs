//! A breadth-first walk over everything that can happen to a release of a small plan: each state once, whatever led there
//! first. What is found wrong is told with the shortest way to it.

pub(crate) mod happenings;

use happenings::{Happening, can_happen, goes_well};
use release::machine::{Decision, Phase, Stage, State, step};
use release::plan::Plan;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;

/// Beyond these, more time decides nothing in these plans, milliseconds: in the first phase, and in the others.
const LONGEST_MS: [u64; 2] = [65_000, 15_000];
/// A release that only good things happen to ends within so many.
const GOOD_END: usize = 100;

/// A state, and how it was come to.
struct Known {
    state: State,
    from: Option<(usize, Happening)>,
}

/// All states that were found of a plan.
pub(crate) struct Exploration<'a> {
    plan: &'a Plan,
    known: Vec<Known>,
    places: HashMap<String, usize>,
}

/// Walks until nothing new is found, or `most` states are. `check` sees each step: from where, what, to what.
pub(crate) fn explore<'a>(
    plan: &'a Plan,
    most: usize,
    check: impl Fn(&State, &Happening, &Decision) -> Result<(), String>,
    check_new: impl Fn(&State) -> Result<(), String>,
) -> Exploration<'a> {
    let first = State::new(0);
    let mut found = Exploration { plan, known: Vec::new(), places: HashMap::new() };
    found.add(first, None);
    let mut ahead = VecDeque::from([0]);
    while let Some(place) = ahead.pop_front().filter(|_| found.known.len() < most) {
        let state = found.known[place].state.clone();
        for happening in can_happen(&state) {
            let decision = found.next(&state, &happening);
            let is_new = !found.places.contains_key(&key(&decision.state));
            let new = if is_new { check_new(&decision.state) } else { Ok(()) };
            if let Err(wrong) = check(&state, &happening, &decision).and(new) {
                panic!("{wrong}\n{}", found.way_to(place, &happening));
            }
            if is_new {
                ahead.push_back(found.add(decision.state, Some((place, happening))));
            }
        }
    }
    found
}

impl Exploration<'_> {
    fn add(&mut self, state: State, from: Option<(usize, Happening)>) -> usize {
        let place = self.known.len();
        self.places.insert(key(&state), place);
        self.known.push(Known { state, from });
        place
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn phases(&self) -> Vec<&'static str> {
        self.known.iter().map(|known| known.state.phase.name()).collect()
    }

    fn next(&self, state: &State, happening: &Happening) -> Decision {
        let (seen, passed_ms) = happening.seen(self.plan, state);
        step(self.plan, state, &seen, state.seen_at_ms + passed_ms)
    }

    /// From every state on, a release ends if all goes well and a person says yes to what is asked.
    pub(crate) fn all_can_end(&self) {
        let mut ends: HashMap<String, ()> = HashMap::new();
        for (place, known) in self.known.iter().enumerate() {
            let (mut state, mut way) = (known.state.clone(), Vec::new());
            while state.phase != Phase::Ended && !ends.contains_key(&key(&state)) {
                way.push(key(&state));
                let happening = goes_well(self.plan, &state);
                if way.len() > GOOD_END {
                    panic!("it does not end although all goes well\n{}", self.way_to(place, &happening));
                }
                state = self.next(&state, &happening).state;
            }
            ends.extend(way.into_iter().map(|key| (key, ())));
        }
    }

    /// Everything that happened up to a state and then, with what the machine said to it.
    fn way_to(&self, place: usize, last: &Happening) -> String {
        let mut way = vec![(place, last)];
        let mut place = place;
        while let Some((before, happening)) = &self.known[place].from {
            way.push((*before, happening));
            place = *before;
        }
        let mut text = String::new();
        for (place, happening) in way.into_iter().rev() {
            let state = &self.known[place].state;
            let decision = self.next(state, happening);
            let under_way = state.pending.as_ref().map_or("nothing", |pending| pending.action.name());
            let (phase, notes) = (state.phase.name(), decision.notes.join("; "));
            let _ = writeln!(
                text,
                "  {phase} {:?}, {under_way} under way: {happening:?} -> {notes}",
                state.stage
            );
        }
        text
    }
}

/// What tells states apart: not their numbers, words and moments.
fn key(state: &State) -> String {
    let mut state = state.clone();
    let revision = |known: &mut u64| *known = 1;
    (state.seen_at_ms, state.counter) = (0, 0);
    let longest_ms = LONGEST_MS[usize::from(state.phase != Phase::Provision)];
    state.stage_ms = state.stage_ms.min(longest_ms);
    state.watched_ms = state.watched_ms.min(longest_ms);
    state.unready_ms = state.unready_ms.map(|ms| ms.min(10_000));
    state.failures = state.failures.min(2);
    state.soak_rounds = state.soak_rounds.min(3);
    state.first_revision.iter_mut().for_each(revision);
    if let Stage::Spread { revision: known } = &mut state.stage {
        revision(known);
    }
    if let Some(written) = &mut state.written {
        revision(&mut written.revision);
    }
    if let Some(pending) = &mut state.pending {
        pending.id.clear();
    }
    if let Some(round) = &mut state.round {
        round.attempt = round.attempt.min(1);
    }
    for gate in &mut state.gates {
        (gate.runs, gate.summary, gate.action) = (1, String::new(), String::new());
    }
    if !state.phase.can_turn_back() {
        // What it was judged by decides nothing any more; of the cause, only the end that it leads to.
        (state.watched_ms, state.unready_ms, state.soak_rounds) = (0, None, 0);
        state.gates.clear();
        let outcome = state.cause.take().map(|cause| cause.outcome());
        state.outcome = state.outcome.or(outcome);
    }
    serde_json::to_string(&state).unwrap()
}
