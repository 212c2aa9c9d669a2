//! The journal as a list of lines.

use crate::events::words;
use crate::journal::{Chain, Event};
use crate::machine::{ActionRequest, ActionResult};
use model::policy::Gate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub what: String,
}

pub(super) fn timeline(chain: &Chain) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut deeds = Deeds::default();
    for entry in &chain.entries {
        let is_trip = matches!(entry.event, Event::Guarded { .. });
        for what in deeds.texts(&entry.event) {
            // Of a trip more becomes known (that it is written down), which nobody has to read twice.
            if is_trip && lines.iter().any(|line| line.what == what) {
                continue;
            }
            lines.push(Line { at_ms: entry.at_ms, actor: entry.actor.clone(), what });
        }
    }
    lines
}

/// What was begun, in words by its id, and the gates by their places.
#[derive(Default)]
struct Deeds<'a> {
    gates: &'a [Gate],
    begun: BTreeMap<&'a str, String>,
}

impl<'a> Deeds<'a> {
    fn texts(&mut self, event: &'a Event) -> Vec<String> {
        match event {
            Event::Ended { id, result: ActionResult::Written { revision, .. } } => {
                vec![format!("{}: written as revision {revision}", self.of(id))]
            }
            Event::Ended { id, result: ActionResult::Failed { why } } => {
                vec![format!("{}: failed: {why}", self.of(id))]
            }
            Event::Ended { id, result: ActionResult::HoldOver { why, .. } } => {
                vec![format!("{}: the hold was over: {why}", self.of(id))]
            }
            Event::Decided { notes, intents, .. } => {
                let mut lines = notes.clone();
                lines.extend(intents.iter().map(|intent| self.begins(intent)));
                lines
            }
            Event::Planned { plan } => {
                self.gates = &plan.gates;
                let notes = plan.notes.iter().map(|note| format!("plan: {note}"));
                std::iter::once("plan made".to_owned()).chain(notes).collect()
            }
            other => words(other).into_iter().collect(),
        }
    }

    fn begins(&mut self, intent: &'a ActionRequest) -> String {
        let gate = intent.action.gate().and_then(|place| self.gates.get(place));
        let words = intent.action.words(gate.map(|gate| gate.name.as_str()));
        let line = format!("begins {words}");
        self.begun.insert(&intent.id, words);
        line
    }

    fn of<'b>(&'b self, id: &'b str) -> &'b str {
        self.begun.get(id).map_or(id, String::as_str)
    }
}
