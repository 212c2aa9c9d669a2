//! The journal as a list of lines.

use crate::events::words;
use crate::journal::{Chain, Event};
use crate::machine::ActionResult;
use serde::{Deserialize, Serialize};

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
    for entry in &chain.entries {
        let is_trip = matches!(entry.event, Event::Guarded { .. });
        for what in texts(&entry.event) {
            // Of a trip more becomes known (that it is written down), which nobody has to read twice.
            if is_trip && lines.iter().any(|line| line.what == what) {
                continue;
            }
            lines.push(Line { at_ms: entry.at_ms, actor: entry.actor.clone(), what });
        }
    }
    lines
}

fn texts(event: &Event) -> Vec<String> {
    match event {
        Event::Ended { id, result: ActionResult::Written { revision, .. } } => {
            vec![format!("{id}: written as revision {revision}")]
        }
        Event::Ended { id, result: ActionResult::Failed { why } } => vec![format!("{id}: failed: {why}")],
        Event::Ended { id, result: ActionResult::HoldOver { why } } => {
            vec![format!("{id}: the hold was over: {why}")]
        }
        Event::Decided { notes, intents, .. } => {
            let does = intents.iter().map(|intent| format!("begins {}", intent.id));
            notes.iter().cloned().chain(does).collect()
        }
        Event::Planned { plan } => {
            let notes = plan.notes.iter().map(|note| format!("plan: {note}"));
            std::iter::once("plan made".to_owned()).chain(notes).collect()
        }
        other => words(other).into_iter().collect(),
    }
}
